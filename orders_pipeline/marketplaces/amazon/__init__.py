"""Amazon: the Selling Partner API's Orders 2026-01-01 (https://developer-docs.amazon.com/sp-api/docs/orders-api)."""
