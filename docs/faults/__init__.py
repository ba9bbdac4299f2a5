"""What goes wrong around a session, at every stage of it, and what is left then; see README.md.

`python -m docs.faults` lets everything happen and writes the table; `python -m docs.faults.soak` holds many
sessions in a row.
"""
