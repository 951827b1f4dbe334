"""Shipments that the ERP reported, and how far each has come at its marketplace."""
