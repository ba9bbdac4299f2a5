"""Variants that keep decoded or resized images: whole epochs, and dumps that are finished or not there."""

from __future__ import annotations

import gc
import importlib
import os
import subprocess
import sys
import threading
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.same_work.check import check_epoch
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.fingerprints import Fingerprints
from loader_gate.same_work.reference import Reference, build_reference
from loader_gate.same_work.timed import TimedEpoch
from loader_gate.session.dumps import finished_dump
from loader_gate.trees.tree import Tree
from loader_gate.variants.native_threads import Memory
from loader_gate.variants.uint8_memory_map import to_float
from loader_gate.verdict.dump_size import DUMP_CEILING
from loader_gate.worker.process import WorkerProcess

#: Those whose files the suite itself names, by what their bytes depend on.
OWN_FILES = (
    *("resized_jpeg_simplejpeg", "resized_jpeg_tfrecord", "tfdata_snapshot", "uint8_array_record"),
    *("uint8_memory_map", "yuv420_memory_map"),
)
DUMPS = (*OWN_FILES, "tfdata_uint8_file_cache")
ROOT = Path(__file__).resolve().parents[1]
IMAGES, SIZE = 10, (24, 32)


def variant_named(name: str) -> tuple[Variant, Any]:
    """Return a variant and its module; what it needs may be absent."""
    module = importlib.import_module(f"loader_gate.variants.{name}")
    absent = [each for each in getattr(module, "REQUIRES", "").split() if find_spec(each) is None]
    if absent:
        pytest.skip(f"{name} needs {' and '.join(absent)}")
    return Variant(name, module.__name__, kind=module.KIND), module


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Return a tree of images of every format, grey and palette ones among them, and of several sizes."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    formats = ["jpg", "png", "gif", "bmp", "jpeg"] * 2
    for number, suffix in enumerate(formats):
        coarse = Image.fromarray(random.integers(0, 256, (3, 3, 3), np.uint8))
        image = coarse.resize((40 + 7 * number, 36 + 5 * number), Image.Resampling.BICUBIC)
        if number in (0, 6):
            image = image.convert("L")
        folder = root / f"class_{number % 3}"
        folder.mkdir(exist_ok=True)
        image.save(folder / f"{number}.{suffix}")
    return Tree.read(root, "0123456789abcdef" * 4)


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Return a spec whose last batch is smaller, with an empty folder for the dump."""
    folder = tmp_path / "dump"
    folder.mkdir()
    return Spec(SIZE, 4, shuffle=True, seed=0, cache_dir=folder)


@pytest.fixture(scope="module")
def reference(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Return the reference decode of the tree."""
    folder = tmp_path_factory.mktemp("reference") / "reference"
    build_reference(tree, SIZE, folder)
    return Reference.open(folder)


def epoch_of(batches: Any) -> list[tuple[Any, Any]]:
    """Return copies of the batches of one epoch, as arrays."""
    return [(np.array(images), np.array(labels)) for images, labels in batches]


def images_of(batches: Any) -> Any:
    """Return the images of one epoch."""
    return np.concatenate([images for images, _ in epoch_of(batches)])


