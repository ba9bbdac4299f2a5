"""Names the plugin modules of the suite, nothing else."""

pytest_plugins = ("loader_gate", "fixtures.trees")
