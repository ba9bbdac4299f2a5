"""What dumps take on disk, and what they gain."""

from __future__ import annotations

from collections.abc import Sequence

from loader_gate.report.article import COCO_IMAGES
from loader_gate.report.benchmarks import BenchmarkRow
from loader_gate.report.page.parts import NONE, Section, Table, in_seconds
from loader_gate.sizes import format_size


def dumps(rows: Sequence[BenchmarkRow]) -> Section | None:
    """Return what dumps take on disk, and what they gain."""
    shown = [row for row in rows if row.figure("dump_bytes") is not None]
    if not shown:
        return None
    cells, riddle = [], []
    for row in shown:
        each = row.figure("dump_bytes_per_image") or 0
        predicted, cold, warm = (
            row.figure("predicted_bytes_per_image"),
            row.figure("cold_seconds"),
            row.seconds,
        )
        off = f" ({each / predicted - 1:+.2%})".replace("%", " %") if predicted else ""
        cells.append(
            (
                row.variant,
                format_size(row.figure("dump_bytes") or 0),
                f"{each / 1000:,.1f} KB",
                f"{predicted / 1000:,.1f} KB{off}" if predicted else NONE,
                NONE if cold is None else in_seconds(cold),
                NONE if warm is None else in_seconds(warm),
                row.text("break_even") or NONE,
            )
        )
        riddle.append(f"{row.variant} {format_size(each * COCO_IMAGES)}")
    headings = ("Variant", "Dump", "An image", "Predicted", "Writing epoch", "Reading epoch", "Break-even")
    notes = [
        f"At this size an image, COCO2017's {COCO_IMAGES:,} images would take: {'; '.join(riddle)}.",
        "That is all there is to the article's 90 GB: its file cache keeps 4 bytes for each number of an "
        f"image, and {COCO_IMAGES:,} x 256 x 256 x 3 x 4 bytes are 92.2 GB, whatever the JPEGs take.",
    ]
    return Section(
        "dumps",
        "Dumps on disk",
        tables=[Table("What was written, and what it gains", headings, cells, notes)],
    )
