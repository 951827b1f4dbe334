"""Mirakl's seller API as the sandbox serves it."""
