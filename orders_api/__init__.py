"""The Orders API: what an ERP reads and acknowledges. Never imports Dagster, `orders_pipeline`, or a marketplace."""
