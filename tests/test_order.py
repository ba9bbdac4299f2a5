"""Shuffle quality, and what counts as no shuffling: honest orders are never refused, cheap ones are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from loader_gate.same_work.order import (
    in_turn,
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


class TestQuality:
    """What the figure says."""

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
        found = order_problem([first] * 3, True)
        assert found is not None
        assert found.startswith("Every epoch comes in the same order although a new one was asked for")
        found = order_problem([first, second, third, second], True)
        assert found is not None
        assert found.startswith("Epoch 4 comes in the same order as epoch 2, although")

    @pytest.mark.parametrize("images", [100, 5000])
    def test_nearly(self, images: int) -> None:
        """A few swaps, another beginning, or another order inside of batches do not make a new order."""
        random = rng()
        swapped = np.arange(images)
        swapped[[3, 7]] = swapped[[7, 3]]
        rolled = np.roll(np.arange(images), 40)
        for order in (swapped, rolled):
            found = order_problem([order], True)
            assert found is not None
            assert "Epoch 1 comes nearly in the order of the files (shuffle quality" in found
        once = random.permutation(images)
        found = order_problem([once, once[swapped], once[rolled]], True)
        assert found is not None
        assert "Epoch 2 comes nearly in the same order as the one before" in found

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
        problem = repeats_problem(second, [first], 16)
        assert problem is not None
        assert "of an epoch is together as it was in an earlier one" in problem

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
