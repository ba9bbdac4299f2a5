"""What uses up an epoch: counting, the pace of the emulated accelerator on a made-up clock, and a model."""

from __future__ import annotations

import gc
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.fingerprints import Fingerprints
from loader_gate.same_work.timed import TimedEpoch
from loader_gate.same_work.words import DifferenceError
from loader_gate.trees.tree import Tree
from loader_gate.worker import consumers
from loader_gate.worker import stopwatch as stopwatches
from loader_gate.worker.consumers import emulated as emulating
from loader_gate.worker.consumers.drain import Drain
from loader_gate.worker.consumers.emulated import EmulatedAccelerator
from loader_gate.worker.consumers.tally import Tally
from loader_gate.worker.epoch import Consumer, Epoch, read_if_mapped
from loader_gate.worker.epoch import new_consumer as new_consumer_of
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.passes import Passes
from loader_gate.worker.process import WorkerError, WorkerProcess, module_search_path
from loader_gate.worker.stopwatch import Stopwatch
from loader_gate.workloads.training import ARTICLE_RATIO

BATCH = 4
STEP = 0.02  # seconds that the emulated accelerator takes for a whole batch
RATE = BATCH / STEP
SPEC = Spec((1, 1), BATCH, shuffle=False, seed=0, cache_dir=Path("unused"))
DECLARED = DeclaredOutput()


class FakeTime:
    """A clock that only sleep and work move; every sleep takes somewhat too long."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 1000.0
        self.late = late
        self.sleeps = 0

    def perf_counter(self) -> float:
        """Return the time."""
        return self.now

    def process_time(self) -> float:
        """Return the CPU time of the process: it always works."""
        return self.now

    def thread_time(self) -> float:
        """Return that of the thread, of which there are no others."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Sleep for at least so long."""
        assert seconds > 0
        self.sleeps += 1
        self.now += seconds + self.late


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTime]:
    """Let consumers live by a clock of the test's own, and read loaders without TensorFlow."""
    fake = FakeTime()
    for module in (stopwatches, emulating):
        monkeypatch.setattr(module, "time", fake)
    monkeypatch.setattr(emulating, "as_dataset", lambda batches, *_: batches)
    yield fake
    gc.enable()  # a stopwatch holds it between epochs


def tree_of(images: int) -> Tree:
    """Return a tree of two classes, of which nothing is on disk."""
    labels = tuple(index % 2 for index in range(images))
    paths = tuple(f"{index}.jpg" for index in range(images))
    return Tree(Path("nowhere"), paths, labels, ("a", "b"), "digest")


def batches_of(tree: Tree) -> list[tuple[Any, Any]]:
    """Return one epoch of a tree."""
    labels = np.eye(2, dtype=np.float32)[list(tree.labels)]
    starts = range(0, len(tree), BATCH)
    sizes = [min(BATCH, len(tree) - start) for start in starts]
    return [
        (np.zeros((size, 1, 1, 3), np.float32), labels[start : start + size])
        for start, size in zip(starts, sizes, strict=True)
    ]


def loading(batches: Iterable[Any], clock: FakeTime, seconds: float | Sequence[float]) -> Iterator[Any]:
    """Yield batches that take so long to load, each or one after another."""
    for index, batch in enumerate(batches):
        clock.now += seconds if isinstance(seconds, float) else seconds[index % len(seconds)]
        yield batch


@dataclass(frozen=True)
class Times:
    """When things happened in an epoch, and how busy the device was."""

    first_batch: float
    end: float
    utilisation: float | None = None


