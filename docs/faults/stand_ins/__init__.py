"""Modules that stand in for the variants which every session has, so that no session starts TensorFlow."""
