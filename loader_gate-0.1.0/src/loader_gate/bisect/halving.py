"""Delta debugging: the few changed packages that make a loader slower, out of many: pure.

The algorithm is ddmin of Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE
Transactions on Software Engineering 28, 2002. Trials may say nothing, as where packages need each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def fewest(names: Sequence[str], is_slow: Callable[[tuple[str, ...]], bool]) -> tuple[str, ...]:
    """Return some of the names that are slow together, none of which can be left out without an end to that.

    Args:
        names: All of them, which are slow together.
        is_slow: Tries some of them; False also where that cannot be told. Never asked twice of the same ones.
    """
    tried: dict[tuple[str, ...], bool] = {}

    def known(some: tuple[str, ...]) -> bool:
        if some not in tried:
            tried[some] = is_slow(some)
        return tried[some]

    left, parts = tuple(names), 2
    while len(left) > 1:
        halves = [left[len(left) * part // parts : len(left) * (part + 1) // parts] for part in range(parts)]
        others = [tuple(name for name in left if name not in half) for half in halves]
        half = next((each for each in halves if known(each)), None)
        other = None if half else next((each for each in others if known(each)), None)
        if half:
            left, parts = half, 2
        elif other:
            left, parts = other, max(parts - 1, 2)
        elif parts < len(left):
            parts = min(2 * parts, len(left))
        else:
            break
    return left
