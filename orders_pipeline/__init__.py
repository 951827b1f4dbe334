"""The batch system: pulls orders from marketplaces, turns them into the order book, and publishes the order tables."""
