"""The study, step by step: record, replay, live, report; or all of them in turn; and other measurements."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from docs.study import days, duet, live, load, neighbours, record, replay, trace
from docs.study.errors import StudyError
from docs.study.virtual import PACE
from loader_gate.argument_types import count
from loader_gate.trees.tree import TreeError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The recordings of a noisy day, in the folder of the study.
NOISY = "noisy"
PROJECT = Path(__file__).resolve().parents[2]
STEPS = ("record", "replay", "coverage", "live", "report")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step of the study, or all of them; return the exit code."""
    options = _parser().parse_args(arguments)
    steps = {
        "record": _record,
        "replay": _replay,
        "coverage": _coverage,
        "live": _live,
        "report": _report,
        "resolution": _resolution,
        "witness": _witness,
        "neighbours": _neighbours,
        "duet": _duet,
        "overhead": _overhead,
        "parts": _parts,
        "days": _days,
        "days-report": _days_report,
    }
    chosen = STEPS if options.step == "all" else (options.step,)
    try:
        for number, step in enumerate(chosen, 1):
            if len(chosen) > 1:
                print(f"Step {number} of {len(chosen)}: {step}", file=sys.stderr, flush=True)
            steps[step](options)
    except (StudyError, TreeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _record(options: argparse.Namespace) -> None:
    recorder = record.recorder_of(options.variants, options.blocks, options.images)
    record.record(recorder, options.folder / trace.FILE, options.recordings)


def _replay(options: argparse.Namespace) -> None:
    sizes = replay.Sizes(options.same, options.slowed, options.setting)
    path = options.folder / trace.FILE
    pace = replace(PACE, budget_seconds=options.budget, tolerance=options.tolerance / 100)
    found = replay.replay(path, pace, sizes, options.seed, options.jobs)
    replay.save_replay(found, options.folder / replay.FILE)


def _coverage(options: argparse.Namespace) -> None:
    from docs.study import coverage

    paths = {"calm": options.folder / trace.FILE, "noisy": options.folder / NOISY / trace.FILE}
    traces = {called: trace.load_trace(path) for called, path in paths.items() if path.exists()}
    coverage.write_coverage(traces, options.folder / coverage.FILE, options.coverage_sessions, options.seed)


def _live(options: argparse.Namespace) -> None:
    slowdowns = [percent / 100 for percent in options.slowdowns]
    planned = live.interleaved(slowdowns, options.sessions, options.unchanged)
    with live.throw_away_repository(PROJECT) as repository:
        pace = replace(PACE, budget_seconds=options.budget, tolerance=options.live_tolerance / 100)
        stage = live.Stage(repository, pace, options.live_images)
        live.hold_sessions(stage, options.live_variants, planned, options.folder / live.FILE)


def _report(options: argparse.Namespace) -> None:
    from docs.study.report import write_report

    path = options.folder / live.FILE
    write_report(
        trace.load_trace(options.folder / trace.FILE),
        replay.load_replay(options.folder / replay.FILE),
        live.load_live(path) if path.exists() else (),
        options.folder,
    )


def _witness(options: argparse.Namespace) -> None:
    from docs.study.witness import hold_against_witness

    hold_against_witness(options.folder)


def _resolution(options: argparse.Namespace) -> None:
    from docs.study import resolution

    resolution.write(options.image_root, options.sizes, options.folder)


def _neighbours(options: argparse.Namespace) -> None:
    neighbours.measure(options.variants, options.images, options.minutes, options.idle, options.folder)


def _duet(options: argparse.Namespace) -> None:
    duet.measure(options.variants, options.images, options.blocks, options.folder)


def _overhead(options: argparse.Namespace) -> None:
    from docs.study import overhead

    overhead.measure(options.images, options.blocks, options.folder, overhead.default_variants())


def _parts(options: argparse.Namespace) -> None:
    from docs.study import parts

    parts.measure(options.variants, options.images, options.blocks, options.folder)


def _days(options: argparse.Namespace) -> None:
    recorder = record.recorder_of(options.variants, options.blocks, options.images, options.loaders)
    path = days.record_days(recorder, options.folder / days.FOLDER, options.sessions, options.neighbours)
    print(path)


def _days_report(options: argparse.Namespace) -> None:
    traces = days.load_days(options.folder / days.FOLDER)
    pace = replace(PACE, budget_seconds=options.budget, tolerance=options.tolerance / 100)
    sizes = days.Sizes(options.same, options.slowed, options.daily)
    found = days.replay_days(traces, pace, sizes, options.seed, options.jobs)
    page = days.page_of(found, pace, options.seed)
    (options.folder / days.FILE).write_text(page, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m docs.study", description=__doc__)
    commands = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    every = {
        "record": "record passes of the baseline, and of variants that run twice",
        "replay": "hold virtual sessions over the recorded passes",
        "coverage": "hold virtual sessions at a floor, to see how often intervals miss",
        "live": "hold real sessions, with nothing changed and with planted slowdowns, until there are enough",
        "report": "write the tables and plots",
        "resolution": "decode and resize a tree in many ways, and write what of them passes the check",
        "all": "all of these in turn",
        "witness": "hold a worker's CPU time, memory and cores against cgroups (needs root)",
        "overhead": "measure what looking at batches costs, which is no part of all",
        "parts": "measure whether parts of epochs tell of whole ones, which is no part of all",
        "neighbours": "measure what a figure owes to what ran before it, which is no part of all",
        "days": "record short sessions beside no, a quiet and a busy neighbour, which is no part of all",
        "days-report": "hold virtual sessions over those of all days, and write what became of them",
        "duet": "measure head and base at once, each on half of the cores, and in turn; no part of all",
    }
    for step, about in every.items():
        command = commands.add_parser(
            step, help=about, description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        command.add_argument(
            "--folder",
            "--out",
            type=Path,
            default=PROJECT / "docs" / "study",
            metavar="DIR",
            help="holds the trace, what was found and the report",
        )
        _add_options(command, step)
    return parser


def _add_options(command: argparse.ArgumentParser, step: str) -> None:
    if step == "resolution":
        command.add_argument(
            "--image-root", type=Path, required=True, metavar="DIR", help="a tree of photographs"
        )
        command.add_argument(
            "--sizes", nargs="+", default=["224x224", "96x128"], metavar="HEIGHTxWIDTH", help="of images"
        )
    sessions = "--sessions"
    if step == "neighbours":
        command.add_argument(
            "--variants", nargs="+", default=list(neighbours.VARIANTS), metavar="NAME", help="what to look at"
        )
        command.add_argument(
            "--images", type=count, default=neighbours.IMAGES, metavar="N", help="images of the small tree"
        )
        command.add_argument(
            "--minutes", type=float, default=neighbours.MINUTES, metavar="N", help="how long to measure"
        )
        command.add_argument(
            "--idle", type=float, default=neighbours.IDLE_SECONDS, metavar="SECONDS",
            help="how long the machine is left alone before a pass",
        )  # fmt: skip
    if step == "duet":
        command.add_argument(
            "--variants", nargs="+", default=list(duet.VARIANTS), metavar="NAME",
            help="what to compare with itself, and what to plant",
        )  # fmt: skip
        command.add_argument(
            "--images", type=count, default=duet.IMAGES, metavar="N", help="images of the small tree"
        )
        command.add_argument(
            "--blocks", type=count, default=duet.BLOCKS, metavar="N", help="blocks of each case and way"
        )
    if step == "overhead":
        command.add_argument("--images", type=count, default=96, metavar="N", help="of the small tree")
        command.add_argument("--blocks", type=count, default=40, metavar="N", help="blocks of the rotation")
    if step == "parts":
        from docs.study import parts

        command.add_argument(
            "--variants", nargs="+", default=list(parts.VARIANTS), metavar="NAME", help="what to look at"
        )
        command.add_argument("--images", type=count, default=parts.IMAGES, metavar="N", help="of the tree")
        command.add_argument("--blocks", type=count, default=parts.BLOCKS, metavar="N", help="blocks")
    if step == "days":
        _add_options_of_days(command)
    if step == "days-report":
        sizes_of_days = days.Sizes()
        command.add_argument(
            "--same", type=count, default=sizes_of_days.same, metavar="N",
            help="virtual sessions beside each neighbour with nothing changed",
        )  # fmt: skip
        command.add_argument(
            "--slowed", type=count, default=sizes_of_days.slowed, metavar="N", help="of each slowdown"
        )
        command.add_argument(
            "--daily", type=count, default=sizes_of_days.daily, metavar="N", help="of each kind and day"
        )
    if step in ("record", "all"):
        command.add_argument(
            "--variants", nargs="+", default=list(record.VARIANTS), metavar="NAME", help="what to measure"
        )
    if step in ("record", "all"):
        flags = [sessions, "--recordings"] if step == "record" else ["--recordings"]
        command.add_argument(
            *flags, dest="recordings", type=count, default=record.SESSIONS, metavar="N",
            help="recorded sessions in the end, those of before included",
        )  # fmt: skip
        command.add_argument(
            "--blocks", type=count, default=record.BLOCKS, metavar="N", help="blocks a session"
        )
        command.add_argument(
            "--images", type=count, metavar="N", help="another number of images than the small tree has"
        )
    if step in ("replay", "all"):
        sizes = replay.Sizes()
        flags = [sessions, "--same"] if step == "replay" else ["--same"]
        command.add_argument(
            *flags, dest="same", type=count, default=sizes.same, metavar="N",
            help="virtual sessions a variant with nothing changed",
        )  # fmt: skip
        command.add_argument(
            "--slowed", type=count, default=sizes.slowed, metavar="N", help="sessions a slowdown or floor"
        )
        command.add_argument(
            "--setting", type=count, default=sizes.setting, metavar="N", help="sessions of another setting"
        )
    if step in ("replay", "days-report", "all"):
        command.add_argument(
            "--jobs", type=count, default=None, metavar="N", help="processes (None: as many as cores)"
        )
    if step in ("replay", "coverage", "days-report", "all"):
        command.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn")
    if step in ("coverage", "all"):
        command.add_argument(
            sessions if step == "coverage" else "--coverage-sessions", dest="coverage_sessions",
            type=count, default=400, metavar="N", help="virtual sessions of each noise",
        )  # fmt: skip
    if step in ("live", "all"):
        command.add_argument(
            sessions, type=_count, default=live.SESSIONS, metavar="N",
            help="live sessions with a planted slowdown, those of before included",
        )  # fmt: skip
        command.add_argument(
            "--unchanged", type=_count, default=live.SESSIONS, metavar="N",
            help="the same with nothing planted",
        )  # fmt: skip
        command.add_argument(
            "--slowdowns", type=float, nargs="*", default=[100 * each for each in live.SLOWDOWNS],
            metavar="PERCENT", help="how much slower the planted ones are, in turn",
        )  # fmt: skip
        prefix = "--" if step == "live" else "--live-"
        command.add_argument(
            f"{prefix}variants", dest="live_variants", nargs="+", default=list(live.VARIANTS), metavar="NAME",
            help="what live sessions compare",
        )  # fmt: skip
        command.add_argument(
            f"{prefix}images", dest="live_images", type=count, default=live.IMAGES, metavar="N",
            help="images of the small tree in live sessions",
        )  # fmt: skip
        command.add_argument(
            f"{prefix}tolerance", dest="live_tolerance", type=float, default=100 * live.TOLERANCE,
            metavar="PERCENT", help="how much slower head may be in live sessions",
        )  # fmt: skip
    if step in ("replay", "days-report", "all"):
        command.add_argument(
            "--tolerance", type=float, default=100 * PACE.tolerance, metavar="PERCENT",
            help="how much slower head may be",
        )  # fmt: skip
    if step in ("replay", "live", "days-report", "all"):
        command.add_argument(
            "--budget", type=float, default=PACE.budget_seconds, metavar="SECONDS",
            help="the most measuring time a variant may take",
        )  # fmt: skip


def _add_options_of_days(command: argparse.ArgumentParser) -> None:
    command.add_argument("--sessions", type=count, default=days.SESSIONS, metavar="N", help="sessions to add")
    command.add_argument(
        "--neighbours", nargs="+", choices=load.NEIGHBOURS, default=list(load.NEIGHBOURS),
        help="what to run beside them: each time the one that there are fewest sessions of",
    )  # fmt: skip
    command.add_argument(
        "--variants", nargs="*", default=list(days.VARIANTS), metavar="NAME", help="of the suite to measure"
    )
    command.add_argument(
        "--loader", dest="loaders", nargs="*", default=list(days.LOADERS), metavar="MODULE:FUNCTION",
        help="other loaders to measure",
    )  # fmt: skip
    command.add_argument("--blocks", type=count, default=days.BLOCKS, metavar="N", help="blocks a session")
    command.add_argument(
        "--images", type=count, default=days.IMAGES, metavar="N", help="images of the small tree"
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text}: expected at least 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
