"""Shuffle quality, and what counts as no shuffling: honest orders are never refused, cheap ones are."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest

from loader_gate.same_work.order import (
    in_turn,
    may_be_judged,
    order_problem,
    repeated,
    repeats_problem,
    shuffle_quality,
)

Order = np.ndarray


def rng(seed: int = 0) -> np.random.Generator:
    """Return a generator of its own for each test."""
    return np.random.default_rng(seed)


def buffered(images: int, size: int, random: np.random.Generator) -> Order:
    """Return what a shuffle buffer of tf.data gives."""
    buffer = list(range(min(size, images)))
    order = []
    for image in range(len(buffer), images):
        place = int(random.integers(len(buffer)))
        order.append(buffer[place])
        buffer[place] = image
    return np.array([*order, *random.permutation(buffer)])


def in_parts(images: int, parts: int, random: np.random.Generator, inside: bool, outside: bool) -> Order:
    """Return the files' order cut into parts, shuffled inside of them, or as wholes, or both."""
    cut = np.array_split(np.arange(images), parts)
    order = random.permutation(parts) if outside else range(parts)
    return np.concatenate([random.permutation(cut[part]) if inside else cut[part] for part in order])


def quality(order: Order, groups: Order | None = None) -> float:
    """Return the quality, which has to be known."""
    found = shuffle_quality(order, len(order), groups)
    assert found is not None
    assert 0 <= found <= 1
    return found


def places(came: Order, expected: Order) -> list[int]:
    """Return what `in_turn` does, one by one."""
    free = defaultdict[int, list[int]](list)
    for place, number in reversed([*enumerate(expected.tolist())]):
        free[number].append(place)
    return [free[number].pop() if free[number] else -1 for number in came.tolist()]


def measured(order: list[int]) -> tuple[float, float]:
    """Return the mean displacement of an order, and the entropy of the distances in it."""
    shares = [count / (len(order) - 1) for count in Counter(abs(b - a) for a, b in pairwise(order)).values()]
    displacement = sum(abs(number - place) for place, number in enumerate(order)) / len(order)
    return displacement, -sum(share * math.log2(share) for share in shares)


def defined(groups: Order, permutations: int) -> Callable[[Order], float]:
    """Return what gives the quality as it is defined, relative to so many random permutations."""
    random = rng()
    drawn = [measured(places(random.permutation(groups), groups)) for _ in range(permutations)]
    means = np.mean(drawn, axis=0)

    def lesser(displacement: float, entropy: float) -> float:
        further = displacement / means[0]
        return float(min(further, 1 / further if further else 0, entropy / means[1]))

    mean = float(np.mean([lesser(*each) for each in drawn]))
    return lambda order: min(1.0, lesser(*measured(places(groups[order], groups))) / mean)


