"""What people read of a session: the terminal's tables, Markdown, the page, the article's table.

It reads results as data and may import every room but ``plugin``; it never measures or judges anything.
``python -m loader_gate.report`` writes the page, ``.summary`` the Markdown.
The map is made in ``advice``, the table that compares saved runs in ``runs/comparison_table.py``.
"""
