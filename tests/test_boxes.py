"""How boxes are drawn, and whether those of a loader are: no picture is needed for either."""

from __future__ import annotations

import math
from functools import cache
from random import Random

import numpy as np
import pytest

from loader_gate import random_box
from loader_gate.same_work.boxes import OTHER_PLACES, OTHER_SHAPES, Boxes, _distributions, _tail

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


Share = tuple[float, float]
ALL = (0.0, 1.0)


def drawn_from(
    count: int, area: Share = ALL, ratio: Share = ALL, down: Share = ALL, across: Share = ALL, seed: int = 0
) -> np.ndarray:
    """Return boxes of as many files of 480x640, drawn from parts of what an honest loader draws from."""
    random = np.random.default_rng(seed)
    found: list[list[int]] = []
    while len(found) < count:
        size = 480 * 640 * (0.08 + 0.92 * random.uniform(*area))
        stretched = math.exp(math.log(3 / 4) + math.log(16 / 9) * random.uniform(*ratio))
        rows, columns = round(math.sqrt(size / stretched)), round(math.sqrt(size * stretched))
        if rows <= 480 and columns <= 640:
            top = int((481 - rows) * random.uniform(*down))
            left = int((641 - columns) * random.uniform(*across))
            found.append([len(found), top, left, rows, columns, int(random.random() < 0.5)])
    return np.array(found, np.int64)


def mirrored(boxes: np.ndarray, count: int) -> np.ndarray:
    """Return boxes of which so many are mirrored."""
    changed: np.ndarray = boxes.copy()
    changed[:, 5] = np.arange(len(boxes)) < count
    return changed


@cache
def of_two_files() -> Boxes:
    """Return what looks at the boxes of two files, as long as no epoch is over."""
    return Boxes(np.array([(100, 200), (80, 80)]), seed=1)


@pytest.mark.parametrize(
    ("box", "problem"),
    [
        ((-1, 0, 0, 9, 9, 0), "a box is of file -1, expected 0 to 1: a position in tree.paths"),
        ((2, 0, 0, 9, 9, 0), "a box is of file 2, expected 0 to 1: a position in tree.paths"),
        *(
            (
                (0, top, left, height, width, 0),
                f"a box has top {top}, left {left}, height {height} and width {width}, expected a part of "
                "its file's 100 rows and 200 columns, in pixels; height and width, or top and left, "
                "may be swapped",
            )
            for top, left, height, width in (
                *((-1, 0, 9, 9), (0, -1, 9, 9), (0, 0, 0, 9), (0, 0, 9, 0)),
                *((92, 0, 9, 9), (0, 192, 9, 9), (9, 9, 150, 90)),
            )
        ),
        (
            (1, 72, 0, 9, 9, 0),
            "a box has top 72, left 0, height 9 and width 9, expected a part of its file's 80 rows and 80 "
            "columns, in pixels",
        ),
        ((1, 0, 0, 80, 80, 2), "the last number of a box is 2, expected 1 if it is mirrored, else 0"),
        ((0, 0, 0, 100, 200, -1), "the last number of a box is -1, expected 1 if it is mirrored, else 0"),
        ((0, 91, 191, 9, 9, 1), None),
    ],
)
def test_what_is_no_box(box: tuple[int, ...], problem: str | None) -> None:
    """It is told what it is and what was expected, whatever comes before it."""
    good = [(0, 0, 0, 1, 1, 0), (1, 79, 79, 1, 1, 1), (0, 0, 0, 100, 200, 1)]
    for dtype in (np.int64, np.int16):
        assert of_two_files().form_problem(np.array([*good, box], dtype)) == problem


def test_what_is_no_box_of_a_single_file() -> None:
    """There is no second one to look at."""
    problem = Boxes(np.array([(100, 200)]), seed=1).form_problem(np.array([(1, 0, 0, 9, 9, 0)]))
    assert problem == "a box is of file 1, expected 0 to 0: a position in tree.paths"


