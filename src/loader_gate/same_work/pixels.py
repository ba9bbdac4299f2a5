"""How near the pixels of recognised images are to the reference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loader_gate.same_work.reference import INTERPOLATIONS, Floats, Ints, Reference
from loader_gate.same_work.thresholds import ENOUGH, PSNR_EQUAL, PSNR_FLOOR
from loader_gate.same_work.words import DifferenceError, file_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.same_work.recognition import Match
    from loader_gate.trees.tree import Tree


class Pixels:
    """The peak signal-to-noise ratio of each image whose pixels the reference keeps."""

    def __init__(self, tree: Tree, reference: Reference, interpolations: Sequence[str]) -> None:
        """Compare with the reference of these interpolations; the one that fits best counts."""
        self._tree, self._reference, self._names = tree, reference, interpolations
        self._psnr: list[tuple[float, ...]] = []
        self._poor: list[tuple[int, dict[str, float]]] = []

    def add(self, image: Floats, match: Match) -> None:
        """Take the PSNR of an image: the best if several files may be its own, none if one has no pixels."""
        rows = self._reference.pixel_row[match.pictures]
        if (rows < 0).any():
            return
        psnr = {name: self._best_psnr(image, name, rows) for name in self._names}
        self._psnr.append(tuple(psnr.values()))
        if all(value < PSNR_FLOOR[name] for name, value in psnr.items()) and len(self._poor) < ENOUGH:
            every = {name: self._best_psnr(image, name, rows) for name in INTERPOLATIONS}
            self._poor.append((match.file, every))

    def _best_psnr(self, image: Floats, name: str, rows: Ints) -> float:
        pixels = self._reference.pixels[name]
        return max(_psnr(image, pixels[row]) for row in rows[:4])

    def check(self) -> None:
        """Check that all are near enough.

        Raises:
            DifferenceError: One is too far from the reference.
        """
        name, psnr = self.best()
        if name is None or psnr.min() >= PSNR_FLOOR[name]:
            return
        position, others = min(self._poor, key=lambda poor: poor[1][name], default=(None, {}))
        fits = [
            other
            for other in INTERPOLATIONS
            if other != name and all(poor[other] >= PSNR_FLOOR["bilinear"] for _, poor in self._poor)
        ]
        file = "" if position is None else f", {file_name(self._tree, position)} the most"
        hint = f": is it {fits[0]!r}, at {others[fits[0]]:.1f} dB?" if fits and others else "."
        floor = PSNR_FLOOR[name]
        raise DifferenceError(
            f"Pixels of {int((psnr < floor).sum())} of {len(psnr)} compared images differ from the reference "
            f"for {name!r}{file}: {psnr.min():.1f} dB, expected {floor:.0f} or more{hint}"
        )

    def best(self) -> tuple[str | None, Floats]:
        """Return the interpolation with the most to spare, and each compared image's PSNR to it."""
        if not self._psnr:
            return None, np.empty(0, np.float32)
        psnr = np.asarray(self._psnr, np.float32)
        spare = [psnr[:, column].min() - PSNR_FLOOR[name] for column, name in enumerate(self._names)]
        best = int(np.argmax(spare))
        return self._names[best], psnr[:, best]


def _psnr(image: Floats, pixels: npt.NDArray[np.uint8]) -> float:
    """Return the PSNR of an image in 0 to 255 to reference pixels, in dB."""
    difference = (image - pixels).ravel()
    error = float(np.einsum("i,i", difference, difference)) / difference.size
    return PSNR_EQUAL if error < 255**2 / 10 ** (PSNR_EQUAL / 10) else 10 * math.log10(255**2 / error)
