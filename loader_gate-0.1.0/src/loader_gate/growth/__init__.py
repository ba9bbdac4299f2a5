"""How cost grows with the number of images: sessions of pytest on trees of several sizes, and exponents.

It may import every room. Only ``measuring.py`` starts processes; what is made of their figures is pure.
"""