def test_which_sizes_can_be_drawn() -> None:
    """From 8 % of the area and 3/4 to 4/3, rounded to pixels; or along a whole side."""
    square, wide, high = (100, 100), (100, 300), (300, 100)
    can = [
        *((square, (24, 31)), (square, (41, 29)), (square, (29, 41))),
        *((wide, (100, 9)), (high, (9, 100)), ((2, 9), (1, 1))),
    ]
    cannot = [
        *((square, (24, 30)), (square, (23, 31)), (square, (42, 29)), (square, (29, 42))),
        *((wide, (9, 100)), (high, (100, 9))),
    ]
    for some, problem in ((can, "None"), (cannot, "6 of 6 boxes have another size")):
        boxes = Boxes(np.array([size for size, _ in some]), seed=1)
        found = boxes.problem(np.array([(file, 0, 0, *shape, 0) for file, (_, shape) in enumerate(some)]))
        assert str(found).startswith(problem)


def test_how_many_sizes_cannot_be_drawn() -> None:
    """It is said of how many, and of the first one."""
    boxes = Boxes(np.array([(100, 300), (90, 200), (80, 70), (80, 60)]), seed=1)
    found = [(3, 0, 0, 50, 50, 0), (1, 9, 9, 10, 90, 0), (2, 0, 0, 80, 30, 0), (0, 0, 0, 40, 10, 0)]
    assert boxes.problem(np.array(found)) == (
        "2 of 4 boxes have another size than spec.augment asks for, such as 10 rows and 90 columns of 90 and "
        "200: expected 8 to 100 % of the area, and a width of 3/4 to 4/3 of the height"
    )


@pytest.mark.parametrize(("first", "second"), [(653, 593), (347, 407)])
def test_how_many_are_mirrored(first: int, second: int) -> None:
    """By chance up to 153 more or less than a half of 1,000, and 246 of 2,000 of two epochs."""
    drawn_first, drawn_second = (drawn_from(1000, seed=seed) for seed in (1, 2))
    further = 1 if first > 500 else -1
    boxes = boxes_of((480, 640), 1000)
    assert boxes.problem(mirrored(drawn_first, first + further)) == (
        f"{(first + further) / 10:.0f}% of 1,000 images are mirrored, expected about half"
    )
    for last, problem in (
        (second, None),
        (second + further, f"{50 + 12 * further}% of 2,000 images are mirrored, expected about half"),
    ):
        boxes = boxes_of((480, 640), 1000)
        assert boxes.problem(mirrored(drawn_first, first)) is None
        assert boxes.problem(mirrored(drawn_second, last)) == problem


@pytest.mark.parametrize(
    ("name", "told", "shares", "allowed"),
    [
        ("area", "their share of the picture's area", {"area": (0.5, 0.55)}, 0.47),
        ("ratio", "their ratio of width to height", {"ratio": (0.6, 0.65)}, 0.47),
        ("down", "where they lie in the picture (down)", {"area": (0, 0.6), "down": (0.4, 1)}, 0.27),
        ("across", "where they lie in the picture (across)", {"area": (0, 0.6), "across": (0, 0.6)}, 0.27),
    ],
)
def test_which_are_not_drawn_at_random(
    name: str, told: str, shares: dict[str, Share], allowed: float
) -> None:
    """It is said of what, how far it is off, and how far it might be by chance."""
    boxes = boxes_of((480, 640), 800)
    problem = boxes.problem(drawn_from(800, **shares))  # type: ignore[arg-type]
    assert problem == (
        f"boxes are not drawn at random: {told} is distributed in another way (Kolmogorov-Smirnov distance "
        f"{boxes.distances()[name]:.2f} over 800 images, expected {allowed} or less); it may always be the "
        "same part"
    )


@pytest.mark.parametrize("shares", [{"area": (0, 0.4)}, {"ratio": (0.555, 1)}])
def test_how_far_shapes_may_be_off(shares: dict[str, Share]) -> None:
    """Further than places may; and of two epochs together less far than of one."""
    boxes, (name,) = boxes_of((480, 640), 800), shares
    first, second = (drawn_from(800, **shares, seed=seed) for seed in (3, 4))
    assert boxes.problem(first) is None
    assert 0.44 < boxes.distances()[name] < 0.46
    assert "over 1,600 images, expected 0.43 or less" in (boxes.problem(second) or "")


