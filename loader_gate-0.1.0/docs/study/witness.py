"""Whether a worker's figures are true: held against what a cgroup says of the same processes.

A loader of each kind runs in a worker as sessions start it, inside a cgroup of its own: bound to one core,
to two, and under a quota of CPU time. CPU time is read from the cgroup where a pass begins and where it ends,
by the loader itself; memory is looked at now and then, from outside. It needs root, and leave to make
cgroups.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import tempfile
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.study import witnessed
from docs.study.errors import StudyError
from docs.study.groups import Group, new_group
from loader_gate.machine.cores import processors
from loader_gate.machine.machine import read_machine
from loader_gate.progress import Progress
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.same_work.reference import build_reference
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerProcess, module_search_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from loader_gate.trees.tree import Tree

FILE = "witness.md"
IMAGES, PASSES = 160, 3
#: By what share a figure may leave that of the witness.
MOST_DEVIATION = 0.02
LOADERS = ("threads", "forked", "kept", "daemons", "torch_kept", "torch_anew")
PROJECT = Path(__file__).resolve().parents[2]
_EVERY_SECONDS = 0.005
_MB = 1e6


@dataclass(frozen=True)
class Place:
    """What a worker may use.

    Attributes:
        name: In words.
        processors: How many it is bound to.
        quota: How many cores' time it may use, or None.
    """

    name: str
    processors: int
    quota: float | None = None

    @property
    def most(self) -> float:
        """Return how many cores' time it may use."""
        return min(self.processors, self.quota or math.inf)


PLACES = (
    Place("1 core", 1),
    Place("2 cores", 2),
    Place("a quota of 0.5", 2, 0.5),
    Place("a quota of 1.5", 2, 1.5),
)


@dataclass(frozen=True)
class Finding:
    """What a worker and the witness say of the same passes.

    Attributes:
        place: What the worker might use.
        loader: The loader.
        seconds: Of each pass, by the worker.
        cpu_seconds: Of each pass, by the worker.
        cpu_witnessed: Of each pass, by the cgroup.
        peak_bytes: By the worker, the most of any pass.
        peak_witnessed: By the cgroup, without page cache, with the files that are mapped.
        cores: By the loader, for each pass.
    """

    place: Place
    loader: str
    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]
    cpu_witnessed: tuple[float, ...]
    peak_bytes: int
    peak_witnessed: int
    cores: tuple[int, ...]

    @property
    def cpu_deviation(self) -> float:
        """Return by what share its CPU time leaves that of the witness, in the worst of its passes."""
        shares = [
            ours / theirs - 1 for ours, theirs in zip(self.cpu_seconds, self.cpu_witnessed, strict=True)
        ]
        return max(shares, key=abs)

    @property
    def memory_deviation(self) -> float:
        """Return by what share its peak memory leaves that of the witness."""
        return self.peak_bytes / self.peak_witnessed - 1

    @property
    def busy(self) -> float:
        """Return how many cores' time it used, by the worker's own figures, in all passes together."""
        return sum(self.cpu_seconds) / sum(self.seconds)

    @property
    def counts_right(self) -> bool:
        """Return whether the loader counted on as many cores as it might use."""
        return {*self.cores} == {max(1, math.floor(self.place.most))}


def hold_against_witness(folder: Path) -> None:
    """Run every loader everywhere, and write what was found.

    Raises:
        StudyError: Cgroups cannot be made.
    """
    new_group(f"loader-gate-{os.getpid()}").remove()
    bound_to = processors() or frozenset()
    places = [place for place in PLACES if place.processors <= len(bound_to)]
    loaders = [name for name in LOADERS if not name.startswith("torch") or find_spec("torch")]
    tree = prepare_tree(TreeRequest(tree="small", tree_images=IMAGES))
    findings: list[Finding] = []
    with (
        tempfile.TemporaryDirectory(prefix="loader-gate-", ignore_cleanup_errors=True) as temporary,
        Progress("Witness", len(places) * len(loaders), sys.stderr) as progress,
    ):
        build_reference(tree, (224, 224), Path(temporary, "reference"))
        for place in places:
            for loader in loaders:
                progress.update(len(findings), f"{loader}, {place.name}")
                findings.append(_find(place, loader, tree, Path(temporary)))
                (folder / FILE).write_text(report(findings), encoding="utf-8")
    print(report(findings))


