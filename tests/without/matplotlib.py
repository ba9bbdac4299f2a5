"""In place of matplotlib, as if it were not installed: only the study needs it.

Keras imports it if it can, in every worker of every session: a sixth of the time that takes to start.
"""

raise ImportError("the sessions of these tests do without it")
