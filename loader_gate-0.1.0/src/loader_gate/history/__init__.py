"""What became of each benchmark over many saved runs: series, change points, keeping, export.

It may import ``runs`` and what that may import; it never changes a run, and never deletes one unasked.
``python -m loader_gate.history`` is its command.
"""
