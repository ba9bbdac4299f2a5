"""Where the time of a loader goes, by stage and by function, and what of it two profiles differ by.

All of it is pure. It starts no profiler and reads no process: see ``session/profiling.py``.
"""
