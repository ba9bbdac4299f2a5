"""Where images come from: synthetic trees, subsets of real ones, COCO annotations, and checks of a tree.

It may import ``machine``, and knows no loader.
"""
