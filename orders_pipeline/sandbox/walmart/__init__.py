"""Stand-in for Walmart Marketplace US: tokens, purchase orders, acknowledging, shipping updates, cancellations."""