class Calls:
    """Counts the calls that a consumer makes back."""

    def __init__(self) -> None:
        self.alive = 0
        self.waits: list[float] = []

    def epoch(self, consumer: Consumer, batches: Iterable[Any], tree: Tree | None = None) -> Times:
        """Use up an epoch of a tree, or of a limit, which is not looked at; and refuse what is none."""

        def alive() -> None:
            self.alive += 1

        seen = None if tree is None else TimedEpoch(Fingerprints(tree, SPEC, DECLARED, seed=0))
        epoch = Epoch(Stopwatch(), seen, alive)
        consumer.use_up(batches, epoch)
        problem = None if seen is None else seen.problem()
        if problem is not None:
            raise DifferenceError(problem)
        self.waits = epoch.waits
        return Times(epoch.first_batch or 0.0, epoch.stopwatch.seconds, epoch.utilisation)


def emulated(tree: Tree, batches: Iterable[Any], images_per_second: float = RATE) -> Times:
    """Use up an epoch with an emulated accelerator."""
    return Calls().epoch(EmulatedAccelerator(tree, SPEC, DECLARED, images_per_second), batches, tree)


CONSUMERS: dict[str, Callable[[Tree], Consumer]] = {
    "drain": lambda tree: Drain(tree, SPEC, DECLARED),
    "emulated": lambda tree: EmulatedAccelerator(tree, SPEC, DECLARED, RATE),
}


@pytest.fixture(params=CONSUMERS)
def new_consumer(request: pytest.FixtureRequest, clock: FakeTime) -> Callable[[Tree], Consumer]:
    """Return a function that makes a consumer for a tree: one after another, all that need no TensorFlow."""
    assert clock.sleeps == 0
    return CONSUMERS[request.param]


def test_a_kind_of_consumer_is_a_file() -> None:
    """It is found by its name, and nothing else is there."""
    names = {info.name for info in pkgutil.iter_modules(consumers.__path__)}
    assert names == {"drain", "emulated", "model", "tally"}
    found = [new_consumer_of(tree_of(2), SPEC, DECLARED, name) for name in ("drain", "tally")]
    assert [type(each) for each in found] == [Drain, Tally]


def test_it_says_that_it_lives(new_consumer: Callable[[Tree], Consumer]) -> None:
    """Once a batch, so that slow is not taken for hung."""
    tree, calls = tree_of(10), Calls()
    calls.epoch(new_consumer(tree), batches_of(tree), tree)
    assert calls.alive == 3


def test_epoch_after_epoch(new_consumer: Callable[[Tree], Consumer]) -> None:
    """Nothing is carried over from the epoch before."""
    tree = tree_of(10)
    consumer = new_consumer(tree)
    first, second = (Calls().epoch(consumer, batches_of(tree), tree) for _ in range(2))
    assert second.end == pytest.approx(first.end)
    assert second.utilisation == pytest.approx(first.utilisation)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (6, "6 images came in a timed epoch, expected the 10 of the tree"),
        (9, "9 images came in a timed epoch, expected the 10 of the tree"),
        (11, "did not end after the 10 images of the tree"),
        (14, "did not end after the 10 images of the tree"),
    ],
)
def test_a_wrong_number_of_images(
    images: int, expected: str, new_consumer: Callable[[Tree], Consumer]
) -> None:
    """An epoch that is short, or long, is none; one that never ends is left."""
    with pytest.raises(DifferenceError, match=expected):
        Calls().epoch(new_consumer(tree_of(10)), batches_of(tree_of(images)), tree_of(10))


def test_wrong_labels(new_consumer: Callable[[Tree], Consumer]) -> None:
    """As many images, but not of the right classes: the class is named."""
    tree = tree_of(10)
    swapped = [(images, np.eye(2, dtype=np.float32)[[0] * len(images)]) for images, _ in batches_of(tree)]
    with pytest.raises(DifferenceError, match=r"10 images of class 'a' came in a timed epoch, expected 5"):
        Calls().epoch(new_consumer(tree), swapped, tree)


def test_no_batch(new_consumer: Callable[[Tree], Consumer]) -> None:
    """An empty epoch says so, instead of having figures."""
    with pytest.raises(DifferenceError, match="No images came"):
        Calls().epoch(new_consumer(tree_of(10)), [], tree_of(10))


