"""The sub-commands ``steps`` and ``trial``: change points and drift, and how often they are found."""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from loader_gate.history.all_runs import HistoryError
from loader_gate.history.commands.common import colour, print_lines, runs_of, say
from loader_gate.history.series import Series, series_of
from loader_gate.history.steps import AnotherBottleneck, Drift, Step, find_changes
from loader_gate.verdict.sentence import number


def show_steps(options: argparse.Namespace) -> int:
    """Show the steps and the drift of every series of speedups."""
    _check_ruptures()
    many = series_of(runs_of(options))
    found = [each for each in many if options.variant in (None, each.variant)]
    if not found:
        raise HistoryError(f"--variant {options.variant}: no run has it.")
    others = [each for each in many if options.variant not in (None, each.variant)]
    for changes in find_changes(found, options.seed, others):
        series, steps, drift = changes.series, changes.steps, changes.drift
        last = series.points[-1].speedup if not steps else steps[-1].after
        count = len(series.points)
        runs = "1 run" if count == 1 else f"{count} runs, {series.points[0].run} to {series.points[-1].run}"
        say(f"{series.name}: {runs}; speedup {number(last)}{'' if steps or drift else '; no step, no drift'}")
        for step in steps:
            say(_of_step(series, step), "    ")
        if drift is not None:
            say(_of_drift(series, drift), "    ")
        for bottleneck in changes.bottlenecks:
            say(_of_bottleneck(series, bottleneck), "    ")
    return 0


def show_detection_rates(options: argparse.Namespace) -> int:
    """Show how often steps and drift are found in made-up histories."""
    from loader_gate.history.detection_rates import measure_rates, rates_table

    _check_ruptures()
    print_lines(rates_table(measure_rates(options.count, options.series, options.seed), colour()))
    return 0


def _check_ruptures() -> None:
    if find_spec("ruptures") is None:
        raise HistoryError('Finding steps needs ruptures: pip install "loader-gate[history]".')


def _of_step(series: Series, step: Step) -> str:
    points, word = series.points, "slower" if step.ratio.value < 1 else "faster"
    about = points[step.index]
    date = f", {about.saved_on[:10]}" if about.saved_on else ""
    may = ""
    if step.earliest != step.latest:
        may = f" It may as well be any of {points[step.earliest].run} to {points[step.latest].run}."
    changed = f" Changed with it: {'; '.join(step.changed)}." if step.changed else ""
    return (
        f"{word} since run {step.run} (revision {step.checkout}{date}): speedup {number(step.before)} → "
        f"{number(step.after)}, {number(step.ratio.value)} of before (95 % interval "
        f"{number(step.ratio.low)} to {number(step.ratio.high)}, p = {step.p_value:.2g}).{may}{changed}"
    )


def _of_drift(series: Series, drift: Drift) -> str:
    first, last = series.points[drift.first], series.points[drift.last]
    word = "slower" if drift.ratio.value < 1 else "faster"
    return (
        f"{word} little by little, without a step, from run {first.run} to run {last.run}: "
        f"{number(drift.ratio.value)} of what it was (95 % interval {number(drift.ratio.low)} to "
        f"{number(drift.ratio.high)}, p = {drift.p_value:.2g})."
    )


def _of_bottleneck(series: Series, found: AnotherBottleneck) -> str:
    point = series.points[found.index]
    date = f", {point.saved_on[:10]}" if point.saved_on else ""
    return (
        f"another bottleneck since run {point.run} (revision {point.checkout}{date}): {found.before} → "
        f"{found.after}."
    )