def test_how_far_they_are_off() -> None:
    """Nothing as long as there are none; and the same for the same seed."""
    boxes, again, others = (Boxes(np.array([(480, 640)]), seed) for seed in (1, 1, 2))
    assert boxes.distances() == dict.fromkeys(("area", "ratio", "down", "across"), 0.0)
    smallest = np.array([(0, 0, 0, 136, 181, 1)])
    assert [each.problem(smallest) for each in (boxes, again, others)] == [None] * 3
    assert min(boxes.distances().values()) > 0.9
    assert boxes.distances() == again.distances() != others.distances()


def test_which_cell_a_box_is_in() -> None:
    """One of 64; a place only where there are more than sixteen, and ratios beyond the ends at the ends."""
    boxes = [(0, 10, 30, 50, 60, 0), (1, 16, 7, 84, 85, 0), (2, 9, 0, 10, 40, 0), (3, 0, 9, 40, 10, 0)]
    found = _distributions(np.array(boxes), np.array([(100, 100), (100, 100), (100, 40), (40, 100)]))
    cells = {name: np.repeat(np.arange(64), counts).tolist() for name, counts in found.items()}
    assert cells == {
        "area": [6, 6, 19, 45],  # 0.1, 0.1, 0.3, 0.714 of the picture
        "ratio": [0, 32, 45, 63],  # of log(4 / 3) to either side -1.5 or less, 0.04, 0.63, 1.5 or more
        "down": [6, 13, 62],  # 9.5 / 91, 10.5 / 51, 16.5 / 17
        "across": [6, 47],  # 9.5 / 91, 30.5 / 41
    }


@pytest.mark.parametrize("least", range(4))
def test_how_likely_so_many_are(least: int) -> None:
    """The sum of a binomial distribution's end."""
    assert _tail(least, 3, 0.25) == pytest.approx((64, 37, 10, 1)[least] / 64)


@pytest.mark.parametrize(("again", "problem"), [(12, False), (13, True)])
def test_how_many_come_again(again: int, problem: bool) -> None:
    """As many as hardly ever do by chance, of those of files that are large enough; whatever their order."""
    sizes = np.array([(20, 20), *[(480, 640)] * 60, (63, 900)])
    boxes = Boxes(sizes, seed=1)
    first, second = (drawn_from(60, area=(0, 0.35), seed=seed) for seed in (1, 2))
    second[:again, 1:] = first[:again, 1:]
    small = np.array([(0, 0, 0, 20, 20, 0), (61, 0, 0, 63, 63, 0)])
    for each in (first, second):
        each[:, 0] += 1
    first, second = (np.concatenate([each, small]) for each in (first, second))
    assert boxes.problem(first) is None
    assert boxes.problem(np.random.default_rng(0).permutation(second)) == (
        f"{again} of 60 boxes looked at are those of the same file in an earlier epoch: draw them anew each "
        "epoch"
        if problem
        else None
    )


def test_how_many_epochs_are_remembered() -> None:
    """The first 64."""
    epochs = [drawn_from(16, seed=seed) for seed in range(65)]

    def is_told(again: int) -> bool:
        boxes = boxes_of((480, 640), 16)
        assert [boxes.problem(each) for each in epochs] == [None] * 65
        return boxes.problem(epochs[again]) is not None

    assert [is_told(again) for again in (0, 63, 64)] == [True, True, False]


@pytest.mark.parametrize("side", [63, 64])
def test_small_pictures_have_few_boxes(side: int) -> None:
    """What comes again is only told of pictures of 64 pixels or more."""
    boxes, found = boxes_of((side, side), 60), drawn((side, side), 60)
    assert boxes.problem(found) is None
    assert (boxes.problem(found) is None) == (side < 64)


@pytest.mark.parametrize("size", [(80, 1000), (1000, 80)])
def test_long_pictures_have_one_box(size: tuple[int, int]) -> None:
    """Their middle comes again each epoch, in honest loaders, too."""
    boxes = boxes_of(size, 60)
    for epoch in range(3):
        assert boxes.problem(drawn(size, 60, epoch)) is None


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
