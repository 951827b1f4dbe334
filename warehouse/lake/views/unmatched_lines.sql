CREATE OR REPLACE VIEW unmatched_lines AS
SELECT
    channel,
    sku,
    gtin,
    any_value(title) AS title,
    count(*) AS lines,
    sum(quantity_ordered)::BIGINT AS units_ordered,
    max(purchased_at) AS last_purchased_at
FROM order_lines_with_products
WHERE matched_by IS NULL
GROUP BY channel, sku, gtin
ORDER BY lines DESC, channel, sku, gtin;

COMMENT ON VIEW unmatched_lines IS 'Articles that were ordered but match no product, neither by SKU nor by GTIN, the most ordered first.';

-- channel < order_lines_with_products.channel
-- sku < order_lines_with_products.sku
-- gtin < order_lines_with_products.gtin
-- title < order_lines_with_products.title
-- lines BIGINT < order_lines_with_products.line_id: Order lines with this article.
-- units_ordered < order_lines_with_products.quantity_ordered: Units ordered in these lines; lines whose quantity is unknown add nothing.
-- last_purchased_at < order_lines_with_products.purchased_at: When it was last ordered.
