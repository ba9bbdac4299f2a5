"""Where the time goes by function, and which functions of head take more of it than they did at base."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loader_gate.profile.stacks import Function
from loader_gate.profile.stages import waits_for_others

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loader_gate.profile.stacks import Frame, Profile

#: Chance adds to a count of samples about the root of it: a gain has to be larger than so many of that.
SIGMAS = 3.0
#: A gain of less than this share of what threads do at head is none.
LEAST_GAIN = 0.02
#: A function that has gained less than this share of the one that has gained most is not worth a word.
LEAST_SHARE = 0.1
#: So many functions are named.
MOST_NAMED = 3


@dataclass(frozen=True)
class FunctionShare:
    """One function of a profile.

    Attributes:
        function: Which.
        line: The line of it in which most of its time went; 0 where that is not known.
        self_share: The share of the time of all threads in which it ran itself.
        total_share: The same with whatever it has called.
    """

    function: Function
    line: int
    self_share: float
    total_share: float


def functions_of(profile: Profile) -> list[FunctionShare]:
    """Return the functions of a profile, those first in which most of the time went."""
    own: dict[Function, float] = defaultdict(float)
    total: dict[Function, float] = defaultdict(float)
    lines: dict[Function, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for stack, seconds in profile.seconds.items():
        own[stack[-1].key] += seconds
        for function in {frame.key for frame in stack}:
            total[function] += seconds
        for frame in {frame.key: frame for frame in stack}.values():
            lines[frame.key][frame.line] += seconds
    whole = profile.whole
    found = [
        FunctionShare(each, _heaviest(lines[each]), own[each] / whole, seconds / whole)
        for each, seconds in total.items()
        if whole > 0
    ]
    return sorted(found, key=lambda each: (-each.self_share, -each.total_share, each.function))


@dataclass(frozen=True)
class Gain:
    """A function in which head spends more time than base did.

    Attributes:
        function: Which.
        line: The line of it in head in which most of its time goes; 0 where that is not known.
        seconds: How much more, an image, of all threads together.
        is_waiting: Whether it waits for others there: it is not what takes the time.
    """

    function: Function
    line: int
    seconds: float
    is_waiting: bool = False

    def __str__(self) -> str:
        """Return it in words: "20.1 ms an image in read_image (loaders.py:12)"."""
        where = "waiting in" if self.is_waiting else "in"
        return f"{1000 * self.seconds:.3g} ms an image {where} {self.function.at(self.line)}"


def gains(head: Profile, base: Profile) -> list[Gain]:
    """Return the functions in which head spends more time an image than base, the largest gain first.

    What a library does is put down to the function of the loader that has called it, if one has. Who waits
    for another thread or process is named only where nobody else has gained. What may be chance is left out:
    see `SIGMAS`. Functions are the same if their names and files are, on whatever line they are.

    Args:
        head: The profile of the code as it is.
        base: The same of what it is compared with, made in the same way.
    """
    busy = sum(seconds for stack, seconds in head.seconds.items() if not waits_for_others(stack))
    for waiting in (False, True):
        sides = _by_function(head, waiting), _by_function(base, waiting)
        samples = head.sample, base.sample
        found = [each for each in _gains(*sides, waiting, samples) if each.seconds >= LEAST_GAIN * busy]
        if found:
            return [each for each in found if each.seconds >= LEAST_SHARE * found[0].seconds]
    return []


def named(found: Sequence[Gain]) -> str:
    """Return the functions that have gained most, in words; nothing if there are none."""
    if not found:
        return ""
    return f"Gained most, in a profile apart from that: {', '.join(map(str, found[:MOST_NAMED]))}"


def accountable(stack: Sequence[Frame]) -> Frame:
    """Return the frame that a stack is put down to: the loader's own nearest the leaf, if there is one.

    Else it is the nearest that is written in Python, or the leaf.
    """
    of_python = [frame for frame in stack if frame.file.endswith(".py")]
    return next((frame for frame in reversed(stack) if frame.is_own), (of_python or stack)[-1])


def _by_function(profile: Profile, waiting: bool) -> dict[Function, dict[int, float]]:
    """Return the seconds that are put down to each function, by line: where others are waited for, or not."""
    found: dict[Function, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for stack, seconds in profile.seconds.items():
        if waits_for_others(stack) == waiting:
            frame = accountable(stack)
            found[frame.key][frame.line] += seconds
    return found


def _gains(
    head: Mapping[Function, Mapping[int, float]],
    base: Mapping[Function, Mapping[int, float]],
    waiting: bool,
    samples: tuple[float, float],
) -> list[Gain]:
    found = []
    for function, lines in head.items():
        now, before = sum(lines.values()), sum(base.get(function, {}).values())
        chance = SIGMAS * math.sqrt(now * samples[0] + before * samples[1])
        if now - before > chance:
            found.append(Gain(function, _heaviest(lines), now - before, waiting))
    return sorted(found, key=lambda each: (-each.seconds, each.function))


def _heaviest(lines: Mapping[int, float]) -> int:
    return max(lines, key=lambda line: (lines[line], -line), default=0)
