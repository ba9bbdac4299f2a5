"""Trees of pictures that look alike: honest loaders are never refused, whatever the order of their images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from loader_gate.registry.spec import Spec
from loader_gate.rotation.measurement import Measurement
from loader_gate.same_work import recognition
from loader_gate.same_work.check import SameWork, check_epoch
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.pixels import Pixels
from loader_gate.same_work.recognition import Match, Recogniser
from loader_gate.same_work.reference import (
    INTERPOLATIONS,
    Bytes,
    Floats,
    Reference,
    build_reference,
    decode_image,
)
from loader_gate.session.figures import about_look_alikes
from loader_gate.trees.tree import Tree
from tests.test_same_work import Case, picture, tree_of

BYTES = DeclaredOutput(None, "uint8", (0, 255))


class Frames:
    """Grids of pictures that differ by a little noise, each with a label, and the images of them."""

    def __init__(self, count: int, labels: int, apart: float, seed: int = 0) -> None:
        """Draw them.

        Args:
            count: How many.
            labels: How many labels they have.
            apart: The standard deviation of their noise, in grey levels.
            seed: Of what is drawn.
        """
        self.random = np.random.default_rng(seed)
        scene = self.random.uniform(40, 210, (8, 8, 3))
        noisy = scene + self.random.normal(0, apart, (count, 8, 8, 3))
        self.grids: Bytes = noisy.clip(0, 255).round().astype(np.uint8)
        self.labels = self.random.integers(0, labels, count)

    def recogniser(self, most_told_apart: int = 1000) -> Recogniser:
        """Return one that has recognised nothing yet."""
        count = len(self.grids)
        every = dict.fromkeys(INTERPOLATIONS, self.grids)
        sizes = np.full((count, 2), 224)
        numbers = np.arange(count)
        return Recogniser(
            Reference("digest", (224, 224), numbers, every, every, numbers, sizes),
            self.labels.tolist(),
            ["area"],
            close=5,
            too_close_to_tell=2,
            most_told_apart=most_told_apart,
        )

    def images(self, files: np.ndarray, off: float) -> Floats:
        """Return the images of some files as a loader gives them that is off by so much."""
        shown: Floats = (self.grids[files] + self.random.normal(0, off, (len(files), 8, 8, 3))).astype(
            np.float32
        )
        return shown


def refused(found: Recogniser, frames: Frames, files: np.ndarray, off: float) -> tuple[int, int]:
    """Return how many images of an epoch are refused, and how many files come too often or not at all."""
    wrong = 0
    for start in range(0, len(files), 50):
        some = files[start : start + 50]
        matches = found.add(frames.images(some, off), frames.labels[some])
        wrong += sum(match is None or not match.label_fits for match in matches)
    return wrong, len(found.miscounts())


@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("apart", [0.0, 0.3, 1.5, 3.0])
@pytest.mark.parametrize("off", [0.1, 1.5])
def test_frames_in_many_orders(labels: int, apart: float, off: float) -> None:
    """Some hundred frames, nearer to one another than a loader's own error or further."""
    frames = Frames(400, labels, apart)
    for _ in range(2):
        order = frames.random.permutation(400)
        assert refused(frames.recogniser(), frames, order, off) == (0, 0)


