-- The facts are read once, with their structure declared: what does not fit it becomes null instead of stopping the lake.
SELECT
    arrived.* EXCLUDE (facts),
    from_json(
        '{' || facts || '}',
        '{
            "marketplace_status": "VARCHAR",
            "fulfilled_by": "VARCHAR",
            "ship_by": "TIMESTAMPTZ",
            "accept_by": "TIMESTAMPTZ",
            "currency": "VARCHAR",
            "total": "VARCHAR",
            "shipping_total": "VARCHAR",
            "tax_total": "VARCHAR",
            "payment": {"method": "VARCHAR", "workflow": "VARCHAR", "paid_at": "TIMESTAMPTZ"},
            "is_business": "BOOLEAN",
            "programs": ["VARCHAR"],
            "shipping_country_code": "VARCHAR",
            "cancellation": {
                "requested_by": "VARCHAR",
                "request_reason": "VARCHAR",
                "executed_by": "VARCHAR",
                "execution_reason": "VARCHAR"
            },
            "split_of": "VARCHAR",
            "lines": [{
                "id": "VARCHAR",
                "original_id": "VARCHAR",
                "number": "INTEGER",
                "sku": "VARCHAR",
                "gtin": "VARCHAR",
                "title": "VARCHAR",
                "product_url": "VARCHAR",
                "quantity_ordered": "BIGINT",
                "quantity_shipped": "BIGINT",
                "quantity_cancelled": "BIGINT",
                "quantity_remaining_to_ship": "BIGINT",
                "unit_price": "VARCHAR",
                "source_unit_price": "VARCHAR",
                "line_total": "VARCHAR",
                "taxes": [{"code": "VARCHAR", "amount": "VARCHAR", "rate": "VARCHAR"}],
                "marketplace_status": "VARCHAR",
                "cancellation": {
                    "requested_by": "VARCHAR",
                    "request_reason": "VARCHAR",
                    "executed_by": "VARCHAR",
                    "execution_reason": "VARCHAR"
                }
            }]
        }'
    ) AS document
FROM arrived
