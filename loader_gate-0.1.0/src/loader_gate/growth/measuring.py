"""Measures each size in turn: a scan, and a session of pytest as a user would hold it, in fresh processes.

Rounds go up and down the sizes by turns, so that a slow drift of the machine is in no exponent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from loader_gate.commands import last_words, run_to_end
from loader_gate.growth.figures import CONTROLLER, SCAN, Sample, problems_of, samples_of
from loader_gate.machine.files import object_of
from loader_gate.machine.processes import peak_memory_alone
from loader_gate.machine.temporary import OwnedFolder
from loader_gate.progress import Display, Progress
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest

#: The tree that is measured, at several sizes.
TREE = "coco2017"
#: Seconds between two looks at how much memory pytest has held: at its end, so little may be missed.
_LOOK_SECONDS = 0.25
#: How a scan and a session are named in progress and in problems.
_SCAN, _SESSION = "scan", "session"


class AskedError(Exception):
    """What is asked cannot be measured; the message says what was found and what to do."""


@dataclass(frozen=True)
class Asked:
    """What is to be measured.

    Attributes:
        sizes: Numbers of images, ascending.
        rounds: How often each size is measured.
        tests: What pytest runs: files or folders; nothing if the scan alone is measured.
        options: More options of pytest.
    """

    sizes: tuple[int, ...]
    rounds: int
    tests: tuple[str, ...]
    options: tuple[str, ...]


@dataclass
class Measured:
    """What was measured.

    Attributes:
        samples: Every figure that was measured.
        problems: What could not be measured, and why, a sentence each.
    """

    samples: list[Sample] = field(default_factory=list)
    problems: dict[str, None] = field(default_factory=dict)

    def add_problem(self, images: int, what: str) -> None:
        """Remember what went wrong; the same of another round is the same."""
        self.problems[f"{images:,} images: {what}"] = None


def measure(asked: Asked, stream: TextIO) -> Measured:
    """Measure every size; processes and temporary files are gone in the end, whatever happens.

    Args:
        asked: What to measure.
        stream: Where progress is shown.

    Raises:
        TreeError: A tree cannot be drawn.
    """
    for size in asked.sizes:  # not timed, and with progress of its own
        prepare_tree(TreeRequest(tree=TREE, tree_images=size), Display(stream))
    measured = Measured()
    kinds = (_SCAN, _SESSION) if asked.tests else (_SCAN,)
    todo = [
        (number, size, kind)
        for number in range(asked.rounds)
        for size in (asked.sizes if number % 2 == 0 else asked.sizes[::-1])
        for kind in kinds
    ]
    with (
        OwnedFolder() as name,
        Progress("Measuring growth", len(todo), stream) as progress,
    ):
        for done, (number, size, kind) in enumerate(todo):
            text = f"round {number + 1} of {asked.rounds}: {kind} of {size:,} images"
            progress.update(done, text)
            show = _Shown(progress, done, text)
            if kind == _SCAN:
                _scan(size, Path(name), measured, show)
            else:
                _session(asked, size, Path(name), measured, show)
        progress.update(len(todo))
    return measured


@dataclass(frozen=True)
class _Shown:
    """Keeps progress alive while a command runs."""

    progress: Progress
    done: int
    text: str

    def __call__(self, pid: int, seconds: float) -> None:  # noqa: ARG002 (as commands are watched)
        self.progress.update(self.done, self.text)


def _scan(images: int, folder: Path, measured: Measured, show: Callable[[int, float], None]) -> None:
    command = [sys.executable, "-m", "loader_gate.growth.scan", TREE, str(images)]
    said = run_to_end(command, folder / "output", watch=show)
    try:
        seconds = float(json.loads(said.splitlines()[-1])[SCAN.name])
    except (IndexError, KeyError, TypeError, ValueError):
        measured.add_problem(images, f"the scan said: {last_words(said) or 'nothing'}")
        return
    measured.samples.append(Sample(SCAN, "", images, seconds))


def _session(
    asked: Asked, images: int, folder: Path, measured: Measured, show: Callable[[int, float], None]
) -> None:
    books, most = folder / "books.json", 0

    def watch(pid: int, seconds: float) -> None:
        nonlocal most
        most = max(most, peak_memory_alone(pid))
        show(pid, seconds)

    books.unlink(missing_ok=True)
    command = session_command(asked.tests, asked.options, images, books)
    said = run_to_end(command, folder / "output", watch=watch, every=_LOOK_SECONDS)
    run = object_of(books)
    found = [*samples_of(run, images)]
    if found and most:
        found.append(Sample(CONTROLLER, "", images, float(most)))
    measured.samples += found
    problems = [*problems_of(run)]
    if not found and not problems:
        problems = [f"the session said: {last_words(said) or 'nothing'}"]
    for problem in problems:
        measured.add_problem(images, problem)


def session_command(tests: Sequence[str], options: Sequence[str], images: int, books: Path) -> list[str]:
    """Return the command of a session.

    Args:
        tests: What pytest runs.
        options: More options of pytest.
        images: How many images the tree has.
        books: Where the JSON goes.
    """
    return [
        *(sys.executable, "-m", "pytest", *tests, "-p", "loader_gate", "-p", "no:cacheprovider", *options),
        # Ours come last, and by the names that no other plugin can have taken.
        *("--loader-gate-tree", TREE, "--loader-gate-tree-images", str(images)),
        *("--benchmark-json", str(books)),
    ]
