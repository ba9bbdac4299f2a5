"""Dumps one can trust: written by a made-up writer that leaves files named as TensorFlow names them."""

from __future__ import annotations

import datetime
import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any, cast

import pytest

from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.session import dumps
from loader_gate.session.dumps import (
    Dump,
    DumpError,
    break_even_epochs,
    dump_key,
    finished_dump,
)
from loader_gate.trees.tree import Tree
from loader_gate.worker.epoch import DRAIN
from loader_gate.worker.process import WorkerError, WorkerProcess

ROOT = Path(__file__).resolve().parents[1]
VARIANT = next(each for each in built_in_variants() if each.name == "tfdata_file_cache")
OWN = Variant("photos", "my_loaders", "photos", file="my_loaders.py")
IMAGES = 6
BYTES = IMAGES * 8 * 8 * 3 * 4
INDEX = "images.index"
DATA = "images.data-00000-of-00001"
LOCKFILE = "images_0.lockfile"
MANIFEST = "manifest.json"
MACHINE = "0123456789abcdef"
FILES = {DATA: BYTES + 100, INDEX: 60}


def finishes(folder: Path) -> None:
    """Write a whole dump."""
    (folder / LOCKFILE).write_text("", encoding="utf-8")
    (folder / DATA).write_bytes(b"x" * FILES[DATA])
    (folder / INDEX).write_bytes(b"i" * FILES[INDEX])
    (folder / LOCKFILE).unlink()


