"""Mutation testing: whether the fast tests of what judges notice when a line of it is changed."""
