"""Why a variant is as fast as it is: one word, from what was seen of its epochs. Pure.

It starts nothing and reads no clock; ``worker/rehearsal.py`` and ``machine/threads.py`` look.
"""
