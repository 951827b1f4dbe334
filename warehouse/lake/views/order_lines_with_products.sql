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

-- order_id: The order: orders.id.
-- line_id: The line: order_lines.id.
-- channel: Channel code.
-- number: Place in the order, from 1.
-- sku: The line's article number.
-- gtin: The line's GTIN.
-- title: What the marketplace calls the article.
-- quantity_ordered: Units ordered.
-- unit_price: Price of one unit with taxes, in currency.
-- line_total: Price of all units ordered with taxes, in currency.
-- currency: ISO 4217 code.
-- purchased_at: When the buyer ordered.
-- matched_by: sku or gtin; null when no product matches.
-- product_sku: The product's article number.
-- product_gtin: The product's GTIN.
-- product_title: What the merchant calls the article.
-- product_url: Link to the product.
