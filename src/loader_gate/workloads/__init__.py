"""What a pass does, one module a workload: which consumer, which size of images, which table of floors.

It may import ``worker`` and what that may import.
"""
