"""Past this machine, on paper: cores, workers, disks and gigabits that feed GPUs, from what was measured.

It may import ``advice`` and what that may import; it measures nothing, and takes no figure for granted.
"""