class TestQuality:
    """What the figure says."""

    @pytest.mark.parametrize(
        ("groups", "permutations"),
        [
            (np.arange(3), 64),
            (np.arange(10), 64),
            (np.array([4, 7, 4, 4, 9, 7, 1, 2]), 64),
            (np.arange(400)[::-1], 50),
            (np.arange(1, 12), 64),
        ],
    )
    def test_as_it_is_defined(self, groups: Order, permutations: int) -> None:
        """The lesser of displacement and entropy, relative to the same of random permutations."""
        images, expected = len(groups), defined(groups, permutations)
        orders = [rng(seed).permutation(images) for seed in range(3)]
        orders += [np.arange(images)[::-1], *(np.roll(np.arange(images), by) for by in (1, images // 2))]
        for order in orders:
            assert shuffle_quality(order, images, groups) == pytest.approx(expected(order), abs=1e-12)

    @pytest.mark.parametrize("images", [10, 13, 30, 100, 1000])
    def test_a_permutation_is_about_one(self, images: int) -> None:
        """On average, whatever the number of images."""
        random = rng()
        found = [quality(random.permutation(images)) for _ in range(100)]
        assert np.mean(found) > 0.9
        assert np.std(found) < 0.13

    @pytest.mark.parametrize("images", [10, 100, 10_000])
    def test_no_shuffling_is_none(self, images: int) -> None:
        """Neither forwards nor backwards; nor is beginning elsewhere much."""
        order = np.arange(images)
        assert quality(order) == 0
        assert quality(order[::-1]) < 0.01
        assert quality(np.roll(order, images // 3)) < 3 / images

    def test_a_small_buffer_is_low(self) -> None:
        """As the article's buffer of 1,000 is to COCO's images: they stay near their places."""
        assert 0.01 < quality(buffered(11_700, 100, rng())) < 0.03
        assert quality(buffered(10_000, 5000, rng())) > 0.4

    def test_parts(self) -> None:
        """Whole batches and classes: neighbours stay together, or images in their part."""
        random = rng()
        assert quality(in_parts(10_000, 313, random, inside=False, outside=True)) < 0.1
        assert quality(in_parts(10_000, 313, random, inside=True, outside=False)) < 0.01
        assert quality(in_parts(10_000, 80, random, inside=True, outside=False)) < 0.05
        for _ in range(5):
            assert quality(in_parts(10_000, 80, random, inside=True, outside=True)) < 0.8

    def test_look_alikes(self) -> None:
        """A tree of links is judged by what can be told apart; of equal frames nothing is known."""
        groups = np.arange(3000) % 40
        assert quality(rng().permutation(3000), groups) > 0.9
        assert quality(np.arange(3000), groups) == 0
        swapped = np.arange(3000).reshape(-1, 40)[::-1].ravel()  # the copies trade places: nobody can see it
        assert quality(swapped, groups) == 0
        assert shuffle_quality(np.arange(30), 30, np.zeros(30, int)) is None

    def test_not_known(self) -> None:
        """Of less than an epoch, of strange images and of two images there is no quality."""
        assert shuffle_quality(np.arange(9), 10) is None
        assert shuffle_quality(np.array([0, -1, 2, 3]), 4) is None
        assert shuffle_quality(np.arange(2), 2) is None
        assert shuffle_quality(np.arange(0), 0) is None
        assert shuffle_quality(np.arange(3), 3) == 0


class TestShuffled:
    """Epochs of a loader that was asked to shuffle."""

    @pytest.mark.parametrize("images", [1, 2, 5, 12, 13, 20, 30, 40, 200])
    def test_permutations_pass(self, images: int) -> None:
        """However few images there are, and however many epochs."""
        random = rng(images)
        for _ in range(20):
            orders = [random.permutation(images) for _ in range(20)]
            assert order_problem(orders, shuffle=True) is None

    @pytest.mark.parametrize("images", [4, 40, 300])
    @pytest.mark.parametrize("looks", [1, 2, 10])
    def test_look_alikes_pass(self, images: int, looks: int) -> None:
        """Equal frames come in the same order whatever a loader does."""
        random = rng(images + looks)
        for _ in range(5):
            groups = random.integers(looks, size=images)
            orders = [random.permutation(images) for _ in range(3)]
            assert order_problem(orders, shuffle=True, groups=groups) is None
        mostly = np.maximum(np.arange(images) - images + 2, 0)  # all but one or two are blank
        assert order_problem([random.permutation(images) for _ in range(9)], True, mostly) is None

    def test_small_trees_are_never_refused(self) -> None:
        """Any order at all of ten images may have been drawn."""
        assert order_problem([np.arange(10)] * 5, shuffle=True) is None

    @pytest.mark.parametrize(
        "draw",
        [
            lambda images, random: buffered(images, 1000, random),
            lambda images, random: buffered(images, 100, random),
            lambda images, random: in_parts(images, 100, random, inside=False, outside=True),
            lambda images, random: in_parts(images, 10, random, inside=True, outside=False),
        ],
    )
    @pytest.mark.parametrize("images", [500, 20_000])
    def test_poor_shuffling_passes(
        self, draw: Callable[[int, np.random.Generator], Order], images: int
    ) -> None:
        """Its quality says what it is; it is shuffling."""
        random = rng()
        assert order_problem([draw(images, random) for _ in range(4)], shuffle=True) is None

    def test_in_the_files_order(self) -> None:
        """Forwards or backwards, in one epoch of several."""
        files, drawn = np.arange(50), rng().permutation(50)
        expected = "although a new one was asked for (spec.shuffle): draw it anew each epoch."
        assert order_problem([files], True) == f"Epoch 1 comes in the order of the files, {expected}"
        found = order_problem([drawn, files[::-1]], True)
        assert found == f"Epoch 2 comes in the order of the files, backwards, {expected}"

    def test_once_for_ever(self) -> None:
        """An order that is drawn once, or two that take turns."""
        random = rng()
        first, second, third = (random.permutation(50) for _ in range(3))
        asked = "although a new one was asked for (spec.shuffle): draw it anew each epoch."
        for epochs in (2, 3):
            assert order_problem([first] * epochs, True) == f"Every epoch comes in the same order {asked}"
        for orders, later, earlier in (
            ([first, second, third, second], 4, 2),
            ([first, second, first], 3, 1),
            ([first, second, second], 3, 2),
        ):
            expected = f"Epoch {later} comes in the same order as epoch {earlier}, {asked}"
            assert order_problem(orders, True) == expected

    @pytest.mark.parametrize("images", [100, 5000])
    def test_nearly(self, images: int) -> None:
        """A few swaps, another beginning, or another order inside of batches do not make a new order."""
        random = rng()
        swapped = np.arange(images)
        swapped[[3, 7]] = swapped[[7, 3]]
        rolled = np.roll(np.arange(images), 40)
        asked = "although a new one was asked for (spec.shuffle): draw it anew each epoch."
        limit = {100: "0.025", 5000: "0.002"}[images]
        for order in (swapped, rolled):
            assert order_problem([random.permutation(images), order], True) == (
                f"Epoch 2 comes nearly in the order of the files (shuffle quality {quality(order):.2g}, "
                f"expected {limit} or more; a random permutation has 1), {asked}"
            )
        once = random.permutation(images)
        assert order_problem([random.permutation(images), once, once[swapped], once[rolled]], True) == (
            "Epoch 3 comes nearly in the same order as the one before (shuffle quality "
            f"{quality(swapped):.2g} to it, expected {limit} or more), {asked}"
        )

    def test_as_many_orders_as_of_30_images(self) -> None:
        """Of fewer, none is near to another; the files' own order is none that was drawn, of 14 and more."""
        swapped = np.arange(30)
        swapped[[3, 7]] = swapped[[7, 3]]
        found = order_problem([swapped], True)
        assert found is not None
        assert "expected 0.083 or more" in found
        assert order_problem([swapped[:29]], True) is None
        once = rng().permutation(29)
        assert order_problem([once, once[swapped[:29]]], True) is None

    @pytest.mark.parametrize(("groups", "most"), [([*range(14)], 11), ([0, *range(13)], 7)])
    def test_what_chance_does(self, groups: list[int], most: int) -> None:
        """More epochs have more chances: what an honest loader does once in 1e9 sessions is refused."""
        files, random = np.arange(14), rng()
        for epochs, is_refused in ((most, True), (most + 1, False)):
            orders = [files, *(random.permutation(14) for _ in range(epochs - 1))]
            assert (order_problem(orders, True, np.array(groups)) is not None) is is_refused

    def test_one_picture_for_ever(self) -> None:
        """What an epoch of it is near to cannot be told."""
        groups = np.arange(40) // 20
        assert order_problem([np.zeros(40, int), rng().permutation(40)], True, groups) is None

    def test_what_cannot_be_told_apart(self) -> None:
        """Copies that trade places are no new order."""
        groups = np.arange(100) // 2
        swapped = np.arange(100) ^ 1
        assert "order of the files" in (order_problem([swapped], True, groups) or "")
        assert order_problem([rng().permutation(100)], True, groups) is None

    def test_strange_epochs_are_left_out(self) -> None:
        """What is wrong with them, others say."""
        assert order_problem([np.full(50, -1), np.arange(20)], True) is None
        assert order_problem([], True) is None
        assert order_problem([np.arange(0)], True) is None
        for strange in (np.arange(40), np.array([*range(49), -1])):
            found = order_problem([np.arange(50), strange], True) or ""
            assert found.startswith("Epoch 1 comes in the order of the files, although")
            assert order_problem([rng().permutation(50), strange], True) is None

    def test_may_be_judged(self) -> None:
        """Of 21 images that differ, whoever they are; a few that look alike leave fewer orders."""
        assert may_be_judged(np.arange(21))
        assert not may_be_judged(np.arange(20))
        assert may_be_judged(rng().permutation(21), np.arange(21))
        assert not may_be_judged(np.arange(21), np.array([0, 0, 0, 0, 0, *range(16)]))
        assert not may_be_judged(np.array([*range(20), -1]))
        assert not may_be_judged(np.arange(0))


class TestUnshuffled:
    """Epochs of a loader that was not."""

    def test_the_trees_order(self) -> None:
        """It has to be that, for any number of images; copies may trade places."""
        assert order_problem([np.arange(5)] * 2, False) is None
        assert order_problem([np.array([1, 0, 2])], False, np.array([0, 0, 1])) is None

    def test_another(self) -> None:
        """The first image that differs is named."""
        assert order_problem([np.arange(5), np.array([0, 1, 3, 2, 4])], False) == (
            "Epoch 2 does not come in the tree's order: its image 3 is the tree's 4. "
            "No shuffling was asked for (spec.shuffle is False): give tree.paths in turn."
        )


class TestRepeats:
    """Neighbours that an epoch has from an earlier one."""

    def test_batches_that_are_made_again(self) -> None:
        """They are in a good order, each time in another, and what is seen together is always the same."""
        random = np.random.default_rng(0)
        batches = np.array_split(random.permutation(96), 6)

        def epoch() -> Order:
            return np.concatenate([batches[number] for number in random.permutation(6)])

        first, second = epoch(), epoch()
        assert min(quality(first), quality(second)) > 0.8
        assert order_problem([first, second], True) is None
        problem = repeats_problem(second, [random.permutation(96), first], 16)
        assert problem == (
            f"{repeated(second, first, 16):.0%} of an epoch is together as it was in an earlier one, "
            "although a new order was asked for (spec.shuffle): are the same batches made again? "
            "Draw all of it anew."
        )

    def test_from_which_number_of_orders_on(self) -> None:
        """As many as of 30 images; files that look alike make fewer of them."""
        files = np.arange(30)
        assert "100% of an epoch is together" in (repeats_problem(files, [files], 4) or "")
        assert repeats_problem(files, [], 4) is None
        assert repeats_problem(files[:29], [files[:29]], 4) is None
        assert repeats_problem(files, [files], 4, np.array([0, *range(29)])) is None
        pairs = np.arange(40) // 2
        first = np.arange(40)
        assert repeats_problem(first ^ 1, [first], 1) is None
        assert "100% of" in (repeats_problem(first ^ 1, [first], 1, pairs) or "")

    @pytest.mark.parametrize(
        ("order", "earlier", "batch", "groups", "share"),
        [
            ([0, 1, 2], [0, 1, 2], 1, None, 1),
            ([0, 1, 2, 3], [0, 1, 3, 2], 1, None, (1 / 3 - 1 / 4) / (3 / 4)),
            ([0, 1, 2, 3], [3, 2, 1, 0], 1, None, 0),
            ([0, 1, 2, 3, 4, 5], [2, 3, 1, 0, 4, 5], 1, [0, 0, 2, 3, 4, 4], (3 / 5 - 10 / 36) / (26 / 36)),
            ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], 1, [0, 0, 0, 1, 1, 2], 1),
            ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], 1, [0, 0, 0, 1, 1, 1], None),
            ([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6], 1, [0, 0, 0, 0, 1, 1, 2], None),
            (range(12), range(12), 1, [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], None),
            # Pairs of images: two of four stay together. The last batch of seven images has one.
            (range(8), [1, 0, 7, 6, 2, 4, 3, 5], 2, None, (1 / 2 - 1 / 7) / (6 / 7)),
            (range(7), [1, 0, 6, 4, 2, 5, 3], 2, None, (1 / 3 - 1 / 6) / (5 / 6)),
            # Four of eight images may be a batch, five may not.
            (range(8), [2, 0, 3, 1, 6, 4, 7, 5], 4, None, 1),
            (range(8), [2, 4, 1, 3, 0, 7, 6, 5], 5, None, 0),
            (range(8), [2, 0, 1, 5, 3, 6, 4, 7], 3, None, 0.4),
            ([0, 1], [0, 1], 1, None, None),
            ([0, 1, 2], [0, 1, 2, 3], 1, None, None),
            ([0, 1, 2, 3], [0, 1, 2], 1, None, None),
            ([0, -1, 2], [0, 1, 2], 1, None, None),
            ([0, 1, 2], [0, 1, -1], 1, None, None),
        ],
    )
    def test_which_share_is_together(
        self,
        order: Sequence[int],
        earlier: Sequence[int],
        batch: int,
        groups: list[int] | None,
        share: float | None,
    ) -> None:
        """Of what follows each other, or is of one batch, beyond what chance does."""
        alike = None if groups is None else np.array(groups)
        found = repeated(np.array(order), np.array(earlier), batch, alike)
        assert found == (None if share is None else pytest.approx(share))

    def test_an_order_of_long_ago(self) -> None:
        """Two orders in turn, but for a swap each time, are no new ones."""
        random = np.random.default_rng(0)
        orders = [random.permutation(60) for _ in range(2)]
        again = orders[0].copy()
        again[[3, 40]] = again[[40, 3]]
        assert order_problem([orders[1], again], True) is None
        assert repeats_problem(again, orders, 16) is not None

    def test_honest_orders_share_few(self) -> None:
        """However many epochs there are, and with files that look alike; of few nothing is said."""
        random = np.random.default_rng(0)
        groups = np.arange(60) // 2
        for images, alike in ((60, None), (60, groups), (1000, None)):
            earlier = [random.permutation(images) for _ in range(5)]
            for _ in range(20):
                order = random.permutation(images)
                assert max(repeated(order, each, 16, alike) or 0.0 for each in earlier) < 0.2
                assert repeats_problem(order, earlier, 16, alike) is None
        assert repeats_problem(np.arange(10), [np.arange(10)], 5) is None
        assert repeated(np.arange(60), np.arange(60), 16, np.zeros(60, np.int64)) is None

    def test_a_buffer_repeats_little(self) -> None:
        """A shuffle buffer over files in one order leaves some neighbours, and far from all."""
        random = np.random.default_rng(0)
        orders = [buffered(2000, 64, random) for _ in range(2)]
        assert repeats_problem(orders[1], [orders[0]], 32) is None

    def test_batches_that_are_shuffled_inside(self) -> None:
        """No two images follow each other again, and yet the same ones are always together."""
        random = np.random.default_rng(0)
        batches = np.array_split(random.permutation(96), 6)
        first, second = (
            np.concatenate([random.permutation(batches[number]) for number in random.permutation(6)])
            for _ in range(2)
        )
        assert (repeated(second, first, 1) or 0.0) < 0.2
        assert repeated(second, first, 16) == pytest.approx(1.0)


def test_in_turn() -> None:
    """Each number is found where it was expected, one after the other."""
    came, expected = np.array([7, 5, 7, 5, 7, 9, -1]), np.array([5, 7, 7, 8])
    assert in_turn(came, expected).tolist() == [1, 0, 2, -1, -1, -1, -1]
    assert in_turn(came[:0], expected).tolist() == []
    assert in_turn(came, came[:0]).tolist() == [-1] * 7
    assert in_turn(came, came).tolist() == [*range(7)]
    assert in_turn(np.array([3, 0, 0]), np.array([0, 0, 3])).tolist() == [2, 0, 1]
    assert in_turn(came[:0], came[:0]).tolist() == []
    random = rng()
    for many, few in (
        (2000, 300),
        (300, 2000),
    ):  # each number is there several times
        came, expected = (random.integers(-1, 40, count) for count in (many, few))
        assert in_turn(came, expected).tolist() == places(came, expected)