def _find(place: Place, loader: str, tree: Tree, folder: Path) -> Finding:
    spec = Spec((224, 224), 32, True, 0, folder).for_variant(f"{loader}-{place.name}")
    group = new_group(f"loader-gate-{os.getpid()}")
    try:
        group.limit(place.quota)
        with group.entered(), _bound_to(place.processors):
            worker = WorkerProcess(
                Variant(loader, witnessed.__name__, loader), module_search_path(PROJECT), WorkerLimits(600)
            )
        try:
            worker.open(tree, spec)
            worker.ask("check", reference=str(folder / "reference"))
            with _peak_of(group) as peak:
                passes = [_pass(worker, spec) for _ in range(PASSES)]
        finally:
            worker.end()
    finally:
        group.remove()
    timings, epochs = zip(*passes, strict=True)
    return Finding(
        place,
        loader,
        tuple(each["seconds"] for each in timings),
        tuple(each["cpu_seconds"] for each in timings),
        tuple(each["cpu_seconds"] for each in epochs),
        max(each["peak_rss_bytes"] for each in timings),
        peak(),
        tuple(each["cores"] for each in epochs),
    )


def _pass(worker: WorkerProcess, spec: Spec) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the worker says of a pass, and what the loader has noted down of it."""
    answer = worker.ask("pass", epochs=1)
    if "difference" in answer:
        raise StudyError(f"witness: {worker.variant.name} did other work: {answer['difference']}")
    noted = (spec.cache_dir / witnessed.FILE).read_text(encoding="utf-8").splitlines()
    return answer, json.loads(noted[-1])


@contextlib.contextmanager
def _bound_to(number: int) -> Iterator[None]:
    """Bind what is started to the first processors that we may use."""
    before = processors() or frozenset()
    os.sched_setaffinity(0, sorted(before)[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def _peak_of(group: Group) -> Iterator[Callable[[], int]]:
    """Look at a group's memory now and then; what is given returns the most that was seen."""
    seen, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(_EVERY_SECONDS):
            seen[0] = max(seen[0], group.resident_bytes() + _most_mapped(group))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield lambda: seen[0]
    finally:
        over.set()
        looking.join()


def _most_mapped(group: Group) -> int:
    """Return the bytes of files in the process that has most: who first read them was charged for them."""
    most = 0
    for pid in group.processes():
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("RssFile:"):
                    most = max(most, 1024 * int(line.split()[1]))
    return most


def report(findings: Sequence[Finding]) -> str:
    """Return what was found, in Markdown."""
    lines = [
        "# A worker's figures, and what a cgroup says of the same processes",
        "",
        "Written by `python -m docs.study witness`, which needs root and leave to make cgroups; do not edit "
        "it.",
        "",
        f"On {read_machine().describe()}; {PASSES} passes each over {IMAGES} images of 640x480. CPU time is "
        "that of the mean pass, its deviation that of the worst. Memory is the most in all passes: of the "
        "cgroup, what is no file's, and the files that are mapped by the process that has most of them; "
        f"looked at every {1000 * _EVERY_SECONDS:.0f} ms.",
        "",
        "| may use | loader | CPU ms, worker | cgroup | deviation | MB, worker | cgroup | deviation "
        "| `cores()` | CPU s / s |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(_row(each) for each in findings),
        "",
        *_summary(findings),
    ]
    return "\n".join(lines) + "\n"


def _row(found: Finding) -> str:
    cells = (
        found.place.name,
        f"`{found.loader}`",
        f"{1000 * sum(found.cpu_seconds) / len(found.cpu_seconds):.0f}",
        f"{1000 * sum(found.cpu_witnessed) / len(found.cpu_witnessed):.0f}",
        f"{100 * found.cpu_deviation:+.1f} %",
        f"{found.peak_bytes / _MB:.0f}",
        f"{found.peak_witnessed / _MB:.0f}",
        f"{100 * found.memory_deviation:+.1f} %",
        "/".join(map(str, sorted({*found.cores}))),
        f"{found.busy:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def _summary(findings: Sequence[Finding]) -> list[str]:
    """Return what the table comes to."""
    cpu = max((each.cpu_deviation for each in findings), key=abs)
    memory = max((each.memory_deviation for each in findings), key=abs)
    beyond = sum(
        max(abs(each.cpu_deviation), abs(each.memory_deviation)) > MOST_DEVIATION for each in findings
    )
    wrong = sum(not each.counts_right for each in findings)
    above = max(each.busy / each.place.most for each in findings)
    return [
        f"- The largest deviations are {100 * cpu:+.1f} % of CPU time and {100 * memory:+.1f} % of memory; "
        f"{beyond} of {len(findings)} rows have one above {100 * MOST_DEVIATION:.0f} %.",
        f"- `cores()` is wrong in {wrong} of them.",
        f"- CPU seconds / seconds are at most {above:.3f} of what the worker might use.",
    ]
