"""How near the pixels of recognised images are to the reference, and how much of its detail they have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loader_gate.same_work.detail import detail, differences, steps
from loader_gate.same_work.reference import INTERPOLATIONS, Floats, Ints, Reference
from loader_gate.same_work.thresholds import (
    CHROMA_FLOOR,
    CHROMA_MEDIAN_FLOOR,
    DETAIL_FLOOR,
    DETAIL_MEDIAN_FLOOR,
    ENOUGH,
    FEWEST_FOR_A_MEDIAN,
    PSNR_EQUAL,
    PSNR_FLOOR,
)
from loader_gate.same_work.words import DifferenceError, file_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.same_work.recognition import Match
    from loader_gate.trees.tree import Tree

#: Of more images of an epoch whose pixels could be compared, about so many are, drawn at random: a fault that
#: one in 500 images has is missed once in 3,600 times.
MOST_COMPARED = 4096
# Of pictures that look alike, an image is held against so many before it is given up.
_MOST_TRIED = 64


@dataclass(frozen=True)
class Compared:
    """What the compared images are to the reference of one interpolation, one value an image.

    Attributes:
        interpolation: Its name.
        psnr: The PSNR, in dB, at most `PSNR_EQUAL`.
        detail: The share of the reference's luma detail; NaN where it has too little to tell.
        chroma: The same of chroma.
    """

    interpolation: str
    psnr: Floats
    detail: Floats
    chroma: Floats


class Pixels:
    """The images whose pixels the reference keeps, compared with them."""

    def __init__(
        self,
        tree: Tree,
        reference: Reference,
        interpolations: Sequence[str],
        place: float = 0.5,
        most: int = MOST_COMPARED,
    ) -> None:
        """Compare with the reference of these interpolations; the one that fits best counts.

        Args:
            tree: The images.
            reference: Its reference decode.
            interpolations: Which of them.
            place: Which rows are looked at for detail; see `differences`.
            most: About how many images of an epoch are compared.
        """
        self._tree, self._reference, self._names, self._place = tree, reference, interpolations, place
        self._files: list[int] = []
        self._found: list[list[tuple[float, float, float]]] = []
        self._poor: list[tuple[int, dict[str, float]]] = []
        could_be = int((reference.pixel_row[reference.picture_of] >= 0).sum())
        self._share = most / max(could_be, most)
        self._drawn = np.random.default_rng()  # nobody else can know which

    def add(self, image: Floats, match: Match) -> None:
        """Compare an image: the nearest of the files that may be its own counts, if all have pixels."""
        rows = self._reference.pixel_row[match.pictures]
        if (rows < 0).any() or len(self._poor) >= ENOUGH or self._drawn.random() >= self._share:
            return
        tried = rows[:_MOST_TRIED]
        nearest = {name: self._nearest(image, name, tried) for name in self._names}
        if all(psnr < PSNR_FLOOR[name] for name, (psnr, _) in nearest.items()):
            if len(rows) > len(tried):
                return  # it may be one of those that were not tried
            every = {name: self._nearest(image, name, tried)[0] for name in INTERPOLATIONS}
            self._poor.append((match.file, every))
        file_size = self._reference.file_sizes[match.pictures].min(axis=0)
        step = steps(file_size, self._reference.image_size)
        own = differences(image, step, self._place)
        found = []
        for name, (psnr, row) in nearest.items():
            if psnr < PSNR_FLOOR[name]:
                found.append((psnr, math.nan, math.nan))
                continue
            wanted = differences(self._reference.pixels[name][row], step, self._place)
            found.append((psnr, detail(own.luma, wanted.luma), detail(own.chroma, wanted.chroma)))
        self._files.append(match.file)
        self._found.append(found)

    def _nearest(self, image: Floats, name: str, rows: Ints) -> tuple[float, int]:
        """Return the PSNR to the nearest of some, and its row: of mostly blank ones many are near enough."""
        pixels = self._reference.pixels[name]
        return max((psnr_of(image, pixels[row]), row) for row in rows.tolist())

    def check(self) -> None:
        """Check that all are near enough.

        Raises:
            DifferenceError: One is too far from the reference, or lacks its detail.
        """
        compared = self.best()
        problem = "" if compared is None else self._problem(compared)
        if problem:
            raise DifferenceError(problem)

    def best(self) -> Compared | None:
        """Return what was found for the interpolation that fits best; None if nothing was compared."""
        if not self._found:
            return None
        found = np.asarray(self._found, np.float32)
        every = [Compared(name, *found[:, column].T) for column, name in enumerate(self._names)]
        every.sort(key=lambda each: PSNR_FLOOR[each.interpolation] - float(each.psnr.min()))
        return next((each for each in every if not self._problem(each)), every[0])

    def _problem(self, compared: Compared) -> str:
        return self._far(compared) or self._coarse(compared)

    def _far(self, compared: Compared) -> str:
        """Say that pixels are too far from the reference, or nothing."""
        name, psnr = compared.interpolation, compared.psnr
        floor = PSNR_FLOOR[name]
        if psnr.min() >= floor:
            return ""
        position, others = min(self._poor, key=lambda poor: poor[1][name], default=(None, {}))
        fits = [
            other
            for other in INTERPOLATIONS
            if other != name and all(poor[other] >= PSNR_FLOOR["bilinear"] for _, poor in self._poor)
        ]
        file = "" if position is None else f", {file_name(self._tree, position)} the most"
        hint = f": is it {fits[0]!r}, at {others[fits[0]]:.1f} dB?" if fits and others else "."
        return (
            f"Pixels of {int((psnr < floor).sum())} of {len(psnr)} compared images differ from the reference "
            f"for {name!r}{file}: {psnr.min():.1f} dB, expected {floor:.0f} or more{hint}"
        )

    def _coarse(self, compared: Compared) -> str:
        """Say that images lack detail, or nothing."""
        luma = self._lacks(
            compared.detail,
            DETAIL_FLOOR,
            DETAIL_MEDIAN_FLOOR,
            f"detail of the reference for {compared.interpolation!r}",
        )
        if luma:
            return f"{luma}: are files decoded at a smaller size than asked for and blown up?"
        chroma = self._lacks(
            compared.chroma,
            CHROMA_FLOOR,
            CHROMA_MEDIAN_FLOOR,
            f"detail of the colours of the reference for {compared.interpolation!r}",
        )
        return f"{chroma}: is colour decoded at a smaller size?" if chroma else ""

    def _lacks(self, found: Floats, floor: float, median_floor: float, what: str) -> str:
        told = np.flatnonzero(~np.isnan(found))
        if not len(told):
            return ""
        worst = told[found[told].argmin()]
        file, lowest, median = file_name(self._tree, self._files[worst]), found[worst], np.median(found[told])
        if len(told) >= FEWEST_FOR_A_MEDIAN and median < median_floor:
            return (
                f"Images lack {what}: the median of {len(told)} has {max(median, 0):.0%} of the finest, "
                f"expected {median_floor:.0%} or more, and {file} the least, {max(lowest, 0):.0%}"
            )
        if lowest < floor:
            return (
                f"{int((found[told] < floor).sum())} of {len(told)} compared images lack {what}: {file} the "
                f"most, it has {max(lowest, 0):.0%} of the finest, expected {floor:.0%} or more"
            )
        return ""


def psnr_of(image: Floats, pixels: npt.NDArray[np.uint8]) -> float:
    """Return the PSNR of an image in 0 to 255 to reference pixels, in dB."""
    difference = (image - pixels).ravel()
    error = float(np.einsum("i,i", difference, difference)) / difference.size
    return min(PSNR_EQUAL, 10 * math.log10(255**2 / error)) if error else PSNR_EQUAL
