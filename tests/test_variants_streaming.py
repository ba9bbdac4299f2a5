"""The streaming variants and the rivals, on a tiny tree of every kind of file."""

from __future__ import annotations

import gc
import importlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from docs.study import planted
from loader_gate.machine.cores import cores
from loader_gate.profile.operations import profile_of
from loader_gate.profile.stages import shares_of
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.same_work.check import check_epoch
from loader_gate.same_work.cropped import CroppedEpoch, Crops, check_crops
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.fingerprints import Fingerprints
from loader_gate.same_work.order import order_problem
from loader_gate.same_work.reference import Reference, build_reference
from loader_gate.same_work.shards import union_problem
from loader_gate.same_work.timed import TimedEpoch
from loader_gate.trees.tree import Tree
from loader_gate.variants import (
    limit_ready_batches,
    native_threads,
    tfdata_no_cache,
    tfdata_service,
    tfdata_tuned,
)
from loader_gate.worker.operations import is_of_tfdata, recorded
from tests.sessions import ROOT

STREAMING = ("keras_image_dataset", "keras_py_dataset", "native_threads", "tfdata_tuned")
RIVALS = (
    "grain_array_record",
    "litdata_streaming",
    "mosaicml_streaming",
    "spdl_pipeline",
    "torch_pillow",
    "torch_simplejpeg",
    "torch_torchvision",
    "webdataset_shards",
)
AUGMENTING = (
    *("keras_image_data_generator", "keras_py_dataset", "native_threads"),
    *("tfdata_no_cache", "tfdata_tuned"),
    *RIVALS,
)
#: Rivals that pack the tree's files anew.
ARCHIVING = [each for each in built_in_variants() if each.predicted_archive_bytes(1, 1.0)]
SIZE = (48, 64)

#: File name and Pillow's mode: what cannot be decoded as an ordinary JPEG, and JPEGs small and large.
FILES = (
    *(("colour.jpg", "RGB"), ("grey.jpg", "L"), ("printed.jpg", "CMYK"), ("large.jpg", "RGB")),
    *(("small.jpg", "RGB"), ("turned.jpg", "RGB"), ("a_png.jpg", "RGB")),
    *(("colour.png", "RGB"), ("grey.png", "L"), ("palette.png", "P"), ("colour.bmp", "RGB")),
)
GIF = (("animated.gif", "P"),)


def picture(number: int, mode: str, height: int, width: int) -> Image.Image:
    """Return a picture of smooth waves, another for each number."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    random = np.random.default_rng(number)
    waves = [np.sin(9 * (random.normal() * x + random.normal() * y) + random.uniform(0, 6)) for _ in range(3)]
    pixels = np.stack([127 + 100 * wave for wave in waves], axis=-1).astype(np.uint8)
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    return Image.fromarray(pixels).convert(mode)


def make_tree(root: Path, files: tuple[tuple[str, str], ...]) -> Tree:
    """Write a tree of two classes, with each of the files in both."""
    sizes = {"large.jpg": (300, 400), "small.jpg": (30, 40)}
    for label in range(2):
        folder = root / f"class_{label}"
        folder.mkdir(parents=True)
        for place, (name, mode) in enumerate(files):
            image = picture(100 * label + place, mode, *sizes.get(name, (90, 110)))
            options: dict[str, Any] = {"format": "PNG"} if name == "a_png.jpg" else {}
            if name.endswith(".jpg"):
                options["quality"] = 92
            if name == "turned.jpg":
                exif = Image.Exif()
                exif[0x0112] = 3  # turned by half: it is not applied
                options["exif"] = exif
            image.save(folder / name, **options)
    return Tree.read(root, "made for a test")


@pytest.fixture(scope="module")
def odd_tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Return a tree with a file of every kind."""
    return make_tree(tmp_path_factory.mktemp("odd"), FILES + GIF)


