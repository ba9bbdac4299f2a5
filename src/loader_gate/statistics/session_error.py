"""The error of a whole session: the chance that it fails although nothing has changed.

Each figure of each variant that may fail is one more chance to be misled. So all of them share one error: by
Bonferroni's inequality the chance that any fails is at most the sum of theirs, whatever they have in common.
"""

from __future__ import annotations

#: At most this share of sessions in which nothing has changed fails.
SESSION_ERROR = 0.005


def failing_error(comparisons: int) -> float:
    """Return the error of the interval that it takes to fail, both sides together.

    Only one of its sides can make a session fail.

    Args:
        comparisons: How many the session makes that may fail, at most; at least 1.
    """
    return 2 * SESSION_ERROR / comparisons


def times_as_wide(comparisons: int) -> float:
    """Return by how much to widen an interval of 95 %, of normal noise, to one that it takes to fail.

    Args:
        comparisons: How many the session makes that may fail, at most; at least 1.
    """
    # Inside the function: SciPy takes a third of a second to import, and `pytest --help` needs none of it.
    from scipy.special import ndtri

    return float(ndtri(failing_error(comparisons) / 2) / ndtri(0.025))
