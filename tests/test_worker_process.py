"""Real worker processes with small loaders: what they measure, and what happens to bad ones."""

from __future__ import annotations

import builtins
import errno
import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.same_work.reference import build_reference
from loader_gate.session.workers import Launcher
from loader_gate.trees.tree import Tree
from loader_gate.worker.forked import Templates
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.loader import Loader, without_collecting
from loader_gate.worker.process import WorkerError, WorkerProcess, module_search_path
from tests.sample_loaders import SLEEP_SECONDS

NOTHING = Tree(Path(), (), (), (), "")


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Return a spec of small images in small batches."""
    return Spec((32, 48), 5, shuffle=True, seed=0, cache_dir=tmp_path)


@pytest.fixture(scope="session")
def reference(tiny_tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of the reference decode of the tiny tree."""
    folder = tmp_path_factory.mktemp("reference") / "decoded"
    build_reference(tiny_tree, (32, 48), folder)
    return str(folder)


@contextmanager
def opened(function: str, tree: Tree, spec: Spec, hang_seconds: float = 60.0) -> Iterator[WorkerProcess]:
    """Open a worker for one of the sample loaders."""
    search_path = module_search_path(Path(__file__).parent)
    worker = WorkerProcess(
        Variant(function, "sample_loaders", function), search_path, WorkerLimits(hang_seconds)
    )
    try:
        worker.open(tree, spec)
        yield worker
    finally:
        worker.end()


def processes_with(text: str) -> list[int]:
    """Return the processes whose command line has ``text`` in it."""
    return [
        process.pid
        for process in psutil.process_iter()
        if process.pid != os.getpid() and any(text in word for word in _command(process))
    ]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def gone(is_there: Callable[[], object]) -> bool:
    """Return whether something goes away soon: a killed process takes a moment to."""
    deadline = time.monotonic() + 30
    while is_there() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_there()


@pytest.mark.parametrize("function", ["photos", "one_shot"])
def test_a_pass_is_timed(function: str, tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """A loader that can be iterated again and one that cannot both give epoch after epoch."""
    with opened(function, tiny_tree, spec) as worker:
        assert not worker.ask("check", reference=reference)["reason"]
        for epochs in (1, 3):
            timing = worker.ask("pass", epochs=epochs)
            assert timing["epochs"] == epochs
            assert 0 < timing["first_batch_seconds"] <= timing["seconds"] * epochs
            assert timing["cpu_seconds"] > 0
            assert timing["teardown_seconds"] >= 0
            assert 1e6 < timing["peak_rss_bytes"] < 2e9


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("ranks_share", None),
        (
            "ranks_are_ignored",
            ": 23 and 23 came. Deliver every spec.shards-th image",
        ),
        ("ranks_overlap", " of 23 images came more than once, such as the tree's "),
        ("ranks_are_filled_up", ": 12 and 12 came. Deliver"),
        ("ranks_fail", ": it raised OSError: there is one rank only. Deliver"),
        ("photos", None),  # it declares nothing
    ],
)
def test_who_declares_shards_is_held_to_it(
    function: str, said: str | None, tiny_tree: Tree, spec: Spec, reference: str, tmp_path: Path
) -> None:
    """Once, when the whole epoch was right: two ranks have to share an epoch; then passes are timed."""
    with opened(function, tiny_tree, spec) as worker:
        reason = worker.ask("check", reference=reference, fingerprints=str(tmp_path / "known"))["reason"]
        if said is None:
            assert reason is None
        else:
            assert reason.startswith("It declares SHARDS, but two ranks do not share an epoch of 23 images: ")
            assert said in reason
            assert reason.endswith("or leave SHARDS out.")
        assert worker.ask("check", reference=reference)["reason"] is None
        assert worker.ask("pass", epochs=1)["epochs"] == 1


def test_ranks_share_cut_out_parts(tiny_tree: Tree, spec: Spec, reference: str, tmp_path: Path) -> None:
    """With ``--augment``, boxes say which files came for which rank."""
    variant = Variant("native_threads", "loader_gate.variants.native_threads")
    worker = WorkerProcess(variant, module_search_path(Path(__file__).parent), WorkerLimits(60.0))
    try:
        worker.open(tiny_tree, replace(spec, augment="crop-flip"))
        known = str(tmp_path / "known")
        assert worker.ask("check", reference=reference, fingerprints=known)["reason"] is None
    finally:
        worker.end()


