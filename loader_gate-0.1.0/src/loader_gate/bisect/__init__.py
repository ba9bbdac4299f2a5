"""Which commit, or which changed package, made a loader slower: found by paired sessions of pytest.

It may import every room, and measures nothing itself. All of it happens in temporary folders: the user's
files, index and branches are never touched.
"""
