"""From estimates to a verdict: floors, changes against base, and the sentence that a person reads.

It may import ``statistics``, ``registry`` and ``machine``. Noise readings are arguments; it starts nothing.
"""
