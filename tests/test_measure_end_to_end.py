"""A workload from beginning to end, with made-up workers: what is refused, removed and said."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from loader_gate.base.base import Base
from loader_gate.machine.machine import Machine
from loader_gate.progress import Progress
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.report.session_table import TableNotes, about_run
from loader_gate.rotation.pace import Pace
from loader_gate.session import dump_writer, measure, workers
from loader_gate.session.cold import ColdPlan
from loader_gate.session.gating import Gating
from loader_gate.session.guard import Allowance
from loader_gate.session.result import Result
from loader_gate.session.settings import Place, Settings
from loader_gate.trees.tree import Tree
from loader_gate.verdict.floors import Choice, OwnFloor
from loader_gate.worker.epoch import DRAIN
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.origin import Origin
from loader_gate.worker.process import WorkerError
from loader_gate.workloads.device import Device
from loader_gate.workloads.known import workload
from loader_gate.workloads.workload import Workload, WorkloadOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loader_gate.registry.spec import Spec

VARIANTS = built_in_variants()
READY = "limit_ready_batches"
STREAMING, MEMORY, DUMP = "tfdata_no_cache", "tfdata_memory_cache", "tfdata_file_cache"
GB = 10**9
THIS_MACHINE = Machine("this one", 2, 100 * GB, "Linux", "x86_64", None, {})


class MadeUp:
    """Everything that made-up workers share: what they do, and what they have done."""

    def __init__(self) -> None:
        self.seconds = {BASELINE: 1.0, STREAMING: 0.5, MEMORY: 0.1, DUMP: 0.2}
        self.fails: set[str] = set()
        self.base_fails = False
        self.size_at_base = 1.0
        self.started: list[str] = []
        self.folders: dict[str, Path | None] = {}
        self.passes: list[str] = []


class FakeWorker:
    """Answers at once, with the seconds that its machine says; a dump's first epoch writes it."""

    machine: MadeUp
    pid = 0

    def __init__(
        self,
        variant: Variant,
        search_path: tuple[str, ...],
        limits: WorkerLimits,
        *,
        origin: Origin | None = None,
        **_: Any,
    ) -> None:
        assert (search_path, limits.hang_seconds) == ((), 60.0)
        self.at_base = origin is not None
        self.variant = variant
        self.folder: Path | None = None
        self.on_alive: Callable[[], None] | None = None
        self._spec: Spec
        self.machine.started.append(variant.name)

    def open(
        self, tree: Tree, spec: Spec, consumer: Mapping[str, Any] = DRAIN, seed: int = 0
    ) -> dict[str, Any]:
        """Be built."""
        assert seed >= 0
        assert len(tree) == 24
        assert consumer["name"] in ("drain", "emulated")
        self._spec = spec
        self.machine.folders[self.variant.name] = self.folder
        return {"kind": self.variant.kind, "build_seconds": 0.0, "import_seconds": 0.0, "imported": {}}

    def ask(self, do: str, **_: Any) -> dict[str, Any]:
        """Answer."""
        if self.variant.name in self.machine.fails or (self.at_base and self.machine.base_fails):
            raise WorkerError("its worker raised OSError")
        if do == "check":
            return {"reason": "", "median_psnr": 40.0}
        if do in ("rehearse", "observe"):
            return {} if do == "rehearse" else {"seconds": 1.0, "cores_used": 2.0}
        if self.variant.kind == "dump" and not (self._spec.cache_dir / "images.index").exists():
            size = self.variant.predicted_bytes(24, self._spec) or 0
            size = round(size * self.machine.size_at_base) if self.at_base else size
            (self._spec.cache_dir / "images.data-00000-of-00001").write_bytes(b"x" * size)
            (self._spec.cache_dir / "images.index").touch()
        if self.on_alive is not None:
            self.on_alive()
        self.machine.passes.append(self.variant.name)
        seconds = self.machine.seconds[self.variant.name]
        return {
            "seconds": seconds,
            "first_batch_seconds": seconds / 5,
            "teardown_seconds": 0.0,
            "cpu_seconds": seconds,
            "peak_rss_bytes": 1,
            "epochs": 1,
        }

    def close(self) -> None:
        """Begin to end."""

    def end(self) -> None:
        """End."""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """Put made-up workers in the place of real ones."""
    made_up = MadeUp()
    monkeypatch.setattr(FakeWorker, "machine", made_up, raising=False)
    monkeypatch.setattr(workers, "WorkerProcess", FakeWorker)
    monkeypatch.setattr(measure, "free_memory", lambda: 100 * GB)
    return made_up


