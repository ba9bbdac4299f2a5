"""The map as a picture: an SVG or PNG file that is the same whenever the figures are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from loader_gate.pictures import write_picture
from loader_gate.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loader_gate.advice.pareto import Placed

#: Colour and marker of each kind.
LOOKS = {
    "streaming": ("#1b6ca8", "o"),
    "rival": ("#8a4fa3", "D"),
    "dump": ("#d1661b", "s"),
    "memory": ("#2f8f4e", "^"),
}
_OTHER = ("#666666", "v")
#: Height and greatest width of a label, and its distance from its marker, in typographic points.
_HEIGHT, _WIDTH, _AWAY = 9.0, 150.0, 9.0


def draw_map(found: Sequence[Placed], file: Path) -> None:
    """Write the picture; variants of which nobody knows the bytes are not on it.

    Args:
        found: The map.
        file: The SVG or PNG file.
    """
    write_picture(file, lambda: _draw(found))


def _draw(found: Sequence[Placed]) -> Any:
    from matplotlib import pyplot

    shown = [(each, bytes_) for each in found if (bytes_ := _bytes(each)) is not None]
    sizes = [bytes_ for _, bytes_ in shown if bytes_]
    # A log axis has no zero: what takes nothing stands left of everything else.
    nothing = min(sizes, default=10.0) / 10
    figure, axes = pyplot.subplots(figsize=(8.4, 5.2), layout="constrained")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for each, bytes_ in shown:
        point, speedup = each.point, each.point.speedup
        colour, marker = LOOKS.get(point.kind, _OTHER)
        beaten = each.front == "no"
        bars = None
        if speedup.low > 0 and speedup.high < math.inf:
            rate = point.images_per_second
            bars = [[rate - rate * speedup.low / speedup.ratio], [rate * speedup.high / speedup.ratio - rate]]
        axes.errorbar(
            bytes_ or nothing, point.images_per_second, yerr=bars, color=colour, marker=marker, ms=7,
            mfc=colour if each.front == "yes" else "white", alpha=0.45 if beaten else 1.0, capsize=2, ls="",
        )  # fmt: skip
    axes.set_xlim(nothing / 2, max(sizes, default=nothing) * 25)
    _write_figures(axes, nothing, sizes)
    axes.set_xlabel("bytes an image, on disk or in memory (log)")
    axes.set_ylabel("images/s (log)")
    axes.set_title(
        "Throughput against bytes (filled: Pareto-optimal, hollow: undecided, pale: beaten)", loc="left"
    )
    figure.legend(
        handles=_legend([each.point.kind for each, _ in shown]), loc="outside lower center", ncols=6
    )
    figure.canvas.draw()  # where a point lies is known only now
    _label(axes, [(each, bytes_ or nothing) for each, bytes_ in shown])
    return figure


def _bytes(each: Placed) -> float | None:
    disk, memory = each.point.disk_bytes, each.point.memory_bytes
    return None if disk is None or memory is None else disk + memory


def _write_figures(axes: Any, nothing: float, sizes: Sequence[float]) -> None:
    """Write figures at the axes as people read them, and "none" below what takes nothing."""
    steps = [digit * 10**power for power in range(13) for digit in (1, 3)]
    shown = [step for step in steps if sizes and min(sizes) / 3 <= step <= 3 * max(sizes)]
    axes.set_xticks([nothing, *shown], labels=["none", *map(format_size, shown)])
    bottom, top = axes.get_ylim()
    shown = [step for step in steps if bottom <= step <= top]
    axes.set_yticks(shown, labels=[f"{step:,}" for step in shown])
    axes.minorticks_off()


def _legend(kinds: Sequence[str]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color=colour, marker=marker, ls="", label=kind)
        for kind, (colour, marker) in LOOKS.items()
        if kind in kinds
    ]


def _label(axes: Any, places: Sequence[tuple[Placed, float]]) -> None:
    """Write each variant's name beside its point, moved down where it would lie on another one."""
    taken: list[tuple[float, float]] = []
    for each, size in places:  # from the fastest to the slowest: from the top down
        point = each.point
        across, up = axes.transData.transform((size, point.images_per_second)) * 72 / axes.figure.dpi
        height = up
        for other_across, other_height in taken:
            if abs(other_across - across) < _WIDTH:
                height = min(height, other_height - _HEIGHT)
        taken.append((across, height))
        axes.annotate(
            point.variant,
            (size, point.images_per_second),
            xytext=(_AWAY, height - up),
            textcoords="offset points",
            va="center",
            size=7.5,
            alpha=0.6 if each.front == "no" else 1.0,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "#999999"},
        )