def test_a_limit_is_counted(clock: FakeTime) -> None:
    """It tells how many images it has dealt with, epoch after epoch, and nothing else is looked at."""
    calls, limit = Calls(), Tally(tree_of(10), SPEC, DECLARED)
    times = calls.epoch(limit, loading([4, 4, 2], clock, 0.5))
    assert (times.first_batch, times.end, times.utilisation) == (0.5, 1.5, None)
    assert calls.alive == 3
    assert Calls().epoch(limit, loading([10], clock, 0.5)).end == 0.5
    for counts, message in (([4, 4], "8 images were dealt with, expected the 10"), ([], "0 images were")):
        with pytest.raises(DifferenceError, match=message):
            Calls().epoch(limit, counts)


def test_draining_takes_what_loading_takes(clock: FakeTime) -> None:
    """To the first batch and to the last; no device, so nothing of one."""
    tree = tree_of(10)
    found = Calls().epoch(
        Drain(tree, SPEC, DECLARED), loading(batches_of(tree), clock, [3.0, 1.0, 1.0]), tree
    )
    assert found == Times(3.0, 5.0)


def test_a_loader_that_is_fast_enough(clock: FakeTime) -> None:
    """The device is always busy: an epoch takes images / speed, and a smaller last batch a smaller step."""
    tree = tree_of(50 * BATCH + 1)
    found = emulated(tree, loading(batches_of(tree), clock, STEP / 2))
    assert found.first_batch == pytest.approx(STEP / 2)
    assert found.end == pytest.approx(found.first_batch + len(tree) / RATE)
    assert found.utilisation == pytest.approx(1.0)


def test_a_loader_as_fast_as_the_device(clock: FakeTime) -> None:
    """One batch is loaded while another is used, so neither waits for the other."""
    tree = tree_of(50 * BATCH)
    found = emulated(tree, loading(batches_of(tree), clock, STEP))
    assert found.end == pytest.approx(51 * STEP)
    assert found.utilisation == pytest.approx(1.0)


@pytest.mark.parametrize("batches", [8, 50])
def test_a_loader_of_the_articles_ratio(batches: int, clock: FakeTime) -> None:
    """4.14 times too slow: the device waits, and is busy for 1/4.14 of the time, however few batches."""
    tree = tree_of(batches * BATCH)
    found = emulated(tree, loading(batches_of(tree), clock, ARTICLE_RATIO * STEP))
    assert found.end == pytest.approx((ARTICLE_RATIO * batches + 1) * STEP)
    assert found.utilisation == pytest.approx(1 / ARTICLE_RATIO)
    assert clock.sleeps == 1  # for the last step only


def test_a_slow_beginning_is_no_idle_device(clock: FakeTime) -> None:
    """What a pipeline takes to fill counts in the epoch's seconds, and not against the device."""
    tree = tree_of(50 * BATCH)
    found = emulated(tree, loading(batches_of(tree), clock, [1.0, *[STEP / 2] * 49]))
    assert found.first_batch == pytest.approx(1.0)
    assert found.end == pytest.approx(1.0 + 50 * STEP)
    assert found.utilisation == pytest.approx(1.0)


def test_a_loader_that_stutters(clock: FakeTime) -> None:
    """A wait is lost time, even if the loader is fast enough on the whole: a device cannot catch up."""
    tree = tree_of(50 * BATCH)
    found = emulated(tree, loading(batches_of(tree), clock, [STEP / 10] * 9 + [4 * STEP]))
    assert found.end == pytest.approx((0.1 + 50 + 5 * 3) * STEP)
    assert found.utilisation == pytest.approx(49 / 64)


def test_oversleeping_does_not_add_up(clock: FakeTime) -> None:
    """Each of 50 sleeps ends 5 ms late, but the epoch is at most one such delay too long."""
    clock.late = 0.005
    tree = tree_of(50 * BATCH)
    found = emulated(tree, batches_of(tree))
    assert clock.sleeps == 50
    planned = len(tree) / RATE
    assert planned <= found.end <= planned + clock.late + 1e-9
    assert found.utilisation == pytest.approx(1.0, abs=0.01)


