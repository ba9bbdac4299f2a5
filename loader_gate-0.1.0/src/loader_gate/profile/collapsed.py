"""Reads the collapsed stacks that py-spy writes (``record --format raw --threads --full-filenames``).

A line is a stack, its frames divided by semicolons, the root first, and how many samples it was seen in::

    process 7:"python -c ...";thread (7): MainThread;main (/repo/a.py:3);read (libc.so.6) 12

Everything in it may be a stranger's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from loader_gate.profile.stacks import Frame, Profile, added_up

#: After the command lines of processes, which may have semicolons in them.
_THREAD = re.compile(r";thread \((?:0x)?[0-9A-Fa-f]+\)(?:: ([^;]*))?;")
_FRAME = re.compile(r"(?P<function>.*) \((?P<file>[^()]*?)(?::(?P<line>\d+))?\)")
#: A native function whose name is not known: what is left is its library.
_NAMELESS = re.compile(r"0x[0-9a-f]+")
_UNKNOWN = "?"
_SAYS_NOTHING = re.compile(r"\?|libc[.-]|libpthread|libpython|ld-linux|linux-vdso")
#: Folders of what is installed, and of Python's own modules.
_INSTALLED = re.compile(r".*/(?:site-packages|dist-packages)/|.*/lib(?:64)?/python3\.\d+/(?:lib-dynload/)?")
_HARNESS = re.compile(r"loader_gate/(?!variants/).*\.py")
#: What the harness does while the clock is paused, and the thread that it is done in.
_OFF_THE_CLOCK = re.compile(r"loader_gate/(same_work/.*|worker/(stopwatch|serve)\.py)")
_OF_HARNESS = "harness"
#: Where an epoch is used up, in the main thread of a worker.
_CONSUMER = re.compile(r"loader_gate/worker/consumers/.*\.py")
_MAIN = re.compile(r"loader_gate/worker/serve\.py")
#: Python's way into a thread, and into a process, which has the stack of its parent below it if it is forked.
_BEGINNING = re.compile(r"threading\.py|<string>")
_MAKE_REAL = ("_real", "read_if_mapped")
_CHILD = re.compile(r"multiprocessing/(process|popen_\w+|spawn|forkserver)\.py")


@dataclass(frozen=True)
class Code:
    """What is a loader's own code: all that is not installed, and the package that the loader is in.

    Attributes:
        roots: Folders that its modules are imported from.
        package: The first name of its module.
    """

    roots: tuple[str, ...]
    package: str

    def shortened(self, file: str) -> tuple[str, bool]:
        """Return a file from the folder that it is imported from, and whether it is installed."""
        within = (len(root) + 1 for root in self.roots if root and file.startswith(f"{root}/"))
        installed = _INSTALLED.match(file)
        short = file[max(max(within, default=0), installed.end() if installed else 0) :]
        return PurePath(short).name if short.startswith("/") else short, installed is not None

    def has(self, short: str) -> bool:
        """Return whether a file, so shortened, is of the loader's package."""
        return short == f"{self.package}.py" or short.startswith(f"{self.package}/")


@dataclass(frozen=True)
class Delivered:
    """What a worker did while it was looked at.

    Attributes:
        seconds: What an epoch took, on the clock.
        images: Images an epoch.
    """

    seconds: float
    images: int


class NoSamplesError(Exception):
    """There is no sample of an epoch; the message says so."""


def parse(text: str, code: Code, delivered: Delivered) -> Profile:
    """Return what py-spy saw of a worker while it ran epochs.

    What the harness does meanwhile is left out. The main thread is in an epoch as long as that takes: that
    says how much time a sample stands for, however late samples were.

    Args:
        text: What py-spy has written.
        code: What is the loader's own.
        delivered: What was done meanwhile.

    Raises:
        NoSamplesError: No sample is of an epoch.
    """
    ticks, stacks = 0, []
    for thread, frames, count in _lines(text, code):
        if thread.startswith(_OF_HARNESS):
            continue
        is_child = any(_CHILD.fullmatch(frame.file) for frame in frames)
        if not is_child and any(_MAIN.fullmatch(frame.file) for frame in frames):
            if not any(_CONSUMER.fullmatch(frame.file) for frame in frames):
                continue
            if _is_off_the_clock(frames):
                continue
            ticks += count
        own = _without_beginning(frames)
        if own:
            stacks.append((own, count))
    if not ticks:
        raise NoSamplesError("the profiler has seen no epoch")
    sample = delivered.seconds / delivered.images / ticks
    return Profile(added_up((frames, count * sample) for frames, count in stacks), sample, "py-spy")


def _lines(text: str, code: Code) -> Iterator[tuple[str, tuple[Frame, ...], int]]:
    """Yield the thread's name, the frames and the samples of each line that can be read."""
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        thread = _THREAD.search(stack)
        if thread is not None and count.isdigit():
            frames = stack[thread.end() :].split(";")
            yield thread[1] or "", tuple(_frame(each, code) for each in frames), int(count)


def _frame(text: str, code: Code) -> Frame:
    found = _FRAME.fullmatch(text)
    if found is None:
        return Frame(text)
    file, line = found["file"], int(found["line"] or 0)
    short, is_installed = code.shortened(file)
    if _NAMELESS.fullmatch(found["function"]):
        return Frame(_UNKNOWN, short)
    is_python = file.endswith(".py")
    is_own = not _HARNESS.fullmatch(short) and (not is_installed or code.has(short))
    return Frame(found["function"], short, line, is_python and is_own)


def _is_off_the_clock(frames: Sequence[Frame]) -> bool:
    """Return whether the harness looks at a batch: below the epoch, and not in the loader."""
    at = max(index for index, frame in enumerate(frames) if _CONSUMER.fullmatch(frame.file))
    return any(_OFF_THE_CLOCK.fullmatch(frame.file) for frame in frames[at:]) and not any(
        frame.is_own for frame in frames[at:]
    )


def _is_before(frame: Frame) -> bool:
    """Return whether a frame comes before all of a loader."""
    is_harness = _HARNESS.fullmatch(frame.file) and frame.function not in _MAKE_REAL
    return bool(is_harness or _BEGINNING.fullmatch(frame.file))


def _without_beginning(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """Return frames from the loader's own on; or those after the harness and the beginning of a thread.

    What the harness does to make a batch real stays, as that is work of the loader that was put off.
    """
    child = max((index for index, frame in enumerate(frames) if _CHILD.fullmatch(frame.file)), default=-1)
    frames = frames[child + 1 :]
    before = [index for index, frame in enumerate(frames) if _is_before(frame)]
    own = [index for index, frame in enumerate(frames) if frame.is_own]
    frames = frames[own[0] if own else before[-1] + 1 if before else 0 :]
    return tuple(
        frame
        for frame, before in zip(frames, [None, *frames], strict=False)
        if frame.function != _UNKNOWN or (frame != before and not _SAYS_NOTHING.match(frame.file))
    )