@pytest.mark.parametrize(("count", "most_told_apart"), [(1100, 500), (550, 1000)])
def test_thousands(count: int, most_told_apart: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than are looked at closely, and more or less than are told apart; all limits halved."""
    monkeypatch.setattr(recognition, "_MOST_MEASURED", recognition._MOST_MEASURED // 2)
    monkeypatch.setattr(recognition, "_MOST_LOOKED_THROUGH", recognition._MOST_LOOKED_THROUGH // 2)
    frames = Frames(count, 2, 0.5)
    order = frames.random.permutation(count)
    assert refused(frames.recogniser(most_told_apart), frames, order, 1.0) == (0, 0)


def test_one_is_missing_among_thousands() -> None:
    """Of more than are told apart the number is right at least."""
    frames = Frames(600, 1, 0.3)
    found = frames.recogniser(most_told_apart=500)
    assert refused(found, frames, frames.random.permutation(600)[1:], 1.0) == (0, 1)


def test_only_some_are_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are as close as they can be, so that what an image may be is never left out."""
    monkeypatch.setattr(recognition, "_MOST_MEASURED", 5)
    frames = Frames(300, 2, 1.0)
    for _ in range(5):
        order = frames.random.permutation(300)
        assert refused(frames.recogniser(), frames, order, 1.5) == (0, 0)


def test_swapped_labels() -> None:
    """Of files that are near but can be told apart, a swap is seen; of look-alikes it cannot be."""
    apart, alike = Frames(200, 2, 3.0), Frames(200, 2, 0.3)
    for frames, seen in ((apart, 200), (alike, 0)):
        found = frames.recogniser()
        matches = found.add(frames.images(np.arange(200), 0.1), 1 - frames.labels)
        assert sum(match is not None and not match.label_fits for match in matches) == seen
        honest = frames.recogniser().add(frames.images(np.arange(200), 0.1), frames.labels)
        assert {match is not None and match.alone for match in honest} == {seen > 0}


def digit(seed: int) -> Bytes:
    """Return a digit of 28x28, grey, like those of MNIST: number ``seed % 10``."""
    random = np.random.default_rng(seed)
    image = Image.new("L", (112, 112))
    font = ImageFont.load_default(size=84 + int(random.integers(-8, 9)))
    width = int(random.integers(1, 5))
    ImageDraw.Draw(image).text((56, 56), str(seed % 10), 255, font=font, anchor="mm", stroke_width=width)
    skew, lean = random.normal(0, 0.12, 2)
    matrix = (1 + skew / 2, lean, -56 * (skew / 2 + lean), skew / 2, 1 - lean / 2, -28 * (skew - lean))
    moved = image.transform((112, 112), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    small: Bytes = np.asarray(moved.resize((28, 28), Image.Resampling.BOX))
    return small


class Digits:
    """A tree of digits and its reference at one size."""

    def __init__(self, folder: Path, count: int, size: tuple[int, int]) -> None:
        """Write and decode them."""
        self.count = count
        files: dict[str, np.ndarray | str] = {
            f"{number % 10}/{number:04}.png": digit(number) for number in range(count)
        }
        self.tree: Tree = tree_of(folder / "tree", files)
        self.spec = Spec(size, 50, shuffle=True, seed=0, cache_dir=folder)
        self.reference = build_reference(self.tree, size, folder / "reference")

    def check(self, images: Bytes, labels: np.ndarray, order: np.ndarray) -> SameWork:
        """Check an epoch in this order."""
        one_hot = np.eye(10, dtype=np.float32)[labels]
        parts = [order[start : start + 50] for start in range(0, len(order), 50)]
        batches = ((images[part], one_hot[part]) for part in parts)
        return check_epoch(batches, self.tree, self.spec, BYTES, self.reference)


@pytest.fixture(scope="module", params=[(400, (28, 28)), (60, (224, 224))], ids=["small", "blown up"])
def digits(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Digits:
    """Return digits at their own size, and fewer at a larger one."""
    return Digits(tmp_path_factory.mktemp("digits"), *request.param)


@pytest.mark.parametrize("how", [Image.Resampling.NEAREST, Image.Resampling.LANCZOS])
def test_digits(digits: Digits, how: Image.Resampling) -> None:
    """As they are or blown up they pass in every order; with their labels turned by one they do not."""
    size, images = digits.spec.image_size, []
    for path in digits.tree.paths:
        with Image.open(path) as file:
            images.append(np.asarray(file.convert("RGB").resize(size[::-1], how)))
    every, labels = np.stack(images), np.array(digits.tree.labels)
    random = np.random.default_rng(1)
    for _ in range(2):
        result = digits.check(every, labels, random.permutation(digits.count))
        assert (result.reason, result.not_told_apart) == (None, 0)
    assert "wrong label" in (digits.check(every, (labels + 1) % 10, np.arange(digits.count)).reason or "")


def test_blank_pictures(tmp_path: Path) -> None:
    """Blank pictures of two classes, and some photographs: only of the blank ones labels show nothing."""
    files: dict[str, np.ndarray | str] = {}
    for label in "ab":
        for number in range(40):
            shade = 250 + number % 2
            files[f"{label}/blank{number:02}.png"] = np.full((50 + number, 60, 3), shade, np.uint8)
        files |= {f"{label}/{number}.png": picture(100 * ord(label) + number) for number in range(6)}
    case = Case(tmp_path, files)
    random = np.random.default_rng(0)
    for _ in range(5):
        result = case.check(case.batches(order=random.permutation(len(case.tree))))
        assert (result.reason, result.not_told_apart) == (None, 80)
    swapped = case.labels[:, ::-1].copy()
    assert "12 of the first 92 images have a wrong label" in case.reason(case.batches(labels=swapped))


def test_links_under_two_labels(tmp_path: Path) -> None:
    """One file in two classes is told from itself by nobody."""
    files: dict[str, np.ndarray | str] = {"a/0.png": picture(1), "a/1.png": picture(2), "b/0.png": picture(3)}
    case = Case(tmp_path, files | {"b/1.png": "a/0.png"})
    assert case.check(case.batches()).not_told_apart == 2


def test_pages_that_differ_in_detail_only(tmp_path: Path) -> None:
    """What the grid cannot tell apart, pixels do, so that none is held against another's."""
    random = np.random.default_rng(3)
    files: dict[str, np.ndarray | str] = {
        f"a/{number:02}.png": np.repeat(
            random.permuted(np.tile([0, 255], (8, 8, 32)), axis=2)
            .reshape(8, 8, 8, 8)
            .swapaxes(1, 2)
            .reshape(64, 64, 1)
            .astype(np.uint8),
            3,
            axis=2,
        )
        for number in range(40)
    }
    case = Case(tmp_path, files)
    for _ in range(3):
        result = case.check(case.batches(order=random.permutation(40)))
        assert (result.reason, result.lowest_psnr) == (None, 100.0)


def test_thin_lines_on_white(tmp_path: Path) -> None:
    """Many of them are near enough to each other, so that each has to be held against the nearest."""
    random = np.random.default_rng(0)
    files: dict[str, np.ndarray | str] = {}
    for number in range(12):
        sketch = Image.new("RGB", (200, 200), "white")
        ImageDraw.Draw(sketch).line(random.integers(0, 200, 4).tolist(), fill="black", width=1)
        files[f"a/{number}.png"] = np.asarray(sketch)
    tree = tree_of(tmp_path / "tree", files)
    reference = build_reference(tree, (96, 96), tmp_path / "reference")
    pixels = Pixels(tree, reference, ["nearest"])
    for file, path in enumerate(tree.paths):
        image = decode_image(path, (96, 96))["nearest"].astype(np.float32)
        pixels.add(image, Match(file, True, np.arange(len(files))))
    pixels.check()


def test_people_are_told(make_measurement: Callable[..., Measurement]) -> None:
    """One line, where it is a notable share of the tree."""
    tree = Tree(Path("tree"), tuple("abcdefghij") * 10, (0,) * 100, ("a",), "")
    few, many = (replace(make_measurement(), not_told_apart=number) for number in (4, 5))
    assert list(about_look_alikes([few], tree)) == []
    assert list(about_look_alikes([few, many], tree)) == [
        "Labels of 5 of 100 images were not checked: their files look like files of another class "
        "(equal or blank pictures)."
    ]
