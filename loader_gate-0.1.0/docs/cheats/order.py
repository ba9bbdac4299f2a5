"""Loaders that do not shuffle, or hardly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from docs.cheats.cases import cheat, honest, with_few_images
from docs.cheats.photos import Photos

if TYPE_CHECKING:
    from collections.abc import Callable

    from docs.cheats.photos import Ints
    from loader_gate import Spec, Tree


@cheat
def order_of_the_tree(tree: Tree, spec: Spec) -> Photos:
    """Ignores ``spec.shuffle``: class by class, file by file."""
    return Photos(tree, spec, order=lambda _: np.arange(len(tree)))


@cheat
def shuffled_once(tree: Tree, spec: Spec) -> Photos:
    """Shuffles when it is built, and never again."""
    once = np.random.default_rng(spec.seed).permutation(len(tree))
    return Photos(tree, spec, order=lambda _: once)


@cheat
def by_size_of_file(tree: Tree, spec: Spec) -> Photos:
    """Small files first, always."""
    by_size = np.argsort([Path(path).stat().st_size for path in tree.paths])
    return Photos(tree, spec, order=lambda _: by_size)


@cheat
def backwards_in_turn(tree: Tree, spec: Spec) -> Photos:
    """In the order of the tree, and backwards in every second epoch."""
    return Photos(tree, spec, order=lambda photos: np.arange(len(tree))[:: 1 if photos.epochs % 2 else -1])


@cheat
def two_orders_in_turn(tree: Tree, spec: Spec) -> Photos:
    """Draws two orders when it is built, and takes them in turn."""
    orders = [np.random.default_rng(seed).permutation(len(tree)) for seed in range(2)]
    return Photos(tree, spec, order=lambda photos: orders[photos.epochs % 2])


@cheat
def begins_elsewhere(tree: Tree, spec: Spec) -> Photos:
    """In the order of the tree, from a drawn file on."""

    def order(photos: Photos) -> Ints:
        return np.roll(np.arange(len(tree)), photos.random.integers(len(tree)))

    return Photos(tree, spec, order=order)


def swapped(files: Ints, random: np.random.Generator, pairs: int) -> Ints:
    """Return files of which so many pairs have changed places."""
    files = files.copy()
    for _ in range(pairs):
        one, other = random.integers(len(files), size=2)
        files[[one, other]] = files[[other, one]]
    return files


@cheat
def a_few_swapped(tree: Tree, spec: Spec) -> Photos:
    """In the order of the tree, but for two pairs of files that are swapped."""
    return Photos(tree, spec, order=lambda photos: swapped(np.arange(len(tree)), photos.random, 2))


@cheat
def nearly_two_orders(tree: Tree, spec: Spec) -> Photos:
    """Two orders in turn, in which two files are swapped each time."""
    orders = [np.random.default_rng(seed).permutation(len(tree)) for seed in range(2)]
    return Photos(tree, spec, order=lambda photos: swapped(orders[photos.epochs % 2], photos.random, 1))


def _batches_in_a_new_order(tree: Tree, spec: Spec) -> Callable[[Photos], list[Ints]]:
    once = np.random.default_rng(spec.seed).permutation(len(tree))
    *full, rest = np.split(once, np.arange(1, len(tree) // spec.batch_size + 1) * spec.batch_size)
    return lambda photos: [*(full[number] for number in photos.random.permutation(len(full))), rest]


@cheat
def fixed_batches(tree: Tree, spec: Spec) -> Photos:
    """Shuffles when it is built; from then on whole batches change places, and are always the same ones."""
    batches = _batches_in_a_new_order(tree, spec)
    return Photos(tree, spec, order=lambda photos: np.concatenate(batches(photos)))


@cheat
def shuffled_within_batches(tree: Tree, spec: Spec) -> Photos:
    """The same, but that files change places within their batch, too: they always meet the same others."""
    batches = _batches_in_a_new_order(tree, spec)

    def order(photos: Photos) -> Ints:
        return np.concatenate([photos.random.permutation(files) for files in batches(photos)])

    return Photos(tree, spec, order=order)


@cheat
def every_tenth_epoch_anew(tree: Tree, spec: Spec) -> Photos:
    """Draws a new order in every tenth epoch."""
    kept: list[Ints] = []

    def order(photos: Photos) -> Ints:
        if photos.epochs % 10 == 1 or not kept:
            kept[:] = [photos.random.permutation(len(tree))]
        return kept[0]

    return Photos(tree, spec, order=order)


def _buffered(photos: Photos, size: int) -> Ints:
    """Return the order that a shuffle buffer gives, as that of tf.data."""
    order, buffer = [], [*range(min(size, len(photos.tree)))]
    for file in range(len(buffer), len(photos.tree)):
        place = photos.random.integers(len(buffer))
        order.append(buffer[place])
        buffer[place] = file
    return np.array([*order, *photos.random.permutation(buffer)], np.int64)


@honest
def buffer_of_1000(tree: Tree, spec: Spec) -> Photos:
    """A shuffle buffer of 1,000, which holds all of a small tree."""
    return Photos(tree, spec, order=lambda photos: _buffered(photos, 1000))


@honest
def buffer_of_32(tree: Tree, spec: Spec) -> Photos:
    """A shuffle buffer of 32: no permutation, and told from no shuffling by its quality."""
    return Photos(tree, spec, order=lambda photos: _buffered(photos, 32))


@honest
def seeded_by_epoch(tree: Tree, spec: Spec) -> Photos:
    """Orders that can be repeated: drawn from the seed and the number of the epoch."""
    return Photos(
        tree,
        spec,
        order=lambda photos: np.random.default_rng([spec.seed, photos.epochs]).permutation(len(tree)),
    )


@with_few_images(2)
def eight_images(tree: Tree, spec: Spec) -> Photos:
    """The twin with eight images: an epoch is half a batch, and takes a moment."""
    return Photos(tree, spec)


@with_few_images(1)
def four_images(tree: Tree, spec: Spec) -> Photos:
    """The twin with four images: every 24th order is that of the tree."""
    return Photos(tree, spec)
