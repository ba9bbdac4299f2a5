"""The code that a checkout is compared with: a git revision, another interpreter, or both.

It may import ``registry``, ``machine`` and ``worker.origin``, and runs no loader.
"""
