"""Holds the sessions of a check in fresh processes, one after another, and keeps what they leave."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.commands import last_words, run_to_end
from loader_gate.gpu_check.plan import SESSIONS, VARIANTS, Scale, Session, suite_file, why_not
from loader_gate.machine.files import object_of
from loader_gate.machine.temporary import OwnedFolder
from loader_gate.registry.built_in import built_in_variants

if TYPE_CHECKING:
    from typing import Any, TextIO

#: A session is not begun with less time than this: it would be told to end before it had measured anything.
LEAST_SECONDS = 20.0


@dataclass(frozen=True)
class Held:
    """What became of a session.

    Attributes:
        session: The session.
        seconds: How long it took.
        measured: How many variants it has figures of.
        problem: Why it has none, or not all; empty if it has.
    """

    session: Session
    seconds: float
    measured: int
    problem: str = ""

    def __str__(self) -> str:
        """Return it in a line for people."""
        figures = [f"{self.measured} variants measured in {self.seconds:.0f} s"] if self.measured else []
        return f"{self.session.name}: {'; '.join([*figures, *filter(None, [self.problem])])}"


def earlier_files(out: Path) -> list[str]:
    """Return the names of what an earlier check has left in a folder, and a new one would write over."""
    return [file.name for each in SESSIONS for file in _files(out, each) if file.exists()]


def _files(out: Path, session: Session) -> tuple[Path, Path, Path]:
    """Return where the log, the run and the page of a session are to be."""
    log, run, page = (out / f"{session.name}.{kind}" for kind in ("log", "json", "html"))
    return log, run, page


def hold(
    out: Path, device: str, scale: Scale, seconds: float, stream: TextIO, extra: Sequence[str] = ()
) -> Iterator[Held]:
    """Hold every session; yield what became of each as soon as it has ended.

    Of each, ``NAME.log`` (what it said), ``NAME.json`` (its run) and ``NAME.html`` (its page) are left.

    Args:
        out: Where the files are to be; the folder is there.
        device: Where models train, ``gpu`` or ``cpu``.
        scale: How large it is.
        seconds: What all of it may take. A session that takes longer is told to end.
        stream: Where progress is shown.
        extra: More options of pytest, of every session.
    """
    until, variants = time.monotonic() + seconds, _variants(stream)
    with OwnedFolder() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        environment = environment_for(folder, device)
        for number, session in enumerate(SESSIONS, 1):
            problem = why_not(session, lambda package: find_spec(package) is not None)
            left = until - time.monotonic()
            if not problem and left < LEAST_SECONDS:
                problem = f"not begun, as {max(0.0, left):.0f} s are left of {seconds:.0f}"
            if problem:
                yield Held(session, 0.0, 0, problem)
                continue
            print(f"{number} of {len(SESSIONS)}: {session.name} …", file=stream, flush=True)
            asked = (*session.options(device, scale, variants), *extra)
            yield _held(session, asked, _files(out, session), left, folder, environment)


def _variants(stream: TextIO) -> list[str]:
    """Return what can be measured here; say of the others what they need."""
    absent = {each.name: each.absence() for each in built_in_variants() if each.name in VARIANTS}
    for name, absence in absent.items():
        if absence:
            print(f"Left out: {name} {absence}", file=stream, flush=True)
    return [name for name in VARIANTS if not absent[name]]


def _held(
    session: Session,
    options: Sequence[str],
    files: tuple[Path, Path, Path],
    patience: float,
    folder: Path,
    environment: Mapping[str, str],
) -> Held:
    file, text = suite_file(session.workload)
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(text, encoding="utf-8")
    log, run, page = files
    command = [
        *(sys.executable, "-m", "pytest", file, "-p", "loader_gate", "-p", "no:cacheprovider"),
        *options,
        *(f"--benchmark-json={run}", *([f"--loader-gate-report={page}"] if _can_draw_pages() else [])),
    ]
    began = time.monotonic()
    said = run_to_end(
        command,
        log,
        folder=folder,
        environment=environment,
        patience=patience,
        watch=lambda _pid, _seconds: None,
    )
    measured, problem = outcome(object_of(run), said)
    return Held(session, time.monotonic() - began, measured, problem)


def outcome(run: Mapping[str, Any], said: str) -> tuple[int, str]:
    """Return how many variants a run has figures of, and what was not measured.

    Args:
        run: What the session has saved; empty if nothing.
        said: What it said.
    """
    measured = len(run.get("benchmarks", []))
    lacking = sorted({each["variant"] for each in run.get("loader_gate", {}).get("unmeasured", [])})
    if not measured:
        return 0, f"the session said: {last_words(said) or 'nothing'}"
    return measured, f"not measured, as its log says: {', '.join(lacking)}" if lacking else ""


def _can_draw_pages() -> bool:
    return all(find_spec(each) is not None for each in ("jinja2", "plotly"))


def environment_for(folder: Path, device: str) -> dict[str, str]:
    """Return the environment variables of a session.

    Every variant's worker compiles the same step; JAX keeps what the first one has compiled for the others.
    Threads of torch spin while they wait for one another: on a CPU that is busy with other things, a step as
    small as the check's would take many times as long.
    """
    search_path = [each for each in sys.path if each]  # whatever has let us be found, without installing
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(search_path),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
        **({"OMP_NUM_THREADS": "1"} if device == "cpu" else {}),
    }
