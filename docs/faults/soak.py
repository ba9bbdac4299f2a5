"""Hold session after session in one process, and look whether anything of it grows; 1 if something does."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from docs.faults.cases import Case
from docs.faults.sessions import Place
from docs.held import told_to_end
from loader_gate.kept_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

#: So many sessions fill what is filled once: caches, imports, the allocator.
WARM_UP = 5
#: Of each figure of `Reading`, by how much it may grow a session; what is counted may not grow at all.
MAY_GROW = {"memory": 200_000.0, "processes": 0.02, "threads": 0.02, "descriptors": 0.02, "disk": 2_000.0}
SESSION = Case("nothing", "everywhere", "passes", (0,))


@dataclass(frozen=True)
class Reading:
    """What there is after a session.

    Attributes:
        memory: Bytes of resident memory of the process that holds the sessions.
        processes: Its children.
        threads: Its threads.
        descriptors: Its open files.
        disk: Bytes of all that sessions write to, without runs that are saved under a number of their own.
        failed: Whether the session failed.
    """

    memory: int
    processes: int
    threads: int
    descriptors: int
    disk: int
    failed: bool = False


def growth(values: Sequence[float]) -> float:
    """Return by how much a figure grows a session: the median of all slopes (Theil and Sen).

    One reading that stands out moves it by nothing.
    """
    slopes = [(values[j] - values[i]) / (j - i) for i, j in combinations(range(len(values)), 2)]
    return statistics.median(slopes) if slopes else 0.0


def grown(chains: Sequence[Sequence[Reading]]) -> list[str]:
    """Return what grows, in words.

    Args:
        chains: The readings of each process that has held sessions.
    """
    found = []
    for name, most in MAY_GROW.items():
        per_session = [growth([getattr(each, name) for each in chain[WARM_UP:]]) for chain in chains]
        worst = max(per_session, default=0.0)
        if worst > most:
            found.append(f"{name} grows by {worst:,.3g} a session, of {most:,g} that it may")
    failed = sum(each.failed for chain in chains for each in chain)
    return [*found, *([f"{failed} sessions failed"] if failed else [])]


def read(place: Place, failed: bool) -> Reading:
    """Return what there is now."""
    import psutil

    process = psutil.Process()
    written = (place.temporary, place.folder / "cache")
    return Reading(
        process.memory_info().rss,
        len(process.children(recursive=True)),
        threading.active_count(),
        process.num_fds(),
        sum(file.lstat().st_size for folder in written for file in folder.rglob("*") if file.is_file()),
        failed,
    )


def hold(place: Place, sessions: int) -> list[Reading]:
    """Hold so many sessions in this process, fewer after Ctrl-C; return what there is after each."""
    import pytest

    environment = place.environment(SESSION)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    os.chdir(place.folder / "project")
    # The program and its options; no run is kept under a number of its own.
    arguments = [each for each in place.command(SESSION, "run.json")[3:] if each != "--benchmark-autosave"]
    readings = []
    for number in range(sessions):
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = pytest.main(arguments)
        if code == pytest.ExitCode.INTERRUPTED:  # what was found until now counts
            break
        if code:
            print(said.getvalue(), file=sys.stderr)
        del said
        readings.append(read(place, failed=bool(code)))
        print(f"{number + 1} of {sessions}: {json.dumps(asdict(readings[-1]))}", flush=True)
    return readings


def main(arguments: Sequence[str] | None = None) -> int:
    """Hold the sessions; return 1 if anything grows."""
    parser = argparse.ArgumentParser(prog="python -m docs.faults.soak", description=__doc__)
    parser.add_argument(
        "--sessions", type=int, default=200, metavar="N", help="how many (default: %(default)s)"
    )
    parser.add_argument("--found", type=Path, metavar="FILE", help="add to what earlier chains have found")
    options = parser.parse_args(arguments)
    chains: list[list[Reading]] = []
    if options.found is not None and options.found.exists():
        earlier = json.loads(options.found.read_text(encoding="utf-8"))
        chains = [[Reading(**each) for each in chain] for chain in earlier]
    home = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder, told_to_end():
        chains.append(hold(Place(Path(folder) / "place"), options.sessions))
        os.chdir(home)
    if options.found is not None:
        write_whole(options.found, json.dumps([[asdict(each) for each in chain] for chain in chains]))
    problems = grown(chains)
    held, judged = sum(map(len, chains)), "; ".join(problems) or "nothing grows"
    print(f"{held} sessions in {len(chains)} processes: {judged}")
    for each in fields(Reading)[:-1]:
        slopes = [growth([getattr(reading, each.name) for reading in chain[WARM_UP:]]) for chain in chains]
        print(f"{each.name}: {', '.join(f'{slope:+,.3g}' for slope in slopes)} a session")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
