"""The session's loop of blocks: every undecided variant against the baseline, seconds apart.

It ties together who knows better: `schedule` whose turn it is, `Runner` how a pass is run, `looks` what has
been decided.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.rotation import looks, schedule
from loader_gate.rotation.contestant import Arm, Contestant, Decisions
from loader_gate.rotation.runner import Job, Runner, Workers
from loader_gate.verdict.verdict import unmeasured
from loader_gate.worker.timing import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from loader_gate.rotation.looks import AnyRules
    from loader_gate.rotation.measurement import Measurement
    from loader_gate.rotation.pace import Pace
    from loader_gate.rotation.schedule import Turn
    from loader_gate.worker.timing import PassTiming


@dataclass(frozen=True)
class Watch:
    """Who looks on.

    Attributes:
        report: Told what is being done, and how long it may still take; None if nobody wants to know.
        others: Says how many cores other programs have kept busy since measuring began, or None where the
            system does not show it. It is read once a block, and all looks after that block use one reading.
    """

    report: Callable[[str], None] | None = None
    others: Callable[[], float | None] = lambda: None


class AnyRunner(Protocol):
    """What the loop needs of a runner; see `Runner`."""

    def run_pass(self, contestant: Contestant, arm: Arm) -> PassTiming | None:
        """Run one pass; None if it could not be."""

    def check(self, turns: Iterable[Turn]) -> None:
        """Check the work of one more epoch of each."""

    def renew(self, due: Sequence[Contestant]) -> None:
        """Let fresh processes go on."""


def rotate(
    variants: Iterable[Variant], workers: Workers, job: Job, rules: AnyRules, pace: Pace, watch: Watch
) -> dict[str, Measurement]:
    """Measure variants until each has a verdict or has spent its budget.

    Args:
        variants: The baseline and the variants to measure.
        workers: Where workers come from.
        job: What they are asked to do.
        rules: Judge the estimates.
        pace: How long it may take, and how finely to compare.
        watch: Who looks on.

    Returns:
        A measurement for each variant, by name.
    """
    runner = Runner(workers, job, watch.report or (lambda _: None))
    try:
        contestants = runner.start(variants)
        if job.only_check:
            for contestant in contestants:
                contestant.decisions = Decisions(verdict=unmeasured(job.only_check))
        else:
            runner.warm_up(contestants, pace.budget_seconds)
            order = random.Random(job.seed)  # noqa: S311 (an order of passes, no secret)
            run_blocks(contestants, runner, rules, pace, watch, order)
            runner.rehearse(contestants)
    finally:
        runner.end()
    return {
        each.variant.name: each.measurement(
            looks.share(each, contestants), looks.headspace(each, contestants)
        )
        for each in contestants
    }


def run_blocks(
    contestants: Sequence[Contestant],
    runner: AnyRunner,
    rules: AnyRules,
    pace: Pace,
    watch: Watch,
    order: random.Random,
) -> None:
    """Run blocks until nothing is undecided.

    Args:
        contestants: The baseline and its challengers; each has a verdict in the end.
        runner: Runs their passes.
        rules: Judge the estimates.
        pace: How long it may take, and how finely to compare.
        watch: Who looks on.
        order: Draws whose turn is when, and after which block its work is checked again.
    """
    (baseline,) = (each for each in contestants if each.variant.name == BASELINE)
    challengers = [each for each in contestants if each is not baseline]
    challengers.sort(key=lambda each: each.variant.traits.is_limit)  # looked at when all others have been
    checked_after = schedule.drawn_checks(contestants, order)
    others: float | None = None
    while schedule.goes_on(baseline, challengers, pace):
        undecided = [each for each in challengers if each.verdict is None]
        say = partial(_say, watch, pace, baseline, undecided, len(challengers))
        taking_part = schedule.taking_part(baseline, undecided, pace)
        _run_block(baseline, taking_part, runner, order, say)
        runner.check(schedule.due_for_check(taking_part, checked_after))
        others = watch.others()
        for contestant in taking_part:
            if not schedule.is_needed_by_others(contestant, undecided):
                contestant.decisions = looks.look(contestant, rules, pace, others)
        runner.renew(schedule.due_for_renewal(taking_part))
    runner.check((each, each.head) for each in contestants if each.head.problem is None)
    if baseline.verdict is None:
        baseline.decisions = looks.last_look_at_baseline(baseline, rules, pace, others)
        return
    problem = unmeasured(f"the baseline {BASELINE} could not be measured: {baseline.verdict.reason}")
    for challenger in challengers:
        challenger.decisions = replace(challenger.decisions, verdict=challenger.verdict or problem)


def _say(
    watch: Watch,
    pace: Pace,
    baseline: Contestant,
    undecided: Sequence[Contestant],
    in_all: int,
    named: str,
) -> None:
    if watch.report is not None:  # what is left takes as long to add up as a look
        watch.report(schedule.progress(named, baseline, undecided, in_all, pace))


def _run_block(
    baseline: Contestant,
    contestants: Sequence[Contestant],
    runner: AnyRunner,
    order: random.Random,
    say: Callable[[str], None],
) -> None:
    """Run one block, of the baseline unless it rests too, and keep the passes of who finished theirs."""
    turns = schedule.turns(contestants, order)
    passes: dict[Arm, list[PassTiming]] = {arm: [] for _, arms in turns for arm in arms}
    back = [(contestant, arms[::-1]) for contestant, arms in reversed(turns)]
    for contestant, arms in (*turns, *back):
        rounds: dict[Arm, list[PassTiming]] = {arm: [] for arm in arms}
        for number in range(contestant.rounds):
            for arm in arms if number % 2 == 0 else reversed(arms):
                if contestant.goes_on_with(arm) and baseline.verdict is None:
                    if number == 0:
                        say(contestant.named(arm))
                    timing = runner.run_pass(contestant, arm)
                    if timing is not None:
                        rounds[arm].append(timing)
        for arm, timings in rounds.items():
            if timings:
                passes[arm].append(joined(timings))
    if baseline.verdict is not None:
        return
    for contestant, arms in turns:
        for arm in arms:
            if contestant.goes_on_with(arm):
                arm.passes += passes[arm]
                if arm is contestant.head:
                    contestant.baseline_passes += passes.get(baseline.head, [])
