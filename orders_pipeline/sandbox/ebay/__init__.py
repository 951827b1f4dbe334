"""A stand-in of eBay: Fulfillment API v1, the consent and its tokens, and cancellations of the Post-Order API v2."""
