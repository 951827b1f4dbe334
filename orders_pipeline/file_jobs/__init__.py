"""The jobs that write order files and read shipment files. How a storage is reached is in `orders_pipeline.storages`."""
