"""What became of each benchmark over many saved runs: series, steps, keeping, export.

It may import ``runs`` and what that may import, and measures nothing.
"""
