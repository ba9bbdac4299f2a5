"""What is tried: a fault at a stage, what is held there, and what has to come of it."""

from __future__ import annotations

import errno
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docs.faults.stages import STAGES
from docs.faults.surroundings import CONTROL_GROUP, SMALL_DISK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Where a session has to have passed these stages.
_SESSION_OF = {
    "fresh processes": "against",
    "removing base": "against",
    "writing dumps": "dump",
    "floors": "floors",
    "report": "report",
}
INTERRUPTED, FAILED = 2, 1
#: What comes of a session that is not asked to end.
_ENDED = "ended; no process is left, and the next session removes the rest"
#: What a session says that has nowhere to write.
_NO_ROOM = r"No space left on device|does not fit|filled the disk"


@dataclass(frozen=True)
class Case:
    """One session in which something goes wrong.

    Attributes:
        fault: What.
        stage: Where.
        expected: What has to come of it, for people.
        codes: The exit codes that are right.
        words: A pattern of what has to be said.
        do: What `inside.Fault` is told, if anything.
        session: What is held, one of `sessions.SESSIONS`.
        options: More of its options.
        stays: Whether temporary files may stay until the next session: nobody was left to remove them.
        needs: What the machine has to have; see `surroundings.missing`.
        loaders: Of a session of loaders in trouble: a pattern of what has to be said of each.
        variables: More environment variables of the session.
        before: What is done to the place beforehand, the name of a function of `places.py`.
    """

    fault: str
    stage: str
    expected: str
    codes: tuple[int, ...]
    words: str = ""
    do: Mapping[str, Any] = field(default_factory=dict)
    session: str = "loading"
    options: tuple[str, ...] = ()
    stays: bool = False
    needs: str = ""
    loaders: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    before: str = ""

    @property
    def name(self) -> str:
        """Return what it is called."""
        return f"{self.fault} at {self.stage}"


def _at(stage: str) -> dict[str, Any]:
    """Return what a session needs to come through a stage."""
    about: dict[str, Any] = {"session": _SESSION_OF.get(stage, "loading")}
    if stage == "drawing":
        about["before"] = "without_trees"
    if stage == "checking":
        about |= {"before": "without_checks", "options": ("--image-root=FOLDER/images",)}
    return about


def all_cases() -> list[Case]:
    """Return everything that is tried, in the order of the table."""
    return [
        *_signals(),
        *_disk(),
        *_locks_and_clocks(),
        *_processes(),
        *_memory(),
        *_loaders(),
        *_history(),
        *_at_once(),
    ]


def _signals() -> Iterator[Case]:
    """Signals to pytest itself."""
    for stage in STAGES:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            said = f"ended by {number.name}"
            if number == signal.SIGINT:
                said = "KeyboardInterrupt|was interrupted"
            yield Case(
                number.name, stage, "interrupted, nothing left, and how it ended is said", (INTERRUPTED,),
                said, {"stage": stage, "do": "send", "value": int(number)}, **_at(stage),
            )  # fmt: skip
        yield Case(
            "SIGINT twice", stage, "interrupted, nothing left", (INTERRUPTED,),
            "KeyboardInterrupt|was interrupted",
            {"stage": stage, "do": "send_twice", "value": int(signal.SIGINT)}, **_at(stage),
        )  # fmt: skip
        deadly = {each.name: int(each) for each in (signal.SIGKILL, signal.SIGQUIT, signal.SIGUSR1)}
        deadly |= {"SIGRTMIN+5": signal.SIGRTMIN + 5} if sys.platform == "linux" else {}
        for name, deadly_number in deadly.items():
            yield Case(
                name, stage, _ENDED, (-deadly_number,), "",
                {"stage": stage, "do": "send", "value": deadly_number}, stays=True, **_at(stage),
            )  # fmt: skip
        yield Case(
            "SIGSTOP for 3 s", stage, "goes on as if nothing had been", (0,), r"\d passed",
            {"stage": stage, "do": "stop"}, **_at(stage),
        )  # fmt: skip