def test_one_batch(clock: FakeTime) -> None:
    """A device that has made its first step only has no share to tell."""
    tree = tree_of(BATCH)
    found = emulated(tree, loading(batches_of(tree), clock, STEP))
    assert found.end == pytest.approx(2 * STEP)
    assert found.utilisation is None


def test_a_device_that_is_never_busy(clock: FakeTime) -> None:
    """At infinite speed the seconds are the loader's own: this is how the suite finds what it can feed."""
    tree = tree_of(50 * BATCH)
    found = emulated(tree, loading(batches_of(tree), clock, STEP), float("inf"))
    assert found.end == pytest.approx(50 * STEP)
    assert clock.sleeps == 0


@pytest.mark.parametrize("images", [50 * BATCH, 50 * BATCH + 1, 3])
@pytest.mark.parametrize("late", [0.0, 0.005])
def test_the_pacing_error(images: int, late: float, clock: FakeTime) -> None:
    """It is the share by which an epoch of batches that are there takes too long: one late waking-up."""
    clock.late = late
    error = EmulatedAccelerator(tree_of(images), SPEC, DECLARED, RATE).pacing_error()
    assert -1e-9 <= error <= late / (images / RATE) + 1e-9
    if images % BATCH == 0 or images < BATCH:  # else the short last step is over when the host wakes up
        assert error == pytest.approx(late / (images / RATE), abs=1e-9)


