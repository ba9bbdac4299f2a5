"""What people read of a session: the tables of the terminal, Markdown, the page, the article's table.

It reads results as data and may import every room but ``plugin``; it never measures or judges anything.
``python -m loader_gate.report`` writes the page, ``python -m loader_gate.report.summary`` the Markdown.
"""
