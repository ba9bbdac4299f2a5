"""What goes wrong in a study."""

from __future__ import annotations


class StudyError(Exception):
    """The study cannot go on; the message names the file or option, and says what to do."""
