"""What people read: the tables of the terminal, Markdown, the page, the article's table.

It reads results as data, may import every room but ``plugin``, and measures nothing.
"""
