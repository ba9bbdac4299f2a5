"""What each library that loads images gives for each kind of file: drawn, decoded and compared.

``python -m docs.file_kinds`` writes docs/file_kinds.md.
"""
