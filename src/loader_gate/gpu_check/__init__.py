"""The command that measures a machine with a GPU, in minutes and without a network: sessions of pytest.

It needs the installed package alone, and no checkout; it judges nothing. See ``docs/gpu.md``.
"""
