"""What this machine can decide: passes of the same code on both sides, and virtual sessions over them.

It may import every room but the plugin, and has no rule of its own: the code of real sessions decides.
"""
