"""Throughput against cores: how each variant scales, what more cores would give, whose rank flips.

It may import ``session`` and what that may import; it is pure, and prints nothing.
"""
