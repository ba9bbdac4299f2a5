"""Says how many cores, workers, disks and gigabits a second feed GPUs, from what was measured.

``python -m loader_gate.capacity RUN.json --variant NAME --gpus 8 --gpu-rate 2500``
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loader_gate.argument_types import count, positive, size
from loader_gate.capacity.inputs import INPUTS, Known, measured_in, variants_in
from loader_gate.capacity.plan import missing_of, plan_of
from loader_gate.runs.parsing import RunError, read_run
from loader_gate.text import printable, text_table, wrapped

MISSING, WRONG = 1, 2
_TYPES: Mapping[str, tuple[Callable[[str], float], str]] = {
    "gpus": (count, "N"),
    "gpu_rate": (positive, "X"),
    "cpu_ms": (positive, "MS"),
    "worker_rate": (positive, "X"),
    "process_rate": (positive, "X"),
    "read_bytes": (size, "SIZE"),
    "disk_rate": (size, "SIZE"),
    "delivered_bytes": (size, "SIZE"),
    "link_gbits": (positive, "X"),
    "images": (count, "N"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a plan; return the exit code: 1 if something is not computed, 2 for a wrong argument."""
    options = _parser().parse_args(arguments)
    known: dict[str, Known] = {}
    if options.run is not None:
        try:
            run = _run(options.run)
        except RunError as error:
            print(printable(str(error)), file=sys.stderr)
            return WRONG
        names = variants_in(run)
        if options.variant not in names:
            which = "" if options.variant is None else f" {options.variant}"
            found = ", ".join(names) or "nothing"
            print(
                printable(f"--variant{which}: {options.run} has measured {found}; name one of these."),
                file=sys.stderr,
            )
            return WRONG
        known = measured_in(run, options.variant)
    elif options.variant is not None:
        print("--variant is of a saved run: name its file, too.", file=sys.stderr)
        return WRONG
    for name in INPUTS:
        value = getattr(options, name)
        if value is not None:
            known[name] = Known(float(value), "given")
    print("\n".join(_lines(known, sys.stdout.isatty())))
    return MISSING if missing_of(plan_of(known)) else 0


def _run(file: Path) -> Mapping[str, Any]:
    """Return the JSON of a run.

    Raises:
        RunError: It is none.
    """
    read_run(file)
    run: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return run


def _lines(known: Mapping[str, Known], colour: bool) -> list[str]:
    """Return what is known, the plan with what each figure assumes, and what is missing, for people."""
    plan = plan_of(known)
    rows = [
        [INPUTS[name].about, _number(known[name].value), known[name].source]
        for name in INPUTS
        if name in known
    ]
    lines = text_table(["known", "", "from"], rows, colour)
    figures = [
        [each.rule.about, each.rule.text(each.value), each.rule.assumption]
        for each in plan
        if each.value is not None
    ]
    if figures:
        lines += ["", *text_table(["takes", "", "if"], figures, colour)]
    missing = missing_of(plan)
    if missing:
        lines.append("")
    for name in missing:
        of = ", ".join(each.rule.about for each in plan if name in each.missing)
        about = INPUTS[name]
        lines += wrapped(
            f"Not computed, as nobody has measured {about.about}: {of}. To measure it, {about.measure}; or "
            f"give what you know with {about.option}.",
            others="  ",
        )
    return lines


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.3g}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loader_gate.capacity",
        description="Say what feeds so many GPUs: cores, workers, disks, gigabits; from what was measured.",
        epilog="Exit code: 0 all is computed, 1 something is not, 2 a wrong argument.",
    )
    parser.add_argument(
        "run", type=Path, nargs="?", metavar="RUN.json", help="a JSON file of pytest-benchmark"
    )
    parser.add_argument("--variant", metavar="NAME", help="the variant of that run")
    for name, (kind, metavar) in _TYPES.items():
        each = INPUTS[name]
        parser.add_argument(each.option, type=kind, metavar=metavar, help=f"{each.about}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
