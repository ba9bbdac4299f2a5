"""Which variant to use: the map of throughput against bytes with its Pareto front, and a recommendation.

It may import ``session``, ``runs`` and what these may import; never ``report``. It measures nothing.
``python -m loader_gate.advice RUN.json`` shows it for a saved run.
"""
