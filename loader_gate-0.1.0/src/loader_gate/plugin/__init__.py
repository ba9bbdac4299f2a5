"""The pytest plugin: options, hooks, fixtures, and pytest-benchmark's books.

It may import every room, and is the only one that knows pytest or pytest-benchmark.
"""
