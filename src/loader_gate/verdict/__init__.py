"""From estimates to a verdict: floors, changes against base, and the sentence that a person reads.

``verdict.py`` decides a speedup, ``change.py`` a regression; ``rules.py`` puts them together for a session.
It may import ``statistics``, ``registry``, ``workloads``, ``machine``; it is pure but for ``floors_file.py``.
"""
