"""A stand-in of Target Plus: orders, acknowledgements, fulfilments."""
