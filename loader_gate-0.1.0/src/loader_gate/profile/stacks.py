"""What a profile is: stacks of frames, each with the time that threads spent in it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Frame:
    """One function, or one operation of TensorFlow, in a stack.

    Attributes:
        function: Its name.
        file: The file that it is in, from the folder that its modules are imported from; or its library.
            Empty of an operation.
        line: The line that was being run; 0 where that is not known.
        is_own: Whether it is code of the loader, and no installed package, library or interpreter.
    """

    function: str
    file: str = ""
    line: int = 0
    is_own: bool = False

    @property
    def key(self) -> Function:
        """Return which function it is, whatever line of it was run."""
        return Function(self.function, self.file)


@dataclass(frozen=True, order=True)
class Function:
    """A function, by its name and its file; see `Frame`."""

    name: str
    file: str = ""

    def at(self, line: int) -> str:
        """Return it for people: "read_image (loaders.py:12)"."""
        place = f"{self.file}:{line}" if line else self.file
        return f"{self.name} ({place})" if place else self.name


@dataclass(frozen=True)
class Profile:
    """Where the time of one variant went.

    Attributes:
        seconds: What threads and processes spent in each stack, an image: added up, so that two threads which
            work side by side for a second make two. A stack begins with its root.
        sample: What one sample stands for, in the same unit; 0 where every event was recorded.
        tool: What has recorded it.
    """

    seconds: Mapping[tuple[Frame, ...], float]
    sample: float
    tool: str

    @property
    def whole(self) -> float:
        """Return the seconds of all stacks, an image."""
        return sum(self.seconds.values())


def added_up(stacks: Iterable[tuple[tuple[Frame, ...], float]]) -> dict[tuple[Frame, ...], float]:
    """Return stacks with what was spent in them, each once."""
    found: dict[tuple[Frame, ...], float] = defaultdict(float)
    for frames, seconds in stacks:
        found[frames] += seconds
    return dict(found)
