"""Live sessions: the real command, in a throw-away repository, with nothing changed or a planted slowdown.

By default they compare a loader of the study's own, as a team would its own, over few images and with a
tolerance that a machine shared with others can tell. Variants can be compared too.

Each session is a line of a file, written when it ends: a study that is interrupted goes on where it was.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.study import planted
from docs.study.errors import StudyError
from loader_gate.machine.machine import read_machine
from loader_gate.machine.noise import read_noise, used_by_others
from loader_gate.progress import Progress
from loader_gate.rotation.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

FILE = "live.jsonl"
SESSIONS = 40
TOLERANCE = 0.10
SLOWDOWNS = (0.20,)
VARIANTS = (planted.LOADER,)
#: Images of the small tree.
IMAGES = 32
#: So many sessions in a row without a verdict, and something is wrong with the command.
MOST_ERRORS = 3
#: A session that takes so much longer than its budget hangs.
GRACE_SECONDS = 900.0
#: What is compared is head and base, as in the replay: every variant clears this floor at once.
FAR_FLOOR = 0.1
ERROR = "error"
#: Whatever a person has set, the copy holds the same bytes, and nothing is signed or hooked.
_PLAIN = ("-c", "core.autocrlf=false", "-c", "core.hooksPath=/dev/null", "-c", "commit.gpgsign=false")


@dataclass(frozen=True)
class Kind:
    """What was compared: a variant, and the share by which it is slowed; 0 for nothing changed."""

    variant: str
    slowdown: float


@dataclass(frozen=True)
class LiveSession:
    """What became of one variant in a live session.

    Attributes:
        variant: The variant.
        slowdown: The share planted in it; 0 for nothing changed.
        planted: The share planted in the session, in this variant or another one.
        images: How many images the tree had.
        date: When it ended, in UTC.
        fingerprint: Of the machine; see ``src/loader_gate/machine/machine.py``.
        load: The machine's load average when it began, if the system shows it.
        others: How many cores other programs kept busy meanwhile, if the system shows it.
        tolerance: The share by which head may be slower.
        budget_seconds: The most measuring time.
        elapsed_seconds: From starting the command to its end.
        exit_code: The command's.
        status: Of the verdict, or ``error`` without one.
        outcome: Of the seconds, compared with base.
        change: Head / base.
        change_low: The lower end of its interval.
        change_high: The upper end.
        blocks: How many there were.
        seconds: Measuring time of the variant itself, head and base.
        with_baseline: The same and the baseline's passes.
        reason: What the verdict said.
    """

    variant: str
    slowdown: float
    planted: float
    images: int
    date: str
    fingerprint: str
    load: float | None
    others: float | None
    tolerance: float
    budget_seconds: float
    elapsed_seconds: float
    exit_code: int
    status: str
    outcome: str = ""
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    blocks: int = 0
    seconds: float = 0.0
    with_baseline: float = 0.0
    reason: str = ""

    @property
    def kind(self) -> Kind:
        """Return what it was about."""
        return Kind(self.variant, self.slowdown)


@dataclass(frozen=True)
class Stage:
    """Where live sessions are held.

    Attributes:
        repository: A repository whose HEAD has nothing planted.
        pace: The tolerance and the budget.
        images: How many images the tree has.
        command: What runs pytest.
    """

    repository: Path
    pace: Pace
    images: int = IMAGES
    command: Sequence[str] = (sys.executable, "-m", "pytest")

    def hold(self, variants: Sequence[str], slowdown: float) -> list[LiveSession]:
        """Hold one session, and return what became of each variant.

        Args:
            variants: The variants to compare.
            slowdown: The share that is planted where it can be; 0 for nothing changed.
        """
        for name in planted.FILES.keys() & {*variants}:
            file = planted.FILES[name]
            clean = _git(self.repository, "show", f"HEAD:{file}")
            text = planted.planted(clean, slowdown, name) if slowdown else clean
            (self.repository / file).write_text(text, encoding="utf-8")
        books = self.repository / "study-books.json"
        books.unlink(missing_ok=True)
        # Floors are another matter: a session that is near one would go on for it.
        floors = [option for name in variants for option in ("--floor", f"{name}={FAR_FLOOR}")]
        own = planted.LOADER in variants
        loaders = ["--loader", f"{planted.LOADER}:{planted.LOADER}"] if own else []
        command = [
            *self.command,
            "benchmarks/test_loading.py",
            *("-k", " or ".join(f"[{name}]" for name in variants)),
            *("-p", "no:cacheprovider"),
            *("--against", "HEAD", "--compare-unchanged"),
            *("--tolerance", f"{100 * self.pace.tolerance:g}"),
            *("--budget", f"{self.pace.budget_seconds:g}"),
            *("--tree-images", str(self.images)),
            *("--benchmark-json", books.name),
            *loaders,
            *floors,
        ]
        before = read_noise()
        started = time.monotonic()
        code, output = self._run(command)
        elapsed = round(time.monotonic() - started, 1)
        others = used_by_others(before, read_noise())
        sessions = []
        for name in variants:
            found = _read(books, name)
            if "status" not in found:
                last = [line for line in output.splitlines() if line.strip()][-3:]
                reason = " | ".join(last).replace(str(self.repository), ".")
                found = {
                    "status": ERROR,
                    "reason": found.get("reason") or reason or "the command said nothing",
                }
            sessions.append(
                LiveSession(
                    variant=name,
                    slowdown=slowdown if name in planted.FILES else 0.0,
                    planted=slowdown,
                    images=self.images,
                    date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
                    fingerprint=read_machine().fingerprint,
                    load=before.load and round(before.load, 1),
                    others=others and round(others, 2),
                    tolerance=self.pace.tolerance,
                    budget_seconds=self.pace.budget_seconds,
                    elapsed_seconds=elapsed,
                    exit_code=code,
                    **found,
                )
            )
        return sessions

    def _run(self, command: Sequence[str]) -> tuple[int, str]:
        """Run a command in the repository; return its exit code and what it said."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "TOX"))
        }
        # The repository's own code comes first on the path.
        environment.pop("PYTHONSAFEPATH", None)
        environment["PYTHONPATH"] = str(self.repository / "src")
        process = subprocess.Popen(
            command,
            cwd=self.repository,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        try:
            output, _ = process.communicate(timeout=10 * self.pace.budget_seconds + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()  # pytest ends its workers
            output, _ = process.communicate()
            output += "\nit did not end in time"
        except BaseException:
            process.terminate()
            process.wait()
            raise
        return process.returncode, output


def hold_sessions(
    stage: Stage,
    variants: Sequence[str],
    slowdowns: Sequence[float],
    path: Path,
    stream: TextIO | None = None,
) -> None:
    """Hold sessions one after another, and add lines to a file for each; those that it has are not held.

    Args:
        stage: Where to hold them.
        variants: The variants that each session compares.
        slowdowns: What is planted in each session, in order; see `interleaved`.
        path: The file.
        stream: Where progress is shown; standard error if None.

    Raises:
        StudyError: The file is of another machine or other options, or no session comes to a verdict.
    """
    held = load_live(path) if path.exists() else ()
    fingerprint = read_machine().fingerprint
    for session in held:
        pace = replace(stage.pace, budget_seconds=session.budget_seconds, tolerance=session.tolerance)
        if (session.fingerprint, session.images, pace) != (fingerprint, stage.images, stage.pace):
            raise StudyError(
                f"{path} holds sessions of another machine or with other options; give another --folder, or "
                "remove it to begin anew."
            )
    # Every session has a line for each variant: those of the first one are counted.
    whole = [session for session in held if session.variant == variants[0] and session.status != ERROR]
    there = Counter(session.planted for session in whole)
    path.parent.mkdir(parents=True, exist_ok=True)
    errors = 0
    with Progress("Live sessions", len(slowdowns), stream) as progress:
        for number, slowdown in enumerate(slowdowns):
            progress.update(number, f"{100 * slowdown:g} % planted" if slowdown else "nothing changed")
            if there[slowdown] > 0:
                there[slowdown] -= 1
                continue
            sessions = stage.hold(variants, slowdown)
            with path.open("a", encoding="utf-8") as lines:
                lines.writelines(json.dumps(asdict(session)) + "\n" for session in sessions)
            errors = errors + 1 if any(session.status == ERROR for session in sessions) else 0
            if errors >= MOST_ERRORS:
                raise StudyError(
                    f"{errors} live sessions in a row came to no verdict; the last said: {sessions[0].reason}"
                )
        progress.update(len(slowdowns))


def interleaved(slowdowns: Sequence[float], sessions: int, unchanged: int) -> list[float]:
    """Return what is planted in each session: nothing, and one of the slowdowns, in turn.

    Args:
        slowdowns: What is planted.
        sessions: How many sessions there are with something planted: all slowdowns together.
        unchanged: How many sessions there are with nothing planted.
    """
    planned: list[float] = []
    for number in range(max(sessions if slowdowns else 0, unchanged)):
        planned += [0.0] if number < unchanged else []
        planned += [slowdowns[number % len(slowdowns)]] if slowdowns and number < sessions else []
    return planned


def load_live(path: Path) -> tuple[LiveSession, ...]:
    """Read live sessions.

    Raises:
        StudyError: There are none, or a line is damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise StudyError(
            f"{path} cannot be read ({error}); hold live sessions with `python -m docs.study live`."
        ) from error
    sessions = []
    for number, line in enumerate(lines, 1):
        try:
            sessions.append(LiveSession(**json.loads(line)))
        except (ValueError, TypeError) as error:  # noqa: PERF203 (the line is named)
            raise StudyError(
                f"{path}, line {number}, is no live session ({error}): remove the line."
            ) from error
    return tuple(sessions)


@contextlib.contextmanager
def throw_away_repository(project: Path) -> Iterator[Path]:
    """Give a new repository with one commit, a copy of the project's tracked files, and remove it afterwards.

    Beside them there is the study's loader.

    Args:
        project: The checkout of the project.

    Raises:
        StudyError: It is no checkout, or there is no git.
    """
    names = _git(project, "ls-files", "-z").split("\0")
    with tempfile.TemporaryDirectory(prefix="loader-gate-", ignore_cleanup_errors=True) as folder:
        repository = Path(folder).resolve() / "copy"
        for name in filter(None, names):
            if (project / name).is_file():
                (repository / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(project / name, repository / name)
        loader = Path(__file__).with_name(planted.LOADER_FILE)
        if loader.is_file():
            shutil.copy2(loader, repository / planted.LOADER_FILE)
        _git(repository, "init", "--quiet")
        _git(repository, "add", "--all", "--force")
        _git(repository, "commit", "--quiet", "--message", "A copy to plant slowdowns in")
        yield repository


def _git(folder: Path, *arguments: str) -> str:
    """Run git, and return what it prints."""
    program = shutil.which("git")
    if program is None:
        raise StudyError("live sessions need git on the PATH: install it.")
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    author = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "study"), ("EMAIL", "study@localhost"))
    }
    result = subprocess.run(
        [program, *_PLAIN, *arguments],
        cwd=folder,
        env={**own, **author},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise StudyError(
            f"git {arguments[0]} in {folder} failed: {result.stderr.strip()}; run from a checkout."
        )
    return result.stdout


def _read(books: Path, variant: str) -> dict[str, Any]:
    """Return what the JSON says of a variant; nothing, or only a reason, if there is no verdict."""
    try:
        document = json.loads(books.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    for benchmark in document.get("benchmarks", []):
        info = benchmark.get("extra_info", {})
        if info.get("variant") == variant and info.get("workload", "loading") == "loading":
            epochs = info.get("epochs", 1)
            sides = [info.get(f"{side}_seconds") or [] for side in ("variant", "base", "baseline")]
            teardown = epochs * info.get("teardown_seconds", 0.0)
            own = epochs * sum(sides[0] + sides[1]) + teardown * len(sides[0] + sides[1])
            return {
                "status": info["verdict"],
                "outcome": info.get("change_outcome") or "missing",
                "change": info.get("change"),
                "change_low": info.get("change_low"),
                "change_high": info.get("change_high"),
                "blocks": info["blocks"],
                "seconds": round(own, 3),
                "with_baseline": round(own + sum(sides[2]), 3),
                "reason": info.get("reason", ""),
            }
    for unmeasured in document.get("loader_gate", {}).get("unmeasured", []):
        if unmeasured["variant"] == variant:
            return {"reason": unmeasured["reason"]}
    return {}
