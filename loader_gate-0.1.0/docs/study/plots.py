"""The study's plots: SVG files that are the same whenever the figures are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from docs.study.replay import SLOWDOWNS
from docs.study.rivals import RULES
from docs.study.virtual import Situation
from loader_gate.registry.variant import BASELINE
from loader_gate.statistics.estimate import log_ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from docs.study.rates import Rate
    from docs.study.replay import Replay
    from docs.study.trace import Trace
    from loader_gate.worker.timing import PassTiming

HEAD, BASE, OTHER = "#1b6ca8", "#d1661b", "#666666"
COLOURS = ("#1b6ca8", "#d1661b", "#2f8f4e", "#8a4fa3", "#666666")


def write_plots(trace: Trace, replayed: Replay, folder: Path) -> dict[str, str]:
    """Write every plot; return what each shows, by file name."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    # With a set salt for identifiers and no date, equal figures make equal files.
    looks = {
        "svg.hashsalt": "loader-gate",
        "svg.fonttype": "path",
        "savefig.dpi": 150,
        "savefig.facecolor": "white",
        "font.size": 9,
        "axes.grid": True,
        "grid.alpha": 0.3,
    }
    plots: dict[str, tuple[str, Callable[[], Any]]] = {
        "noise.svg": ("every recorded pass, as a share of its session's median", lambda: _noise(trace)),
        "same-code.svg": (
            "head / base of every recorded block, of workers that run the same code, and the normal "
            "distribution with the same spread",
            lambda: _same_code(trace),
        ),
        "detection.svg": (
            "how often each slowdown is found, by the gate and by rivals; at 0 % every find is a false alarm",
            lambda: _detection(replayed, trace.about.variants),
        ),
        "time-to-verdict.svg": (
            "the share of sessions that have their verdict within a measuring time of head and base",
            lambda: _time_to_verdict(replayed, trace.about.variants),
        ),
    }
    with mpl.rc_context(looks):
        for name, (_, draw) in plots.items():
            figure = draw()
            figure.savefig(folder / name, metadata={"Date": None, "Creator": None})
            pyplot.close(figure)
    return {name: shows for name, (shows, _) in plots.items()}


def _panels(count: int, height: float, *, across: bool) -> tuple[Any, list[Any]]:
    from matplotlib import pyplot

    rows, columns = (1, count) if across else (count, 1)
    size = (4.2 * columns, height) if across else (8.4, height * rows)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=size, sharex=True, sharey=across, squeeze=False, layout="constrained"
    )
    return figure, list(axes.flat)


def _noise(trace: Trace) -> Any:
    names = (BASELINE, *trace.about.variants)
    figure, panels = _panels(len(names), 1.8, across=False)
    for name, panel in zip(names, panels, strict=True):
        start = 0
        for recording in trace.recordings:
            if name == BASELINE:
                sides: list[tuple[str, Sequence[PassTiming]]] = [(OTHER, recording.baseline)]
            else:
                pair = recording.variants[name]
                sides = [(HEAD, pair.head), (BASE, pair.base)]
            ordered = sorted(timing.seconds for _, passes in sides for timing in passes)
            median = ordered[len(ordered) // 2]
            for colour, passes in sides:
                places = [start + number / 2 for number in range(len(passes))]
                shares = [timing.seconds / median for timing in passes]
                # Thousands of points are smaller as a picture.
                panel.plot(places, shares, ".", color=colour, ms=2, rasterized=True)
            start += recording.blocks
            if recording is not trace.recordings[-1]:
                panel.axvline(start, color="black", lw=0.8)
        panel.set_ylabel("seconds / median")
        panel.set_title(
            f"{name}" if name == BASELINE else f"{name}: two workers of the same code", loc="left"
        )
    panels[-1].set_xlabel("block, with a line between recorded sessions")
    return figure


def _same_code(trace: Trace) -> Any:
    names = trace.about.variants
    figure, panels = _panels(len(names), 3.2, across=True)
    for name, panel in zip(names, panels, strict=True):
        ratios = [
            100 * ratio
            for recording in trace.recordings
            for ratio in log_ratios(
                *(
                    [timing.seconds for timing in side]
                    for side in (recording.variants[name].head, recording.variants[name].base)
                )
            )
        ]
        spread = math.sqrt(math.fsum(ratio**2 for ratio in ratios) / len(ratios))
        panel.hist(ratios, bins=min(60, max(10, len(ratios) // 10)), density=True, color=HEAD, alpha=0.6)
        places = [4 * spread * (step / 100 - 1) for step in range(201)]
        density = [
            math.exp(-((place / spread) ** 2) / 2) / (spread * math.sqrt(2 * math.pi)) if spread else 0.0
            for place in places
        ]
        panel.plot(places, density, color=BASE)
        panel.set_title(f"{name}: standard deviation {spread:.1f} %", loc="left")
        panel.set_xlabel("head / base of a block, log, in %")
    panels[0].set_ylabel("density")
    return figure


def _detection(replayed: Replay, names: Sequence[str]) -> Any:
    figure, panels = _panels(len(names), 3.8, across=True)
    slowdowns = (0.0, *SLOWDOWNS)
    for name, panel in zip(names, panels, strict=True):
        lines = {
            "loader-gate": [
                replayed.tally(Situation(name, slowdown)).outcome("regression") for slowdown in slowdowns
            ]
        }
        for rule in RULES:
            lines[f"{rule}, base first"] = [
                finding.rate
                for slowdown in slowdowns
                for finding in replayed.findings
                if (finding.rule, finding.order, finding.variant, finding.slowdown)
                == (rule, "base first", name, slowdown)
            ]
        for colour, (label, rates) in zip(COLOURS, lines.items(), strict=False):
            places = [100 * slowdown for slowdown in slowdowns[: len(rates)]]
            panel.errorbar(
                places, [100 * rate.share for rate in rates], yerr=_errors(rates), color=colour,
                label=label, marker="o", ms=3, capsize=2, lw=2 if label == "loader-gate" else 1,
            )  # fmt: skip
        panel.axvline(100 * replayed.pace.tolerance, color="black", lw=0.8, ls=":")
        panel.set_title(name, loc="left")
        panel.set_xlabel("slowdown in % (dotted: the tolerance)")
    panels[0].set_ylabel("found, in %")
    figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _errors(rates: Sequence[Rate]) -> list[list[float]]:
    below = [100 * (rate.share - rate.low) for rate in rates]
    return [below, [100 * (rate.high - rate.share) for rate in rates]]


def _time_to_verdict(replayed: Replay, names: Sequence[str]) -> Any:
    figure, panels = _panels(len(names), 3.4, across=True)
    for name, panel in zip(names, panels, strict=True):
        for number, slowdown in enumerate((0.0, *SLOWDOWNS)):
            seconds = replayed.tally(Situation(name, slowdown)).seconds
            label = f"{100 * slowdown:g} % slower" if slowdown else "nothing changed"
            panel.plot(seconds, range(101), color=(*COLOURS, "black")[number], label=label)
        panel.set_xlim(0, None)
        panel.set_title(name, loc="left")
        panel.set_xlabel("seconds of measuring head and base")
    panels[0].set_ylabel("sessions with a verdict, in %")
    panels[-1].legend(loc="lower right")
    return figure
