"""The word for what holds a variant back: the rule, the evidence, and what looks for it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loader_gate.diagnosis.bottleneck import bottleneck
from loader_gate.diagnosis.observed import Epochs, Evidence, Observed, evidence_of
from loader_gate.machine.threads import Activity, Watcher
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.report.bottlenecks import bottleneck_lines
from loader_gate.rotation.contestant import Arm, Contestant
from loader_gate.rotation.measurement import Measurement
from loader_gate.rotation.rehearsals import Rehearsals
from loader_gate.session.bottlenecks import bottlenecks
from loader_gate.trees.plain import GREY, part_of, plain
from loader_gate.trees.tree import Tree
from loader_gate.worker import lock_probe
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.observing import Asked, Stages, observe
from loader_gate.worker.process import WorkerError, WorkerProcess, module_search_path
from loader_gate.workloads.loading import WORKLOAD as LOADING
from loader_gate.workloads.training import WORKLOAD as TRAINING
from tests.sessions import ROOT

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what threads do")
#: How often a cause is looked at beside a busy neighbour before it counts as not found.
TRIES = 4

#: A loader that keeps two cores busy, with nothing that stands out.
BUSY = Evidence(2, 1.9, 2.0, decoding=0.3, pixels=0.3, lock=0.1, reading=0.0, asleep=0.0)
#: One that keeps one of two cores busy.
IDLE = replace(BUSY, cores_used=1.0, running=1.0)


@pytest.mark.parametrize(
    ("evidence", "word"),
    [
        (replace(BUSY, decoding=0.7), "decode-bound"),
        (replace(BUSY, pixels=0.7), "copy-bound"),
        (replace(BUSY, pixels=0.7, limits={"limit_memory_copy": 0.9}), "memory-bound"),
        (replace(BUSY, pixels=0.4, limits={"limit_memory_copy": 0.9}), "unclear"),
        (replace(BUSY, lock=0.95), "interpreter-bound"),
        (replace(BUSY, decoding=0.8, lock=0.95), "interpreter-bound"),
        (replace(BUSY, reading=1.2), "read-bound"),
        (replace(BUSY, decoding=0.6, reading=1.2), "unclear"),
        (replace(BUSY, limits={"limit_read_files": 0.8}), "read-bound"),
        (BUSY, "unclear"),
        (replace(BUSY, decoding=None, pixels=None), "unclear"),
        (IDLE, "wait-bound"),
        (replace(IDLE, decoding=0.9), "wait-bound"),
        (replace(IDLE, asleep=0.9), "wait-bound"),
        (replace(IDLE, pixels=0.7), "copy-bound"),
        (replace(IDLE, running=1.3), "unclear"),
        (replace(IDLE, others=0.3), "wait-bound"),
        (replace(IDLE, others=0.9), "unclear"),
        (replace(IDLE, others=0.9, reading=0.9), "read-bound"),
        (replace(IDLE, reading=0.9), "read-bound"),
        (replace(IDLE, reading=0.4), "unclear"),
        (replace(IDLE, lock=0.6), "unclear"),
        (replace(IDLE, lock=0.9), "interpreter-bound"),
        (replace(IDLE, pixels=0.9, limits={"limit_memory_copy": 0.8}), "memory-bound"),
        # Other programs took the cores: two threads wanted to run.
        (replace(IDLE, running=2.0, decoding=0.8), "decode-bound"),
        # One core is all that there is.
        (replace(IDLE, cores=1, decoding=0.8), "decode-bound"),
        (replace(BUSY, compute=0.95, decoding=0.8), "compute-bound"),
        (replace(BUSY, compute=0.60, decoding=0.8), "unclear"),
        (replace(BUSY, compute=0.20, decoding=0.8), "decode-bound"),
        # Not every system shows what threads do.
        (Evidence(2, 1.9, decoding=0.8, pixels=0.1), "decode-bound"),
        (Evidence(2, 1.0, decoding=0.8, pixels=0.1), "unclear"),
        (Evidence(2, problem="it died"), "unclear"),
        (Evidence(2), "unclear"),
    ],
)
def test_the_rule(evidence: Evidence, word: str) -> None:
    """Every cause has its evidence, and where that does not carry a word there is none."""
    said = bottleneck(evidence)
    assert said.word == word
    assert said.sentence
    assert "\n" not in said.sentence


def test_the_sentence_has_the_figures() -> None:
    """Whoever reads the word sees what it was found by."""
    said = bottleneck(replace(BUSY, decoding=0.71, pixels=0.18, limits={"limit_jpeg_decode": 0.93}))
    assert said.sentence == (
        "1.9 of 2 cores busy, 71% of CPU time goes into decoding, 18% into the pixels of finished images, "
        "lock held 10%, 93% of limit_jpeg_decode"
    )
    assert bottleneck(Evidence(2, problem="it died\nhere")).sentence == "it died\\nhere"


def _epochs(seconds: float, **seen: Any) -> Epochs:
    return Epochs(seconds, 1.9, activity=Activity(2.0, 0.25, 0.5, 0.1, 40), **seen)


def test_the_evidence_is_what_goes_when_something_is_left_out() -> None:
    """Decoding is what goes with the pictures; pixels are what goes further with those of images."""
    found = evidence_of(Observed(_epochs(1.0), _epochs(0.4), _epochs(0.1)), 2, {"limit_read_files": 0.2})
    assert found.decoding == pytest.approx(0.6)
    assert found.pixels == pytest.approx(0.3)
    assert (found.cores_used, found.running, found.reading, found.asleep) == (1.9, 2.0, 0.25, 0.5)
    assert found.as_json()["limits"] == {"limit_read_files": 0.2}
    # Noise makes neither of them negative, and none of them more than there is.
    slower = evidence_of(Observed(_epochs(1.0), _epochs(1.2), _epochs(0.1)), 2, {})
    assert slower.decoding == 0
    assert slower.pixels == pytest.approx(0.9)


def test_who_sleeps_in_a_function_that_reads() -> None:
    """Waits for what it reads."""
    found = evidence_of(Observed(_epochs(1.0, readers=0.4)), 2, {})
    assert found.reading == pytest.approx(0.65)
    assert found.asleep == pytest.approx(0.1)
    assert found.decoding is None


def test_what_holds_the_lock_when_nothing_is_decoded() -> None:
    """Holds it when something is, too, for as long."""
    found = evidence_of(
        Observed(_epochs(1.0, lock=0.4), _epochs(0.8, lock=0.9), _epochs(0.1, lock=1.0)), 2, {}
    )
    assert found.lock == pytest.approx(0.72)


def test_what_failed_is_said() -> None:
    """And so is what was seen until then."""
    assert bottleneck(evidence_of(Observed(problem="it died"), 2, {})).sentence == "it died"
    found = evidence_of(Observed(_epochs(1.0), problem="it died"), 2, {})
    assert found.as_json()["problem"] == "it died"


def test_names_of_functions() -> None:
    """It is a word of their names, and not a part of one."""

    def read_slowly() -> Any:
        return sys._getframe()

    def threaded() -> Any:
        return sys._getframe()

    assert lock_probe.reads(read_slowly())
    assert not lock_probe.reads(threaded())


#: Looks while a thread sleeps, while one runs a loop of Python, and while a forked process does so.
LOOKS = """
import os, threading, time, warnings
from loader_gate.worker.lock_probe import LockProbe

