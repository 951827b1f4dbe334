"""A stand-in of OTTO Market: orders, shipments, cancellations."""