def passes_of(function: str, tree: Tree, spec: Spec, reference: str) -> list[dict[str, Any]]:
    """Return the second and third of three passes of a loader, with a pause in between."""
    with opened(function, tree, spec) as worker:
        assert not worker.ask("check", reference=reference)["reason"]
        worker.ask("pass", epochs=1)
        second = worker.ask("pass", epochs=1)
        time.sleep(3 * SLEEP_SECONDS)
        return [second, worker.ask("pass", epochs=1)]


def test_work_behind_the_last_batch_counts(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """The clock stops when the iterator says that it has ended, and not when the last batch has come."""
    for timing in passes_of("works_after_the_last", tiny_tree, spec, reference):
        assert timing["seconds"] > 4 * SLEEP_SECONDS > timing["first_batch_seconds"]


def test_destroying_an_iterator_has_its_own_figure(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """And what it works meanwhile is work when it should be idle."""
    timings = passes_of("works_when_destroyed", tiny_tree, spec, reference)
    for timing in timings:
        assert timing["teardown_seconds"] >= 4 * SLEEP_SECONDS
        assert timing["cpu_seconds"] < 4 * SLEEP_SECONDS < timing["idle_cpu_seconds"]


def test_lazy_images_are_made_on_the_clock(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """A batch is real before the next one is asked for."""
    batches = -(-len(tiny_tree) // spec.batch_size)
    for timing in passes_of("lazy", tiny_tree, spec, reference):
        assert timing["seconds"] > batches * SLEEP_SECONDS
        assert timing["batch_seconds"]["p50"] > SLEEP_SECONDS


@pytest.mark.parametrize("function", ["works_on", "leaves_a_daemon"])
def test_a_loader_that_works_on_between_passes(
    function: str, tiny_tree: Tree, spec: Spec, reference: str
) -> None:
    """It is seen, be it in a thread or in a process that has cut all ties; an honest one uses nothing."""
    busy = passes_of(function, tiny_tree, spec, reference)[-1]
    idle = passes_of("photos", tiny_tree, spec, reference)[-1]
    assert min(busy["idle_seconds"], idle["idle_seconds"]) > 3 * SLEEP_SECONDS
    assert busy["idle_cpu_seconds"] > 5 * max(idle["idle_cpu_seconds"], 0.005)
    assert gone(lambda: processes_with("while True: pass  # daemon"))


def test_children_that_are_forgotten(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """What they use would be nobody's: the reason says how to undo it."""
    with opened("ignores_its_children", tiny_tree, spec) as worker:
        assert not worker.ask("check", reference=reference)["reason"]
        with pytest.raises(WorkerError, match="ignores SIGCHLD"):
            worker.ask("pass", epochs=1)


def test_a_few_orders_in_turn(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """An order that came before is none that is drawn anew, however long ago it was."""
    with opened("a_few_orders", tiny_tree, spec) as worker:
        assert not worker.ask("check", reference=reference)["reason"]
        with pytest.raises(WorkerError, match="the same order as an earlier one"):
            worker.ask("pass", epochs=4)


def test_a_worker_that_dies_beside_a_child(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """It is seen that it was killed, though a child still holds its connection."""
    with opened("dies_beside_a_child", tiny_tree, spec) as worker:
        worker.ask("check", reference=reference)
        with pytest.raises(WorkerError, match="SIGKILL"):
            worker.ask("pass", epochs=1)
    assert gone(lambda: processes_with("of a session of its own"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody sees what is open in a process")
def test_a_worker_that_dies_beside_a_nameless_daemon(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """What nobody knows any more is found by where its errors go."""
    with opened("dies_beside_a_nameless_daemon", tiny_tree, spec) as worker:
        worker.ask("check", reference=reference)
        with pytest.raises(WorkerError, match="SIGKILL"):
            worker.ask("pass", epochs=1)
        assert processes_with("# nameless")
    assert gone(lambda: processes_with("# nameless"))


def test_a_one_shot_loader_pays_for_its_own_beginning(tiny_tree: Tree, spec: Spec) -> None:
    """A generator is called anew for each epoch, on the clock: what it decodes there counts."""
    with opened("photos", tiny_tree, spec) as kept, opened("one_shot", tiny_tree, spec) as anew:
        assert anew.ask("pass", epochs=2)["seconds"] > 2 * kept.ask("pass", epochs=2)["seconds"]


def test_a_flipped_image_is_found(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """The check runs in the worker, and says what differs."""
    with opened("flipped", tiny_tree, spec) as worker:
        assert "mirror" in worker.ask("check", reference=reference)["reason"]


def test_an_epoch_that_loses_an_image_is_refused(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """Every timed pass is looked at, not only the checked one."""
    with opened("loses_an_image", tiny_tree, spec) as worker:
        assert not worker.ask("check", reference=reference)["reason"]
        with pytest.raises(WorkerError, match="does other work than asked: Batch 1 has 4 images"):
            worker.ask("pass", epochs=1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has real-time signals")
def test_a_real_time_signal_has_a_name(tiny_tree: Tree, spec: Spec) -> None:
    """Most have none of their own, and end a worker as others do."""
    with opened("photos", tiny_tree, spec) as worker:
        os.kill(worker.pid, signal.SIGRTMIN + 5)
        with pytest.raises(WorkerError, match=r"was killed by SIGRTMIN\+5$"):
            worker.ask("pass", epochs=1)


def test_a_killed_worker_says_so_and_leaves_nothing(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """The reason names the signal and the last words; its children go with it."""
    with opened("killed", tiny_tree, spec) as worker:
        worker.ask("check", reference=reference)
        with pytest.raises(WorkerError, match=r"SIGKILL.*about to be killed"):
            worker.ask("pass", epochs=1)
    assert gone(lambda: processes_with("orphan of killed()"))


def test_a_worker_that_raises_says_what(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """The reason has the exception."""
    with opened("raises", tiny_tree, spec) as worker:
        worker.ask("check", reference=reference)
        with pytest.raises(WorkerError, match="OSError: the disk went away"):
            worker.ask("pass", epochs=1)


def test_a_worker_whose_connection_is_written_to(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """It is no answer, and no more than a text is waited for; the reason says what to look for."""
    with opened("writes_elsewhere", tiny_tree, spec) as worker:
        worker.ask("check", reference=reference)
        with pytest.raises(WorkerError, match=r"no answer of it: .* file descriptor that it has not opened"):
            worker.ask("pass", epochs=1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_worker_that_fills_the_disk(tiny_tree: Tree, spec: Spec, reference: str, tmp_path: Path) -> None:
    """The reason says that it was the disk and what to do; what it has written goes when it does."""
    own = spec.for_variant("fills_the_disk")
    with opened("fills_the_disk", tiny_tree, own) as worker:
        worker.folder = own.cache_dir
        worker.ask("check", reference=reference)
        with pytest.raises(
            WorkerError, match=r"its worker filled the disk: .*TMPDIR.*No space left"
        ) as caught:
            worker.ask("pass", epochs=1)
        assert "Traceback" not in str(caught.value)
        assert own.cache_dir.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_another_stays(tiny_tree: Tree, spec: Spec) -> None:
    """A worker only removes a folder that was said to go with it."""
    with opened("photos", tiny_tree, spec):
        (spec.cache_dir / "dump").touch()
    assert (spec.cache_dir / "dump").exists()


def test_signs_of_life_are_passed_on(tiny_tree: Tree, spec: Spec) -> None:
    """During a long pass somebody may want to say how far it is."""
    signs: list[float] = []
    with opened("dawdles", tiny_tree, spec) as worker:
        worker.on_alive = lambda: signs.append(time.monotonic())
        worker.ask("pass", epochs=1)
    assert signs


def test_a_worker_says_that_names_of_sockets_are_too_long(
    tiny_tree: Tree, spec: Spec, reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hangs because TMPDIR is a long path is told to set a shorter one; with one, it works."""
    with opened("hands_over_sockets", tiny_tree, spec) as worker:
        assert not worker.ask("check", reference=reference)["reason"]
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with opened("hands_over_sockets", tiny_tree, spec) as worker:
        worker._limits = WorkerLimits(3.0)  # not from the start, as below
        with pytest.raises(WorkerError, match=r"hung.*AF_UNIX.*set TMPDIR to a shorter path than ") as told:
            worker.ask("check", reference=reference)
        assert str(folder) in str(told.value)


def test_a_worker_that_hangs_is_given_up(tiny_tree: Tree, spec: Spec, reference: str) -> None:
    """No batch for the set time, and it is ended."""
    with opened("hangs", tiny_tree, spec) as worker:
        worker.ask("check", reference=reference)
        worker._limits = WorkerLimits(2.0)  # not from the start: on a busy machine starting takes longer
        with pytest.raises(WorkerError, match=r"hung.*2 s.*--hang-after"):
            worker.ask("pass", epochs=1)


def test_slow_is_not_hung(tiny_tree: Tree, spec: Spec) -> None:
    """A pass may take much longer than the limit as long as batches come."""
    with opened("dawdles", tiny_tree, spec) as worker:
        worker._limits = WorkerLimits(2.0)
        assert worker.ask("pass", epochs=1)["seconds"] > 2.0


@pytest.mark.parametrize(
    ("function", "reason"), [("missing", "AttributeError.*missing"), ("not_a_function", "TypeError")]
)
def test_a_function_that_is_none(function: str, reason: str, tiny_tree: Tree, spec: Spec) -> None:
    """What cannot be called says so at once."""
    with pytest.raises(WorkerError, match=reason), opened(function, tiny_tree, spec):
        pass


def test_a_kind_that_no_loader_has(tiny_tree: Tree, spec: Spec) -> None:
    """A limit is held against nothing, so that no loader may be one: the reason says what it may be."""
    reason = "its KIND is 'limit', and a loader is of one of the kinds streaming, memory, dump, rival"
    with pytest.raises(WorkerError, match=reason), opened("limitless", tiny_tree, spec):
        pass


def test_no_worker_outlives_its_parent(tiny_tree: Tree, tmp_path: Path) -> None:
    """A parent that is killed cannot clean up: its workers notice and leave, busy or not."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from loader_gate.registry.variant import Variant\n"
        "from loader_gate.registry.spec import Spec\n"
        "from loader_gate.worker.limits import WorkerLimits\n"
        "from loader_gate.worker.process import WorkerProcess, module_search_path\n"
        "from loader_gate.trees.tree import Tree\n"
        "worker = WorkerProcess(Variant('waits', 'sample_loaders', 'waits'), sys.path, WorkerLimits(60))\n"
        f"tree = Tree.read(Path({str(tiny_tree.root)!r}), {tiny_tree.digest!r})\n"
        f"worker.open(tree, Spec((8, 8), 5, True, 0, Path({str(tmp_path)!r})))\n"
        "print(worker._process.pid, flush=True)\n"
        "worker.ask('pass', epochs=1)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(module_search_path(Path(__file__).parent))}
    with subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    assert gone(lambda: psutil.pid_exists(pid))


def test_what_importing_takes(tmp_path: Path) -> None:
    """It is part of the building, and known: a module that another one imports counts once."""
    (tmp_path / "slow_inner.py").write_text("import time; time.sleep(0.2)", encoding="utf-8")
    (tmp_path / "slow_outer.py").write_text("import time, slow_inner; time.sleep(0.1)", encoding="utf-8")

    def load(tree: Tree, spec: Spec) -> list[None]:
        del tree, spec
        import slow_inner  # type: ignore[import-not-found]  # noqa: F401
        import slow_outer  # type: ignore[import-not-found]  # noqa: F401

        time.sleep(0.1)
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        imports = builtins.__import__
        loader = Loader(load, load, NOTHING, Spec((8, 8), 2, True, 0, tmp_path))
    assert loader.import_seconds >= 0.3
    assert loader.build_seconds >= loader.import_seconds + 0.1
    assert builtins.__import__ is imports


def test_garbage_waits_while_modules_are_imported() -> None:
    """Afterwards all is as it was, unless the loader has set something of its own."""
    usual = gc.get_threshold()
    try:
        with without_collecting():
            assert gc.get_threshold()[0] == 0
        assert gc.get_threshold() == usual
        with pytest.raises(ImportError), without_collecting():
            raise ImportError
        assert gc.get_threshold() == usual
        with without_collecting():
            gc.set_threshold(9999, 9, 9)
        assert gc.get_threshold() == (9999, 9, 9)
        with without_collecting():
            gc.disable()
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.set_threshold(*usual)


def test_one_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a problem of its variant, with what to do, and none of the session."""

    def none_left(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", none_left)
    launcher = Launcher((), WorkerLimits(60.0), {}, Templates())
    with pytest.raises(WorkerError, match=r"could not be started: .*unavailable: let there be more proc"):
        launcher.start(Variant("photos", "sample_loaders", "photos"))
    gc.collect()  # what it had made for its worker goes with it
