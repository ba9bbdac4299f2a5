"""The history of saved runs: series of speedups, the steps and drift in them, a command to keep it."""
