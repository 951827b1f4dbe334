"""The order book: raw payloads, orders with their revisions, what becomes of them, and how they are found."""
