"""Whether a loader does the same work: reference decode, recognition of images, the check of an epoch.

It may import ``trees`` and ``registry``, and times nothing.
"""
