"""Saved runs: what their files say, which of them are accepted, and how two of them compare.

It may import ``verdict`` and ``statistics``, and measures nothing.
"""
