"""A folder to put on a path: what it holds stands in for what is installed."""
