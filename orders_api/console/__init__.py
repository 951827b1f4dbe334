"""The console: pages on the order book for the people who run a merchant's orders."""
