"""The check of a variant's epoch: honest loaders pass, each kind of wrong one fails with its reason."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loader_gate.registry.spec import Spec
from loader_gate.same_work import identity, recognition
from loader_gate.same_work import reference as reference_module
from loader_gate.same_work.check import SameWork, check_epoch, same_work
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.pixels import Compared, Pixels
from loader_gate.same_work.recognition import Match
from loader_gate.same_work.reference import Reference, build_reference, decode_image, resize_bilinear
from loader_gate.trees.tree import Tree

SIZE = (64, 64)
BATCH = 8
BILINEAR = DeclaredOutput("bilinear")
Batch = tuple[Any, Any]


def picture(seed: int, texture: float = 8, height: int = 120, width: int = 160) -> np.ndarray:
    """Return gradients, three discs and some texture, distinct for every seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 160
    waves = [random.uniform(1, 6, 3) * x[..., None], random.uniform(1, 6, 3) * y[..., None]]
    pixels = 128 + 80 * np.sin(waves[0] + waves[1] + random.uniform(0, 6, 3))
    for _ in range(3):
        pixels[(x - random.random()) ** 2 + (y - random.random() * 0.75) ** 2 < 0.03] = random.uniform(
            0, 255, 3
        )
    pixels += random.normal(0, texture, (height, width, 1))
    drawn: np.ndarray = pixels.clip(0, 255).astype(np.uint8)
    return drawn


def tree_of(root: Path, files: dict[str, np.ndarray | str]) -> Tree:
    """Write files, or link them to an earlier one, and return the tree."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            os.link(root / content, root / name)
        else:
            Image.fromarray(content).save(root / name, quality=92)
    classes = sorted({name.split("/")[0] for name in files})
    names = sorted(files)
    labels = tuple(classes.index(name.split("/")[0]) for name in names)
    return Tree(root, tuple(str(root / name) for name in names), labels, tuple(classes), str(root))


class Case:
    """A tree, its reference and the images of an honest loader."""

    def __init__(self, folder: Path, files: dict[str, np.ndarray | str]) -> None:
        """Write the tree and make the reference."""
        self.tree = tree_of(folder / "tree", files)
        self.spec = Spec(SIZE, BATCH, shuffle=False, seed=1, cache_dir=folder)
        self.reference: Reference = build_reference(self.tree, SIZE, folder / "reference")
        self.images = np.stack(
            [decode_image(path, SIZE)["bilinear"].astype(np.float32) / 255 for path in self.tree.paths]
        )
        self.labels = np.eye(len(self.tree.class_names), dtype=np.float32)[list(self.tree.labels)]

    def batches(self, images: Any = None, labels: Any = None, order: Any = None) -> Iterator[Batch]:
        """Yield an epoch, of other images, labels or in another order if given."""
        images = self.images if images is None else images
        labels = self.labels if labels is None else labels
        order = np.arange(len(images)) if order is None else np.asarray(order)
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            yield images[some], labels[some]

    def check(self, batches: Any, declared: DeclaredOutput = BILINEAR) -> SameWork:
        """Check an epoch."""
        return check_epoch(batches, self.tree, self.spec, declared, self.reference)

    def reason(self, batches: Any, declared: DeclaredOutput = BILINEAR) -> str:
        """Return why an epoch fails."""
        reason = self.check(batches, declared).reason
        assert reason is not None
        assert str(self.tree.root) not in reason
        assert "\n" not in reason
        return reason


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Return 36 images of three classes: four batches of 8 and one of 4."""
    files: dict[str, np.ndarray | str] = {
        f"{name}/{number:02}.jpg": picture(100 * label + number)
        for label, name in enumerate(("ant", "bee", "cat"))
        for number in range(12)
    }
    return Case(tmp_path_factory.mktemp("case"), files)


