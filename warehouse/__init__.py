"""What an order is, and where it is kept: the only package that touches storage. Imports neither Dagster nor FastAPI."""
