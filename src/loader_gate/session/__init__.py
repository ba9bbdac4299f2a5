"""One session of measuring: its settings, and a workload from beginning to end: guard, dumps, rotation.

It may import every room above it in the architecture page, and knows no pytest.
"""
