"""Saved runs as other programs read them: CSV, Parquet, and what github-action-benchmark plots."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from loader_gate.history.all_runs import HistoryError
from loader_gate.history.series import Series, SeriesPoint
from loader_gate.kept_files import write_whole
from loader_gate.registry.variant import BASELINE
from loader_gate.runs.saved import SavedRun

#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rows_of(series: Iterable[Series]) -> list[dict[str, Any]]:
    """Return a row for each benchmark of each run, with the same columns each."""
    pairs = [(each, point) for each in series for point in each.points]
    packages = sorted({name for _, point in pairs for name in point.versions})
    return [_row(each, point, packages) for each, point in pairs]


def _row(series: Series, point: SeriesPoint, packages: Sequence[str]) -> dict[str, Any]:
    return {
        "workload": series.workload,
        "variant": series.variant,
        "series": series.about,
        "run": point.run,
        "file": str(point.path),
        "saved_on": point.saved_on,
        "commit": point.checkout.commit,
        "branch": point.checkout.branch,
        "dirty": point.checkout.dirty,
        "accepted": point.accepted,
        "verdict": point.verdict,
        "speedup": point.speedup,
        "speedup_low": point.low or None,
        "speedup_high": point.high if math.isfinite(point.high) else None,
        "images_per_second": point.images_per_second,
        "machine": point.machine,
        "fingerprint": point.fingerprint,
        "tree": point.work.tree,
        "image_size": point.work.image_size,
        "batch_size": point.work.batch_size,
        "device": point.work.device,
        "backend": point.work.backend,
        "arithmetic": point.work.arithmetic,
        "schema": point.work.schema,
        "rotation": point.work.rotation,
        **{f"version_{name}": point.versions.get(name) for name in packages},
    }


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as CSV. Text that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*rows[0]] if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _no_formula(value) for name, value in row.items()})
    return text.getvalue()


def _no_formula(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write rows as Parquet.

    Raises:
        HistoryError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise HistoryError('Parquet needs pyarrow: pip install "loader-gate[history]".') from error
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([*rows]), content)
    write_whole(path, content.getvalue())


def as_github(run: SavedRun, better: Literal["bigger", "smaller"]) -> str:
    """Return a run as github-action-benchmark reads it, without limits: nobody is to be alerted of those.

    Args:
        run: The run.
        better: ``bigger`` gives speedups, for ``customBiggerIsBetter``; ``smaller`` their inverse,
            the seconds as a share of the baseline's, for ``customSmallerIsBetter``.
    """
    entries = []
    for entry in run.entries:
        if entry.variant == BASELINE or entry.is_limit:
            continue
        estimate = entry.estimate
        ends = [estimate.low, estimate.high]
        value = estimate.ratio
        if better == "smaller":
            value, ends = 1 / value, [1 / end if end else math.inf for end in reversed(ends)]
        known = ends[0] > 0 and math.isfinite(ends[1])
        entries.append(
            {
                "name": f"{entry.variant} ({entry.workload})",
                "unit": "times the baseline's " + ("speed" if better == "bigger" else "seconds"),
                "value": value,
                **({"range": f"± {(ends[1] - ends[0]) / 2:.3g}"} if known else {}),
                "extra": f"{run.machine}\n{run.checkout}\nverdict: {entry.verdict or 'not known'}",
            }
        )
    return json.dumps(entries, indent=2) + "\n"
