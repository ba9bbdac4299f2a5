"""Which variants there are, what their kinds mean, and the epoch that each is asked for (`Spec`).

It may import ``workloads`` and ``variants``, which it lists, and knows no worker: a variant's module is
imported, its loader is never called; the module of a user's loader is only found.
"""
