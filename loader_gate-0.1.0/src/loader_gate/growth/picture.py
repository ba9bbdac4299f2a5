"""Growth as a picture: one plot a figure, over the number of images, both axes logarithmic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from loader_gate.growth.figures import FIGURES, Figure
from loader_gate.growth.words import exponent_text
from loader_gate.pictures import write_picture

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loader_gate.growth.figures import Sample
    from loader_gate.growth.fit import Growth

_COLUMNS = 2


def draw_growth(found: Sequence[Growth], samples: Sequence[Sample], file: Path) -> None:
    """Write the picture.

    Args:
        found: How each figure grows.
        samples: What was measured.
        file: The SVG or PNG file.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: The file cannot be written.
    """
    write_picture(file, lambda: _draw(found, samples))


def _draw(found: Sequence[Growth], samples: Sequence[Sample]) -> Any:
    from matplotlib import pyplot

    shown = [figure for figure in FIGURES if any(each.figure == figure for each in found)]
    rows = math.ceil(len(shown) / _COLUMNS)
    figure, axes = pyplot.subplots(
        rows, _COLUMNS, figsize=(9.0, 3.2 * rows), layout="constrained", squeeze=False
    )
    places = axes.ravel()
    for place, each in zip(places, shown, strict=False):
        _plot(place, each, [one for one in found if one.figure == each], samples)
    for place in places[len(shown) :]:
        place.set_visible(False)
    return figure


def _plot(axes: Any, figure: Figure, found: Sequence[Growth], samples: Sequence[Sample]) -> None:
    sizes = sorted({size for each in found for size, _ in each.middles})
    for number, growth in enumerate(found):
        colour = f"C{number}"
        points = [
            (each.images, each.value)
            for each in samples
            if (each.figure, each.subject) == (figure, growth.subject)
        ]
        label = f"{growth.subject or 'the suite'}: {exponent_text(growth)}"
        axes.plot(*zip(*points, strict=True), "o", color=colour, ms=4, label=label)
        if growth.exponent is not None:
            axes.plot(sizes, _line(points, growth.exponent.value, sizes), color=colour, lw=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, labels=[f"{size:,}" for size in sizes])
    bottom, top = axes.get_ylim()
    if top / bottom < 4:  # what hardly grows is not to look as if it did
        middle = math.sqrt(bottom * top)
        bottom, top = middle / 2, middle * 2
        axes.set_ylim(bottom, top)
    ticks = [digit * 10.0**power for power in range(-6, 13) for digit in (1, 2, 5)]
    inside = [each for each in ticks if bottom <= each <= top]
    inside = inside[:: 1 + len(inside) // 8]
    axes.set_yticks(inside, labels=[figure.text(each) for each in inside])
    axes.minorticks_off()
    axes.set_title(f"{figure.about} (log)", loc="left")
    axes.set_xlabel("images (log)")
    axes.legend(fontsize=7)


def _line(points: Sequence[tuple[int, float]], exponent: float, sizes: Sequence[int]) -> list[float]:
    """Return the fitted power law at some sizes: it goes through the middle of the points."""
    across = math.fsum(math.log(images) for images, _ in points) / len(points)
    up = math.fsum(math.log(value) for _, value in points) / len(points)
    return [math.exp(up + exponent * (math.log(size) - across)) for size in sizes]
