"""Which variants there are, and the epoch that each is asked for (`Spec`).

It may import ``trees``, and knows no worker: a module is found and read, never run.
"""
