SELECT channel, sku, gtin, title, url, updated_at
FROM arrived
