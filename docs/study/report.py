"""Writes what the study found: ``table.md`` and the plots, the same whenever the figures are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.study import live as live_sessions
from docs.study.plots import write_plots
from docs.study.processes import between_processes
from docs.study.rates import Rate, quantile
from docs.study.replay import FLOOR_DISTANCE, FLOORS, SETTING_SLOWDOWNS, SLOWDOWNS
from docs.study.rivals import ORDERS, RULES
from docs.study.settings import CHOSEN
from docs.study.virtual import EVERY, MEAN_RUN, Situation
from loader_gate.rotation.looks import EARLIEST_CHANGE_SECONDS
from loader_gate.statistics.estimate import SINGLE_LOOK_ERROR, estimate, log_ratios
from loader_gate.statistics.sequences import CLIPPED_AT
from loader_gate.statistics.session_error import SESSION_ERROR
from loader_gate.verdict.change import COMPARED_TOO, PEAK_MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from docs.study.live import LiveSession
    from docs.study.replay import Replay
    from docs.study.trace import Trace

FILE = "table.md"
FIGURES = ("seconds", *(name for name in COMPARED_TOO if name != "longest batch"), PEAK_MEMORY)
#: What the gate has to reach on two shared cores.
MOST_FALSE = 0.001
FIVE_FOUND, FIVE_SECONDS = 0.99, 30.0
THREE_FOUND = 0.80

_SETTINGS_NOTE = (
    "The first row of a variant is of all sessions; the others are of the first ones, the same for each. "
    f"*Chosen* is the robust confidence sequence over pairs of processes, clipped at {CLIPPED_AT:g} times "
    f"the deviation, with bets on the scores and an error of {CHOSEN.error:.2g}, and nothing called a change "
    f"in the first {EARLIEST_CHANGE_SECONDS:g} s; the next rows each have something of it otherwise. "
    "*Passes, by sums of squares* is what was chosen before, but for a guard where pairs of processes "
    "differ. With the mean, the sequence is that of the t-test. The union bound shares an error of 0.05 "
    "among the looks at blocks, and spends it as late as the power says, which is 3 if not said: it was the "
    "first choice."
)


def write_report(trace: Trace, replayed: Replay, live: Sequence[LiveSession], folder: Path) -> None:
    """Write the tables and plots.

    Args:
        trace: What was recorded.
        replayed: What was replayed of it.
        live: The live sessions; none if there were none yet.
        folder: Where to write; it is made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shown = write_plots(trace, replayed, folder)
    (folder / FILE).write_text(report(trace, replayed, live, shown), encoding="utf-8")


