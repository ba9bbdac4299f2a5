"""Names the plugin modules of the suite, nothing else."""

pytest_plugins = ("fixtures.plugin", "benchmarks.plugin", "benchmarks.annotations")
