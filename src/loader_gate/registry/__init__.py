"""Which variants there are, what their kinds mean, and the epoch that each is asked for (`Spec`).

It may import ``workloads``, and knows no worker: a module is found and read, never run.
"""
