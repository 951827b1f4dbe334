"""The assets: one module per asset, each a thin shell around a stage that runs without Dagster."""