@pytest.fixture(scope="module")
def odd_reference(odd_tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Return its reference decode."""
    return build_reference(odd_tree, SIZE, tmp_path_factory.mktemp("reference") / "odd")


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Return a spec with a last, smaller batch."""
    return Spec(image_size=SIZE, batch_size=5, shuffle=True, seed=1, cache_dir=tmp_path)


def hold_to_the_check(name: str, tree: Tree, spec: Spec, reference: Reference) -> None:
    """Check two epochs of a variant, and that they come in different orders."""
    module = importlib.import_module(f"loader_gate.variants.{name}")
    for needed in getattr(module, "REQUIRES", "").split():
        pytest.importorskip(needed)
    batches = module.load(tree, spec)
    declared = DeclaredOutput(module.INTERPOLATION)
    prints = Fingerprints(tree, spec, declared, 0)
    prints.begin(reference)
    check = check_epoch(batches, tree, spec, declared, reference, prints.learn)
    assert check.reason is None
    orders = [check.order]
    for _ in range(2):
        timed = TimedEpoch(prints)
        for images, labels in batches:
            images, labels = np.asarray(images), np.asarray(labels)
            timed.add(images, labels, prints.sample(images))
        assert timed.problem() is None
        orders.append(timed.order())
        assert sorted(orders[-1].tolist()) == list(range(len(tree)))
    assert not np.array_equal(orders[0], orders[1])
    assert order_problem(orders, spec.shuffle, prints.groups) is None


@pytest.mark.parametrize("name", [*STREAMING, *RIVALS])
def test_every_kind_of_file(name: str, odd_tree: Tree, odd_reference: Reference, spec: Spec) -> None:
    """Each image comes once an epoch, with its label and pixels; a rival without its library is skipped."""
    hold_to_the_check(name, odd_tree, spec, odd_reference)


@pytest.mark.parametrize("variant", ARCHIVING, ids=lambda variant: variant.name)
def test_what_an_archive_takes_is_predicted(variant: Variant, tmp_path: Path) -> None:
    """Within a few per cent, of files of very different sizes."""
    if absence := variant.absence():
        pytest.skip(f"{variant.name} {absence}")
    random = np.random.default_rng(0)
    for number in range(60):
        (tmp_path / "tree" / f"class_{number % 3}").mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (60 + 4 * number, 300, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "tree" / f"class_{number % 3}" / f"{number}.jpg")
    tree, folder = Tree.read(tmp_path / "tree"), tmp_path / "archive"
    folder.mkdir()
    batches = importlib.import_module(variant.module).load(tree, Spec(SIZE, 5, True, 0, folder))
    assert sum(len(batch[0]) for batch in batches) == len(tree)
    written = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    filled_up = 4 * cores() * 10_240  # tar's, at the end of each file: hardly anything where files are large
    predicted = variant.predicted_archive_bytes(len(tree), tree.mean_bytes())
    assert predicted == pytest.approx(written, rel=0.04, abs=filled_up)


def check_parts(batches: Any, crops: Crops) -> None:
    """Hold a checked epoch, and four timed ones, against what their boxes say."""
    assert check_crops(batches, crops).reason is None
    for _ in range(4):
        epoch = CroppedEpoch(crops, len(crops.tree))
        for images, labels, boxes in batches:
            images = np.asarray(images)
            epoch.add(images, np.asarray(labels), crops.sample(images), np.asarray(boxes))
        assert epoch.problem() is None


@pytest.mark.parametrize("name", AUGMENTING)
def test_parts_of_every_kind_of_file(name: str, odd_tree: Tree, odd_reference: Reference, spec: Spec) -> None:
    """Each image is the part that its box says, in every epoch another."""
    module = importlib.import_module(f"loader_gate.variants.{name}")
    for needed in getattr(module, "REQUIRES", "").split():
        pytest.importorskip(needed)
    batches = module.load(odd_tree, replace(spec, augment="crop-flip"))
    crops = Crops(odd_tree, spec, DeclaredOutput(module.INTERPOLATION), 0)
    crops.begin(odd_reference)
    check_parts(batches, crops)


def test_those_that_can_augment_say_so() -> None:
    """The others are skipped by name."""
    found = {each.name for each in built_in_variants() if "crop-flip" in each.augments}
    limits = {"limit_jpeg_decode", "limit_read_files", "limit_ready_batches"}
    assert found == {*AUGMENTING, "tfdata_service", *limits}


def test_unshuffled(odd_tree: Tree, spec: Spec) -> None:
    """Tuned or not, tf.data gives the tree's order to those who do not want another one."""
    batches = tfdata_tuned.load(odd_tree, replace(spec, shuffle=False))
    labels = np.concatenate([np.asarray(labels) for _, labels in batches])
    assert labels.argmax(axis=1).tolist() == list(odd_tree.labels)


def test_dali(tmp_path_factory: pytest.TempPathFactory, spec: Spec) -> None:
    """DALI reads all but GIFs."""
    tree = make_tree(tmp_path_factory.mktemp("tree"), FILES)
    reference = build_reference(tree, SIZE, tmp_path_factory.mktemp("reference") / "plain")
    hold_to_the_check("dali_cpu", tree, spec, reference)


def test_a_planted_slowdown_loads_the_same(tiny_tree: Tree, tmp_path: Path) -> None:
    """An image that is decoded twice is the same image."""
    text = (ROOT / planted.FILE).read_text(encoding="utf-8")
    spec = Spec((32, 32), 5, shuffle=False, seed=0, cache_dir=tmp_path)
    epochs = []
    for source in (text, planted.planted(text, 0.5)):
        names: dict[str, Any] = {"__name__": planted.VARIANT}
        exec(compile(source, planted.FILE, "exec"), names)  # noqa: S102 (text of our own)
        epochs.append([(images.numpy(), labels.numpy()) for images, labels in names["load"](tiny_tree, spec)])
    assert [len(images) for images, _ in epochs[1]] == [5, 5, 5, 5, 4]
    for plain, twice in zip(*epochs, strict=True):
        np.testing.assert_array_equal(plain[0], twice[0])
        np.testing.assert_array_equal(plain[1], twice[1])


class TestNativeThreads:
    """What the fastest has to keep, however fast."""

    @pytest.fixture(autouse=True)
    def _needed(self) -> None:
        for name in native_threads.REQUIRES.split():
            pytest.importorskip(name)

    @pytest.fixture(autouse=True)
    def _collects_quickly(self) -> Iterator[None]:
        """Look through what the test makes only: all that TensorFlow has made takes a second each time."""
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()

    def test_every_depth(self, tmp_path: Path) -> None:
        """A PNG of 16 bits comes as Pillow converts it."""
        picture(1, "I;16", 60, 80).save(tmp_path / "deep.png")
        image = np.empty((*SIZE, 3), np.float32)
        native_threads.decode(str(tmp_path / "deep.png"), image)
        with Image.open(tmp_path / "deep.png") as file:
            expected = np.asarray(file.convert("RGB").resize(SIZE[::-1], Image.Resampling.BILINEAR))
        np.testing.assert_allclose(image * 255, expected, atol=0.01)

    def test_orders(self, odd_tree: Tree, spec: Spec) -> None:
        """Epochs come in orders of their own; unshuffled, in the tree's."""
        batches = native_threads.load(odd_tree, spec)
        first, second = (np.concatenate([images for images, _ in batches]) for _ in range(2))
        assert not np.array_equal(first, second)
        labels = [labels for _, labels in native_threads.load(odd_tree, replace(spec, shuffle=False))]
        assert np.concatenate(labels).argmax(axis=1).tolist() == list(odd_tree.labels)

    def test_what_is_held_is_not_written_over(self, odd_tree: Tree, spec: Spec) -> None:
        """Memory is used again only when nobody holds a batch, or a part of one, any more."""
        batches = native_threads.load(odd_tree, spec)
        held = [(images[1:, ::2], images[1:, ::2].copy()) for images, _ in batches]
        for _ in range(3):
            for _images, _labels in batches:
                pass
        for part, copy in held:
            np.testing.assert_array_equal(part, copy)

    def test_memory_is_used_again(self, odd_tree: Tree, spec: Spec) -> None:
        """Epochs after the first need no new memory."""
        batches = native_threads.load(odd_tree, spec)
        addresses: set[int] = set()
        for _ in range(3):
            for images, _labels in batches:
                addresses.add(images.ctypes.data)
                del images
                gc.collect()
        assert len(addresses) <= native_threads.AHEAD + 2

    def test_left_early(self, odd_tree: Tree, spec: Spec) -> None:
        """An epoch that is left leaves no work behind, and the next one is whole."""
        batches = native_threads.load(odd_tree, spec)
        epoch = iter(batches)
        next(epoch)
        epoch.close()  # type: ignore[attr-defined]
        assert sum(len(images) for images, _ in batches) == len(odd_tree)

    def test_the_threads_stay_and_end(self, odd_tree: Tree, spec: Spec) -> None:
        """The threads are the same in every epoch, and end with the loader."""

        def decoding() -> set[threading.Thread]:
            return {thread for thread in threading.enumerate() if thread.name.startswith("decode")}

        gc.collect()
        before = decoding()
        batches = native_threads.load(odd_tree, spec)
        seen = []
        for _ in range(2):
            for _images, _labels in batches:
                pass
            seen.append(decoding() - before)
        assert set() < seen[0] <= seen[1]
        del batches, _images, _labels
        gc.collect()
        deadline = time.monotonic() + 30
        while seen[0] & decoding() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not seen[0] & decoding()

    def test_a_broken_file(self, tmp_path: Path, spec: Spec) -> None:
        """What a thread cannot decode is an error of the epoch, not an image that is missing."""
        tree = make_tree(tmp_path / "tree", FILES[:6])
        Path(tree.paths[3]).write_bytes(b"\xff\xd8 no image")
        batches = native_threads.load(tree, spec)
        for _ in range(2):
            with pytest.raises(ValueError, match=f"{re.escape(tree.paths[3])} cannot be decoded"):
                list(batches)


def test_operations_of_tfdata_are_recorded(tiny_tree: Tree, tmp_path: Path) -> None:
    """TensorFlow says what each thread of a pipeline did, and that it decoded every image that came."""
    dataset = tfdata_tuned.load(tiny_tree, Spec(SIZE, 5, shuffle=True, seed=0, cache_dir=tmp_path))
    assert is_of_tfdata(dataset)
    assert not is_of_tfdata([dataset])
    answer = recorded(dataset, 0.2, lambda: None)
    profile = profile_of(answer["stacks"], answer["images"])
    assert answer["images"] >= 5
    assert {"DecodeJpeg", "ReadFile"} <= {stack[-1].function for stack in profile.seconds}
    assert {"decode", "read", "resize"} <= {*shares_of(profile)}


@pytest.mark.parametrize("batch_size", [1, 4, 7, 22, 50])
def test_batches_that_are_already_there(batch_size: int, tmp_path: Path) -> None:
    """Epoch after epoch as many as of any loader, of the same shapes, and no file is opened for them."""
    tree = make_tree(tmp_path / "tree", FILES)
    spec = Spec(SIZE, batch_size, shuffle=True, seed=0, cache_dir=tmp_path)
    loaded = tfdata_no_cache.load(tree, spec)
    expected = [images.shape for images, _ in loaded]
    ready = limit_ready_batches.load(tree, spec)
    assert ready.element_spec == loaded.element_spec
    for path in tree.paths:
        Path(path).unlink()
    for _ in range(2):
        batches = [*ready]
        assert [images.shape for images, _ in batches] == expected
        assert [labels.shape[0] for _, labels in batches] == [shape[0] for shape in expected]
    held = {batch[0].numpy().tobytes() for batch in batches}
    assert len(held) == min(len(expected), limit_ready_batches.MOST_BATCHES + bool(len(tree) % batch_size))
    assert {int(label) for _, labels in batches for label in labels.numpy().argmax(axis=1)} == (
        {0, 1} if len(tree) > 1 else {0}
    )


@pytest.mark.parametrize(
    ("policy", "delivered", "said"),
    [
        ("DYNAMIC", lambda batches: batches.skip(1), r"^16 of 24 images came from the tf\.data service: its"),
        ("DYNAMIC", lambda batches: batches.repeat(2), None),  # it is known when all have come
        ("OFF", lambda batches: batches.repeat(2), r"^24 of 24 images came .*, 8 of them again: its"),
        ("OFF", lambda batches: batches, None),
    ],
)
def test_a_service_that_is_there_delivers_what_its_policy_promises(
    policy: str,
    delivered: Any,
    said: str | None,
    odd_tree: Tree,
    spec: Spec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of somebody else's processes nobody sees whether one ends: what came tells, and the policy is named."""
    # What a real service loses, chance decides.
    monkeypatch.setattr(tfdata_service, "distributed", lambda batches, _, **_how: delivered(batches))
    epochs = tfdata_service.Epochs(odd_tree, replace(spec, batch_size=8), "grpc://there:1", policy=policy)
    if said is None:
        assert sum(len(images) for images, _ in epochs) == len(odd_tree)
        return
    with pytest.raises(RuntimeError, match=said) as raised:
        list(epochs)
    assert f"ShardingPolicy.{policy}, promises each image once" in str(raised.value)


SHARING = ("keras_py_dataset", "native_threads", "tfdata_no_cache", "tfdata_tuned")


def test_who_shares_an_epoch_is_tested() -> None:
    """No variant says that it heeds ranks and is not held to it; the service has a file of its own."""
    modules = {
        each.name: importlib.import_module(each.module) for each in built_in_variants() if not each.absence()
    }
    saying = {name for name, module in modules.items() if vars(module).get("SHARDS")}
    assert saying <= {*SHARING, "tfdata_service"}


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("name", SHARING)
def test_ranks_share_an_epoch(
    name: str, shuffle: bool, odd_tree: Tree, odd_reference: Reference, spec: Spec
) -> None:
    """What three of them get together is one epoch, then another one; every rank's part is another."""
    module = importlib.import_module(f"loader_gate.variants.{name}")
    for needed in getattr(module, "REQUIRES", "").split():
        pytest.importorskip(needed)
    assert module.SHARDS
    declared = DeclaredOutput(module.INTERPOLATION)
    ranks = [module.load(odd_tree, replace(spec, shuffle=shuffle, shard=rank, shards=3)) for rank in range(3)]
    epochs = []
    for _ in range(2):
        orders = []
        for batches in ranks:
            # Only half a check: what is missing from a rank's part belongs to another.
            part = check_epoch(batches, odd_tree, spec, declared, odd_reference)
            assert "images are missing" in str(part.reason)
            orders.append(part.order)
        assert union_problem(orders, len(odd_tree)) is None
        epochs.append(orders)
    for first, second in zip(*epochs, strict=True):
        assert np.array_equal(first, second) is not shuffle