def is_killed(folder: Path) -> None:
    """Die in the middle of the epoch."""
    (folder / LOCKFILE).write_text("", encoding="utf-8")
    (folder / DATA).write_bytes(b"x" * (BYTES // 2))
    raise WorkerError("its worker was killed by SIGKILL")


def is_interrupted(folder: Path) -> None:
    """Be stopped by Ctrl-C in the middle of the epoch."""
    (folder / DATA).write_bytes(b"x" * (BYTES // 2))
    raise KeyboardInterrupt


def writes_no_index(folder: Path) -> None:
    """End well, as a writer does whose epoch was not read to its end."""
    (folder / DATA).write_bytes(b"x" * FILES[DATA])


class Writers:
    """Starts writers that each do the same, and counts them; what was said is kept."""

    def __init__(self, writes: Callable[[Path], None] = finishes, kind: str = "dump") -> None:
        self.writes, self.kind = writes, kind
        self.writes_late: Callable[[Path], object] = lambda _: None
        self.started = self.ended = 0
        self.said: list[str] = []

    def __call__(self, variant: Variant) -> WorkerProcess:
        """Start a writer."""
        assert variant in (VARIANT, OWN)
        self.started += 1
        return cast("WorkerProcess", FakeWriter(self))

    def dump(self, tree: Tree, spec: Spec) -> Dump:
        """Return a finished dump."""
        return finished_dump(VARIANT, tree, spec, self, self.said.append, MACHINE)


class FakeWriter:
    """Writes at its first and only pass."""

    def __init__(self, writers: Writers) -> None:
        self._writers = writers
        self._folder: Path

    def open(self, tree: Tree, spec: Spec, consumer: Mapping[str, Any] = DRAIN) -> dict[str, Any]:
        """Find an empty folder."""
        assert consumer == DRAIN
        assert len(tree) == IMAGES
        assert list(spec.cache_dir.iterdir()) == []
        self._folder = spec.cache_dir
        return {"kind": self._writers.kind, "build_seconds": 4.5, "import_seconds": 2.0}

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Write."""
        assert (do, arguments) == ("pass", {"epochs": 1})
        self._writers.writes(self._folder)
        return {"seconds": 10.0}

    def end(self) -> None:
        """Be ended."""
        self._writers.ended += 1
        self._writers.writes_late(self._folder)


@pytest.fixture
def tree() -> Tree:
    """Return a tree of which nothing is on disk."""
    paths = tuple(f"{index}.jpg" for index in range(IMAGES))
    return Tree(Path("nowhere"), paths, (0, 1) * (IMAGES // 2), ("a", "b"), "digest")


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Return a spec whose folder is the dump's own."""
    return Spec((8, 8), 2, shuffle=True, seed=0, cache_dir=tmp_path / "dump")


@pytest.fixture
def written(tree: Tree, spec: Spec) -> Spec:
    """Return the same, with a finished dump in it."""
    assert Writers().dump(tree, spec).history == "written"
    return spec


def names(folder: Path) -> set[str]:
    """Return the names of the files in a folder; none if it is not there."""
    return {file.name for file in folder.glob("*")}


def test_written_once(tree: Tree, spec: Spec) -> None:
    """The first time a writer is started, timed and ended, and the sizes of its files are known."""
    writers = Writers()
    dump = writers.dump(tree, spec)
    assert dump == Dump(12.5, FILES, "written", MACHINE, dump.date)
    assert datetime.date.fromisoformat(dump.date).year >= 2026
    assert dump.bytes == sum(FILES.values())
    assert (writers.started, writers.ended, writers.said) == (1, 1, [])
    assert names(spec.cache_dir) == {*FILES, MANIFEST}


def test_a_loader_of_the_users(tree: Tree, spec: Spec) -> None:
    """What kind it is of, it says when it is called; its dump is timed and its size known like any other."""
    dump = finished_dump(OWN, tree, spec, Writers(), print, MACHINE)
    assert (dump.cold_seconds, dump.bytes) == (12.5, sum(FILES.values()))


@pytest.mark.parametrize(
    ("writes", "kind", "reason"),
    [
        (finishes, "streaming", r"its KIND is 'streaming', and this workload.*declare KIND = \"dump\""),
        (lambda _: None, "dump", r"there is nothing in spec\.cache_dir: write it there"),
    ],
)
def test_a_loader_that_writes_no_dump(
    writes: Callable[[Path], None], kind: str, reason: str, tree: Tree, spec: Spec
) -> None:
    """It says that it is of another kind, or keeps its dump elsewhere, where nobody knows its size."""
    with pytest.raises(DumpError, match=reason):
        finished_dump(OWN, tree, spec, Writers(writes, kind), print, MACHINE)
    assert not spec.cache_dir.exists()


def test_a_dump_that_is_written_behind_its_epoch(tree: Tree, spec: Spec) -> None:
    """By a thread, or when the process ends: nobody has timed that."""
    writers = Writers()
    writers.writes_late = lambda folder: (folder / "more").write_bytes(b"x")
    with pytest.raises(DumpError, match=r"its dump ended, but it was still written afterwards"):
        writers.dump(tree, spec)
    assert not spec.cache_dir.exists()


def test_used_again(tree: Tree, written: Spec) -> None:
    """The second time nobody is started, and the figures of the first time are told."""
    writers = Writers()
    before = {file: file.stat().st_mtime_ns for file in written.cache_dir.iterdir()}
    dump = writers.dump(tree, written)
    assert dump == Dump(12.5, FILES, "used again", MACHINE, dump.date)
    assert dump.date
    assert (writers.started, writers.said) == (0, [])
    assert {file: file.stat().st_mtime_ns for file in written.cache_dir.iterdir()} == before


def test_a_dump_of_another_machine(tree: Tree, written: Spec) -> None:
    """It is used, as bytes travel, but who wrote it is told, as seconds do not."""
    writers = Writers()
    dump = finished_dump(VARIANT, tree, written, writers, writers.said.append, "another")
    assert (dump.history, dump.machine) == ("used again", MACHINE)


def test_a_manifest_without_machine_and_date(tree: Tree, written: Spec) -> None:
    """As one of an earlier version has none, where and when are not known."""
    file = written.cache_dir / MANIFEST
    manifest = json.loads(file.read_text(encoding="utf-8"))
    del manifest["machine"], manifest["date"]
    file.write_text(json.dumps(manifest), encoding="utf-8")
    assert Writers().dump(tree, written) == Dump(12.5, FILES, "used again", "", "")


def test_an_empty_folder_is_no_surprise(tree: Tree, spec: Spec) -> None:
    """The session makes it beforehand: nothing has to be said."""
    spec.cache_dir.mkdir()
    writers = Writers()
    assert writers.dump(tree, spec).history == "written"
    assert writers.said == []


OTHERS: dict[str, Callable[[Tree, Spec], tuple[Tree, Spec]]] = {
    "tree": lambda tree, spec: (replace(tree, digest="another"), spec),
    "image size": lambda tree, spec: (tree, replace(spec, image_size=(8, 6))),
    "batch size": lambda tree, spec: (tree, replace(spec, batch_size=3)),
    "shuffle": lambda tree, spec: (tree, replace(spec, shuffle=False)),
    "seed": lambda tree, spec: (tree, replace(spec, seed=1)),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_key(other: Callable[[Tree, Spec], tuple[Tree, Spec]], tree: Tree, written: Spec) -> None:
    """A dump of another tree or spec is never read, even if somebody puts it where this one belongs."""
    other_tree, other_spec = other(tree, written)
    assert dump_key(VARIANT, other_tree, other_spec) != dump_key(VARIANT, tree, written)
    writers = Writers()
    dump = writers.dump(other_tree, other_spec)
    assert dump.history == "written anew: it is of another tree, spec, code or TensorFlow"
    assert writers.started == 1


def test_the_same_key(tree: Tree, spec: Spec, tmp_path: Path) -> None:
    """Neither the folder of the dump nor that of the tree counts: both may move."""
    key = dump_key(VARIANT, tree, spec)
    moved = dump_key(VARIANT, replace(tree, root=tmp_path), replace(spec, cache_dir=tmp_path))
    assert moved == key
    assert dump_key(replace(VARIANT, name="another"), tree, spec) != key


@pytest.mark.parametrize("module", [VARIANT.name, "tfdata_no_cache"])
def test_other_code_has_another_key(module: str, tmp_path: Path) -> None:
    """A change of the variant, or of what it decodes with, makes every older dump stale."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "loader_gate", tmp_path / "loader_gate", ignore=ignore)
    program = (
        "from pathlib import Path\n"
        "from loader_gate.registry import built_in, spec\n"
        "from loader_gate.session import dumps\n"
        "from loader_gate.trees.tree import Tree\n"
        "variants = {each.name: each for each in built_in.built_in_variants()}\n"
        "tree = Tree(Path('nowhere'), ('1.jpg',), (0,), ('a', 'b'), 'digest')\n"
        "made = spec.Spec((8, 8), 2, True, 0, Path('unused'))\n"
        f"print(Path(dumps.__file__).parent, dumps.dump_key(variants[{VARIANT.name!r}], tree, made))\n"
    )

    def key() -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
        folder, found = done.stdout.decode().split()
        assert Path(folder) == tmp_path / "loader_gate" / "session"
        return found

    before = key()
    assert key() == before
    with (tmp_path / "loader_gate" / "variants" / f"{module}.py").open("a", encoding="utf-8") as code:
        code.write("\nCHANGED = True\n")
    assert key() != before


def lengthen(folder: Path) -> None:
    """Add to the data file."""
    with (folder / DATA).open("ab") as data:
        data.write(b"more")


HARM: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated data file": (lambda folder: os.truncate(folder / DATA, BYTES // 2), DATA),
    "data file one byte short": (lambda folder: os.truncate(folder / DATA, FILES[DATA] - 1), DATA),
    "data file too long": (lengthen, DATA),
    "missing data file": (lambda folder: (folder / DATA).unlink(), DATA),
    "missing index": (lambda folder: (folder / INDEX).unlink(), INDEX),
    "truncated index": (lambda folder: os.truncate(folder / INDEX, 10), INDEX),
    "left-over lockfile": (lambda folder: (folder / LOCKFILE).write_text("stale"), LOCKFILE),
    "empty left-over lockfile": (lambda folder: (folder / LOCKFILE).touch(), "lockfile"),
    "foreign file": (lambda folder: (folder / "other").write_text("file"), "other"),
    "missing manifest": (lambda folder: (folder / MANIFEST).unlink(), "its writer did not come to its end"),
}


@pytest.mark.parametrize(("harm", "word"), HARM.values(), ids=HARM)
def test_harm_is_noticed_said_and_repaired(
    harm: Callable[[Path], Any], word: str, tree: Tree, written: Spec
) -> None:
    """What has changed since it was written is never read: it says what is wrong, and is written anew."""
    harm(written.cache_dir)
    writers = Writers()
    dump = writers.dump(tree, written)
    assert dump.history.startswith("written anew: ")
    assert word in dump.history
    (said,) = writers.said
    assert f"The dump of {VARIANT.name} in {written.cache_dir} cannot be used" in said
    assert word in said
    assert names(written.cache_dir) == {*FILES, MANIFEST}
    assert Writers().dump(tree, written).history == "used again"


MANIFESTS = {
    "no JSON": "not json {",
    "cut off": '{"key": "abc", "fi',
    "empty": "",
    "a list": "[1, 2]",
    "null": "null",
    "a text": '"key"',
    "nothing in it": "{}",
    "no files": '{"key": "KEY", "cold_seconds": 1.0}',
    "files of another kind": '{"key": "KEY", "cold_seconds": 1.0, "files": 3}',
    "no seconds": json.dumps({"key": "KEY", "files": FILES}),
    "another key": json.dumps({"key": "0123456789abcdef", "cold_seconds": 1.0, "files": FILES}),
}


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS)
def test_a_foreign_manifest(manifest: str, tree: Tree, written: Spec) -> None:
    """Whatever it holds, it is no reason to trust the dump, nor to stop."""
    text = manifest.replace("KEY", dump_key(VARIANT, tree, written))
    (written.cache_dir / MANIFEST).write_text(text, encoding="utf-8")
    writers = Writers()
    dump = writers.dump(tree, written)
    assert dump.history.startswith("written anew: ")
    assert dump.cold_seconds == 12.5
    assert (writers.started, len(writers.said)) == (1, 1)


@pytest.mark.parametrize(
    ("writes", "error"),
    [(is_killed, WorkerError), (is_interrupted, KeyboardInterrupt), (writes_no_index, DumpError)],
    ids=lambda each: each.__name__,
)
@pytest.mark.parametrize("kept", [False, True], ids=["first", "after a harmed one"])
def test_a_writer_that_fails_leaves_nothing(
    writes: Callable[[Path], None], error: type[BaseException], kept: bool, tree: Tree, spec: Spec
) -> None:
    """Killed, interrupted, or ended without an index: no byte is left, and the next writer starts afresh."""
    if kept:
        Writers().dump(tree, spec)
        (spec.cache_dir / INDEX).unlink()
    writers = Writers(writes)
    with pytest.raises(error):
        writers.dump(tree, spec)
    assert (writers.started, writers.ended) == (1, 1)
    assert not spec.cache_dir.exists()
    assert sum(file.stat().st_size for file in spec.cache_dir.parent.rglob("*")) == 0
    assert Writers().dump(tree, spec).history == "written"


def test_no_room_for_the_manifest(tree: Tree, spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may also be full after the last image: it says so, and nothing is left."""
    write_text = Path.write_text

    def is_full(file: Path, *text: Any, **settings: Any) -> int:
        if MANIFEST in file.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_text(file, *text, **settings)

    monkeypatch.setattr(Path, "write_text", is_full)
    with pytest.raises(DumpError, match=r"manifest.*No space left.*--keep-dumps"):
        Writers().dump(tree, spec)
    assert not spec.cache_dir.exists()


def test_success_is_told_by_the_index(tree: Tree, spec: Spec) -> None:
    """A writer that ended well without one has written no dump, and the error says what is missing."""
    with pytest.raises(DumpError, match=r"the epoch that writes its dump ended, but its index is missing"):
        Writers(writes_no_index).dump(tree, spec)


@pytest.mark.parametrize("left", [is_killed, writes_no_index])
def test_a_session_that_was_killed(left: Callable[[Path], None], tree: Tree, spec: Spec) -> None:
    """It could not clean up: what it left is noticed, said and written anew."""
    spec.cache_dir.mkdir()
    try:
        left(spec.cache_dir)
    except WorkerError:
        assert (spec.cache_dir / LOCKFILE).exists()
    writers = Writers()
    assert "its index is missing" in writers.dump(tree, spec).history
    assert len(writers.said) == 1
    assert names(spec.cache_dir) == {*FILES, MANIFEST}


def test_two_at_once_write_once(tree: Tree, spec: Spec) -> None:
    """The one that comes second waits for the first, and uses what that has written."""

    def slowly(folder: Path) -> None:
        (folder / LOCKFILE).touch()
        time.sleep(0.2)
        finishes(folder)

    writers, together = Writers(slowly), Barrier(4)

    def dump(_: int) -> Dump:
        together.wait()
        return writers.dump(tree, spec)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(dump, range(4)))
    assert writers.started == 1
    assert sorted(each.history for each in found) == [*["used again"] * 3, "written"]
    assert {tuple(each.files.items()) for each in found} == {tuple(FILES.items())}
    assert writers.said == []


HOLDER = (
    "import sys\n"
    "from filelock import FileLock\n"
    "with FileLock(sys.argv[1]):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()\n"
)


def test_waiting_for_another_session_is_said(tree: Tree, spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process holds the lock of a dump: who waits says for which, and goes on when it is free."""
    monkeypatch.setattr(dumps, "WAIT_SECONDS", 0.1)
    lock = spec.cache_dir.with_name(f"{spec.cache_dir.name}.lock")
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        writers = Writers()

        def say(line: str) -> None:
            writers.said.append(line)
            assert writers.started == 0
            holder.communicate()  # closes its standard input, so that it lets go

        dump = finished_dump(VARIANT, tree, spec, writers, say)
    assert writers.said == [
        f"Another session was writing the dump in {spec.cache_dir}: this one has waited for it."
    ]
    assert (dump.history, writers.started) == ("written", 1)


def test_one_of_two_is_killed(tree: Tree, spec: Spec) -> None:
    """The one that waits takes over."""
    together = Barrier(2)
    first = True

    def one_is_killed(folder: Path) -> None:
        nonlocal first
        killed, first = first, False
        (is_killed if killed else finishes)(folder)

    writers = Writers(one_is_killed)

    def history(_: int) -> str:
        together.wait()
        try:
            return writers.dump(tree, spec).history
        except WorkerError:
            return "killed"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(history, range(2))) == ["killed", "written"]


@pytest.mark.parametrize(
    ("cold", "warm", "streaming", "epochs"),
    [
        (20.0, 5.0, 10.0, 3),  # 20 + 5 + 5 = 10 + 10 + 10
        (20.1, 5.0, 10.0, 4),
        (42.0, 14.0, 23.0, 4),  # the article's minutes
        (10.0, 5.0, 10.0, 1),
        (4.0, 5.0, 10.0, 1),
        (20.0, 10.0, 10.0, None),
        (20.0, 12.0, 10.0, None),
    ],
)
def test_break_even(cold: float, warm: float, streaming: float, epochs: int | None) -> None:
    """After so many epochs, the one that writes among them, the dump has cost no more than going without."""
    assert break_even_epochs(cold, warm, streaming) == epochs
    if epochs is not None:
        assert cold + (epochs - 1) * warm <= epochs * streaming
        assert epochs == 1 or cold + (epochs - 2) * warm > (epochs - 1) * streaming
