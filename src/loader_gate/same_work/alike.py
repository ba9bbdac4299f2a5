"""Which of some points is closest, and which are so near to each other that noise might swap them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from loader_gate.same_work.reference import Floats, Ints

# Among so many points, looking through all takes less than importing SciPy.
_MOST_LOOKED_THROUGH = 2048
# Of so many points that have another one near, it is not told which are near to which.
_MOST_CROWDED = 4096
# How many distances are taken at once: 16 MB.
_AT_ONCE = 4_000_000
# How many points a rotation is taken from that puts what differs most first.
_ROTATED_BY = 4096


class Points:
    """Some points; a distance is the root mean square over the coordinates."""

    def __init__(self, points: npt.NDArray[Any]) -> None:
        """Keep ``(points, coordinates)``, at least one."""
        self._points: Floats = points.astype(np.float32)
        self._root = math.sqrt(points.shape[1])
        self._tree: Any = None

    def closest(self, centres: npt.NDArray[Any], furthest: float) -> tuple[Ints, Floats]:
        """Return for each centre the closest point, -1 if all are further than ``furthest``, and how far."""
        centres = centres.astype(np.float32)
        if len(self._points) > _MOST_LOOKED_THROUGH:
            found = self._searched(centres, 1, furthest)
        else:
            nearest = [squares.argmin(1) for squares in self._squares(centres)]
            found = np.concatenate([np.empty(0, np.int64), *nearest])
        known = found >= 0
        distances = np.full(len(centres), np.inf, np.float32)
        gaps = self._points[found[known]] - centres[known]
        distances[known] = np.sqrt(np.mean(gaps**2, axis=1))
        return np.where(distances <= furthest, found, -1), distances

    def groups(self, reach: float) -> Ints:
        """Return for each point the first one of those that are counted as one: all within ``reach``.

        Chains of such points have one number, and so may points within twice the reach: to look around a
        few that lie apart is enough, however many there are in one heap.
        """
        numbers = np.arange(len(self._points))
        crowded = np.flatnonzero(self._has_another(reach))
        if len(crowded) > _MOST_CROWDED:  # to look around each would take minutes: they are counted together
            numbers[crowded] = crowded[0]
            return numbers
        points = self._points[crowded]
        done = np.zeros(len(crowded), bool)
        for one in range(len(crowded)):
            if not done[one]:
                distances = np.sqrt(np.mean((points - points[one]) ** 2, axis=1))
                done |= distances <= reach
                joined = np.unique(numbers[crowded[distances <= 2 * reach]])
                if len(joined) > 1:
                    numbers[crowded[np.isin(numbers[crowded], joined)]] = joined[0]
        return numbers

    def _has_another(self, reach: float) -> npt.NDArray[np.bool_]:
        if len(self._points) > _MOST_LOOKED_THROUGH:
            return self._searched(self._points, 2, reach) >= 0
        near = [(squares <= reach**2).sum(1) > 1 for squares in self._squares(self._points)]
        return np.concatenate(near)

    def _squares(self, centres: Floats) -> Iterator[Floats]:
        """Yield the squared distances of centres to all points, some centres at a time."""
        lengths = np.mean(self._points**2, axis=1)
        step = max(1, _AT_ONCE // len(self._points))
        for start in range(0, len(centres), step):
            some = centres[start : start + step]
            # Not by BLAS: its threads spin for a while after they have been used.
            products = np.einsum("ik,jk->ij", some, self._points) * np.float32(2 / self._points.shape[1])
            np.subtract(lengths, products, out=products)
            products += np.mean(some**2, axis=1)[:, np.newaxis]
            yield products

    def _searched(self, centres: Floats, neighbour: int, furthest: float) -> Ints:
        """Return for each centre its n-th closest point, -1 if that is further than ``furthest``."""
        if self._tree is None:
            from scipy.spatial import cKDTree

            # Axes by how much differs along them: a search then leaves out most points by the first ones.
            some = self._points[:: len(self._points) // _ROTATED_BY + 1]
            self._axes = np.linalg.svd(some - some.mean(axis=0), full_matrices=False)[2].T
            self._tree = cKDTree(self._points @ self._axes)
        bound = furthest * self._root * 1.001
        found = self._tree.query(centres @ self._axes, [neighbour], distance_upper_bound=bound)[1][:, 0]
        return np.where(found == len(self._points), -1, found)
