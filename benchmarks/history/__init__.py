"""The history of saved runs: series of speedups, the steps and the drift in them, and a command to keep them."""