class Tensor:
    """Something NumPy can convert, like a torch tensor."""

    def __init__(self, array: np.ndarray) -> None:
        """Hold an array."""
        self._array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return it."""
        array: np.ndarray = np.asarray(self._array, dtype)
        return array

    def __len__(self) -> int:
        """Return the batch size."""
        return len(self._array)


class TestHonest:
    """Loaders that do the same work."""

    def test_in_order(self, case: Case) -> None:
        """The figures are those of equal images, rounding apart."""
        result = case.check(case.batches())
        all_of_it = (1.0, 1.0)
        assert result == SameWork(None, 36, "bilinear", 36, 100.0, 100.0, all_of_it, all_of_it)

    def test_shuffled(self, case: Case) -> None:
        """The order does not matter."""
        order = np.random.default_rng(0).permutation(36)
        assert case.check(case.batches(order=order)).reason is None

    def test_which_files_came(self, case: Case) -> None:
        """It is learned batch by batch, and known in the end: of what is no file of its label, none is."""
        order = np.random.default_rng(1).permutation(36)
        images, labels = case.images.copy(), case.labels.copy()
        images[order[3]] = 1 - images[order[3]]
        labels[order[9]] = np.roll(labels[order[9]], 1)
        batches = list(case.batches(images, labels, order))
        learned: list[tuple[np.ndarray, np.ndarray]] = []

        def learn(some: np.ndarray, files: np.ndarray) -> None:
            learned.append((some, files))

        found = check_epoch(batches, case.tree, case.spec, BILINEAR, case.reference, learn)
        order[[3, 9]] = -1
        assert (found.order.dtype.name, found.order.tolist()) == ("int64", order.tolist())
        assert np.concatenate([files for _, files in learned]).tolist() == order.tolist()
        assert all(some is batch[0] for (some, _), batch in zip(learned, batches, strict=True))

    def test_tensors(self, case: Case) -> None:
        """Anything NumPy converts will do, and lists for pairs."""
        assert (
            case.check([Tensor(images), Tensor(labels)] for images, labels in case.batches()).reason is None
        )

    @pytest.mark.parametrize("name", ["nearest", "bilinear", "area"])
    def test_interpolation_is_found(self, case: Case, name: str) -> None:
        """Without a declared interpolation the best match of the three counts."""
        images = np.stack([decode_image(path, SIZE)[name] for path in case.tree.paths])
        result = case.check(case.batches(images), DeclaredOutput(None, "uint8", (0, 255)))
        assert (result.reason, result.interpolation, result.lowest_psnr) == (None, name, 100.0)

    def test_declared_range(self, case: Case) -> None:
        """Images in -1 to 1 pass when that is what was declared."""
        declared = DeclaredOutput("bilinear", "float16", (-1, 1))
        assert case.check(case.batches((case.images * 2 - 1).astype(np.float16)), declared).reason is None

    def test_scaled_decode_is_area(self, case: Case) -> None:
        """A decode at half size followed by a bilinear resize is within the limit of area."""
        images = []
        for path in case.tree.paths:
            with Image.open(path) as file:
                file.draft("RGB", (64, 64))
                images.append(resize_bilinear(np.asarray(file.convert("RGB")), SIZE))
        result = case.check(case.batches(np.stack(images)), DeclaredOutput("area", "uint8", (0, 255)))
        assert result.reason is None
        assert result.lowest_psnr is not None
        assert result.lowest_psnr < 60

    def test_links_and_shared_pictures(self, tmp_path: Path) -> None:
        """One file under many names and two labels counts as often as it is there."""
        files: dict[str, np.ndarray | str] = {"a/0.jpg": picture(1), "b/0.jpg": picture(2)}
        files |= {f"a/{number}.jpg": "a/0.jpg" for number in range(1, 9)} | {"b/1.jpg": "a/0.jpg"}
        case = Case(tmp_path, files)
        result = case.check(case.batches())
        assert (result.reason, result.not_told_apart) == (None, 10)
        assert "a/0.jpg 8 times, expected 9" in case.reason(case.batches(order=[*range(8), 9, 9, 10]))

    def test_near_duplicates(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Photographs that look alike are shared out, whichever file each loaded image is closest to."""
        random = np.random.default_rng(0)
        base = picture(1).clip(6, 249)
        files: dict[str, np.ndarray | str] = {
            f"a/{number:02}.png": (base + random.integers(-1, 2, base.shape)).astype(np.uint8)
            for number in range(20)
        }
        case = Case(tmp_path, files)
        noisy = (case.images + random.normal(0, 0.01, case.images[:, :1, :1].shape)).clip(0, 1)
        result = case.check(case.batches(noisy.astype(np.float32)))
        assert result.reason is None
        # It takes the sharing out; of too many files that look alike, only the number is compared.
        monkeypatch.setattr(recognition.Recogniser, "_shared_out", lambda _, own, *__: own)
        assert "missing" in case.reason(case.batches(noisy.astype(np.float32)))
        monkeypatch.undo()
        monkeypatch.setattr(identity, "MOST_TOLD_APART", 10)
        assert case.check(case.batches(noisy.astype(np.float32))).reason is None
        assert "missing" in case.reason(case.batches(noisy.astype(np.float32), order=range(19)))

    def test_only_a_sample_has_pixels(
        self, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Images without kept pixels are recognised all the same."""
        monkeypatch.setattr(reference_module, "PIXEL_SAMPLE", 5)
        sparse = build_reference(case.tree, SIZE, tmp_path / "ref")
        result = check_epoch(case.batches(), case.tree, case.spec, BILINEAR, sparse)
        assert (result.reason, result.compared) == (None, 5)


class TestForm:
    """What one batch shows."""

    def test_not_a_pair(self, case: Case) -> None:
        """Images alone, triples and dictionaries are named."""
        for batch, what in (
            (case.images[:8] * 255, "ndarray"),
            ((case.images[:8] * 255, case.labels[:8], 1), "tuple of 3"),
            ({"x": 1, "y": 2}, "dict of 2"),
        ):
            reason = case.reason([*islice(case.batches(), 1), batch])
            assert reason == f"Batch 2 is a {what}, expected a pair (images, labels)."

    def test_shape(self, case: Case) -> None:
        """The usual slips have a hint."""
        assert "are the channels first?" in case.reason(case.batches(case.images.transpose(0, 3, 1, 2)))
        assert "(8, 64, 64)" in case.reason(case.batches(case.images[..., 0]))
        assert "expected (batch, 64, 64, 3)." in case.reason(case.batches(case.images[:, ::2]))
        assert "grey" in case.reason(case.batches(case.images[..., :1]))
        assert "alpha" in case.reason(case.batches(case.images[..., [0, 1, 2, 2]]))

    def test_dtype(self, case: Case) -> None:
        """The type must be the declared one."""
        reason = case.reason(case.batches(case.images.astype(np.float64)))
        assert reason == (
            "Images of batch 1 are float64, expected the declared float32. "
            'If that is what is meant, add DTYPE = "float64" to say so.'
        )

    def test_range(self, case: Case) -> None:
        """Values outside the range are named."""
        assert "0 to 255, not divided by 255?" in case.reason(case.batches(case.images * 255))
        assert "standardised?" in case.reason(case.batches(case.images - 0.5))
        assert "scaled down twice?" in case.reason(case.batches(case.images / 255))
        assert "no value is below 0" in case.reason(
            case.batches(), DeclaredOutput("bilinear", value_range=(-1, 1))
        )

    def test_nan(self, case: Case) -> None:
        """Not a number is not a value."""
        images = case.images.copy()
        images[20, 3, 3, 0] = np.nan
        assert "Images of batch 3 hold values that are not finite" in case.reason(case.batches(images))

    def test_labels(self, case: Case) -> None:
        """Labels must be one-hot float32 of every class."""
        wide = np.pad(case.labels, ((0, 0), (1, 0)))
        assert "class numbers" in case.reason(case.batches(labels=case.labels.argmax(1)))
        assert "background class" in case.reason(case.batches(labels=wide))
        assert "float64, expected float32" in case.reason(case.batches(labels=case.labels.astype(float)))
        assert "not one-hot" in case.reason(case.batches(labels=case.labels * np.float32(0.9)))
        minus_zero = np.where(case.labels == 1, 1, -0.0).astype(np.float32)
        assert case.check(case.batches(labels=minus_zero)).reason is None

    def test_batch_sizes(self, case: Case) -> None:
        """Only the last batch may be smaller."""
        first = list(case.batches())
        assert "Batch 1 has 4 images and another follows" in case.reason([first[-1], *first[:-1]])
        assert "Batch 1 has 36 images, expected 8" in case.reason([(case.images, case.labels)])
        assert "Batch 6 has 0 images" in case.reason([*first, (case.images[:0], case.labels[:0])])


class TestEpoch:
    """What the whole epoch shows."""

    def test_missing_and_repeated(self, case: Case) -> None:
        """Files are named, relative to the tree."""
        reason = case.reason(case.batches(order=[*range(35), 0]))
        assert reason == (
            "1 of 36 images are missing (cat/11.jpg) and 1 came too often (ant/00.jpg 2 times, expected 1)."
        )
        assert ", ...)" in case.reason(case.batches(order=[0] * 36))

    def test_dropped_remainder(self, case: Case) -> None:
        """A dropped last batch has a hint."""
        reason = case.reason(itertools.islice(case.batches(), 4))
        assert reason.startswith("4 of 36 images are missing (cat/08.jpg, cat/09.jpg, cat/10.jpg, ...)")
        assert reason.endswith("is the last, smaller batch dropped?")

    def test_nothing(self, case: Case) -> None:
        """An empty epoch lacks everything."""
        result = case.check([])
        assert (result.reason or "").startswith(
            "36 of 36 images are missing (ant/00.jpg, ant/01.jpg, ant/02.jpg"
        )
        assert result == SameWork(result.reason, 0, None, 0, None, None)
        assert (result.order.dtype.name, result.order.shape) == ("int64", (0,))

    def test_endless(self, case: Case) -> None:
        """An iterator that does not end is left."""
        batches = itertools.cycle(list(case.batches(order=[*range(36), 0, 1, 2, 3])))
        assert "did not end after the 36 images" in case.reason(batches)

    def test_wrong_label(self, case: Case) -> None:
        """One wrong label is a wrong label, not a missing image."""
        labels = case.labels.copy()
        labels[13] = labels[0]
        reason = case.reason(case.batches(labels=labels))
        assert reason == (
            "1 of the first 36 images have a wrong label (bee/01.jpg came as 'ant', expected 'bee')."
        )

    def test_class_order(self, case: Case) -> None:
        """Classes in another order have a hint."""
        assert "numbered in sorted order?" in case.reason(case.batches(labels=case.labels[:, [1, 2, 0]]))

    def test_a_loader_error_passes_through(self, case: Case) -> None:
        """It is the worker's to report."""

        def broken() -> Iterator[Batch]:
            yield from itertools.islice(case.batches(), 2)
            raise RuntimeError("out of shared memory")

        with pytest.raises(RuntimeError, match="shared memory"):
            case.check(broken())

    def test_another_tree(self, case: Case) -> None:
        """A reference of another size is a mistake of the caller."""
        spec = Spec((32, 32), BATCH, shuffle=False, seed=1, cache_dir=Path())
        with pytest.raises(
            ValueError, match=r"^The reference is of another tree or size \(\(64, 64\)\): build it"
        ):
            check_epoch([], case.tree, spec, BILINEAR, case.reference)
        tree = replace(case.tree, digest="another")
        with pytest.raises(ValueError, match="another tree or size"):
            check_epoch([], tree, case.spec, BILINEAR, case.reference)

    def test_stops_early(self, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
        """An epoch that is wrong throughout is not searched to its end."""
        monkeypatch.setattr(identity, "ENOUGH", 10)
        assert "16 of the first 16 images look like no file" in case.reason(case.batches(1 - case.images))


class TestPixels:
    """Images that are not what the files hold."""

    @pytest.mark.parametrize(
        ("hint", "change"),
        [
            ("red and blue are swapped", lambda images: images[..., ::-1]),
            ("mirrored", lambda images: images[:, :, ::-1]),
            ("upside down", lambda images: images[:, ::-1]),
            ("turned by half, was EXIF", lambda images: images[:, ::-1, ::-1]),
            ("turned by 90 degrees", lambda images: np.rot90(images, -1, (1, 2))),
            ("transposed", lambda images: images.swapaxes(1, 2)),
            ("grey", lambda images: np.repeat(images.mean(3, keepdims=True), 3, 3)),
            ("cropped", lambda images: np.repeat(np.repeat(images[:, 16:48, 16:48], 2, 1), 2, 2)),
            ("cropped", lambda images: np.roll(images, 8, 2)),
        ],
    )
    @pytest.mark.parametrize("name", ["bilinear", None])
    def test_changed(self, case: Case, hint: str, change: Any, name: str | None) -> None:
        """Each usual change is told by name."""
        images = np.ascontiguousarray(change(case.images))
        reason = case.reason(case.batches(images), DeclaredOutput(name))
        assert "look like no file of the tree" in reason
        assert hint in reason

    def test_one_image_of_something_else(self, case: Case) -> None:
        """A single strange image is enough."""
        images = case.images.copy()
        images[5] = 1 - images[5]
        assert case.reason(case.batches(images)).startswith("1 of the first 36 images look like no file")

    def test_other_interpolation(self, tmp_path: Path) -> None:
        """Nearest sold as bilinear fails on images with texture, and the hint knows it."""
        case = Case(tmp_path, {f"a/{number}.jpg": picture(number, texture=25) for number in range(5)})
        images = np.stack([decode_image(path, SIZE)["nearest"] for path in case.tree.paths])
        reason = case.reason(case.batches(images), DeclaredOutput("bilinear", "uint8", (0, 255)))
        assert "differ from the reference for 'bilinear'" in reason
        assert "is it 'nearest', at 100.0 dB?" in reason

    def test_noise(self, case: Case) -> None:
        """Pixels that are right on average only fail."""
        noise = np.random.default_rng(0).normal(0, 0.2, case.images.shape)
        images = (case.images + noise).clip(0, 1).astype(np.float32)
        reason = case.reason(case.batches(images), DeclaredOutput(None))
        assert "compared images differ from the reference" in reason or "no file" in reason


class TestDeclared:
    """What can be declared."""

    def test_unknown(self) -> None:
        """A misspelt interpolation and an empty range are refused."""
        with pytest.raises(ValueError, match="INTERPOLATION is 'cubic', expected one of 'nearest'"):
            DeclaredOutput("cubic")
        with pytest.raises(ValueError, match="expected \\(black, white\\)"):
            DeclaredOutput(value_range=(1, 0))


class TestTensorFlow:
    """The reference against TensorFlow's own decode and resize."""

    def test_resize(self) -> None:
        """The reference's bilinear is tf.image.resize, up and down, but for rounding."""
        import tensorflow as tf

        for size in ((64, 64), (224, 200), (7, 300)):
            image = picture(3)
            theirs = tf.image.resize(image, size).numpy()
            assert np.abs(resize_bilinear(image, size) - theirs).max() <= 0.51

    def test_ways_of_the_study(self) -> None:
        """Where TensorFlow is installed, its own are among them."""
        from docs.study import resolution

        found, missing = resolution.ways()
        assert "tensorflow" not in missing
        assert sum(way.name.startswith("TensorFlow, ") for way in found) == 10

    def test_pipeline(self, case: Case) -> None:
        """An ordinary tf.data pipeline passes with room to spare."""
        import tensorflow as tf

        def load(path: Any, label: Any) -> Batch:
            image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
            return tf.image.resize(image, SIZE) / 255, tf.one_hot(label, 3)

        files = tf.data.Dataset.from_tensor_slices((list(case.tree.paths), list(case.tree.labels)))
        batches = files.shuffle(36, seed=2).map(load).batch(BATCH)
        result = case.check(batches)
        assert result.reason is None
        assert result.lowest_psnr is not None
        assert result.lowest_psnr > 32
        assert case.check(batches, DeclaredOutput(None)).interpolation == "bilinear"
        assert "did not end" in case.reason(files.map(load).repeat().batch(BATCH))


def test_a_part_of_an_epoch(case: Case) -> None:
    """Not all have to come, but none too often, and each with its label."""

    def reason(order: list[int], labels: Any = None) -> str | None:
        batches = islice(case.batches(labels=labels, order=order), 2)
        return check_epoch(batches, case.tree, case.spec, BILINEAR, case.reference, None).reason

    order = list(range(35, -1, -1))
    assert reason(order) is None
    assert "1 images of a part of an epoch came too often" in (reason([order[1], *order[1:]]) or "")
    assert "wrong label" in (reason(order, case.labels[::-1]) or "")


def test_pixels_of_a_sample_of_very_many(case: Case) -> None:
    """Of more images than that whose pixels are there, about so many are compared."""
    pixels = Pixels(case.tree, case.reference, ("bilinear",), most=12)
    for image, file in zip(case.images, range(36), strict=True):
        picture = case.reference.picture_of[file : file + 1]
        for _ in range(20):
            pixels.add(255 * image, Match(file, True, picture))
    found = pixels.best()
    assert found is not None
    assert 160 < len(found.psnr) < 320  # 240 of 720


def test_figures() -> None:
    """The lowest and the median of what is known, rounded; nothing where nothing is."""
    order = np.array([2, 0, 1])
    psnr, detail = [30.1264, 22.3443, 25.5671], [math.nan, 0.51249, 0.70082]
    compared = Compared("area", *np.array([psnr, detail, [math.nan] * 3], np.float32))
    found = same_work("why", 4, compared, order)
    assert found == SameWork("why", 4, "area", 3, 22.34, 25.57, (0.512, 0.607), None)
    assert found.order is order
    swapped = replace(compared, detail=compared.chroma, chroma=compared.detail)
    assert same_work(None, 4, swapped, order).chroma == (0.512, 0.607)
    found = same_work("why", 4, None, order)
    assert found == SameWork("why", 4, None, 0, None, None, None, None, 0)
    assert found.order is order
