CREATE TABLE IF NOT EXISTS products (
    channel VARCHAR NOT NULL,
    sku VARCHAR NOT NULL,
    gtin VARCHAR,
    title VARCHAR,
    url VARCHAR,
    updated_at TIMESTAMPTZ NOT NULL
);

COMMENT ON TABLE products IS 'The merchant''s catalogue, as loaded.';
COMMENT ON COLUMN products.channel IS 'Channel code.';
COMMENT ON COLUMN products.sku IS 'The seller''s article number.';
COMMENT ON COLUMN products.gtin IS 'GTIN (EAN, UPC).';
COMMENT ON COLUMN products.title IS 'What the merchant calls the article.';
COMMENT ON COLUMN products.url IS 'Link to the product.';
COMMENT ON COLUMN products.updated_at IS 'When the product last changed here.';
