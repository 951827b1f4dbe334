"""Mirakl: a seller's orders at one operator's instance (Marketplace APIs, https://developer.mirakl.com)."""