@dataclass(frozen=True)
class Prepared:
    """All that a measuring takes; tests replace what they are about."""

    workload: Workload
    tree: Tree
    settings: Settings
    base: Base | None = None

    def with_room(self, **changed: Any) -> Prepared:
        """Return the same with another allowance."""
        allowance = replace(self.settings.allowance, **changed)
        return replace(self, settings=replace(self.settings, allowance=allowance))

    def run(self, *wanted: str) -> Result:
        """Measure some variants."""
        return measure.measure(self.workload, self.settings, self.tree, wanted, self.base, io.StringIO())


def prepare(tree: Tree, name: str, *, batch_size: int = 5, floor: float = 0.01) -> Prepared:
    """Prepare to measure a workload on a machine with room, by a floor that is far away."""
    workload_options = WorkloadOptions(Device("emulated"), 32, batch_size)
    settings = Settings(
        VARIANTS,
        workload_options,
        Pace(600.0, tolerance=0.03),
        Allowance(WorkerLimits(60.0)),
        Gating(
            Path("floors.toml"),
            Choice(None, "none"),
            own=[OwnFloor("", each.name, floor) for each in VARIANTS],
        ),
        Place(THIS_MACHINE),
    )
    return Prepared(workload(name, workload_options), tree, settings)


@pytest.fixture
def new_measuring(tiny_tree: Tree, machine: MadeUp) -> Callable[..., Prepared]:
    """Return a function that prepares to measure a workload."""
    assert machine.started == []
    return partial(prepare, tiny_tree)


