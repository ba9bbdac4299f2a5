"""Measures how cost grows with the number of images: sessions on trees of several sizes, and exponents."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.argument_types import count, positive
from loader_gate.commands import split_at_dashes
from loader_gate.kept_files import write_whole
from loader_gate.pictures import picture_file
from loader_gate.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from loader_gate.growth.fit import Growth
    from loader_gate.growth.measuring import Asked, Measured

SIZES = (1_000, 10_000, 117_266)
ROUNDS = 2
BUDGET = 20.0
#: What is measured if nothing is said: one that decodes in each epoch, and one that writes a dump. Of both,
#: parts of epochs can be measured, as a set that is too large for whole ones takes.
VARIANTS = ("tfdata_no_cache", "resized_jpeg_simplejpeg")
#: What pytest runs if nothing is said, in a checkout of the suite.
TESTS = ("benchmarks/test_loading.py", "benchmarks/test_dump.py")
UNMEASURED, WRONG, INTERRUPTED = 1, 2, 130
_EPILOG = """
Options after -- are pytest's, of every session, such as -- --image-size 96.
Exit code: 0 measured, 1 something could not be, 2 a wrong argument, 130 interrupted.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure growth; return the exit code."""
    own, extra = split_at_dashes(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(own)
    # Here: --help needs none of this.
    from loader_gate.growth.fit import growth_of
    from loader_gate.growth.measuring import AskedError, measure
    from loader_gate.growth.words import lines_of
    from loader_gate.plugin.interrupts import clean_end_when_told
    from loader_gate.trees.tree import TreeError

    undo = clean_end_when_told()
    try:
        _check(options)
        measured = measure(_asked(options, extra), sys.stderr)
    except (AskedError, TreeError) as error:
        print(printable_lines(str(error)), file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("Interrupted: nothing is left behind.", file=sys.stderr)
        return INTERRUPTED
    finally:
        undo()
    found = growth_of(measured.samples)
    print("\n".join(lines_of(found, measured.problems, sys.stdout.isatty())))
    written = _written(options, found, measured)
    return written or (UNMEASURED if measured.problems else 0)


def _check(options: argparse.Namespace) -> None:
    """Refuse what cannot work, rather now than after many minutes.

    Raises:
        AskedError: It cannot; the message says what to do.
    """
    from loader_gate.growth.measuring import AskedError

    if len(options.sizes) < 2:
        raise AskedError(
            f"--sizes {options.sizes[0]}: an exponent takes two sizes or more, such as 1000,3000."
        )
    for option, file in (("--json", options.json), ("--picture", options.picture)):
        if file is not None and not file.parent.is_dir():
            raise AskedError(f"{option} {file}: there is no folder {file.parent}.")
    if options.picture is not None and find_spec("matplotlib") is None:
        raise AskedError("--picture takes matplotlib, which is not installed; the extra study has it.")
    missing = [] if options.scan_only else [each for each in _tests(options) if not Path(each).exists()]
    if missing:
        raise AskedError(
            f"There is no {missing[0]} here. Start in a checkout of the suite, name what pytest is to run, "
            "or give --scan-only."
        )


def _tests(options: argparse.Namespace) -> tuple[str, ...]:
    return tuple(options.tests) or TESTS


def _asked(options: argparse.Namespace, extra: Sequence[str]) -> Asked:
    from loader_gate.growth.measuring import Asked

    variants = options.variant or (() if options.tests else VARIANTS)
    return Asked(
        options.sizes,
        options.rounds,
        () if options.scan_only else _tests(options),
        (
            *extra,
            *("--loader-gate-budget", f"{options.budget:g}"),
            *(text for name in variants for text in ("--loader-gate-variant", name)),
        ),
    )


def _written(options: argparse.Namespace, found: Sequence[Growth], measured: Measured) -> int:
    """Write what was found to files; return the exit code if that cannot be done, else 0."""
    if options.json is not None:
        data = {
            "growth": [_data(each) for each in found],
            "samples": [{**asdict(each), "figure": each.figure.name} for each in measured.samples],
            "problems": [*measured.problems],
        }
        try:
            write_whole(options.json, f"{json.dumps(data, indent=2)}\n")
        except OSError as error:
            print(f"--json {options.json} cannot be written: {error}.", file=sys.stderr)
            return WRONG
    if options.picture is not None and found:
        from loader_gate.growth.picture import draw_growth
        from loader_gate.pictures import why_not_drawn

        try:
            draw_growth(found, measured.samples, options.picture)
        except (ImportError, OSError) as error:
            print(why_not_drawn("--picture", options.picture, error), file=sys.stderr)
            return WRONG
    return 0


def _data(growth: Growth) -> dict[str, Any]:
    """Return how a figure grows as JSON has it, with null in the place of infinity."""
    exponent = None if growth.exponent is None else asdict(growth.exponent)
    return {
        "figure": growth.figure.name,
        "subject": growth.subject,
        "middles": dict(growth.middles),
        "exponent": exponent
        and {name: each if math.isfinite(each) else None for name, each in exponent.items()},
        "worse_than_linear": growth.is_worse,
        "wanted": growth.figure.wanted,
        "as_wanted": growth.is_as_wanted,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loader_gate.growth",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "tests",
        metavar="PATH",
        nargs="*",
        help=f"what pytest runs (default: {' '.join(TESTS)})",
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=SIZES,
        metavar="N,N",
        help=f"how many images of the tree coco2017 (default: {','.join(map(str, SIZES))})",
    )
    parser.add_argument(
        "--rounds", type=count, default=ROUNDS, metavar="N", help=f"how often (default: {ROUNDS})"
    )
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME",
        help="a variant to measure beside the baseline (may be given again; default: what PATH measures, or "
        f"without PATH {' and '.join(VARIANTS)})",
    )
    parser.add_argument(
        "--budget",
        type=positive,
        default=BUDGET,
        metavar="SECONDS",
        help=f"the most measuring time a variant may take in a session (default: {BUDGET:g})",
    )
    parser.add_argument("--scan-only", action="store_true", help="time the scan alone, and hold no session")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found as data, too")
    parser.add_argument("--picture", type=picture_file, metavar="FILE", help="draw it too, as .svg or .png")
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    """Return numbers of images, ascending."""
    return tuple(sorted({count(each.strip()) for each in text.split(",")}))


if __name__ == "__main__":
    sys.exit(main())