def share(place):
    with probe.looking() as found:
        time.sleep(0.5)
    return found[place][1] / found[place][0]

def loop():
    while not ends.is_set():
        sum(range(1000))

warnings.simplefilter("ignore")  # a fork of what has threads, as of torch's workers
probe, ends = LockProbe(), threading.Event()
print(share(0))
thread = threading.Thread(target=loop)
thread.start()
print(share(0))
ends.set()
thread.join()
if os.fork() == 0:
    while True:
        sum(range(1000))
print(share(1))
probe.forget_forked()
with probe.looking() as found:
    time.sleep(0.1)
print(sum(looks for looks, _, _ in found[1:]))
os.killpg(0, 9)
"""


@LINUX
def test_a_lock_that_is_held() -> None:
    """A loop of Python holds it nearly all the time, in a forked process, too; one that sleeps does not."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", LOOKS], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        free, held, held_in_child, forgotten = map(float, process.stdout)
    assert free < 0.5 < min(held, held_in_child)
    assert forgotten == 0


def test_a_plain_tree(tiny_tree: Tree, tmp_path: Path) -> None:
    """It has the names, classes and sizes of the files, and next to no picture in them."""
    found = plain(tiny_tree, tmp_path / "plain")
    assert (found.class_names, found.labels) == (tiny_tree.class_names, tiny_tree.labels)
    for own, other in zip(found.paths, tiny_tree.paths, strict=True):
        assert Path(own).name == Path(other).name
        assert Path(own).stat().st_size == Path(other).stat().st_size
    pixels = np.asarray(Image.open(found.paths[0]))
    assert pixels.shape == (16, 16, 3)
    assert np.abs(pixels.astype(int) - GREY).max() <= 1


