"""Which file did a loaded image come from? Found by its grid, and counted over an epoch.

The grid is that of `pooled`, and a distance is the root mean square over it, in
grey levels of 255. Pictures that look alike cannot be told apart one image at a time, so the images near them
are shared out when all have come: each picture gets as many as it should, if that is possible.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loader_gate.same_work.reference import Floats, Ints, Reference, pooled

# Of more pictures that seem close to an image than twice so many, only these are looked at closely.
_MOST_MEASURED = 256
# Among so many pictures, looking through all takes less than importing SciPy: a second in every worker.
_MOST_LOOKED_THROUGH = 2048
# Of how many pictures the distances are taken at once.
_AT_ONCE = 4096
# How much further away than is close pictures are searched for, as distances are rounded.
_SLACK = 0.01
# What an image costs as a picture it cannot be: more than all distances of a sharing out together.
_FAR = 1e6


@dataclass(frozen=True)
class Match:
    """What a loaded image was recognised as.

    Attributes:
        file: The position in the tree of the first file it may have come from.
        label_fits: Whether it came with the label of that file.
        pictures: The pictures it may be, closest first.
        alone: Whether no file of another label might as well be the one.
    """

    file: int
    label_fits: bool
    pictures: Ints
    alone: bool = True


@dataclass(frozen=True)
class Miscount:
    """A picture that did not come as often as it should.

    Attributes:
        file: The position in the tree of the first file with this picture and label.
        found: How often it came.
        expected: How often it is in the tree under this label.
    """

    file: int
    found: int
    expected: int


class Recogniser:
    """Recognises the images of one epoch and counts them.

    What is counted is an entry: a picture under a label, of which a tree may hold several files.
    """

    def __init__(
        self,
        reference: Reference,
        labels: Sequence[int],
        interpolations: Sequence[str],
        *,
        close: float,
        too_close_to_tell: float,
        most_told_apart: int,
    ) -> None:
        """Index a reference.

        Args:
            reference: The reference decode of a tree.
            labels: The label of each image of the tree.
            interpolations: Those an image may have been resized by; the one that fits best counts.
            close: The largest distance of a loaded image to its picture.
            too_close_to_tell: Pictures this close to a loaded image, or within twice the distance of the
                closest, might as well be the one.
            most_told_apart: Of more pictures than this that all look alike, only the number of images counts.
        """
        self._picture_of, self._count = reference.picture_of, len(reference.pixel_row)
        self._descriptors = [reference.descriptors[name] for name in interpolations]
        self._coarse = [_coarse(some) for some in self._descriptors]
        self._searches = [_search_among(points) for points in self._coarse]
        self._close, self._too_close_to_tell = close, too_close_to_tell
        self._most_told_apart = most_told_apart
        self._keys, self._first, self._expected = np.unique(
            np.asarray(labels) * self._count + self._picture_of,
            return_index=True,
            return_counts=True,
        )
        self._has_other_labels = np.bincount(self._keys % self._count) > 1
        self._entries: list[int] = []
        self._likely: dict[int, tuple[Ints, Floats]] = {}
        # Of each entry: entries have the same number if some image may be either, or by way of others.
        self._groups = np.arange(len(self._keys))

    def add(self, grids: Floats, labels: Ints) -> list[Match | None]:
        """Recognise the images of a batch, each first among the pictures of its label, and count them.

        Args:
            grids: ``(batch, rows, columns, 3)``, the images' grids.
            labels: ``(batch,)``, the labels they came with.

        Returns:
            What each image is, None if no picture is close. Only those whose label fits are counted.
        """
        found = self.near(grids, labels)
        return [self._match(label, *found[row]) for row, label in enumerate(labels.tolist())]

    def _match(self, label: int, pictures: Ints, distances: Floats) -> Match | None:
        """Say what one image is, of the pictures that are close, and count it."""
        if not len(pictures):
            return None
        entries = self._entries_of(pictures, label)
        reach = max(self._too_close_to_tell, 2 * float(distances[0]))
        own = entries >= 0
        if not own.any() or distances[own][0] > reach:
            return Match(int(np.argmax(self._picture_of == pictures[0])), False, pictures)
        likely = own & (distances <= max(reach, 2 * float(distances[own][0])))
        others = pictures[~own][distances[~own] <= reach]
        alone = not len(others) and not self._has_other_labels[pictures[likely]].any()
        self._take(entries[likely], distances[likely])
        return Match(int(self._first[entries[own][0]]), True, pictures[likely], alone)

    def _take(self, entries: Ints, distances: Floats) -> None:
        """Count an image that is one of these entries, closest first."""
        if len(entries) > 1:
            groups = self._groups[entries]
            first = groups.min()
            if first != groups.max():
                self._groups[np.isin(self._groups, groups)] = first
            # Of more, nothing but their number will be compared.
            if len(entries) <= self._most_told_apart:
                self._likely[len(self._entries)] = entries, distances
        self._entries.append(int(entries[0]))

    def near(self, grids: Floats, labels: Ints | None = None) -> list[tuple[Ints, Floats]]:
        """Return, for each grid, the pictures that are close and their distances, closest first.

        Of very many, only some distances are taken; others are said to be as close as they can be.

        Args:
            grids: ``(batch, rows, columns, 3)``, the images' grids.
            labels: ``(batch,)``, the labels they came with, whose pictures are then among those some.
        """
        coarse = _coarse(grids)
        # This only narrows the search down.
        near = [search(coarse, self._close + _SLACK) for search in self._searches]
        found = []
        for row, grid in enumerate(grids):
            pictures = np.unique(np.concatenate([some[row] for some in near]))
            if len(pictures) > 2 * _MOST_MEASURED:
                own = np.zeros(len(pictures), bool)
                if labels is not None:
                    own = self._entries_of(pictures, int(labels[row])) >= 0
                distances = self._some_distances(grid, coarse[row], pictures, own)
            else:
                distances = self._distances(grid, pictures)
            order = np.lexsort((pictures, distances))
            order = order[distances[order] <= self._close]
            found.append((pictures[order], distances[order]))
        return found

    def _entries_of(self, pictures: Ints, label: int) -> Ints:
        """Return the entry of each picture under a label, -1 where it has none."""
        keys = label * self._count + pictures
        entries = np.searchsorted(self._keys, keys)
        return np.where(self._keys.take(entries, mode="clip") == keys, entries, -1)

    def _some_distances(
        self, grid: Floats, coarse: Floats, pictures: Ints, own: npt.NDArray[np.bool_]
    ) -> Floats:
        """Return the distance to the own and the others that seem closest, and else the least it can be."""
        squares = [np.sum((points[pictures] - coarse) ** 2, axis=1) for points in self._coarse]
        distances: Floats = np.sqrt(np.min(squares, axis=0))
        taken = np.zeros(len(pictures), bool)
        for some in (own, ~own):
            positions = np.flatnonzero(some)
            taken[positions[np.argsort(distances[positions])[:_MOST_MEASURED]]] = True
        distances[taken] = self._distances(grid, pictures[taken])
        distances[~taken] = np.maximum(distances[~taken], distances[taken].min())
        return distances

    def least_distance(self, grid: Floats) -> float:
        """Return the distance of a grid to the closest picture of all."""
        every, starts = np.arange(self._count), range(0, self._count, _AT_ONCE)
        return min(float(self._distances(grid, every[start : start + _AT_ONCE]).min()) for start in starts)

    def _distances(self, grid: Floats, pictures: Ints) -> Floats:
        """Return the distance of a grid to each picture, in the interpolation that fits best."""
        errors = [np.mean((some[pictures] - grid) ** 2, axis=(1, 2, 3)) for some in self._descriptors]
        distances: Floats = np.sqrt(np.min(errors, axis=0))
        return distances

    def miscounts(self) -> list[Miscount]:
        """Return what did not come as often as it should, by label and picture."""
        found = self._found()
        return [
            Miscount(int(self._first[entry]), int(found[entry]), int(self._expected[entry]))
            for entry in np.flatnonzero(found != self._expected)
        ]

    def extra(self) -> list[Miscount]:
        """Return which of what cannot be told apart came more often than it should, by its first file."""
        numbers, first, members = np.unique(self._groups, return_index=True, return_inverse=True)
        expected = np.bincount(members, self._expected)
        found = np.bincount(members[np.asarray(self._entries, np.int64)], minlength=len(numbers))
        return [
            Miscount(int(self._first[first[group]]), int(found[group]), int(expected[group]))
            for group in np.flatnonzero(found > expected)
        ]

    def _found(self) -> Ints:
        """Count the images of each entry; those that may be of several go to the ones that lack some."""
        count = len(self._expected)
        entries = np.asarray(self._entries, np.int64)
        for group in np.unique(self._groups[np.bincount(entries, minlength=count) != self._expected]):
            members = np.flatnonzero(self._groups == group)
            if len(members) > 1:
                images = np.flatnonzero(self._groups[entries] == group)
                # In the order of the files: of equal ones, it decides which is said to be missing.
                slots = np.repeat(members, self._expected[members])
                slots = slots[np.argsort(self._first[slots])]
                entries[images] = self._shared_out(entries[images], images, slots)
        return np.bincount(entries, minlength=count)

    def _shared_out(self, own: Ints, images: Ints, slots: Ints) -> Ints:
        """Return an entry for each image, its own or a likely one, so that most slots are filled.

        Args:
            own: The closest entry of each image.
            images: The images, numbered as they came.
            slots: Every entry of the group, as often as it should come.
        """
        if max(len(images), len(slots)) > self._most_told_apart:
            return slots.take(np.arange(len(images)), mode="clip")
        from scipy.optimize import linear_sum_assignment

        costs = np.full((len(images), len(slots)), _FAR)
        of_entry = np.full(len(self._expected), _FAR)
        for row, image in enumerate(images.tolist()):
            likely, distances = self._likely.get(image, (own[row], 0.0))
            of_entry[likely] = distances
            costs[row] = of_entry[slots]
            of_entry[likely] = _FAR
        rows, columns = linear_sum_assignment(costs)
        fits = costs[rows, columns] < _FAR
        shared: Ints = own.copy()
        shared[rows[fits]] = slots[columns[fits]]
        return shared


def _search_among(points: Floats) -> Callable[[Floats, float], Sequence[Ints]]:
    """Return what finds, for each of some centres, the points that are no further away than a radius."""
    if len(points) > _MOST_LOOKED_THROUGH:
        from scipy.spatial import cKDTree

        tree = cKDTree(points)

        def search(centres: Floats, radius: float) -> Sequence[Ints]:
            found: Any = tree.query_ball_point(centres, radius)
            return [np.asarray(each, np.int64) for each in found]

        return search

    def look_through(centres: Floats, radius: float) -> list[Ints]:
        squares = np.sum((points - centres[:, None]) ** 2, axis=2)
        return [np.flatnonzero(row <= radius**2) for row in squares]

    return look_through


def _coarse(grids: npt.NDArray[Any]) -> Floats:
    """Return ``(batch, at most 12)`` float32, no further apart than the grids (Jensen's inequality)."""
    batch, rows, columns, _ = grids.shape
    even = grids[:, : max(2, rows // 2 * 2), : max(2, columns // 2 * 2)]
    cells = pooled(even, 2).reshape(batch, -1)
    cells *= np.float32(math.sqrt(even[0].size / (grids[0].size * cells.shape[1])))
    return cells