def test_the_pace_of_a_long_epoch(clock: FakeTime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its beginning is enough: nobody wants to wait for an epoch of nothing but sleep."""
    monkeypatch.setattr(emulating, "PACING_SECONDS", 10 * STEP)
    before, clock.late = clock.now, 0.005
    error = EmulatedAccelerator(tree_of(1000 * BATCH), SPEC, DECLARED, RATE).pacing_error()
    assert clock.now - before == pytest.approx(10 * STEP + clock.late)
    assert error == pytest.approx(clock.late / (10 * STEP))


# A real model, in one worker.


@pytest.fixture(scope="module")
def trainer() -> Iterator[WorkerProcess]:
    """Start a worker that trains."""
    search_path = module_search_path(Path(__file__).parent)
    worker = WorkerProcess(Variant("counted", "sample_loaders", "counted"), search_path, WorkerLimits(120.0))
    try:
        yield worker
    finally:
        worker.end()


def train(worker: WorkerProcess, function: str, tree: Tree, spec: Spec) -> list[dict[str, Any]]:
    """Train for two passes of one epoch with a sample loader."""
    worker.variant = Variant(function, "sample_loaders", function)
    worker.open(tree, spec, {"name": "model", "width": 0.35, "weights": None})
    return [worker.ask("pass", epochs=1) for _ in range(2)]


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Return a spec of the smallest images that MobileNetV2 takes."""
    return Spec((32, 32), 5, shuffle=True, seed=0, cache_dir=tmp_path)


@pytest.mark.parametrize("function", ["counted", "counted_dataset"])
def test_a_model_draws_one_epoch(function: str, trainer: WorkerProcess, tiny_tree: Tree, spec: Spec) -> None:
    """Not one batch more, before or after: neither of a loader nor of a dataset that knows its length.

    As in loading, a timed epoch of a loader that loses images is refused, even if it has all its batches.
    """
    for timing in train(trainer, function, tiny_tree, spec):
        assert 0 < timing["first_batch_seconds"] <= timing["seconds"]
        assert timing["accelerator_utilisation"] is None
    drawn = (spec.cache_dir / "drawn").read_text(encoding="utf-8").split()
    assert drawn == ["epoch", *["batch"] * 5] * 2
    if function == "counted":  # the batches of a dataset never come by
        with pytest.raises(WorkerError, match=r"19 images came in a timed epoch, expected the 24"):
            trainer.ask("pass", epochs=1)


def test_a_gpu_is_not_waited_for_at_each_step(trainer: WorkerProcess, tiny_tree: Tree, spec: Spec) -> None:
    """Nobody asks for the loss of a step; when the last is done, the GPU is looked at: here there is none."""
    trainer.variant = Variant("waits_counted", "sample_loaders", "waits_counted")
    numbers = {"gpu": True, "precision": "mixed_bfloat16"}
    trainer.open(tiny_tree, spec, {"name": "model", "width": 0.35, "weights": None, **numbers})
    waits = spec.cache_dir / "waits"
    waits.write_text("", encoding="utf-8")
    for timing in (trainer.ask("pass", epochs=1) for _ in range(2)):
        assert {*timing["gpu"]} == {"peak_bytes", "busy", "clock", "watts"}
        assert 0 < timing["first_batch_seconds"] <= timing["seconds"]
    assert len(waits.read_text(encoding="utf-8").splitlines()) <= 2  # of five steps a pass


def test_a_model_trains_on_batches_that_are_already_there(
    trainer: WorkerProcess, tiny_tree: Tree, spec: Spec
) -> None:
    """They are held against nothing, and so the check is one more epoch of them."""
    trainer.variant = next(each for each in built_in_variants() if each.traits.hands_over_batches)
    trainer.open(tiny_tree, spec, {"name": "model", "width": 0.35, "weights": None})
    assert trainer.ask("check", reference="") == {"reason": None, "median_psnr": None}
    timing = trainer.ask("pass", epochs=2)
    assert 0 < timing["first_batch_seconds"] <= timing["seconds"]
    assert (timing["epochs"], timing["shuffle_quality"]) == (2, None)


def test_keras_on_another_backend(trainer: WorkerProcess, tiny_tree: Tree, spec: Spec) -> None:
    """A loader may have set it up: nothing is trained on another backend than the rest of the session."""
    trainer.variant = Variant("counted", "sample_loaders", "counted")
    model = {"name": "model", "width": 0.35, "weights": None, "backend": "jax"}
    with pytest.raises(WorkerError, match=r"run on tensorflow, and .* trains on jax: .*--backend tensorflow"):
        trainer.open(tiny_tree, spec, model)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("name", ["whole", "a view", "backwards"])
def test_what_is_mapped_is_read(name: str, tmp_path: Path) -> None:
    """Every page of a batch that lies in a file, whatever view of it."""
    file = tmp_path / "images.raw"
    images = np.memmap(file, np.float32, "w+", shape=(8, 64, 64, 3))
    views = {"whole": images, "a view": np.asarray(images[2:6]), "backwards": images[::-1]}

    def resident() -> int:
        """Return how much of the file is in this process, in bytes."""
        lines = iter(Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines())
        return sum(
            1024 * int(next(each for each in lines if each.startswith("Rss:")).split()[1])
            for line in lines
            if line.endswith(str(file))
        )

    read_if_mapped(np.ones((8, 64, 64, 3), np.float32))
    assert resident() == 0
    read_if_mapped(views[name])
    assert resident() >= views[name].nbytes


@pytest.mark.parametrize("cpu_seconds", [-1.0, -0.01, 0.5])
def test_cpu_time_that_is_lost(cpu_seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum of a worker's processes has fallen: some ended unseen; that of hundredths may fall by one."""

    class Uses:
        def use_up(self, batches: Iterable[Any], epoch: Epoch) -> None:
            """Take some time."""
            assert [*batches] == []
            epoch.stopwatch.seconds, epoch.stopwatch.cpu_seconds = 1.0, cpu_seconds

    monkeypatch.setattr("loader_gate.worker.passes.adopts_orphans", lambda: True)  # as workers do
    passes = Passes(Uses(), [], None, Stopwatch(), shuffle=False, alive=lambda: None)
    if cpu_seconds == -1.0:
        with pytest.raises(DifferenceError, match="CPU time is lost"):
            passes.run(1)
    else:
        assert passes.run(1).cpu_seconds == max(0.0, cpu_seconds)