def _disk() -> Iterator[Case]:
    """A disk that is full, read-only, broken or slow, for all that pytest's process writes."""
    for stage in STAGES:
        if stage in ("warming up", "diagnosis", "removing base"):  # nothing is written
            continue
        yield Case(
            "full disk", stage, "fails with a sentence that says so", (FAILED,),
            rf"({_NO_ROOM}).*LOADER_GATE_CACHE" if stage in ("drawing", "checking") else _NO_ROOM,
            {"stage": stage, "do": "fill"}, needs=SMALL_DISK, **_at(stage),
        )  # fmt: skip
        for name, number in (("read-only disk", errno.EROFS), ("I/O error", errno.EIO)):
            yield Case(
                name, stage, "fails with a sentence that says so", (FAILED,),
                "Read-only file system" if number == errno.EROFS else "Input/output error",
                {"stage": stage, "do": "fail_to_write", "value": number},
                stays=True, **_at(stage),  # what cannot be written cannot be removed
            )  # fmt: skip
    yield Case(
        "I/O error of images", "reference", "fails with a sentence that names the file", (FAILED,),
        "Input/output error", {"stage": "reference", "do": "fail_to_read", "value": errno.EIO},
    )  # fmt: skip
    for session in ("loading", "dump", "floors", "report"):
        yield Case(
            "slow disk", f"everywhere ({session})", "goes on", (0,), r"\d passed",
            {"stage": "", "do": "slow", "value": 300}, session, before="without_trees",
        )  # fmt: skip


def _locks_and_clocks() -> Iterator[Case]:
    for session in ("loading", "dump", "against", "floors"):
        for name, number in (("no locks (ENOLCK)", errno.ENOLCK), ("no locks (ENOSYS)", errno.ENOSYS)):
            yield Case(
                name, f"everywhere ({session})", "goes on, or says so in a sentence", (0, FAILED),
                r"\d passed|[Nn]o locks|[Ff]unction not implemented",
                {"stage": "", "do": "fail_to_lock", "value": number}, session, before="without_trees",
            )  # fmt: skip
    for stage in ("drawing", "reference", "passes", "fresh processes", "writing dumps", "saving"):
        yield Case(
            "locked files removed", stage, "goes on", (0,), r"\d passed",
            {"stage": stage, "do": "lose_locks"}, **_at(stage),
        )  # fmt: skip
    for stage in ("reference", "passes", "saving", "floors"):
        for days in (1, -1):
            yield Case(
                f"clock {'ahead' if days > 0 else 'back'} by a day", stage, "goes on", (0,), r"\d passed",
                {"stage": stage, "do": "jump", "value": days}, **_at(stage),
            )  # fmt: skip


def _processes() -> Iterator[Case]:
    """What happens to the processes that pytest has started, or wants to."""
    for stage in ("drawing", "checking"):
        yield Case(
            "helpers killed", stage, "fails, or goes on with others; a sentence says so", (0, FAILED),
            r"killed|\d passed", {"stage": stage, "do": "kill_helpers", "value": int(signal.SIGKILL)},
            **_at(stage),
        )  # fmt: skip
    killed = r"was killed by SIG(KILL|TERM)|closed its connection"
    unknown = f"could not be observed: its worker ({killed})"
    for stage, expected, codes, said in (
        ("starting", "fails, and names the signal", (FAILED,), killed),
        ("passes", "fails, and names the signal", (FAILED,), killed),
        ("fresh processes", "fails, and names the signal", (FAILED,), killed),
        ("diagnosis", "keeps its verdict, and says what is not known", (0,), unknown),
        # Whoever has written all of it by then is not needed any more.
        ("writing dumps", "fails, and names the signal, or goes on", (0, FAILED), rf"{killed}|\d passed"),
    ):
        for number in (signal.SIGKILL, signal.SIGTERM):
            yield Case(
                f"all workers killed ({number.name})", stage, expected, codes, said,
                {"stage": stage, "do": "kill_helpers", "value": int(number)}, **_at(stage),
            )  # fmt: skip
    for stage in ("drawing", "reference", "fresh processes", "writing dumps"):
        yield Case(
            "no more processes (EAGAIN)", stage, "fails with a sentence that says so", (FAILED,),
            r"`ulimit -u`",
            {"stage": stage, "do": "fail_to_start", "value": errno.EAGAIN},
            stays=stage == "fresh processes", **_at(stage),  # git, which forgets a worktree, is one more
        )  # fmt: skip


