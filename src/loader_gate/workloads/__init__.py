"""What a pass does, one module a workload: which consumer, which size of images, which tables of floors.

A new one is found by being there, its object called ``WORKLOAD``. It imports no other room and knows no
variant: which kinds take part follows from what the workload says of itself.
"""
