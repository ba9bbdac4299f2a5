"""The session's loop of blocks: whose turn it is, the processes that take it, and when a variant is decided.

It may import ``worker`` and ``verdict`` and what these may import, and prints nothing.
"""
