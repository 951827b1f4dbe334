CREATE OR REPLACE VIEW order_lines_with_products AS
WITH by_gtin AS (
    SELECT channel, gtin, min(sku) AS sku
    FROM products
    WHERE gtin IS NOT NULL
    GROUP BY ALL
)
SELECT
    lines.order_id,
    lines.id AS line_id,
    lines.channel,
    lines.number,
    lines.sku,
    lines.gtin,
    lines.title,
    lines.quantity_ordered,
    lines.unit_price,
    lines.line_total,
    lines.currency,
    lines.purchased_at,
    CASE WHEN by_sku.sku IS NOT NULL THEN 'sku' WHEN matched.sku IS NOT NULL THEN 'gtin' END AS matched_by,
    coalesce(by_sku.sku, matched.sku) AS product_sku,
    coalesce(by_sku.gtin, matched.gtin) AS product_gtin,
    coalesce(by_sku.title, matched.title) AS product_title,
    coalesce(by_sku.url, matched.url) AS product_url
FROM order_lines AS lines
LEFT JOIN products AS by_sku ON by_sku.channel = lines.channel AND by_sku.sku = lines.sku
LEFT JOIN by_gtin ON by_sku.sku IS NULL AND by_gtin.channel = lines.channel AND by_gtin.gtin = lines.gtin
LEFT JOIN products AS matched ON matched.channel = by_gtin.channel AND matched.sku = by_gtin.sku;

COMMENT ON VIEW order_lines_with_products IS 'Order lines beside the product they are matched with: by SKU, else by GTIN.';

-- order_id < order_lines.order_id
-- line_id < order_lines.id: The line: order_lines.id.
-- channel < order_lines.channel
-- number < order_lines.number
-- sku < order_lines.sku
-- gtin < order_lines.gtin
-- title < order_lines.title
-- quantity_ordered < order_lines.quantity_ordered
-- unit_price < order_lines.unit_price
-- line_total < order_lines.line_total
-- currency < order_lines.currency
-- purchased_at < order_lines.purchased_at
-- matched_by < products.sku, products.gtin, order_lines.sku, order_lines.gtin: sku or gtin; null when no product matches.
-- product_sku < products.sku: The product's article number.
-- product_gtin < products.gtin: The product's GTIN.
-- product_title < products.title: What the merchant calls the article.
-- product_url < products.url: Link to the product.
