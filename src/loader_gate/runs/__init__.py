"""Saved runs: what their files say, which of them are accepted, and how the speedups of two of them compare.

It may import ``verdict``, ``statistics`` and what these may import. It measures nothing, and never asks
pytest-benchmark.
"""
