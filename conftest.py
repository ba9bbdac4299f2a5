"""Names the plugin modules of the suite, nothing else."""

pytest_plugins = (
    "loader_gate.plugin.trees",
    "loader_gate.plugin.hooks",
    "loader_gate.plugin.annotations",
    "fixtures.trees",
)
