"""One self-contained page that shows a saved run, and the history of its benchmarks."""
