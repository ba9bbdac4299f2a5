"""What each batch has to be: a slip is named in one whole sentence, and what lies on a limit passes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loader_gate.registry.spec import Spec
from loader_gate.same_work.batch import Batches
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.words import DifferenceError
from loader_gate.trees.tree import Tree

#: Twelve images of three classes, of which two batches are full and the last has two.
TREE = Tree(Path("tree"), ("tree/a/0.png",) * 12, (0, 1, 2) * 4, ("a", "b", "c"), "made up")
SPEC = Spec((4, 6), 5, shuffle=False, seed=0, cache_dir=Path())
#: Black and white are 255 apart, so that all limits are whole numbers, and neither is 0.
WIDE = DeclaredOutput(value_range=(64, 319))
PLAIN, FIRST, INDEX = DeclaredOutput(), DeclaredOutput(layout="NCHW"), DeclaredOutput(labels="index")


def images(*shape: int, value: float = 0.5) -> np.ndarray:
    """Return images of one value, those of a full batch if no shape is given."""
    return np.full(shape or (5, 4, 6, 3), value, np.float32)


def labels(*classes: int) -> np.ndarray:
    """Return one-hot labels, those of a full batch if no class is given."""
    one_hot: np.ndarray = np.eye(3, dtype=np.float32)[list(classes or (2, 0, 1, 1, 0))]
    return one_hot


def refusal(*batches: Any, declared: DeclaredOutput = PLAIN) -> str:
    """Return why the last of some batches is refused, where all before pass."""
    epoch = Batches(TREE, SPEC, declared)
    for batch in batches[:-1]:
        epoch.add(batch)
    with pytest.raises(DifferenceError) as error:
        epoch.add(batches[-1])
    return str(error.value)


def test_batches_that_are_as_asked_for() -> None:
    """Each class is told, and of all so far how many there were, the lowest and the highest value."""
    epoch = Batches(TREE, SPEC, PLAIN)
    found = []
    for batch in (
        (images(value=0.5), labels(0, 2, 1, 1, 2)),
        [images(value=0.25), labels(2, 2, 0, 1, 0)],
        (images(2, 4, 6, 3, value=0.75), labels(1, 0)),
    ):
        given, classes = epoch.add(batch)
        assert given is batch[0]
        assert classes.dtype == np.int64
        found.append((classes.tolist(), epoch.images, epoch.lowest, epoch.highest))
    assert found == [
        ([0, 2, 1, 1, 2], 5, 0.5, 0.5),
        ([2, 2, 0, 1, 0], 10, 0.25, 0.5),
        ([1, 0], 12, 0.25, 0.75),
    ]


@pytest.mark.parametrize(
    ("batch", "what"),
    [
        (images(), "ndarray"),
        ((images(), labels(), labels()), "tuple of 3"),
        ([images()], "list of 1"),
        ({"x": 1, "y": 2}, "dict of 2"),
        (None, "NoneType"),
    ],
)
def test_no_pair(batch: Any, what: str) -> None:
    """What came in its place is named, and the number of the batch."""
    expected = f"is a {what}, expected a pair (images, labels)."
    assert refusal(batch) == f"Batch 1 {expected}"
    assert refusal((images(), labels()), batch) == f"Batch 2 {expected}"


@pytest.mark.parametrize(
    ("shape", "declared", "hint"),
    [
        ((5, 4, 6), WIDE, "."),
        ((5, 4, 6, 3, 1), WIDE, "."),
        ((5, 3, 4, 6), WIDE, ": are the channels first?"),
        ((5, 4, 6, 3), FIRST, ": are the channels last?"),
        ((5, 6, 4, 3), WIDE, ": are height and width swapped?"),
        ((5, 3, 6, 4), FIRST, ": are height and width swapped?"),
        ((5, 4, 6, 1), WIDE, ": are they grey?"),
        ((5, 4, 6, 4), WIDE, ": is there an alpha channel?"),
        ((5, 4, 6, 2), WIDE, "."),
        ((5, 4, 5, 3), WIDE, "."),
        ((5, 2, 6, 3), WIDE, "."),
    ],
)
def test_another_shape(shape: tuple[int, ...], declared: DeclaredOutput, hint: str) -> None:
    """What was asked for is named, and what it may be."""
    expected = "(batch, 3, 4, 6)" if declared is FIRST else "(batch, 4, 6, 3)"
    assert refusal((images(*shape), labels()), declared=declared) == (
        f"Images of batch 1 have shape {shape}, expected {expected}{hint}"
    )


def test_another_type() -> None:
    """Images are of the declared one."""
    batch = images(), labels()
    assert refusal(batch, (images().astype(np.float16), labels())) == (
        "Images of batch 2 are float16, expected the declared float32."
    )
    assert refusal(batch, declared=DeclaredOutput(dtype="uint8")) == (
        "Images of batch 1 are float32, expected the declared uint8."
    )


def test_the_size_of_a_batch() -> None:
    """Only the last may be smaller, none larger or empty; and together they are no more than the tree."""
    batches = {size: (images(size, 4, 6, 3), labels(*(1,) * size)) for size in (1, 2, 3, 5, 6)}
    nothing = images()[:0], labels()[:0]
    full = batches[5]
    assert refusal(batches[6]) == "Batch 1 has 6 images, expected 5."
    assert refusal(nothing) == "Batch 1 has 0 images, expected 5."
    assert refusal(batches[1], nothing) == "Batch 2 has 0 images, expected 5."
    assert refusal(full, batches[2], batches[1]) == (
        "Batch 2 has 2 images and another follows, expected 5: only the last batch may be smaller."
    )
    assert refusal(full, full, batches[3]) == (
        "The epoch did not end after the 12 images of the tree: "
        "does it repeat, or is its last batch filled up?"
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_finite_value(value: float) -> None:
    """One among many is found."""
    bad = images()
    bad[2, 3, 4, 1] = value
    assert refusal((images(), labels()), (bad, labels())) == (
        "Images of batch 2 hold values that are not finite (NaN or infinity)."
    )


@pytest.mark.parametrize(
    ("value", "count", "rest", "passes"),
    [
        # By a grey level anything may be outside.
        (63, 360, 300, True),
        (320, 360, 300, True),
        (62.99, 359, 300, False),
        (320.01, 359, 300, False),
        # By a fifth of what is between black and white, one value in 20 may be.
        (13, 18, 63, True),
        (370, 18, 320, True),
        (62.99, 19, 300, False),
        (320.01, 19, 300, False),
        # By more, none may.
        (12.99, 1, 300, False),
        (370.01, 1, 300, False),
    ],
)
def test_values_outside(value: float, count: int, rest: float, passes: bool) -> None:
    """Few may be by little, as a cubic filter makes them; neither on the other side of black or white."""
    some = images(value=rest)
    some.reshape(-1)[:count] = value
    if passes:
        epoch = Batches(TREE, SPEC, WIDE)
        epoch.add((some, labels()))
        assert (epoch.lowest, epoch.highest) == (min(value, some.min()), max(value, some.max()))
    else:
        assert refusal((some, labels()), declared=WIDE) == (
            f"Images of batch 1 have values from {some.min():g} to {some.max():g}, expected 64 to 319."
        )


@pytest.mark.parametrize(
    ("lowest", "highest", "black", "hint"),
    [
        (0, 255, 0, ": are they 0 to 255, not divided by 255?"),
        (0, 2, 0, ": are they 0 to 255, not divided by 255?"),
        (0, 1.5, 0, "."),
        (0, 256, 0, "."),
        (-0.5, 255, 0, ": are they centred or standardised?"),
        (-3, 1, 0, ": are they centred or standardised?"),
        (-3, 1, -1, "."),
    ],
)
def test_another_range(lowest: float, highest: float, black: float, hint: str) -> None:
    """What the values may be is said, where it can be told."""
    some = images(value=lowest)
    some[:, ::2] = highest
    assert refusal((some, labels()), declared=DeclaredOutput(value_range=(black, 1))) == (
        f"Images of batch 1 have values from {lowest:g} to {highest:g}, expected {black:g} to 1{hint}"
    )


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((5,), ": are they class numbers instead of one-hot?"),
        ((5, 1), ": are they class numbers instead of one-hot?"),
        ((5, 4), ": is a class missing or a background class added?"),
        ((5, 2), ": is a class missing or a background class added?"),
        ((4, 3), "."),
        ((4, 5), "."),
        ((5, 3, 1), "."),
    ],
)
def test_labels_of_another_shape(shape: tuple[int, ...], hint: str) -> None:
    """A row an image and a column a class are asked for."""
    assert refusal((images(), np.zeros(shape, np.float32))) == (
        f"Labels of batch 1 have shape {shape}, expected (5, 3){hint}"
    )


def test_labels_that_are_not_one_hot() -> None:
    """In the declared type, a single 1 a row; a 0 may have a sign."""
    assert refusal((images(), labels().astype(np.float64))) == (
        "Labels of batch 1 are float64, expected float32."
    )
    for wrong in (labels() * np.float32(0.9), labels() * 0, np.ones((5, 3), np.float32)):
        assert refusal((images(), wrong)) == (
            "Labels of batch 1 are not one-hot: expected a single 1 a row, else 0."
        )
    signed = np.where(labels() == 1, labels(), np.float32(-0.0))
    assert Batches(TREE, SPEC, PLAIN).add((images(), signed))[1].tolist() == [2, 0, 1, 1, 0]


@pytest.mark.parametrize("classes", [(0, 1, 2, 1, 0), (0, 0, 0, 0, 0), (2, 2, 2, 2, 2)])
@pytest.mark.parametrize("shape", [(5,), (5, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_class_numbers(classes: tuple[int, ...], shape: tuple[int, ...], dtype: type) -> None:
    """In a row or a column, from the first class to the last."""
    given: np.ndarray = np.array(classes, dtype).reshape(shape)
    found = Batches(TREE, SPEC, INDEX).add((images(), given))[1]
    assert (found.dtype.name, found.tolist()) == ("int64", list(classes))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (np.zeros(5, np.float32), "float32 of shape (5,)"),
        (np.zeros((5, 3), np.int32), "int32 of shape (5, 3)"),
        (np.zeros((5, 2), np.int64), "int64 of shape (5, 2)"),
        (np.zeros(4, np.uint8), "uint8 of shape (4,)"),
        (np.zeros((1, 5), np.uint8), "uint8 of shape (1, 5)"),
    ],
)
def test_no_class_numbers(given: np.ndarray, why: str) -> None:
    """What came is named, and what was declared."""
    assert refusal((images(), given), declared=INDEX) == (
        f"Labels of batch 1 are {why}, expected the declared integers of shape (5,) or (5, 1)."
    )


@pytest.mark.parametrize(("lowest", "highest"), [(-1, 1), (0, 3), (1, 3)])
def test_numbers_of_no_class(lowest: int, highest: int) -> None:
    """How they were counted may be the reason."""
    given = np.array([1, lowest, 1, highest, 1])
    assert refusal((images(), given), declared=INDEX) == (
        f"Labels of batch 1 are from {lowest} to {highest}, expected 0 to 2: are classes counted from 1, or "
        "is a background class added?"
    )
