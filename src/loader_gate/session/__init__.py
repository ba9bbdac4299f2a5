"""One session of measuring: its settings, and a workload from its reference decode to its rotation.

It may import every room earlier in the table of docs/architecture.md, and knows no pytest.
"""