def _memory() -> Iterator[Case]:
    """The system ends pytest itself, or a loader."""
    for stage in ("drawing", "checking", "reference", "writing dumps"):
        yield Case(
            "out of memory", stage, _ENDED, (-int(signal.SIGKILL),), "", {"stage": stage, "do": "hoard"},
            needs=CONTROL_GROUP, stays=True, **_at(stage),
        )  # fmt: skip
    for stage in ("built", "checked", "timed"):
        name = f"hoards_{stage}"
        yield Case(
            "out of memory", stage, "the system ends that loader's process, and nothing else", (FAILED,), "",
            session="troubled", options=(f"--loader=loaders:{name}", "--loader=loaders:photos"),
            needs=CONTROL_GROUP,
            loaders={name: "was killed by SIGKILL, as the system does", "photos": "undecided|pass"},
        )  # fmt: skip
        yield Case(
            "--memory-limit", stage, "that loader's process is ended, and nothing else", (FAILED,), "",
            session="troubled",
            options=(f"--loader=loaders:{name}", "--loader=loaders:photos", "--memory-limit=300MB"),
            loaders={name: "ran out of memory", "photos": "undecided|pass"},
        )  # fmt: skip


#: What has to be said of a loader in trouble.
SAID_OF = {
    "killed": "was killed by SIGKILL",
    "terminated": "was killed by SIGTERM",
    "hung_up": "was killed by SIGHUP",
    "real_time": r"was killed by SIG(RTMIN\+5|USR1)",
    "segfault": "was killed by SIGSEGV",
    "bus_error": "was killed by SIGBUS",
    "stopped": "hung: no batch for",
    "hangs": "hung: no batch for",
    "exits": "exited with status 3",
    "io_error": "raised OSError: .*Input/output error",
    "full_disk": "filled the disk",
    "read_only": "raised OSError: .*Read-only file system",
    "no_memory": "raised MemoryError",
    "interrupted": "SIGINT|KeyboardInterrupt",
    "leaves": "exited with status 4",
    "daemon": "undecided|pass",
    "dies_beside_daemon": "was killed by SIGKILL",
    "dies_beside_nameless": "was killed by SIGKILL",
}
#: Loaders of one session: each has a process.
_AT_ONCE = 9


def _loaders() -> Iterator[Case]:
    """Faults of a worker, of many at once: each is its own, and nobody else's."""
    for stage in ("built", "checked", "timed"):
        names = [*SAID_OF]
        for number, some in enumerate((names[:_AT_ONCE], names[_AT_ONCE:]), 1):
            loaders = {f"{each}_{stage}": SAID_OF[each] for each in some} | {"photos": "undecided|pass"}
            yield Case(
                f"loaders, {number}", stage, "unmeasured, with what happened, and nobody else", (FAILED,), "",
                session="troubled", loaders=loaders,
                options=(*(f"--loader=loaders:{each}" for each in loaders), "--hang-after=15"),
            )  # fmt: skip
    of_dumps = ("killed", "real_time", "hangs", "io_error", "full_disk", "exits", "hoards")
    for name in (*of_dumps, "dies_beside_daemon"):
        yield Case(
            name, "writing dumps", "unmeasured, with what happened, and nothing of the dump left", (FAILED,),
            SAID_OF.get(name, "was killed by SIGKILL"), session="dump", options=("--hang-after=15",),
            variables={"LOADER_GATE_FAULT_OF_DUMP": name}, needs=CONTROL_GROUP if name == "hoards" else "",
        )  # fmt: skip


def _history() -> Iterator[Case]:
    yield Case(
        "damaged saved runs", "comparing", "passed over by name; the last good one counts", (0,),
        "run 0001, the last accepted", session="compared", before="with_damaged_runs",
    )  # fmt: skip
    yield Case(
        "saved runs of another day", "comparing", "compared with the last accepted one", (0,),
        "the last accepted", session="compared", before="with_runs_of_other_days",
    )  # fmt: skip


def _at_once() -> Iterator[Case]:
    """Two sessions in one place, which write to the same files."""
    for session in ("loading", "floors", "report"):
        yield Case(
            "two sessions at once", session, "both pass, and what both have written is there", (0,),
            session=session, before="without_trees",
        )  # fmt: skip
    for stage in ("drawing", "passes", "saving"):
        yield Case(
            "two sessions at once, one killed", stage, "the other passes", (-int(signal.SIGKILL),), "",
            {"stage": stage, "do": "send", "value": int(signal.SIGKILL)}, stays=True, before="without_trees",
        )  # fmt: skip
