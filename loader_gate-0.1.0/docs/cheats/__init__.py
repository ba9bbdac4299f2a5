"""Loaders that look fast and do not do the work, beside honest ones that look like them; see README.md.

`photos` has what they are made of; the modules named in `cases` hold them; ``python -m docs.cheats`` measures
them all with the suite's own command. Nothing of this is in the wheel.
"""
