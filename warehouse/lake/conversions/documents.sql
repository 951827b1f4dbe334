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
            "service_level": "VARCHAR",
            "deliver_by": {"from": "TIMESTAMPTZ", "until": "TIMESTAMPTZ"},
            "currency": "VARCHAR",
            "total": "VARCHAR",
            "shipping_total": "VARCHAR",
            "tax_total": "VARCHAR",
            "charges": [{"code": "VARCHAR", "label": "VARCHAR", "amount": "VARCHAR", "tax": "VARCHAR"}],
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
            "related_order": {"original_id": "VARCHAR", "relation": "VARCHAR"},
            "may_ship": "BOOLEAN",
            "may_not_ship_reason": "VARCHAR",
            "split_of": "VARCHAR",
            "marketplace_data": "JSON",
            "lines": [{
                "id": "VARCHAR",
                "original_id": "VARCHAR",
                "number": "INTEGER",
                "sku": "VARCHAR",
                "marketplace_sku": "VARCHAR",
                "gtin": "VARCHAR",
                "title": "VARCHAR",
                "product_url": "VARCHAR",
                "condition": "VARCHAR",
                "quantity_ordered": "BIGINT",
                "quantity_shipped": "BIGINT",
                "quantity_cancelled": "BIGINT",
                "quantity_remaining_to_ship": "BIGINT",
                "quantity_refunded": "BIGINT",
                "may_ship": "BOOLEAN",
                "may_not_ship_reason": "VARCHAR",
                "unit_price": "VARCHAR",
                "source_unit_price": "VARCHAR",
                "line_total": "VARCHAR",
                "kept_total": "VARCHAR",
                "refunded_total": "VARCHAR",
                "taxes": [{"code": "VARCHAR", "amount": "VARCHAR", "rate": "VARCHAR"}],
                "marketplace_status": "VARCHAR",
                "cancellation": {
                    "requested_by": "VARCHAR",
                    "request_reason": "VARCHAR",
                    "executed_by": "VARCHAR",
                    "execution_reason": "VARCHAR"
                },
                "gift": {"wrap": "VARCHAR"},
                "is_customised": "BOOLEAN",
                "ship_from": "VARCHAR",
                "is_replacement": "BOOLEAN"
            }]
        }'
    ) AS document
FROM arrived
