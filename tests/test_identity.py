"""Which file every image is, told by made-up grids: what is wrong is counted, named, and guessed at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loader_gate.registry.spec import Spec
from loader_gate.same_work.batch import Batches
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.identity import Identities
from loader_gate.same_work.reference import INTERPOLATIONS, Bytes, Floats, Ints, Reference
from loader_gate.same_work.words import DifferenceError
from loader_gate.trees.tree import Tree

BATCH = 2
#: Six pictures that are far from each other, whatever is done to them.
GRIDS: Bytes = np.random.default_rng(0).integers(40, 200, (6, 8, 8, 3)).astype(np.uint8)


class Epoch:
    """An epoch of files, each with a picture of its own if not told otherwise, in classes a, b and c."""

    def __init__(
        self,
        labels: Sequence[int],
        grids: Bytes = GRIDS,
        picture_of: Sequence[int] | None = None,
        size: tuple[int, int] = (96, 96),
        declared: DeclaredOutput | None = None,
    ) -> None:
        """Begin with none."""
        declared = DeclaredOutput() if declared is None else declared
        self.pictures: Ints = np.arange(len(labels)) if picture_of is None else np.array(picture_of)
        count = int(self.pictures.max()) + 1
        grids = grids[:count]
        self.labels, self.grids = np.array(labels), grids.astype(np.float32)
        every = dict.fromkeys(INTERPOLATIONS, grids)
        reference = Reference(
            "digest", size, self.pictures, every, every, np.arange(count), np.full((count, 2), 300)
        )
        paths = tuple(f"/tree/{'abc'[label]}/{number}.jpg" for number, label in enumerate(labels))
        tree = Tree(Path("/tree"), paths, tuple(labels), ("a", "b", "c"), "digest")
        spec = Spec(size, BATCH, shuffle=True, seed=0, cache_dir=Path())
        self.batches = Batches(tree, spec, declared)
        self.batches.lowest, self.batches.highest = declared.bounds
        self.found = Identities(tree, declared, reference, INTERPOLATIONS, self.batches)

    def add(self, files: Sequence[int], labels: Sequence[int] | None = None, change: Any = None) -> list[Any]:
        """Let the images of some files come, and return which file each is."""
        grids: Floats = self.grids[self.pictures[list(files)]]
        return self.add_grids(
            grids if change is None else change(grids), self.labels[list(files)] if labels is None else labels
        )

    def add_grids(self, grids: Floats, labels: Sequence[int] | Ints) -> list[Any]:
        """Let some images come."""
        self.batches.images += len(grids)
        matches = self.found.add(grids, np.array(labels))
        return [None if match is None else match.file for match in matches]

    def reason(self) -> str:
        """Return what is wrong with the whole."""
        with pytest.raises(DifferenceError) as difference:
            self.found.check(BATCH)
        return str(difference.value)

    def hint(self) -> str:
        """Return what may have been done to images that are no file."""
        return self.reason().split("): ")[1].split(" What has not come")[0]


def test_honest() -> None:
    """Each image once, in any order, with its label."""
    epoch = Epoch([0, 0, 1, 1, 2])
    assert epoch.add([3, 0]) == [3, 0]
    epoch.found.check_part()
    assert epoch.add([1, 4, 2]) == [1, 4, 2]
    epoch.found.check_so_far()
    epoch.found.check_part()
    epoch.found.check(BATCH)
    assert epoch.found.not_told_apart == 0


def test_what_is_returned() -> None:
    """No file where the label is another, or the image is none."""
    epoch = Epoch([0, 0, 1, 1, 2])
    assert epoch.add([0, 1, 2], [0, 2, 1]) == [0, None, 2]
    assert epoch.add_grids(255 - epoch.grids[:2], [0, 0]) == [None, None]


@pytest.mark.parametrize(
    ("size", "close", "alone"),
    [
        ((96, 200), 5, True),
        ((300, 300), 5, True),
        ((48, 200), 10, False),
        ((200, 48), 10, False),
        ((80, 80), 6, True),
    ],
)
def test_how_close_is_close(size: tuple[int, int], close: float, alone: bool) -> None:
    """Images of few pixels are further from their files, and less is told apart."""
    epoch = Epoch([0, 0], size=size)
    assert epoch.found.knows(epoch.grids[:1] + (close - 0.1))
    assert not epoch.found.knows(epoch.grids[:1] + (close + 0.1))
    epoch.add_grids(epoch.grids[:1] + (close + 1), [0])
    assert f"(one is {close + 1:.1f} grey levels from the closest, expected {close:.0f})" in epoch.reason()
    near = np.concatenate([GRIDS[:1], GRIDS[:1] + np.uint8(3), GRIDS[1:2]])
    epoch = Epoch([0, 1, 0], near, size=size)
    epoch.add([0, 1])
    assert epoch.found.not_told_apart == (0 if alone else 2)
    epoch.add([2])
    assert epoch.found.not_told_apart == (0 if alone else 2)


def test_look_alikes_are_shared_out() -> None:
    """Images between two files go where one is missing."""
    epoch = Epoch([0, 0], np.concatenate([GRIDS[:1], GRIDS[:1] + np.uint8(1)]))
    epoch.add_grids(epoch.grids[[0, 0]], [0, 0])
    epoch.found.check(BATCH)
    epoch.found.check_part()


def test_most_are_known() -> None:
    """More than half of them."""
    epoch = Epoch([0, 0, 1, 1, 2])
    for known, is_enough in ((2, False), (3, True)):
        grids = epoch.grids[[0, 1, 2, 3]]
        grids[known:] = 255 - grids[known:]
        assert epoch.found.knows(grids) is is_enough


def test_enough_is_enough() -> None:
    """After 64 images that are no file, or have another label, the rest is not looked at."""
    epoch = Epoch([0, 1])
    for _ in range(31):
        epoch.add_grids(255 - epoch.grids[:1], [0])
        epoch.add([0], [1])
    epoch.add([0], [1])
    epoch.found.check_so_far()
    epoch.add([1], [0])
    with pytest.raises(DifferenceError, match="31 of the first 64 images look like no file"):
        epoch.found.check_so_far()


def test_missing_and_extra() -> None:
    """How many of the tree are, which, and how often they came; files may be the same picture."""
    labels, picture_of = [0, 0, 0, 1, 2, 2], [0, 0, 0, 1, 2, 3]
    epoch = Epoch(labels, picture_of=picture_of)
    epoch.add([0, 3, 3, 3, 4, 5])
    assert epoch.reason() == (
        "2 of 6 images are missing (a/0.jpg 1 times, expected 3) and 2 came too often "
        "(b/3.jpg 3 times, expected 1)."
    )
    epoch = Epoch(labels, picture_of=picture_of)
    epoch.add([0, 1, 2, 3, 4, 5, 5])
    assert epoch.reason() == "1 came too often (c/5.jpg 2 times, expected 1)."


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        ([0, 1, 2, 3], "1 of 5 images are missing (a/4.jpg): is the last, smaller batch dropped?"),
        ([0, 1, 2], "2 of 5 images are missing (a/3.jpg, a/4.jpg)."),
        ([], "5 of 5 images are missing (a/0.jpg, a/1.jpg, a/2.jpg, ...)."),
        (
            [0, 1, 2, 2],
            "2 of 5 images are missing (a/3.jpg, a/4.jpg) and 1 came too often "
            "(a/2.jpg 2 times, expected 1).",
        ),
    ],
)
def test_a_smaller_batch_that_is_dropped(files: list[int], missing: str) -> None:
    """As many are missing as it would have."""
    epoch = Epoch([0] * 5)
    if files:
        epoch.add(files)
    assert epoch.reason() == missing


def test_a_part() -> None:
    """No image may come more often than it is in the tree; it may be missing."""
    epoch = Epoch([0, 0, 1], picture_of=[0, 0, 1])
    epoch.add([0, 1])
    epoch.found.check_part()
    epoch.add([0, 2, 2, 0])
    with pytest.raises(DifferenceError) as difference:
        epoch.found.check_part()
    assert str(difference.value) == (
        "3 images of a part of an epoch came too often (a/0.jpg 4 times, expected 2, "
        "b/2.jpg 2 times, expected 1)."
    )
    epoch.add_grids(255 - epoch.grids[:1], [0])
    with pytest.raises(DifferenceError, match="1 of the first 7 images look like no file"):
        epoch.found.check_part()


def test_unknown() -> None:
    """The first is told of, and what it may be if not all are missing."""
    epoch = Epoch([0, 0, 1, 1, 2])
    epoch.add([0])
    epoch.add_grids(epoch.grids[1:3] + np.array([20, 30])[:, np.newaxis, np.newaxis, np.newaxis], [0, 1])
    told = (
        "look like no file of the tree (one is 20.0 grey levels from the closest, expected 5): "
        "are they cropped, padded, augmented or scaled in another way?"
    )
    assert epoch.reason() == (
        f"2 of the first 3 images {told} What has not come: a/1.jpg, b/2.jpg, b/3.jpg, ...."
    )
    epoch.add([1, 2, 3, 4])
    assert epoch.reason() == f"2 of the first 7 images {told}"
    none = Epoch([0, 0, 1, 1, 2])
    none.add_grids(none.grids[1:2] + 20, [0])
    assert none.reason() == f"1 of the first 1 images {told}"


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (
            [0, 1, 1, 1, 2, 2],
            "1 of the first 6 images have a wrong label (a/1.jpg came as 'b', expected 'a').",
        ),
        (
            [0, 0, 2, 2, 1, 2],
            "3 of the first 6 images have a wrong label (b/2.jpg came as 'c', expected 'b', "
            "b/3.jpg came as 'c', expected 'b', c/4.jpg came as 'b', expected 'c').",
        ),
        (
            [0, 0, 2, 2, 1, 1],
            "4 of the first 6 images have a wrong label (b/2.jpg came as 'c', expected 'b', "
            "b/3.jpg came as 'c', expected 'b', c/4.jpg came as 'b', expected 'c'): "
            "are the classes numbered in sorted order?",
        ),
        (
            [2, 1, 2, 2, 2, 2],
            "4 of the first 6 images have a wrong label (a/0.jpg came as 'c', expected 'a', "
            "a/1.jpg came as 'b', expected 'a', b/2.jpg came as 'c', expected 'b').",
        ),
    ],
)
def test_wrong_labels(labels: list[int], told: str) -> None:
    """Three are named; most of one class that all have the same other one tell of another order."""
    epoch = Epoch([0, 0, 1, 1, 2, 2])
    epoch.add(range(6), labels)
    assert epoch.reason() == told


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda grids: grids[..., ::-1], "red and blue are swapped, expected RGB."),
        (lambda grids: grids[:, :, ::-1], "they are mirrored, left to right."),
        (lambda grids: grids[:, ::-1], "they are upside down."),
        (lambda grids: grids[:, ::-1, ::-1], "they are turned by half, was EXIF orientation applied?"),
        (lambda grids: grids.swapaxes(1, 2), "height and width are transposed."),
        (
            lambda grids: np.rot90(grids, -1, (1, 2)),
            "they are turned by 90 degrees, was EXIF orientation applied?",
        ),
        (
            lambda grids: np.rot90(grids, 1, (1, 2)),
            "they are turned by 270 degrees, was EXIF orientation applied?",
        ),
        (lambda grids: grids[..., [1, 1, 1]] + np.array([0, 0.99, 0]), "they are grey, expected colour."),
        (
            lambda grids: grids[..., [1, 1, 1]] + np.array([0, 1, 0]),
            "are they cropped, padded, augmented or scaled in another way?",
        ),
    ],
)
def test_what_may_have_been_done(change: Any, hint: str) -> None:
    """The usual mistakes are told by name."""
    epoch = Epoch([0, 0, 1, 1, 2, 2])
    epoch.add(range(4), change=change)
    assert epoch.hint() == hint


def test_images_that_are_low() -> None:
    """Of a grid that is no square none can be turned."""
    epoch = Epoch([0, 0, 1], (GRIDS[:, :7] > 120) * np.uint8(255), size=(7, 200))
    epoch.add(range(3), change=lambda grids: 255 - grids)
    assert epoch.hint() == "are they cropped, padded, augmented or scaled in another way?"


@pytest.mark.parametrize(
    ("values", "lowest", "highest", "hint"),
    [
        ((0, 1), 0, 1 / 255, "no value is above 0.003922, were they scaled down twice?"),
        ((0, 1), 0, 1.001 / 255, "no value is above 0.003925, were they scaled down twice?"),
        ((0, 1), 0, 1.5 / 255, "they are grey, expected colour."),
        ((-1, 1), -1, -1 + 2 / 255, "no value is above -0.9922, were they scaled down twice?"),
        ((-1, 1), -1, 0, "they are grey, expected colour."),
        ((-1, 1), 0, 1, "no value is below 0, are they not in the declared range of -1 to 1?"),
        ((-1, 1), -0.01, 1, "they are grey, expected colour."),
        ((0, 1), 0, 1, "they are grey, expected colour."),
        ((0.5, 2), 0, 2, "they are grey, expected colour."),
    ],
)
def test_values(values: tuple[float, float], lowest: float, highest: float, hint: str) -> None:
    """Hardly any, or none below 0 where some should be, come before what pixels look like."""
    epoch = Epoch([0], declared=DeclaredOutput(value_range=values))
    epoch.add_grids(epoch.grids[:1, ..., [0, 0, 0]], [0])
    epoch.batches.lowest, epoch.batches.highest = lowest, highest
    assert epoch.hint() == hint
