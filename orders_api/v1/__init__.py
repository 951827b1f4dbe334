"""The resources of the API, one module each. What they share is in `orders_api.kit`."""