def test_a_part_of_a_tree(tiny_tree: Tree, tmp_path: Path) -> None:
    """It has as many images as asked for, of all classes; a small tree stays as it is."""
    assert part_of(tiny_tree, 24, tmp_path / "none") is tiny_tree
    part = part_of(tiny_tree, 6, tmp_path / "part")
    assert len(part) == 6
    assert part.class_names == tiny_tree.class_names
    assert {*part.labels} == {*tiny_tree.labels}
    assert {Path(path).resolve() for path in part.paths} <= {Path(path).resolve() for path in tiny_tree.paths}


@LINUX
@pytest.mark.parametrize(
    ("code", "most"),
    [
        ("import time\nwith open({file!r}) as file:\n  while True: time.sleep(0.2)", "reading"),
        ("while True: pass", "running"),
        ("import threading; threading.Event().wait()", None),
    ],
)
def test_what_threads_are_doing(code: str, most: str | None, tmp_path: Path) -> None:
    """Whoever sleeps beside an open file of the tree is reading it; who waits for others does nothing."""
    file = tmp_path / "image.jpg"
    file.touch()
    with subprocess.Popen([sys.executable, "-c", code.format(file=str(file))]) as process:
        try:
            time.sleep(0.5)
            watcher = Watcher(process.pid, {str(tmp_path)})
            time.sleep(0.5)
            found = watcher.stop()
        finally:
            process.kill()
    assert found is not None
    counts = {"reading": found.reading, "running": found.running}
    for name, count in counts.items():
        assert (count > 0.5) == (name == most), found


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Return a spec of small images in small batches."""
    return Spec((32, 48), 5, shuffle=True, seed=0, cache_dir=tmp_path / "cache")


@pytest.fixture
def rehearsed(tiny_tree: Tree, spec: Spec, tmp_path: Path) -> Callable[..., Any]:
    """Return a function that opens a worker of a sample loader, with the trees of a rehearsal."""
    stages = Stages(tiny_tree, plain(tiny_tree, tmp_path / "plain"))

    @contextmanager
    def opened(
        function: str, module: str = "tests.sample_loaders"
    ) -> Iterator[tuple[WorkerProcess, Observed]]:
        search_path = module_search_path(ROOT)
        worker = WorkerProcess(Variant(function, module, function), search_path, WorkerLimits(60.0))
        try:
            own = spec.for_variant(function)
            worker.open(tiny_tree, own)
            yield worker, observe(worker, stages, own)
        finally:
            worker.end()

    return opened


def test_a_worker_is_observed(rehearsed: Any) -> None:
    """Epochs of three kinds are seen; the worker counts as idle meanwhile, and answers as before."""
    with rehearsed("sleepy") as (worker, found):
        assert not found.problem
        assert None not in (found.whole, found.undecoded, found.tiny)
        assert worker.ask("pass", epochs=1)["idle_cpu_seconds"] < found.whole.seconds
    if sys.platform == "linux":
        assert bottleneck(evidence_of(found, 2, {})).word == "wait-bound"


@LINUX
@pytest.mark.parametrize(
    ("cause", "word"), [("slow_storage", "read-bound"), ("held_lock", "interpreter-bound")]
)
def test_a_planted_cause(cause: str, word: str, rehearsed: Any) -> None:
    """It is named; `python -m docs.diagnosis` plants all of them, in loaders of all kinds.

    On a busy machine the word may be "unclear", which another look mends, but never another one.
    """
    for _ in range(TRIES):
        with rehearsed(f"threads_{cause}", "docs.diagnosis.planted") as (_, found):
            seen = bottleneck(evidence_of(found, 2, {})).word
        if seen != "unclear":
            break
    assert seen == word, found


def test_a_loader_that_ignores_the_tree(rehearsed: Any) -> None:
    """It is not observed on trees that it does not read; nothing is guessed."""
    with rehearsed("always_the_same") as (_, found):
        assert "did not come from its files" in found.problem
        assert found.whole is not None
    assert evidence_of(found, 2, {}).decoding is None


class FakeWorker:
    """Answers what it is asked, or fails."""

    pid = 0

    def __init__(self, problem: str = "") -> None:
        """Fail with a problem, if there is one."""
        self._problem = problem

    def ask(self, do: str, **_: Any) -> dict[str, Any]:
        """Return what a worker would."""
        if self._problem:
            raise WorkerError(self._problem)
        return {} if do == "rehearse" else {"seconds": 0.1, "cores_used": 1.0}


def test_all_but_limits_are_rehearsed(
    tiny_tree: Tree, spec: Spec, tmp_path: Path, make_measurement: Callable[..., Measurement]
) -> None:
    """One after another, and each worker goes; who fails meanwhile has a problem, and keeps its passes."""
    contestants = [Contestant(Variant(name, name)) for name in ("good", "fails", "limit", "lost")]
    good, fails, limit, lost = contestants
    for each in contestants:
        each.head.passes += make_measurement().variant_passes
    limit.variant = replace(limit.variant, kind="limit")
    running: dict[Arm, Asked] = {
        good.head: FakeWorker(),
        fails.head: FakeWorker("it died"),
        limit.head: FakeWorker("it is a limit"),
    }
    done: list[Arm] = []
    rehearsals = Rehearsals(tiny_tree, tmp_path / "rehearsals")
    rehearsals.hold(contestants, running, lambda variant, _: spec.for_variant(variant.name), done.append)
    assert done == [good.head, fails.head]
    assert good.observed is not None
    assert not good.observed.problem
    assert fails.observed is not None
    assert "it died" in fails.observed.problem
    assert fails.head.problem is None
    assert limit.observed is None
    assert lost.observed is None


def test_a_worker_that_dies_meanwhile(rehearsed: Any) -> None:
    """The word is ``unclear``, with the reason."""
    with rehearsed("killed") as (_, found):
        said = bottleneck(evidence_of(found, 2, {}))
    assert said.word == "unclear"
    assert "SIGKILL" in said.sentence


def test_what_a_session_says(make_measurement: Callable[..., Measurement]) -> None:
    """The word and its proof are in the JSON, and in a line for people; of a limit there is none."""
    observed = Observed(_epochs(1.0), _epochs(0.2), _epochs(0.1))

    def limit(name: str, *bounds: str) -> Measurement:
        found = make_measurement(name, kind="limit", seconds=(0.4, 0.4))
        return replace(found, variant=replace(found.variant, kind="limit", bounds=bounds))

    measurements = {
        "tfdata_no_cache": replace(make_measurement(seconds=(0.5, 0.5)), observed=observed),
        "limit_jpeg_decode": limit("limit_jpeg_decode", "streaming"),
        "limit_memory_copy": limit("limit_memory_copy", "memory"),
    }
    found = bottlenecks(LOADING, measurements, 2)
    assert {*found} == {"tfdata_no_cache"}
    assert found["tfdata_no_cache"]["bottleneck"] == "decode-bound"
    assert found["tfdata_no_cache"]["bottleneck_evidence"]["limits"] == {"limit_jpeg_decode": 0.8}
    (line,) = bottleneck_lines(found)
    assert line.startswith("tfdata_no_cache: decode-bound: 1.9 of 2 cores busy, 80% of CPU time")


@pytest.mark.parametrize(
    ("busy", "word"), [(0.95, "compute-bound"), (0.2, "decode-bound"), (None, "unclear")]
)
def test_what_training_says(
    busy: float | None, word: str, make_measurement: Callable[..., Measurement]
) -> None:
    """It is the device, if that is busy; where nobody knows, nothing is said of the loader either."""
    made = make_measurement()
    passes = tuple(replace(each, accelerator_utilisation=busy) for each in made.variant_passes)
    observed = Observed(_epochs(1.0), _epochs(0.2), _epochs(0.1))
    measured = {made.variant.name: replace(made, variant_passes=passes, observed=observed)}
    found = bottlenecks(TRAINING.at(100.0), measured, 2)
    assert found[made.variant.name]["bottleneck"] == word
