"""How boxes are drawn, and whether those of a loader are: no picture is needed for either."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from loader_gate import random_box
from loader_gate.same_work.boxes import OTHER_PLACES, OTHER_SHAPES, Boxes

SIZES = [(480, 640), (500, 375), (375, 500), (200, 600)]


def drawn(size: tuple[int, int], count: int, seed: int = 0) -> np.ndarray:
    """Return boxes of as many files of one size."""
    random = np.random.default_rng(seed)
    return np.array([(file, *random_box(*size, random)) for file in range(count)], np.int64)


def boxes_of(size: tuple[int, int], count: int) -> Boxes:
    """Return what looks at the boxes of so many files of one size."""
    return Boxes(np.tile(np.array(size, np.int64), (count, 1)), seed=1)


@pytest.mark.parametrize("size", [*SIZES, (64, 64), (1, 1), (3, 900)])
def test_a_box_lies_within(size: tuple[int, int]) -> None:
    """Of any picture, and has the size that is asked for, or is along a whole side."""
    found = drawn(size, 500)
    assert (found[:, 1:5] >= [0, 0, 1, 1]).all()
    assert (found[:, 1:3] + found[:, 3:5] <= size).all()
    assert boxes_of(size, 500).form_problem(found) is None
    assert boxes_of(size, 500).problem(found) is None


def test_a_long_picture_gives_its_middle() -> None:
    """The largest part of the ratio that is allowed, as in torchvision."""
    assert random_box(30, 3000, np.random.default_rng(1))[:4] == (0, 1480, 30, 40)
    assert random_box(3000, 30, np.random.default_rng(1))[:4] == (1480, 0, 40, 30)


def test_generators_of_both_kinds() -> None:
    """NumPy's and Python's draw: the same seed gives the same box."""
    for new in (np.random.default_rng, Random):
        assert random_box(100, 200, new(3)) == random_box(100, 200, new(3))


def test_an_honest_loader_for_long() -> None:
    """Hundreds of epochs, of few files and of many."""
    for count, epochs in ((24, 400), (300, 40)):
        boxes = boxes_of((480, 640), count)
        for epoch in range(epochs):
            assert boxes.problem(drawn((480, 640), count, epoch)) is None


@pytest.mark.parametrize("count", [96, 1000])
def test_half_of_the_boxes_again(count: int) -> None:
    """It is seen in the second epoch of a hundred images."""
    boxes = boxes_of((480, 640), count)
    first, second = drawn((480, 640), count, 1), drawn((480, 640), count, 2)
    assert boxes.problem(first) is None
    second[::2] = first[::2]
    assert "those of the same file in an earlier epoch" in (boxes.problem(second) or "")


def test_a_few_boxes_for_all_files() -> None:
    """One box of a fair size for all is no draw."""
    boxes = boxes_of((480, 640), 200)
    found = drawn((480, 640), 200)
    found[:, 3:5] = 330, 340
    found[:, 1:3] = 20, 30
    assert "not drawn at random" in (boxes.problem(found) or "")


def test_only_large_parts() -> None:
    """What has hardly any less than the whole is less work for the eye, and more for the decoder."""
    boxes, reason = boxes_of((480, 640), 200), None
    for epoch in range(8):
        random = np.random.default_rng(epoch)
        found = drawn((480, 640), 200, epoch)
        found[:, 3] = random.integers(430, 475, 200)
        found[:, 4] = random.integers(520, 570, 200)
        found[:, 1:3] = random.integers(0, np.array([480, 640]) - found[:, 3:5] + 1)
        reason = reason or boxes.problem(found)
    assert reason is not None
    assert "share of the picture's area" in reason


@pytest.mark.parametrize("size", SIZES)
def test_tensorflow_draws_in_its_own_way(size: tuple[int, int]) -> None:
    """How far that is from torchvision's way, and that the limits leave room for it."""
    tf = pytest.importorskip("tensorflow")
    count = 3000

    def box(seed: int) -> object:
        begin, shape, _ = tf.image.stateless_sample_distorted_bounding_box(
            [*size, 3],
            [[[0.0, 0.0, 1.0, 1.0]]],
            seed=[seed, 7],
            min_object_covered=0.0,
            aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(0.08, 1.0),
            max_attempts=10,
        )
        return tf.concat([begin[:2], shape[:2]], axis=0)

    dataset = tf.data.Dataset.range(count).map(box).batch(count)
    (theirs,) = dataset.as_numpy_iterator()
    found = drawn(size, count)
    found[:, 1:5] = theirs
    boxes = boxes_of(size, count)
    assert boxes.problem(found) is None
    distances = boxes.distances()
    assert max(distances["area"], distances["ratio"]) < 0.2 < OTHER_SHAPES
    assert max(distances["down"], distances["across"]) < 0.06 < OTHER_PLACES
