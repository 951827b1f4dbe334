"""Amazon: the Selling Partner API's Orders 2026-01-01 (https://developer-docs.amazon.com/sp-api/docs/orders-api).

This page declares what the pipeline must know of Amazon; reading an order is in `normalise`, talking to Amazon in `client`.
"""
