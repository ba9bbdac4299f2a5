"""Whether the images of an epoch come in a new order, and how far that is from one drawn at random.

The two measures are after the simulator of MosaicML's Streaming (``simulation/core/shuffle_quality.py``,
https://github.com/mosaicml/streaming), which adds up the entropy of the distances between neighbours, of
samples and of shards. Here the second one is displacement, which needs no shards.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.same_work.reference import Ints

#: An order that an honest loader draws by chance less often than this is none that it has drawn.
CHANCE = 1e-9
#: Below this quality an order is not told from that of files: at 117,266 images, a buffer of about 100.
NOT_SHUFFLED = 0.002
#: An epoch of which such a share is together as in an earlier one, beyond chance, is no order of its own.
MOST_REPEATED = 0.5
# A cut in the files' order, such as where it begins, is worth about 1.2 / images; two are no shuffling.
_CUTS = 2.5
# More epochs than a session has.
_MANY_EPOCHS = 100_000
# Quality decides only where there are as many orders as of 30 images: with few, chance comes near any limit.
_ENOUGH_ORDERS = math.lgamma(31)
# How many images the permutations have together that quality is relative to, and how many these are.
_DRAWN, _FEWEST, _MOST = 20_000, 4, 64


def shuffle_quality(order: Ints, images: int, groups: Ints | None = None) -> float | None:
    """Return how far an epoch's order is from a permutation drawn at random: 0 (not shuffled) to 1.

    It is the lesser of two measures, each relative to what random permutations have: how far images are from
    their places in the tree on average, and the entropy of the distances (in the tree) between images that
    follow each other. Files that look alike are taken in the order of the tree, in the random permutations
    too. Shuffling whole batches leaves neighbours together, a small buffer leaves images near their places:
    either is low.

    Of a permutation drawn at random it is 0.93 on average, with a standard deviation of 0.10, for 10 images;
    0.98 and 0.03 for 100; 0.995 or more with less than 0.01 from 1,000 on. A buffer of 1,000 of 117,266
    images has 0.02, whole batches of 32 have 0.03.

    Args:
        order: ``(images,)``, for each image that came the position in the tree.
        images: How many images the tree has.
        groups: ``(images,)``, for each file of the tree a number that it shares with those that it cannot be
            told apart from; None if each can be told from all others.

    Returns:
        None where it is not known: something else than the images of one epoch came, there are fewer than
        three, or all look alike.
    """
    groups = np.arange(images) if groups is None else groups
    if images < 3 or len(order) != images or order.min() < 0:
        return None
    return _quality(groups[order], groups)


def order_problem(orders: Sequence[Ints], shuffle: bool, groups: Ints | None = None) -> str | None:
    """Return one sentence if epochs do not come in the order that was asked for, None if they do.

    What an honest loader might do by chance is none: a tree of few images that can be told apart is not
    judged with ``shuffle``. An epoch of which not every image is known is left out.

    Args:
        orders: For each epoch of one loader, as they followed each other, ``(images,)``: for each image that
            came the position in the tree.
        shuffle: Whether each epoch should come in a new order, otherwise in that of the tree.
        groups: As in :func:`shuffle_quality`.
    """
    if not orders:
        return None
    groups = np.arange(len(orders[0])) if groups is None else groups
    came = [groups[order] for order in orders if len(order) == len(groups) and (order >= 0).all()]
    return _not_shuffled(came, groups) if shuffle else _not_the_trees(came, groups)


def repeated(order: Ints, earlier: Ints, batch: int, groups: Ints | None = None) -> float | None:
    """Return which share of an epoch is together as it was in an earlier one, beyond what chance does.

    What is together is what follows each other, or is of one batch; whichever share is larger counts. Batches
    that stay what they are have nearly all of it, in whatever order they come: a model sees together again
    what it has seen together.

    Args:
        order: As in :func:`shuffle_quality`.
        earlier: That of another epoch.
        batch: How many images a batch has.
        groups: As in :func:`shuffle_quality`.

    Returns:
        From 0 to 1; None where it is not known, or files that look alike leave too little to tell.
    """
    if len(order) != len(earlier) or len(order) < 3 or min(order.min(), earlier.min()) < 0:
        return None
    groups = np.arange(len(order)) if groups is None else groups
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < max(3, len(groups) / 2):
        return None
    now, before = (_neighbours(groups[each], len(groups)) for each in (order, earlier))
    by_chance = float((sizes**2).sum()) / len(groups) / len(groups)
    shares = [_beyond(float(np.isin(now, before).mean()), by_chance)]
    if len(names) == len(groups) and 1 < batch <= len(order) / 2:
        shares.append(_same_batch(order, earlier, batch))
    return max(shares)


def _same_batch(order: Ints, earlier: Ints, batch: int) -> float:
    """Return which share of pairs that are of one batch were so in an earlier epoch, beyond chance."""
    of_batch = np.arange(len(order)) // batch
    before = np.empty_like(of_batch)
    before[earlier] = of_batch
    both = of_batch * len(order) + before[order]
    together = np.unique(both, return_counts=True)[1]
    sizes = np.bincount(of_batch)
    pairs = float((sizes * (sizes - 1)).sum())
    return _beyond(float((together * (together - 1)).sum()) / pairs, (batch - 1) / (len(order) - 1))


def _beyond(share: float, by_chance: float) -> float:
    return max(0.0, (share - by_chance) / (1 - by_chance))


def _neighbours(came: Ints, number: int) -> Ints:
    """Return a number for each two that follow each other."""
    pairs: Ints = came[:-1] * number + came[1:]
    return pairs


def may_be_judged(order: Ints, groups: Ints | None = None) -> bool:
    """Return whether an order is one of so many that two epochs hardly ever have the same by chance.

    Args:
        order: As in :func:`shuffle_quality`.
        groups: Likewise.
    """
    groups = np.arange(len(order)) if groups is None else groups
    return bool((order >= 0).all()) and _log_orders(groups) > math.log(_MANY_EPOCHS**2 / CHANCE)


def in_turn(came: Ints, expected: Ints) -> Ints:
    """Return where each of what came was expected: the first place of its number, the next time the second.

    Args:
        came: ``(images,)``, numbers.
        expected: ``(places,)``, the number of each place.

    Returns:
        ``(images,)``, -1 where a number came more often than it was expected.
    """
    longest = max(len(came), len(expected))
    # The numbers, each made unique by how often it has been there before.
    left, right = (_times_before(numbers) + numbers * longest for numbers in (came, expected))
    order = np.argsort(right)
    found = order.take(np.searchsorted(right, left, sorter=order), mode="clip") if len(right) else left
    places: Ints = np.where(right[found] == left, found, -1) if len(right) else np.full(len(left), -1)
    return places


def _times_before(numbers: Ints) -> Ints:
    """Return how often each number has been there before."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    times: Ints = np.empty_like(order)
    times[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return times


def _quality(came: Ints, expected: Ints) -> float | None:
    """Return the quality of groups in the order they came, relative to the one that was to be left."""
    # Numbered as they appear: where all differ, it is the same whatever the order.
    _, first, numbers = np.unique(expected, return_index=True, return_inverse=True)
    appearance = np.argsort(np.argsort(first))[numbers]
    displacement, entropy, score = _of_random_ones(appearance.tobytes())
    if not score:
        return None
    return min(1.0, _score(_measures(in_turn(came, expected)), (displacement, entropy)) / score)


@lru_cache(maxsize=4)
def _of_random_ones(groups: bytes) -> tuple[float, float, float]:
    """Return the mean displacement, entropy and score of permutations drawn at random."""
    expected: Ints = np.frombuffer(groups, np.int64)
    random = np.random.default_rng(0)
    draws = min(max(_DRAWN // max(len(expected), 1), _FEWEST), _MOST)
    drawn = [_measures(in_turn(random.permutation(expected), expected)) for _ in range(draws)]
    displacement, entropy = (float(mean) for mean in np.mean(drawn, axis=0))
    if not (displacement and entropy):
        return displacement, entropy, 0.0
    return displacement, entropy, float(np.mean([_score(each, (displacement, entropy)) for each in drawn]))


def _measures(places: Ints) -> tuple[float, float]:
    """Return the mean displacement, in images, and the entropy of neighbours' distances, in bits."""
    counts = np.bincount(np.abs(np.diff(places)))
    shares: npt.NDArray[np.float64] = counts[counts > 0] / (len(places) - 1)
    entropy = abs(float(np.sum(shares * np.log2(shares))))
    return float(np.mean(np.abs(places - np.arange(len(places))))), entropy


def _score(measures: tuple[float, float], random: tuple[float, float]) -> float:
    """Return the lesser of two measures relative to those of random permutations."""
    displacement = measures[0] / random[0]
    if not displacement:
        return 0.0
    # Backwards, images are further away than by chance, which is no better than nearer.
    return min(displacement, 1 / displacement, measures[1] / random[1])


def _not_shuffled(came: Sequence[Ints], groups: Ints) -> str | None:
    """Return why epochs are not in orders of their own."""
    orders = _log_orders(groups)
    comparisons = 2 * len(came) + len(came) * (len(came) - 1) / 2
    if not came or math.log(comparisons) - orders > math.log(CHANCE):
        return None
    asked = "although a new one was asked for (spec.shuffle): draw it anew each epoch"
    limit = max(NOT_SHUFFLED, _CUTS / len(groups)) if orders >= _ENOUGH_ORDERS else 0.0
    for number, each in enumerate(came, 1):
        for way, files in (("", groups), (", backwards", groups[::-1])):
            if np.array_equal(each, files):
                return f"Epoch {number} comes in the order of the files{way}, {asked}."
        quality = _quality(each, groups)
        if quality is not None and quality < limit:
            return (
                f"Epoch {number} comes nearly in the order of the files (shuffle quality {quality:.2g}, "
                f"expected {limit:.2g} or more; a random permutation has 1), {asked}."
            )
    first: dict[bytes, int] = {}
    same = [(first.setdefault(each.tobytes(), number), number) for number, each in enumerate(came, 1)]
    same = [(earlier, later) for earlier, later in same if earlier != later]
    if len(same) == len(came) - 1 > 0:  # then all are like the first
        return f"Every epoch comes in the same order {asked}."
    if same:
        return f"Epoch {same[0][1]} comes in the same order as epoch {same[0][0]}, {asked}."
    for number, (before, after) in enumerate(pairwise(came), 2):
        quality = _quality(after, before)
        if quality is not None and quality < limit:
            return (
                f"Epoch {number} comes nearly in the same order as the one before (shuffle quality "
                f"{quality:.2g} to it, expected {limit:.2g} or more), {asked}."
            )
    return None


def repeats_problem(
    order: Ints, earlier: Sequence[Ints], batch: int, groups: Ints | None = None
) -> str | None:
    """Return one sentence if an epoch has together what one of some before it had, None if not.

    Args:
        order: As in :func:`shuffle_quality`.
        earlier: Likewise, of epochs before it.
        batch: How many images a batch has.
        groups: As in :func:`shuffle_quality`.
    """
    known = np.arange(len(order)) if groups is None else groups
    if _log_orders(known) < _ENOUGH_ORDERS:
        return None
    share = max((repeated(order, each, batch, groups) or 0.0 for each in earlier), default=0.0)
    if share <= MOST_REPEATED:
        return None
    return (
        f"{share:.0%} of an epoch is together as it was in an earlier one, although a new order was asked "
        "for (spec.shuffle): are the same batches made again? Draw all of it anew."
    )


def _log_orders(groups: Ints) -> float:
    """Return the logarithm of how many orders can be told apart."""
    sizes = np.unique(groups, return_counts=True)[1].tolist()
    return math.lgamma(len(groups) + 1) - sum(math.lgamma(size + 1) for size in sizes)


def _not_the_trees(came: Sequence[Ints], groups: Ints) -> str | None:
    """Return why epochs are not in the order of the tree."""
    for number, each in enumerate(came, 1):
        if not np.array_equal(each, groups):
            place = int(np.argmax(each != groups))
            there = int(np.argmax(groups == each[place]))
            return (
                f"Epoch {number} does not come in the tree's order: its image {place + 1} is the tree's "
                f"{there + 1}. No shuffling was asked for (spec.shuffle is False): give tree.paths in turn."
            )
    return None
