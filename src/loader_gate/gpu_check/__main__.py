"""Measures loaders where there is a GPU: epochs of training on JAX and on torch, and loading alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.argument_types import positive
from loader_gate.commands import split_at_dashes

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What it may take in all, of the ten minutes that such a machine is often lent for.
MINUTES = 7.0
UNMEASURED, WRONG, INTERRUPTED = 1, 2, 130
_EPILOG = """
Of each session OUT gets NAME.log, NAME.json (a run, as pytest-benchmark saves it) and NAME.html (its page).
Options after -- are pytest's, of every session, such as -- --precision mixed_bfloat16.
Exit code: 0 measured, 1 something could not be, 2 a wrong argument, 130 interrupted.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return the exit code."""
    own, extra = split_at_dashes(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(own)
    # Here: --help needs none of this.
    from loader_gate.gpu_check.plan import SCALES
    from loader_gate.gpu_check.sessions import earlier_files, hold
    from loader_gate.machine.gpu import describe_gpu, read_gpu
    from loader_gate.machine.machine import read_machine
    from loader_gate.plugin.interrupts import clean_end_when_told

    machine = read_machine()
    if options.device == "gpu" and machine.gpu is None:
        print("This machine shows no GPU; --device cpu shows whether all works without one.", file=sys.stderr)
        return WRONG
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        earlier = earlier_files(options.out)
    except OSError as error:
        print(f"OUT {options.out} cannot be used: {error}.", file=sys.stderr)
        return WRONG
    if earlier:
        print(
            f"OUT {options.out} has {earlier[0]} of an earlier check, which this one would write over: give "
            "another folder, or remove what is there.",
            file=sys.stderr,
        )
        return WRONG
    print(f"Machine: {machine.describe()}.")
    if options.device == "gpu":
        reading = read_gpu()
        print(f"GPU: {reading if isinstance(reading, str) else describe_gpu(reading, reading)}.", flush=True)
    undo, problems = clean_end_when_told(), 0
    try:
        seconds, out = 60 * options.minutes, options.out.resolve()
        for held in hold(out, options.device, SCALES[options.device], seconds, sys.stderr, extra):
            print(held, flush=True)
            problems += bool(held.problem)
    except KeyboardInterrupt:
        print("Interrupted: what had been measured is in OUT.", file=sys.stderr)
        return INTERRUPTED
    finally:
        undo()
    return UNMEASURED if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loader_gate.gpu_check",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "out", metavar="OUT", type=Path, help="the folder to write to, without an earlier check's files"
    )
    parser.add_argument(
        "--device",
        choices=("gpu", "cpu"),
        default="gpu",
        help="where models train (default: gpu); on the CPU all is so small that it only shows that it works",
    )
    parser.add_argument(
        "--minutes",
        type=positive,
        default=MINUTES,
        metavar="N",
        help=f"what all of it may take (default: {MINUTES:g})",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