def largest_file(folder: Path) -> Path:
    """Return the largest file of a dump."""
    return max((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)


@pytest.mark.parametrize("name", [*DUMPS, "uint8_memory"])
def test_epochs(name: str, tree: Tree, spec: Spec, reference: Reference) -> None:
    """The epoch that fills the store and those that read it do the same work, each in a new order."""
    _, module = variant_named(name)
    batches = module.load(tree, spec)
    declared = DeclaredOutput(module.INTERPOLATION)
    prints = Fingerprints(tree, spec, declared, 0)
    prints.begin(reference)
    for learn in (prints.learn, lambda _images, _files: None, lambda _images, _files: None):
        check = check_epoch(iter(batches), tree, spec, declared, reference, learn)
        assert check.reason is None
        assert check.images == IMAGES
        epoch = TimedEpoch(prints)
        for images, labels in epoch_of(batches):
            epoch.add(images, labels, prints.sample(images))
        assert epoch.problem() is None
        assert sorted(epoch.order().tolist()) == list(range(IMAGES))
    orders = [images_of(batches).mean(axis=(1, 2, 3)) for _ in range(3)]
    assert any(not np.array_equal(orders[0], other) for other in orders[1:])
    for order in orders[1:]:
        np.testing.assert_allclose(np.sort(order), np.sort(orders[0]), atol=1e-6)


@pytest.mark.parametrize("name", [*OWN_FILES, "tfdata_uint8_file_cache", "uint8_memory"])
def test_in_the_trees_order(name: str, tree: Tree, spec: Spec) -> None:
    """Without shuffling, images come as they are in the tree, in every epoch."""
    _, module = variant_named(name)
    batches = module.load(tree, replace(spec, shuffle=False))
    for _ in range(2):
        labels = np.concatenate([labels for _, labels in epoch_of(batches)])
        assert labels.argmax(axis=1).tolist() == list(tree.labels)


@pytest.mark.parametrize("name", DUMPS)
def test_a_finished_dump_is_read(name: str, tree: Tree, spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process needs the dump alone; it is as large as predicted, and not touched."""
    import tensorflow as tf

    variant, module = variant_named(name)
    assert variant.dump_problem(IMAGES, spec)
    written = images_of(module.load(tree, spec))
    assert variant.dump_problem(IMAGES, spec) == ""
    assert variant.dump_problem(100 * IMAGES, spec) or name == "tfdata_snapshot"
    files = {file: file.stat().st_mtime_ns for file in spec.cache_dir.rglob("*")}
    size = sum(file.stat().st_size for file in files if file.is_file())
    predicted = variant.predicted_bytes(IMAGES, spec)
    assert predicted is not None
    assert size <= DUMP_CEILING * predicted + 4 * len(tree.class_names) * IMAGES
    if name in OWN_FILES:  # the other traces the graph that decodes
        monkeypatch.setattr(tf.io, "decode_image", None)
    read = images_of(module.load(tree, spec))
    np.testing.assert_allclose(np.sort(read, axis=0), np.sort(written, axis=0), atol=1e-6)
    assert {file: file.stat().st_mtime_ns for file in spec.cache_dir.rglob("*")} == files


@pytest.mark.parametrize("name", ["resized_jpeg_simplejpeg", "uint8_memory_map", "yuv420_memory_map"])
def test_a_fresh_process_reads_without_tensorflow(name: str, tree: Tree, spec: Spec) -> None:
    """What is read by NumPy alone starts at once, and takes little memory."""
    _, module = variant_named(name)
    images_of(module.load(tree, spec))
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from loader_gate.registry.spec import Spec\n"
        f"from loader_gate.variants import {name}\n"
        "from loader_gate.trees.tree import Tree\n"
        f"spec = Spec({SIZE}, 4, True, 0, Path(sys.argv[2]))\n"
        f"batches = {name}.load(Tree.read(sys.argv[1], {tree.digest!r}), spec)\n"
        "print(sum(len(images) for images, _ in batches), 'tensorflow' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(tree.root), str(spec.cache_dir)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(IMAGES), "False"]


@pytest.mark.parametrize("name", DUMPS)
def test_half_an_epoch_is_no_dump(name: str, tree: Tree, spec: Spec) -> None:
    """Who stops in the middle leaves nothing that counts, and the next whole epoch writes it."""
    variant, module = variant_named(name)
    batches = module.load(tree, replace(spec, batch_size=2))
    epoch = iter(batches)
    next(epoch)
    if name in OWN_FILES:  # TensorFlow reads so far ahead that it may be done with so few
        assert variant.dump_problem(IMAGES, spec)
    del epoch
    gc.collect()
    if name in OWN_FILES:
        assert not any(spec.cache_dir.iterdir())
    assert len(images_of(batches)) == IMAGES
    assert variant.dump_problem(IMAGES, spec) == ""


class Writer:
    """Writes a dump in this process, as a worker would in its own."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._batches: Any = None

    def open(self, tree: Tree, spec: Spec) -> dict[str, float | str]:
        """Build the variant."""
        self._batches = self._module.load(tree, spec)
        return {"kind": "dump", "build_seconds": 0.0, "import_seconds": 0.0}

    def ask(self, do: str, epochs: int) -> dict[str, float]:
        """Run the epoch that writes."""
        assert (do, epochs) == ("pass", 1)
        assert len(images_of(self._batches)) == IMAGES
        return {"seconds": 1.0}

    def end(self) -> None:
        """Be ended."""


def truncate(folder: Path) -> None:
    """Take the last byte away from the largest file."""
    file = largest_file(folder)
    os.truncate(file, file.stat().st_size - 1)


def remove(folder: Path) -> None:
    """Remove the largest file."""
    largest_file(folder).unlink()


def lose_the_manifest(folder: Path) -> None:
    """Leave what a session leaves that was killed before it was done."""
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize("name", DUMPS)
def test_a_damaged_dump_is_written_anew(name: str, tree: Tree, spec: Spec) -> None:
    """It is used again as it is, never when anything is missing from it."""
    variant, module = variant_named(name)
    said: list[str] = []

    def start(_: Variant) -> WorkerProcess:
        return cast("WorkerProcess", Writer(module))

    def history() -> str:
        return finished_dump(variant, tree, spec, start, said.append).history

    assert [history(), history()] == ["written", "used again"]
    for damage in (truncate, remove, lose_the_manifest):
        damage(spec.cache_dir)
        assert history().startswith("written anew: ")
    assert len(said) == 3
    assert history() == "used again"


@pytest.mark.parametrize("name", OWN_FILES)
def test_the_dump_of_another_tree(name: str, tree: Tree, spec: Spec) -> None:
    """Even without the suite's manifest, a script never reads what belongs to another tree or size."""
    variant, module = variant_named(name)
    images_of(module.load(tree, spec))
    other = replace(tree, digest="fedcba9876543210" * 4)
    images_of(module.load(other, spec))
    assert len([*spec.cache_dir.iterdir()]) == 2
    assert variant.dump_problem(IMAGES, spec).startswith("it has 2 ")
    assert variant.dump_problem(IMAGES, replace(spec, image_size=(8, 8))).startswith("it has 0 ")


@pytest.mark.parametrize("name", OWN_FILES)
def test_a_tree_without_a_digest(name: str, tree: Tree, spec: Spec) -> None:
    """A script reads a tree without one; an image that is another one by now is decoded, not read."""
    _, module = variant_named(name)
    plain = Tree.read(tree.root)
    images_of(module.load(plain, spec))
    images_of(module.load(plain, spec))
    assert len([*spec.cache_dir.iterdir()]) == 1
    status = Path(plain.paths[0]).stat()
    os.utime(plain.paths[0], ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
    images_of(module.load(Tree.read(tree.root), spec))
    assert len([*spec.cache_dir.iterdir()]) == 2


def test_many_files_of_records(tree: Tree, spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records in several files are found at random and in turn; a file that is missing is noticed."""
    variant, module = variant_named("resized_jpeg_tfrecord")
    monkeypatch.setattr(module, "IMAGES_A_SHARD", 4)
    batches = module.load(tree, spec)
    written = images_of(batches)
    np.testing.assert_array_equal(np.sort(images_of(batches), axis=0), np.sort(written, axis=0))
    assert [bytes(jpeg[:2]) for jpeg in module.Records(tree, spec).read()] == [b"\xff\xd8"] * IMAGES
    shards = sorted(spec.cache_dir.rglob("*.tfrecord"))
    assert len(shards) == 3
    os.truncate(shards[1], 100)
    assert variant.dump_problem(IMAGES, spec).startswith("records file 1 has 100 bytes")
    shards[1].unlink()
    assert variant.dump_problem(IMAGES, spec) == "it has 2 files of records, not 3"


def test_nothing_is_unpickled(tree: Tree, spec: Spec) -> None:
    """An index that somebody has swapped for a pickle is a problem, not code that runs."""
    variant, module = variant_named("resized_jpeg_tfrecord")
    images_of(module.load(tree, spec))
    (index,) = spec.cache_dir.rglob("index.npy")
    np.save(index, np.array([{}], object), allow_pickle=True)
    assert variant.dump_problem(IMAGES, spec) == "its index cannot be read (ValueError)"


# TensorFlow may still write to a snapshot whose epoch has failed: what stays has no name, and is not read.
@pytest.mark.parametrize("name", [name for name in OWN_FILES if name != "tfdata_snapshot"])
def test_a_writer_that_fails_leaves_nothing(name: str, tree: Tree, spec: Spec, tmp_path: Path) -> None:
    """An image that cannot be decoded is the epoch's error, and no part of a dump stays."""
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    _, module = variant_named(name)
    with pytest.raises(Exception, match=r"(?i)image"):
        images_of(module.load(replace(tree, paths=(*tree.paths[:-1], str(broken))), spec))
    assert not any(spec.cache_dir.iterdir())


def test_grey_levels_become_floats() -> None:
    """All 256 levels are within float32's rounding of a division by 255."""
    levels = np.arange(256, dtype=np.uint8)
    out = np.empty(256, np.float32)
    to_float(levels, out)
    np.testing.assert_allclose(out, levels / 255, rtol=2e-7)
    assert (out[0], out[-1]) == (0, 1)


@pytest.mark.parametrize("size", [(24, 32), (23, 31), (22, 1), (2, 2)])
def test_planes_are_what_opencv_undoes(size: tuple[int, int], tmp_path: Path) -> None:
    """Colours come back within rounding, from the first row to the last, whatever height and width."""
    _, module = variant_named("yuv420_memory_map")
    spec = Spec(size, 4, shuffle=False, seed=0, cache_dir=tmp_path)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)]
    (tmp_path / "a").mkdir()
    for number, colour in enumerate(colours):
        Image.new("RGB", (40, 30), colour).save(tmp_path / "a" / f"{number}.png")
    items = [*module.planes(Tree.read(tmp_path), spec)]
    assert sum(item.nbytes for item in items) == module.predicted_bytes(len(colours), spec)
    for item, colour in zip(items, colours, strict=True):
        out = np.full((*size, 3), np.nan, np.float32)
        module.decode(item, out)
        np.testing.assert_allclose(out * 255, np.broadcast_to(colour, out.shape), atol=2)


def test_memory_is_used_again_when_nobody_holds_it() -> None:
    """As long as a batch or any view of it lives, its memory is nobody else's."""

    def address(array: Any) -> int:
        return int(array.__array_interface__["data"][0])

    memory = Memory(4 * 2 * 2 * 3)
    batch = memory.floats((4, 2, 2, 3))
    at, view = address(batch), batch[1:][0, :, 1]
    del batch
    held = memory.floats((4, 2, 2, 3))
    assert address(held) != at
    del view
    again = memory.floats((3, 2, 2, 3))
    assert address(again) == at
    assert again.shape == (3, 2, 2, 3)


def test_batches_that_are_kept_stay_as_they_are(tree: Tree, spec: Spec) -> None:
    """A consumer that keeps a whole epoch sees no batch change under it."""
    _, module = variant_named("uint8_memory")
    batches = module.load(tree, spec)
    for _ in range(3):
        pairs: list[tuple[Any, Any]] = []
        for images, _ in batches:
            pairs.append((images, images.copy()))
        for images, copy in pairs:
            np.testing.assert_array_equal(images, copy)


def test_an_epoch_that_is_left_early(tree: Tree, spec: Spec) -> None:
    """Threads end with it, and the next epoch is whole."""
    _, module = variant_named("uint8_memory")
    batches = module.load(tree, spec)
    images_of(batches)
    before = threading.active_count()
    epoch = iter(batches)
    next(epoch)
    del epoch
    assert threading.active_count() == before
    assert len(images_of(batches)) == IMAGES
