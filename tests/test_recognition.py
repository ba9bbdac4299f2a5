"""Recognition on pictures that are one grey level each, so that a distance is a difference of levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from loader_gate.same_work import recognition
from loader_gate.same_work.recognition import Miscount, Recogniser, _coarse, _search_among
from loader_gate.same_work.reference import INTERPOLATIONS, Floats, Ints, Reference


def flat(levels: Sequence[float]) -> Floats:
    """Return grids of one grey level each."""
    return np.full((len(levels), 8, 8, 3), np.reshape(levels, (-1, 1, 1, 1)), np.float32)


def textured(levels: Sequence[float], contrasts: Sequence[float]) -> Floats:
    """Return grids whose cells are by turns as much brighter and darker than a level."""
    board = flat([1]) - 2 * (np.indices((8, 8, 3))[:2].sum(0) % 2).astype(np.float32)
    grids: Floats = flat(levels) + flat(contrasts) * board
    return grids


def recogniser(
    levels: Sequence[int] | Floats,
    picture_of: Sequence[int] | None = None,
    labels: Sequence[int] | None = None,
    most_told_apart: int = 100,
) -> Recogniser:
    """Return one of flat pictures, each a file with label 0 if not told otherwise; area is 20 brighter."""
    count = len(levels)
    pictures = np.arange(count) if picture_of is None else np.asarray(picture_of, np.int64)
    grids = levels if isinstance(levels, np.ndarray) else flat(levels)
    descriptors = {name: grids.astype(np.uint8) for name in INTERPOLATIONS}
    descriptors["area"] += np.uint8(20)
    sizes = np.full((count, 2), 8)
    reference = Reference("digest", (8, 8), pictures, descriptors, descriptors, np.arange(count), sizes)
    return Recogniser(
        reference,
        [0] * len(pictures) if labels is None else labels,
        INTERPOLATIONS,
        close=5,
        too_close_to_tell=1.5,
        most_told_apart=most_told_apart,
    )


def zeros(count: int) -> Ints:
    """Return labels of class 0."""
    return np.zeros(count, np.int64)


def test_near() -> None:
    """What is close comes closest first, at its distance in the interpolation that fits best."""
    pictures, distances = recogniser([104, 100, 106, 99]).near(flat([100.5]))[0]
    assert pictures.tolist() == [1, 3, 0]
    assert distances.tolist() == pytest.approx([0.5, 1.5, 3.5])
    pictures, distances = recogniser([104, 100]).near(flat([126]))[0]
    assert (pictures.tolist(), distances.tolist()) == ([0], pytest.approx([2]))
    for level, close in ((105, [0]), (95, [0]), (105.004, []), (94.996, [])):
        assert recogniser([100]).near(flat([level]))[0][0].tolist() == close


def test_many_pictures_are_searched_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree of SciPy finds what looking through all does."""
    random = np.random.default_rng(7)
    levels = random.integers(0, 236, 300).tolist()
    images = flat(random.uniform(0, 255, 50).tolist())
    few = recogniser(levels).near(images)
    monkeypatch.setattr(recognition, "_MOST_LOOKED_THROUGH", 10)
    many = recogniser(levels).near(images)
    assert any(len(pictures) > 2 for pictures, _ in few)
    for one, other in zip(few, many, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("most_looked_through", [4, 3])
def test_what_is_as_far_as_the_radius_is_found(
    monkeypatch: pytest.MonkeyPatch, most_looked_through: int
) -> None:
    """Points are looked through, or found by a tree, up to the radius; where there are none, none are."""
    monkeypatch.setattr(recognition, "_MOST_LOOKED_THROUGH", most_looked_through)
    points = np.array([[0, 0], [3, 4], [0, 5.01], [-5, 0]], np.float32)
    found = _search_among(points)(np.array([[0, 0], [100, 0], [3, 3]], np.float32), 5)
    assert [sorted(each.tolist()) for each in found] == [[0, 1, 3], [], [0, 1, 2]]
    assert [each.dtype for each in found] == [np.dtype(np.int64)] * 3


@pytest.mark.parametrize("level", [100, 120])
@pytest.mark.parametrize(("label", "last"), [(None, 4), (0, 20**0.5), (1, 20**0.5)])
def test_of_many_only_some_are_measured(
    monkeypatch: pytest.MonkeyPatch, level: int, label: int | None, last: float
) -> None:
    """The two that seem closest are, of each label; others are as far as they seem, or as the closest one."""
    monkeypatch.setattr(recognition, "_MOST_MEASURED", 2)
    grids = textured([100, 100, 101, 104, 104, 90], [3, 2, 2, 0, 2, 0])  # which seem 0, 0, 1, 4, 4 and 10 off
    found = recogniser(grids, labels=[0, 0, 0, 0, 1, 1])
    labels = None if label is None else np.array([label])
    pictures, distances = found.near(flat([level]), labels)[0]
    assert pictures.tolist() == [1, 2, 0, 3, 4]
    assert distances.tolist() == pytest.approx([2, 2, 3, 4, last], abs=1e-4)
    distances = recogniser(grids[1:]).near(flat([level]))[0][1]  # there are four, and all of them are
    assert distances.tolist() == pytest.approx([2, 5**0.5, 4, 20**0.5], abs=1e-4)


def test_the_own_label_is_always_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among many pictures that seem closer and are not, that of an image's own label is found."""
    monkeypatch.setattr(recognition, "_MOST_MEASURED", 2)
    found = recogniser(textured([100, 100, 100, 100, 101], [0, 0, 0, 0, 6]), labels=[0, 0, 0, 0, 1])
    match = found.add(textured([100], [6]), np.array([1]))[0]
    assert match is not None
    assert (match.file, match.label_fits, match.pictures.tolist()) == (4, True, [4])


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (1, 8), (2, 3), (3, 2), (5, 4), (7, 7)])
def test_coarse_distances(size: tuple[int, int]) -> None:
    """They are never larger than those of the grids, and the same of what differs by whole quarters."""
    random = np.random.default_rng(0)
    rows, columns = size
    grids = random.uniform(0, 255, (20, rows, columns, 3)).astype(np.float32)
    coarse = _coarse(grids)
    whole = np.sqrt(np.mean((grids[1:] - grids[:1]) ** 2, axis=(1, 2, 3)))
    assert (np.linalg.norm(coarse[1:] - coarse[:1], axis=1) <= whole * (1 + 1e-6)).all()
    row, column = max(1, rows // 2), max(1, columns // 2)
    other = grids[:1].copy()
    other[:, :row, :column] += np.float32(3)  # in the middle of an odd grid quarters end one earlier
    other[:, row : 2 * row, column : 2 * column] -= np.array([5, 7, 11], np.float32)
    whole = np.sqrt(np.mean((other - grids[:1]) ** 2, axis=(1, 2, 3)))
    np.testing.assert_allclose(np.linalg.norm(_coarse(other) - coarse[:1], axis=1), whole, rtol=1e-5)


def test_texture_is_seen() -> None:
    """An image that has the right colours on average only is not close."""
    assert len(recogniser([100]).near(textured([100], [30]))[0][0]) == 0


def test_own_label_first() -> None:
    """A picture with the label an image came with goes before a closer one with another."""
    found = recogniser([100, 102], labels=[0, 1])
    match = found.add(flat([100.5]), np.array([1]))[0]
    assert match is not None
    assert (match.file, match.label_fits, match.pictures.tolist()) == (1, True, [1])
    assert found.miscounts() == [Miscount(0, 0, 1)]


def test_wrong_label_and_unknown() -> None:
    """Neither is counted; the file of a wrong label is the first with the closest picture."""
    found = recogniser([50, 100], picture_of=[0, 1, 1])
    match, unknown = found.add(flat([101, 200]), np.array([7, 0]))
    assert unknown is None
    assert match is not None
    assert (match.file, match.label_fits, match.pictures.tolist()) == (1, False, [1])
    assert found.miscounts() == [Miscount(0, 0, 1), Miscount(1, 0, 2)]


def test_likely() -> None:
    """Pictures as good as the closest count as likely, however many."""
    alike, apart, near = recogniser([100, 101, 102]), recogniser([100, 104, 107]), recogniser([100, 103])
    for found, level, pictures in (
        *((alike, 100, [0, 1]), (apart, 102, [0, 1]), (apart, 101, [0])),
        *((near, 101, [0, 1]), (near, 100.9, [0]), (near, 101.5, [0, 1])),
    ):
        match = found.add(flat([level]), zeros(1))[0]
        assert match is not None
        assert match.pictures.tolist() == pictures
    many = recogniser([100] * 300).add(flat([100]), zeros(1))[0]
    assert many is not None
    assert many.pictures.tolist() == list(range(300))


@pytest.mark.parametrize(
    ("picture_of", "labels", "level", "alone"),
    [
        ([0, 1, 2], [0, 1, 2], 101, True),
        ([0, 1, 2], [0, 1, 2], 102, False),  # it may be the second as well, exactly
        ([0, 1, 2], [0, 0, 1], 102, True),  # of its own label
        ([0, 1, 2, 0], [0, 1, 2, 0], 100, True),  # a copy
        ([0, 1, 2, 0], [0, 1, 2, 1], 100, False),  # under another label
        ([0, 1, 2, 1], [0, 0, 2, 1], 102, False),
        ([0, 1, 2, 2], [0, 1, 2, 1], 100, True),
    ],
)
def test_alone(picture_of: list[int], labels: list[int], level: float, alone: bool) -> None:
    """An image is told for sure if no file of another label might be the one."""
    match = recogniser([100, 106, 200], picture_of, labels).add(flat([level]), zeros(1))[0]
    assert match is not None
    assert (match.file, match.label_fits, match.alone) == (0, True, alone)


def test_sharing_out() -> None:
    """Images between two pictures go where one is missing."""
    found = recogniser([100, 102, 104])
    found.add(flat([101, 101, 103]), zeros(3))
    assert found.miscounts() == []
    two = recogniser([100, 102], most_told_apart=2)
    two.add(flat([101, 101]), zeros(2))
    assert two.miscounts() == []


def test_those_that_are_surely_one_go_first() -> None:
    """Of four images for three pictures, one that may be several is said to be too many, if nearer too."""
    found = recogniser([100, 101, 102])
    found.add(flat([99.3, 100.6, 101.1, 102.7]), zeros(4))
    assert found.miscounts() == [Miscount(1, 2, 1)]


def test_sharing_out_is_no_excuse() -> None:
    """An image is not taken for a picture it is not like, though that is missing and linked by others."""
    found = recogniser([100, 102, 104], picture_of=[0, 0, 1, 2], most_told_apart=4)
    found.add(flat([101, 103, 104, 104]), zeros(4))
    assert found.miscounts() == [Miscount(0, 1, 2), Miscount(3, 2, 1)]


@pytest.mark.parametrize(
    ("images", "miscounts"),
    [
        (3, []),
        (2, [Miscount(2, 0, 1)]),
        (4, [Miscount(2, 2, 1)]),
        (0, [Miscount(0, 0, 1), Miscount(1, 0, 1), Miscount(2, 0, 1)]),
    ],
)
def test_more_than_are_told_apart(images: int, miscounts: list[Miscount]) -> None:
    """Of files that look alike only the number is compared: the last one lacks or comes too often."""
    found = recogniser([100, 100, 100], most_told_apart=2)
    for _ in range(images):
        found.add(flat([100]), zeros(1))
    assert found.miscounts() == miscounts


@pytest.mark.parametrize(
    ("levels", "extra"),
    [
        ([], []),
        ([150, 150, 100], []),
        ([101, 101, 100], [Miscount(1, 3, 2)]),
        ([101, 150, 150, 101, 150, 101], [Miscount(0, 3, 2), Miscount(1, 3, 2)]),
    ],
)
def test_extra(levels: list[float], extra: list[Miscount]) -> None:
    """What came too often of files that cannot be told apart is named by the first; what lacks is not."""
    found = recogniser([150, 100, 102, 50], [0, 1, 2, 3, 0])
    for level in levels:
        found.add(flat([level]), zeros(1))
    assert found.extra() == extra


@pytest.mark.parametrize(("closest", "distance"), [(0, 7), (4095, 7), (4096, 7), (4999, 7)])
def test_least_distance(closest: int, distance: float) -> None:
    """All pictures are looked at, also of a tree so large that it is done in parts."""
    levels = [10] * 5000
    levels[closest] = 200
    assert recogniser(levels).least_distance(flat([193])[0]) == distance
