"""What is done at connections and to the order book, stage by stage, callable without Dagster."""
