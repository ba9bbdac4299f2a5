"""The map of throughput against bytes, and which variant to use for a tree of some size.

It may import ``session`` and ``runs`` and what these may import, and measures nothing.
"""