def report(trace: Trace, replayed: Replay, live: Sequence[LiveSession], plots: dict[str, str]) -> str:
    """Return the tables in Markdown."""
    parts = [
        _beginning(trace, replayed, live),
        _targets(trace, replayed, live),
        _same_code(trace, replayed),
        _slower(trace, replayed),
        _rivals(trace, replayed),
        _floors(trace, replayed),
        _settings(trace, replayed),
        _live(live),
        _recorded(trace),
        _processes(trace),
        *(f"![{shows[:1].upper()}{shows[1:]}]({name})" for name, shows in plots.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _beginning(trace: Trace, replayed: Replay, live: Sequence[LiveSession]) -> str:
    about = trace.about
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items())
    dates = sorted(recording.date for recording in trace.recordings)
    held = sorted(session.date for session in live)
    lived = f"; {len(live)} live sessions {_between(held)}" if held else ""
    pace = replayed.pace
    return "\n".join(
        [
            "# How often the gate is right",
            "",
            "Written by `tox run -e study` (`python -m docs.study report`); do not edit it.",
            "",
            f"- Recorded {_between(dates)}: {replayed.recordings} sessions, {replayed.blocks} blocks{lived}.",
            f"- Machine: {about.machine}; fingerprint `{about.fingerprint}`.",
            f"- Versions: {versions}.",
            f"- Work: {about.images} images of tree `{about.tree[:12]}`, "
            f"{about.image_size}x{about.image_size}, in batches of {about.batch_size}.",
            f"- Sessions as with `--tolerance {100 * pace.tolerance:g} --budget {pace.budget_seconds:g}`, of "
            f"{pace.comparisons} comparisons that share one error, "
            "drawn block by block, as each is of another pair of processes; for floors by the stationary "
            f"bootstrap, {MEAN_RUN} blocks at a time on average; from seed {replayed.seed}.",
            "",
            "In brackets are 95 % intervals: Clopper and Pearson's for shares, order statistics for times. "
            "They say how well the replay knows its figures; another machine or day may have others.",
        ]
    )


def _targets(trace: Trace, replayed: Replay, live: Sequence[LiveSession]) -> str:
    names = trace.about.variants
    same = [replayed.tally(Situation(name)) for name in names]
    alarms = _sum(tally.outcome("regression", figure) for tally in same for figure in FIGURES)
    three, five, ten = (
        [replayed.tally(Situation(name, slowdown)) for name in names] for slowdown in (0.03, 0.05, 0.10)
    )
    fives, threes, tens = (
        min((tally.outcome("regression") for tally in tallies), key=lambda rate: rate.share)
        for tallies in (five, three, ten)
    )
    slowest = max((tally.median_seconds for tally in five), key=lambda each: each.value)
    floors = max(
        (
            replayed.tally(Situation(name, floor=FLOORS[0], own_truth=own_truth)).status("fail")
            for name in names
            for own_truth in (False, True)
        ),
        key=lambda rate: rate.share,
    )
    done = [session for session in live if session.status != live_sessions.ERROR]
    calm = [session for session in done if not session.slowdown]
    live_alarms = Rate(sum(map(_alarm, calm)), len(calm))
    planted = [session for session in done if session.slowdown]
    live_found = Rate(sum(session.status == "fail" for session in planted), len(planted))
    budget = f"{replayed.pace.budget_seconds:g} s"
    failing = replayed.tally(Situation(EVERY)).status("fail")
    rows = [
        (
            f"same code: sessions of {len(names)} variants that fail, in any figure",
            f"at most {100 * SESSION_ERROR:g} %",
            str(failing),
            failing.share <= SESSION_ERROR,
        ),
        (
            "same code: false alarms in all figures",
            "at most 0.1 %",
            str(alarms),
            alarms.share <= MOST_FALSE,
        ),
        (
            f"the same, live, in {live_sessions.SESSIONS} sessions",
            "none",
            _of(live_alarms),
            _reached(live_alarms.count == 0, live_alarms.of),
        ),
        (
            f"planted slowdowns, live, in {live_sessions.SESSIONS} sessions",
            "the test fails",
            _of(live_found),
            _reached(live_found.count == live_found.of, live_found.of),
        ),
        ("5 % slower: found", "at least 99 %", str(fives), fives.share >= FIVE_FOUND),
        ("5 % slower: median seconds", "at most 30", str(slowest), slowest.value <= FIVE_SECONDS),
        (f"3 % slower: found within {budget}", "at least 80 %", str(threes), threes.share >= THREE_FOUND),
        ("10 % slower: found", "always", str(tens), tens.count == tens.of),
        (
            f"{100 * FLOOR_DISTANCE:g} % above its floor: false failures",
            "at most 0.1 %",
            str(floors),
            floors.share <= MOST_FALSE,
        ),
    ]
    return _table(
        "Targets (of the variant that is worst)",
        ("what", "wanted", "measured", "reached"),
        [
            (what, wanted, measured, reached if isinstance(reached, str) else "yes" if reached else "**no**")
            for what, wanted, measured, reached in rows
        ],
    )


def _reached(good: bool, sessions: int) -> bool | str:
    """Return whether live sessions are good, or that there are too few of them to say so."""
    if not sessions:
        return "not tried"
    return "so far" if good and sessions < live_sessions.SESSIONS else good


def _same_code(trace: Trace, replayed: Replay) -> str:
    rows = []
    for name in trace.about.variants:
        tally = replayed.tally(Situation(name))
        for figure in FIGURES:
            if figure not in tally.outcomes:
                continue
            rows.append(
                (
                    name,
                    figure,
                    f"{tally.sessions:,}",
                    *(
                        str(tally.outcome(each, figure))
                        for each in ("regression", "improvement", "undecided")
                    ),
                )
            )
        rows.append((name, "the test fails", f"{tally.sessions:,}", str(tally.status("fail")), "", ""))
    return _table(
        "The same code: false alarms",
        ("variant", "figure", "sessions", "false regression", "false improvement", "undecided"),
        rows,
    )


def _slower(trace: Trace, replayed: Replay) -> str:
    rows = []
    for name in trace.about.variants:
        for slowdown in (0.0, *SLOWDOWNS):
            tally = replayed.tally(Situation(name, slowdown))
            rows.append(
                (
                    name,
                    f"{100 * slowdown:g} %",
                    *(str(tally.outcome(each)) for each in ("regression", "undecided", "same")),
                    f"{tally.median_seconds}; {tally.most_seconds}",
                    f"{tally.median_with_baseline}; {tally.most_with_baseline}",
                    str(tally.blocks),
                )
            )
    return _table(
        "Slower code: found, and how soon",
        (
            "variant",
            "slower by",
            "found",
            "undecided",
            "said to be the same",
            "seconds of head and base: median; 95th percentile",
            "with the baseline's",
            "blocks (median)",
        ),
        rows,
    )


def _rivals(trace: Trace, replayed: Replay) -> str:
    rows = []
    for name in trace.about.variants:
        for slowdown in (0.0, *SLOWDOWNS):
            found = {
                (finding.rule, finding.order): finding
                for finding in replayed.findings
                if (finding.variant, finding.slowdown) == (name, slowdown)
            }
            passes = max((finding.passes for finding in found.values()), default=0)
            ours = replayed.tally(Situation(name, slowdown)).outcome("regression")
            rivals = [found.get((rule, order)) for order in ORDERS for rule in RULES]
            rows.append(
                (
                    name,
                    f"{100 * slowdown:g} %" if slowdown else "0 % (false alarms)",
                    str(passes),
                    str(ours),
                    *("–" if each is None else str(each.rate) for each in rivals),
                )
            )
    heads = [f"{rule}, {order}" for order in ORDERS for rule in RULES]
    note = (
        "Rivals get as many passes of each side as the gate's median session. *Base first* is how those "
        "tools are used: all of base, then all of head, at most half a recorded session each. "
        "*Interleaved* gives their rules the gate's own blocks."
    )
    table = _table(
        "Rivals on the same passes", ("variant", "slower by", "passes", "loader-gate", *heads), rows
    )
    return f"{table}\n\n{note}"


def _floors(trace: Trace, replayed: Replay) -> str:
    rows = []
    for name in trace.about.variants:
        for own_truth in (False, True):
            above, at, below = (
                replayed.tally(Situation(name, floor=floor, own_truth=own_truth)) for floor in FLOORS
            )
            rows.append(
                (
                    name,
                    "its recorded session's" if own_truth else "the whole trace's",
                    *(str(above.status(each)) for each in ("fail", "pass", "undecided")),
                    *(str(at.status(each)) for each in ("fail", "pass")),
                    *(str(below.status(each)) for each in ("pass", "fail", "undecided")),
                )
            )
    distance = f"{100 * FLOOR_DISTANCE:g} %"
    note = (
        "A session is drawn from one recorded session, so the speedup in that session is the truth; that in "
        "the whole trace is what somebody would know who saw all of it. Blocks right after a start of fresh "
        "processes are left out of either, as a session without a base has none."
    )
    table = _table(
        "Floors near the true speedup",
        (
            "variant",
            "true speedup",
            f"{distance} above: false failures",
            "passes",
            "undecided",
            "at it: failures",
            "passes",
            f"{distance} below: false passes",
            "failures",
            "undecided",
        ),
        rows,
    )
    return f"{table}\n\n{note}"


def _settings(trace: Trace, replayed: Replay) -> str:
    names = dict.fromkeys(tally.setting for tally in replayed.tallies)
    rows = []
    for name in trace.about.variants:
        for setting in (CHOSEN.name, *(each for each in names if each != CHOSEN.name)):
            same, *slower = (
                replayed.tally(Situation(name, slowdown), setting) for slowdown in (0.0, *SETTING_SLOWDOWNS)
            )
            rows.append(
                (
                    name,
                    setting,
                    str(same.outcome("regression")),
                    str(same.outcome("undecided")),
                    *(
                        f"{tally.outcome('regression')} in {tally.median_seconds.value:.0f} s"
                        for tally in slower
                    ),
                )
            )
    heads = [f"{100 * slowdown:g} % slower: found, in median seconds" for slowdown in SETTING_SLOWDOWNS]
    table = _table("Other settings", ("variant", "setting", "false regression", "undecided", *heads), rows)
    return f"{table}\n\n{_SETTINGS_NOTE}"


def _live(live: Sequence[LiveSession]) -> str:
    rows = []
    for kind in dict.fromkeys(session.kind for session in live):
        every = [session for session in live if session.kind == kind]
        done = [session for session in every if session.status != live_sessions.ERROR]
        if not done:
            rows.append(
                (kind.variant, f"{100 * kind.slowdown:g} %", str(len(every)), *["–"] * 8, str(len(every)))
            )
            continue
        changes = [session.change for session in done if session.change is not None]
        loads = [session.load for session in done if session.load is not None]
        others = [session.others for session in done if session.others is not None]
        rows.append(
            (
                kind.variant,
                f"{100 * kind.slowdown:g} %",
                str(len(done)),
                *(
                    str(Rate(sum(session.outcome == each for session in done), len(done)))
                    for each in ("regression", "undecided")
                ),
                str(Rate(sum(session.status == "fail" for session in done), len(done))),
                "–" if not changes else f"{quantile(changes, 0.5).value:.3f}",
                str(quantile([session.seconds for session in done], 0.5)),
                str(quantile([session.elapsed_seconds for session in done], 0.5)),
                *map(_middle, (loads, others)),
                str(len(every) - len(done)),
            )
        )
    if not rows:
        return ""
    options = " or ".join(
        f"--tolerance {100 * tolerance:g} --budget {budget:g}"
        for tolerance, budget in dict.fromkeys(
            (session.tolerance, session.budget_seconds) for session in live
        )
    )
    images = " or ".join(f"{each:,}" for each in sorted({session.images for session in live}))
    note = (
        f"The real command with `{options}` in a throw-away repository, over {images} images: the load when "
        "a session began and the cores that other programs kept busy are medians, with the least and the "
        "most. `burning` is a loader of the study's own that decodes with Pillow and burns the planted share "
        "of its time on top."
    )
    table = _table(
        "Live sessions",
        (
            "variant",
            "planted",
            "sessions",
            "regression in seconds",
            "undecided",
            "the test fails",
            "median head / base",
            "median seconds of head and base",
            "of the whole command",
            "load at its start",
            "cores used by others",
            "no verdict",
        ),
        rows,
    )
    return f"{table}\n\n{note}"


def _middle(values: Sequence[float]) -> str:
    """Return the median, the least and the most of some values."""
    if not values:
        return "–"
    return f"{quantile(values, 0.5).value:.1f} ({min(values):.1f} to {max(values):.1f})"


def _recorded(trace: Trace) -> str:
    """Return what each recorded session says of its two workers, which run the same code."""
    rows = []
    for number, recording in enumerate(trace.recordings, 1):
        cells = []
        for name in trace.about.variants:
            pair = recording.variants[name]
            sides = ([timing.seconds for timing in side] for side in (pair.head, pair.base))
            found = estimate(log_ratios(*sides), SINGLE_LOOK_ERROR)
            cells.append(f"{found.ratio:.4f} ({found.low:.4f} to {found.high:.4f})")
        rows.append((str(number), recording.date, str(recording.blocks), recording.noise, *cells))
    heads = [f"{name}: head / base" for name in trace.about.variants]
    table = _table("Recorded sessions", ("", "ended (UTC)", "blocks", "noise", *heads), rows)
    note = "Intervals here are 99.9 % ones. One that leaves out 1 says that processes of one code differ."
    return f"{table}\n\n{note}"


def _alarm(session: LiveSession) -> bool:
    return session.status == "fail" or session.outcome == "regression"


def _sum(rates: Iterable[Rate]) -> Rate:
    every = list(rates)
    return Rate(sum(rate.count for rate in every), sum(rate.of for rate in every))


def _of(rate: Rate) -> str:
    return f"{rate.count} of {rate.of}"


def _between(dates: Sequence[str]) -> str:
    first, last = dates[0][:10], dates[-1][:10]
    return f"on {first}" if first == last else f"from {first} to {last}"


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"## {title}", "", _row(heads), _row(["---"] * len(heads)), *map(_row, rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _processes(trace: Trace) -> str:
    """Return how much two processes of the same code differ, beside what passes scatter by."""
    rows = []
    for name in trace.about.variants:
        found = between_processes(trace, name)
        rows.append(
            (
                name,
                str(found.pairs),
                f"{found.passes:.2%}".replace("%", " %"),
                f"{found.between:.2%}".replace("%", " %"),
                f"{found.chance:.2g}",
            )
        )
    heads = (
        "variant",
        "pairs of processes",
        "standard deviation of head / base of two passes",
        "of a pair of processes, beside that",
        "chance of as much if there were nothing",
    )
    return _table("Two processes of the same code", heads, rows)