@pytest.mark.parametrize(("others", "status"), [(0.0, "fail"), (None, "fail"), (1.0, "undecided")])
def test_other_programs_are_an_excuse(
    others: float | None,
    status: str,
    new_measuring: Callable[..., Prepared],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What they take of the machine, since measuring began, is held against a speedup below its floor."""
    monkeypatch.setattr(measure, "used_by_others", lambda *_: others)
    found = new_measuring("loading", floor=3.0).run(STREAMING).measurements[STREAMING].verdict
    assert found.status == status
    assert ("other programs used 1.0 of 2 cores" in found.reason) == (status == "undecided")


def test_the_seed_of_a_session(new_measuring: Callable[..., Prepared], machine: MadeUp) -> None:
    """It makes the order of passes; without that, every session would have the same neighbours in time."""

    def order(seed: int, name: str = "loading") -> list[str]:
        prepared = new_measuring(name)
        machine.passes.clear()
        replace(prepared, settings=replace(prepared.settings, seed=seed)).run(STREAMING, MEMORY)
        return [*machine.passes]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert order(1) != order(1, "training")


def test_limits_in_the_rotation(new_measuring: Callable[..., Prepared], machine: MadeUp) -> None:
    """What they bound has a share of them; they take little memory, and none writes to disk for long."""
    limits = ("limit_dump_read", "limit_memory_copy", "limit_read_files")
    machine.seconds.update(dict(zip(limits, (0.05, 0.1, 0.4), strict=True)))
    result = new_measuring("loading").run(DUMP, STREAMING, *limits)
    shares = {
        name: (each.share.limit, round(each.share.estimate.ratio, 3))
        for name, each in result.measurements.items()
        if each.share is not None
    }
    assert shares == {
        BASELINE: ("limit_read_files", 0.4),
        STREAMING: ("limit_read_files", 0.8),
        DUMP: ("limit_memory_copy", 0.5),
    }
    for name in limits:
        folder = machine.folders[name]
        assert folder is not None
        assert not folder.exists()


def beside_ready_batches(prepared: Prepared) -> Prepared:
    """Return the same as from the command line: beside batches that are already there."""
    ready = tuple(each for each in VARIANTS if each.traits.hands_over_batches)
    return replace(prepared, settings=replace(prepared.settings, ungated=ready))


def test_headspace_in_the_rotation(new_measuring: Callable[..., Prepared], machine: MadeUp) -> None:
    """Every variant of training is held against batches that are already there, and the device, too."""
    machine.seconds[READY] = 0.25
    result = beside_ready_batches(new_measuring("training")).run(STREAMING)
    found = {
        name: round(each.headspace.ratio, 3)
        for name, each in result.measurements.items()
        if each.headspace is not None
    }
    assert found == {BASELINE: 4.0, STREAMING: 2.0}
    assert result.measurements[READY].verdict.status == "pass"
    assert result.extra_info[STREAMING]["device_images_per_second"] == pytest.approx(24 / 0.25)
    assert any(each.startswith("The device (emulated:") for each in result.notes)
    assert READY not in beside_ready_batches(new_measuring("loading")).run(STREAMING).measurements


def test_no_room_for_batches_that_are_already_there(
    new_measuring: Callable[..., Prepared], machine: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has asked for them, so that what is said of it is a note and no failure."""
    monkeypatch.setattr(measure, "free_memory", lambda: 1_500_000_000)
    result = beside_ready_batches(new_measuring("training")).run(STREAMING)
    assert result.measurements[STREAMING].verdict.status == "pass"
    assert READY not in machine.started
    (note,) = (each for each in result.notes if each.startswith("Headspace was not measured: "))
    assert "its buffer of decoded images would take" in note
    assert "device_images_per_second" not in result.extra_info[STREAMING]
    assert about_run({"training": result}, {"training": TableNotes(THIS_MACHINE, "none")})["unmeasured"] == []


def reason(result: Result, name: str) -> str:
    """Return why a variant was not measured."""
    found = result.measurements[name].verdict
    assert found.status == "unmeasured"
    return found.reason


def test_the_folder_of_a_cache_goes_with_its_worker(
    new_measuring: Callable[..., Prepared], machine: MadeUp
) -> None:
    """A cache that was begun by a variant that fails would only take the disk from others."""
    machine.fails = {DUMP}
    result = new_measuring("loading").run(DUMP, MEMORY)
    assert reason(result, DUMP) == "its worker raised OSError"
    assert result.measurements[MEMORY].verdict.status == "pass"
    for name in (DUMP, MEMORY):
        folder = machine.folders[name]
        assert folder is not None
        assert folder.name == name


def test_the_folder_of_a_dump_stays(
    new_measuring: Callable[..., Prepared], machine: MadeUp, tmp_path: Path
) -> None:
    """Its writer ends before others read it; and it may be kept."""
    result = new_measuring("dump").with_room(keep_dumps=tmp_path).run(DUMP)
    assert result.measurements[DUMP].verdict.status == "pass"
    assert machine.folders[DUMP] is None
    assert len(list(tmp_path.rglob("images.index"))) == 1


def about_the_dump(result: Result) -> str:
    """Return the line about the dump."""
    (line,) = (note for note in result.notes if note.startswith(f"{DUMP}: "))
    return line


def test_what_a_dump_loses_is_beside_it(new_measuring: Callable[..., Prepared]) -> None:
    """A lossy dump is small for a reason: its line says what the check found."""
    assert "bytes an image, " in (line := about_the_dump(new_measuring("dump").run(DUMP)))
    assert ", median PSNR 40.0 dB, written in " in line


def test_when_a_dump_has_paid_for_itself(new_measuring: Callable[..., Prepared], machine: MadeUp) -> None:
    """After so many epochs, or never: the streaming variant says."""
    machine.seconds[STREAMING] = 0.3
    machine.seconds[DUMP] = 0.2
    result = new_measuring("dump").run(DUMP)
    assert result.extra_info[DUMP]["break_even_epochs"] == 1
    assert f"has paid for itself after 1 epoch against {STREAMING}" in about_the_dump(result)
    machine.seconds[STREAMING] = 0.1
    result = new_measuring("dump").run(DUMP)
    assert result.extra_info[DUMP]["break_even_epochs"] is None
    assert f"never pays against {STREAMING}" in about_the_dump(result)


def test_when_it_is_not_known_whether_a_dump_pays(
    new_measuring: Callable[..., Prepared], machine: MadeUp
) -> None:
    """Without the streaming variant nobody knows: that is not "never"."""
    machine.fails = {STREAMING}
    result = new_measuring("dump").run(DUMP)
    assert result.extra_info[DUMP]["break_even_epochs"] is None
    line = about_the_dump(result)
    assert f"is not known, as {STREAMING} could not be measured" in line
    assert "never" not in line


def test_a_quota_is_told(new_measuring: Callable[..., Prepared]) -> None:
    """The notes of a result are on every page about it: one says that a quota holds, if one does."""
    prepared = new_measuring("loading")
    assert not any("quota" in note for note in prepared.run(STREAMING).notes)
    place = Place(replace(THIS_MACHINE, cores=1, quota=1.5))
    prepared = replace(prepared, settings=replace(prepared.settings, place=place))
    (note,) = (note for note in prepared.run(STREAMING).notes if "quota" in note)
    assert note in place.machine.remarks()


@pytest.mark.parametrize("same", [True, False], ids=["the same machine", "another machine"])
def test_a_dump_of_another_session(
    same: bool, new_measuring: Callable[..., Prepared], tmp_path: Path
) -> None:
    """It says when and where it was written; another machine's seconds give no break-even here."""
    new_measuring("dump").with_room(keep_dumps=tmp_path).run(DUMP)
    place = Place(THIS_MACHINE if same else replace(THIS_MACHINE, cpu="another"))
    prepared = new_measuring("dump").with_room(keep_dumps=tmp_path)
    prepared = replace(prepared, settings=replace(prepared.settings, place=place))
    result = prepared.run(DUMP)
    line, info = about_the_dump(result), result.extra_info[DUMP]
    where = "this machine" if same else "another machine"
    assert f"used again, written by {where} on {info['dump_date']} in 0.2 s" in line
    assert (info["break_even_epochs"] is not None) == info["dump_of_this_machine"] == same
    assert ("is not known, as another machine wrote it" in line) != same


def test_the_page_cache_is_looked_at_before_the_passes(
    new_measuring: Callable[..., Prepared], machine: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They bring all of a dump into it, so that afterwards nothing could be told."""
    started: list[list[str]] = []

    def share(_: object) -> float:
        started.append([*machine.started])
        return 0.25

    monkeypatch.setattr(dump_writer, "cached_share", share)
    result = new_measuring("dump").run(DUMP)
    assert started == [[DUMP]]  # its writer, and no reader
    assert result.extra_info[DUMP]["page_cache_share"] == 0.25
    assert "25% of it in the page cache before that" in about_the_dump(result)


def cold_measuring(prepared: Prepared, plan: ColdPlan, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """Return the same of passes that begin cold, as far as a plan says that they can."""
    monkeypatch.setattr(measure, "plan_cold", lambda *_: plan)
    return replace(prepared, workload=replace(prepared.workload, is_cold=True))


def test_where_no_pass_can_begin_cold(
    new_measuring: Callable[..., Prepared], machine: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started; where some can, the others are refused by name."""
    reason = "the tree is in memory"
    result = cold_measuring(new_measuring("loading"), ColdPlan(reason), monkeypatch).run(STREAMING)
    assert {each.verdict.reason for each in result.measurements.values()} == {reason}
    assert machine.started == []
    plan = ColdPlan(refused={DUMP: reason})
    result = cold_measuring(new_measuring("loading"), plan, monkeypatch).run(STREAMING, DUMP)
    assert result.measurements[DUMP].verdict.reason == reason
    assert result.measurements[STREAMING].verdict.status == "pass"


@pytest.mark.parametrize("name", ["loading", "dump"])
def test_every_timed_pass_begins_cold(
    name: str, new_measuring: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that warm a variant up, too, each of one epoch; only a dump is written as ever."""
    asked: list[tuple[str, dict[str, Any]]] = []
    ask = FakeWorker.ask

    def noted(worker: FakeWorker, do: str, **arguments: Any) -> dict[str, Any]:
        asked.append((do, arguments))
        return ask(worker, do, **arguments)

    monkeypatch.setattr(FakeWorker, "ask", noted)
    result = cold_measuring(new_measuring(name), ColdPlan(), monkeypatch).run(DUMP)
    assert result.measurements[DUMP].variant_passes
    warm = [arguments for do, arguments in asked if do == "pass" and "cold" not in arguments]
    assert warm == ([{"epochs": 1}] if name == "dump" else [])
    assert {arguments["epochs"] for do, arguments in asked if do == "pass"} == {1}
    assert "rehearse" not in [do for do, _ in asked]
    assert result.extra_info[DUMP].get("page_cache_share") is None


def test_progress_is_said_while_a_dump_is_written(
    new_measuring: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How much of it is there, as often as its writer gives a sign of life."""
    said: list[tuple[float, str]] = []
    monkeypatch.setattr(Progress, "update", lambda _, done, text="", **__: said.append((done, text)))
    new_measuring("dump").run(DUMP)
    assert (1.0, f"{DUMP}, 295 KB of 295 KB") in said


def test_progress_is_said_while_the_accelerator_is_set_up(
    new_measuring: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its speed takes some epochs of the slowest variant."""
    said: list[str] = []
    monkeypatch.setattr(Progress, "update", lambda _, __, text="", **___: said.append(text))
    result = new_measuring("training").run(STREAMING)
    assert str(result.workload.device).startswith("emulated:")
    for what in ("warming up", "timing"):
        assert f"{what} {BASELINE}, for its speed" in said
    assert "measuring its pace" in said


@pytest.mark.parametrize("batch_size", [24, 8])
def test_a_speed_needs_some_batches(
    batch_size: int, new_measuring: Callable[..., Prepared], machine: MadeUp
) -> None:
    """The first one does not count: of one to three there is no speed to tell, and what to do is said."""
    result = new_measuring("training", batch_size=batch_size).run(STREAMING)
    for name in (BASELINE, STREAMING):
        found = reason(result, name)
        for part in ("--device emulated", "need at least 4 batches", f"have {24 // batch_size} here"):
            assert part in found
        assert "--device emulated:IMAGES_A_SECOND" in found
    assert machine.started.count(BASELINE) == 1  # to be checked, but not for a speed


def test_four_batches_are_enough(new_measuring: Callable[..., Prepared]) -> None:
    """As is any number if the speed is given."""
    assert new_measuring("training", batch_size=6).run(STREAMING).workload.device is not None
    given = workload("training", WorkloadOptions(Device("emulated", 100.0), 32, 24))
    result = replace(new_measuring("training"), workload=given).run(STREAMING)
    assert result.measurements[STREAMING].verdict.status == "pass"


@pytest.mark.parametrize("name", ["loading", "training", "dump"])
def test_no_room_for_the_reference(
    name: str, new_measuring: Callable[..., Prepared], machine: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is a reason that says what to do, for every variant; nobody is started."""

    def is_full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(measure, "build_reference", is_full)
    result = new_measuring(name).run(DUMP)
    for each in (BASELINE, DUMP):
        assert "reference decode of the tree does not fit onto the disk of" in reason(result, each)
        assert "TMPDIR" in reason(result, each)
    assert machine.started == []


def test_workers_share_the_memory(
    new_measuring: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All live at once, so one that would fit alone may not fit beside the others: it says so."""
    monkeypatch.setattr(measure, "free_memory", lambda: 1_500_000_000)
    alone = new_measuring("loading").run(MEMORY)
    assert alone.measurements[MEMORY].verdict.status == "pass"
    crowded = new_measuring("loading").run(MEMORY, STREAMING)
    assert "beside the 1.4 GB of the other workers" in reason(crowded, MEMORY)
    assert "fewer variants at once" in reason(crowded, MEMORY)
    ways_out = reason(crowded, MEMORY).partition("use ")[2].partition(", ")[0].split(" or ")
    assert STREAMING in ways_out
    assert BASELINE not in ways_out
    assert crowded.measurements[STREAMING].verdict.status == "pass"


def test_dumps_share_the_disk(
    new_measuring: Callable[..., Prepared], machine: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two dumps that do not fit beside each other only the larger is refused."""
    mapped, pixels = "uint8_memory_map", 24 * 32 * 32 * 3
    machine.seconds[mapped] = 0.1
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * pixels - 1))
    result = new_measuring("loading").run(DUMP, mapped)
    assert "beside the 74 KB of the other variants" in reason(result, DUMP)
    assert result.measurements[mapped].verdict.status == "pass"


def test_an_archive_takes_what_the_files_take(
    new_measuring: Callable[..., Prepared],
    machine: MadeUp,
    monkeypatch: pytest.MonkeyPatch,
    tiny_tree: Tree,
) -> None:
    """A rival that packs the tree's files anew is refused by name where they do not fit, to the byte."""
    (rival,) = (each for each in VARIANTS if each.name == "webdataset_shards")
    machine.seconds[rival.name] = 0.5
    needed = rival.predicted_archive_bytes(24, tiny_tree.mean_bytes())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    assert "its archive of 24 images would take" in reason(
        new_measuring("loading").run(rival.name), rival.name
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed))
    found = new_measuring("loading").run(rival.name).measurements[rival.name]
    assert found.verdict.status == "pass"


def test_the_guard_can_be_switched_off(
    new_measuring: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then everything is started."""
    monkeypatch.setattr(measure, "free_memory", lambda: 0)
    prepared = new_measuring("loading")
    assert reason(prepared.run(MEMORY), MEMORY)
    assert prepared.with_room(guarded=False).run(MEMORY).measurements[MEMORY].verdict.status == "pass"


AT_BASE = Base("", "base", {DUMP: Origin((), "python")}, {}, {})


def outcomes(result: Result) -> dict[str, str]:
    """Return what became of each figure of the dump."""
    return {change.figure: change.outcome for change in result.measurements[DUMP].verdict.changes}


@pytest.mark.parametrize(
    ("size_at_base", "outcome", "status"), [(1.0, "same", "pass"), (0.9, "regression", "fail")]
)
def test_dumps_of_head_and_base(
    new_measuring: Callable[..., Prepared],
    machine: MadeUp,
    tmp_path: Path,
    size_at_base: float,
    outcome: str,
    status: str,
) -> None:
    """Each side reads its own; one that has grown fails, and base's is never kept."""
    machine.size_at_base = size_at_base
    prepared = new_measuring("dump").with_room(keep_dumps=tmp_path / "kept")
    result = replace(prepared, base=AT_BASE).run(DUMP)
    assert outcomes(result)["seconds"] == "same"
    assert outcomes(result)["dump bytes"] == outcome
    assert result.measurements[DUMP].verdict.status == status
    assert len([*(tmp_path / "kept").glob("*/images.index")]) == 1


def test_a_dump_that_base_cannot_write(new_measuring: Callable[..., Prepared], machine: MadeUp) -> None:
    """Head is held against its floor, and does not pass as if it had been compared."""
    machine.base_fails = True
    result = replace(new_measuring("dump"), base=AT_BASE).run(DUMP)
    verdict = result.measurements[DUMP].verdict
    assert verdict.status == "undecided"
    assert "not compared with base: at base, its dump could not be written" in verdict.reason
