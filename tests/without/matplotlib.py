"""In place of matplotlib, as if it were not installed: only the study needs it.

Keras imports it if it can, in every worker of every session, which takes long.
"""

raise ImportError("the sessions of these tests do without it")
