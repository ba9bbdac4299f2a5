"""Recognition on pictures that are one grey level each, so that a distance is a difference of levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from loader_gate.same_work import recognition
from loader_gate.same_work.recognition import Miscount, Recogniser
from loader_gate.same_work.reference import INTERPOLATIONS, Floats, Ints, Reference


def flat(levels: Sequence[float]) -> Floats:
    """Return grids of one grey level each."""
    return np.full((len(levels), 8, 8, 3), np.reshape(levels, (-1, 1, 1, 1)), np.float32)


def recogniser(
    levels: Sequence[int], picture_of: Sequence[int] | None = None, labels: Sequence[int] | None = None
) -> Recogniser:
    """Return one of flat pictures, each a file with label 0 if not told otherwise; area is 20 brighter."""
    count = len(levels)
    pictures = np.arange(count) if picture_of is None else np.asarray(picture_of, np.int64)
    descriptors = {name: flat(levels).astype(np.uint8) for name in INTERPOLATIONS}
    descriptors["area"] += np.uint8(20)
    sizes = np.full((count, 2), 8)
    reference = Reference("digest", (8, 8), pictures, descriptors, descriptors, np.arange(count), sizes)
    labels = [0] * len(pictures) if labels is None else labels
    return Recogniser(reference, labels, INTERPOLATIONS, close=5, too_close_to_tell=1.5, most_told_apart=100)


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


def test_texture_is_seen() -> None:
    """An image that has the right colours on average only is not close."""
    checked = flat([100]) + 30 * (np.indices((8, 8)).sum(0) % 2 * 2 - 1)[..., np.newaxis]
    assert len(recogniser([100]).near(checked.astype(np.float32))[0][0]) == 0


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
    assert (match.file, match.label_fits) == (1, False)
    assert found.miscounts() == [Miscount(0, 0, 1), Miscount(1, 0, 2)]


def test_likely() -> None:
    """Pictures as good as the closest count as likely, however many."""
    alike, apart = recogniser([100, 101, 102]), recogniser([100, 104, 107])
    for found, level, pictures in ((alike, 100, [0, 1]), (apart, 102, [0, 1]), (apart, 101, [0])):
        match = found.add(flat([level]), zeros(1))[0]
        assert match is not None
        assert match.pictures.tolist() == pictures
    many = recogniser([100] * 300).add(flat([100]), zeros(1))[0]
    assert many is not None
    assert many.pictures.tolist() == list(range(300))


def test_sharing_out() -> None:
    """Images between two pictures go where one is missing."""
    found = recogniser([100, 102, 104])
    found.add(flat([101, 101, 103]), zeros(3))
    assert found.miscounts() == []


def test_sharing_out_is_no_excuse() -> None:
    """An image is not taken for a picture it is not like, though that is missing and linked by others."""
    found = recogniser([100, 102, 104], picture_of=[0, 0, 1, 2])
    found.add(flat([101, 103, 104, 104]), zeros(4))
    assert found.miscounts() == [Miscount(0, 1, 2), Miscount(3, 2, 1)]


def test_least_distance() -> None:
    """All pictures are looked at, also of a tree so large that it is done in parts."""
    assert recogniser([10] * 4999 + [200]).least_distance(flat([193])[0]) == 7
