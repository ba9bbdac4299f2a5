"""The process that a variant lives in: its clock, what uses batches up; and the parent's side of it.

It may import ``same_work`` and what that may import, and judges nothing.
"""
