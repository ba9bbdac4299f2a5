"""Sessions of a tiny tree on machines, beside plugins and in repositories as they are.

``python -m docs.surroundings`` holds them, and writes docs/surroundings/found.jsonl; see README.md.
"""
