"""Cases of tables that other commands have written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.cases.row import RIGHT, SKIPPED, WRONG, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: The libraries that decode for variants; OpenCV decodes for none.
_OURS = ("Pillow", "TensorFlow", "simplejpeg", "torchvision", "DALI")
#: What says of a library's pixels that they are not those of Pillow.
_UNLIKE = {"refused", "otherwise"}


def table_of(page: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of the first table of a page of Markdown, by the headings of its columns."""
    if not page.is_file():
        return
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith("|")), len(lines))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    for row in rows[2:]:
        yield dict(zip(rows[0], row, strict=True))


def file_kinds(page: Path) -> list[Row]:
    """Return the cases of docs/file_kinds.md: what is read alike is measured, and all else is named."""
    return [_of_file_kind(row) for row in table_of(page)]


def _of_file_kind(row: Mapping[str, str]) -> Row:
    is_right = _agrees(row["said of it"], {name: row[name] for name in _OURS if name in row})
    return Row("file kinds", row["kind"], RIGHT if is_right else WRONG, row["said of it"])


def _agrees(said: str, answers: Mapping[str, str]) -> bool:
    """Return whether what is said of a kind is what the libraries do with it."""
    if said == "has too many pixels":  # a limit of ours: whoever reads it reads it alike
        return True
    unlike = {name for name, answer in answers.items() if answer in _UNLIKE}
    if said == "nothing, measured" or not unlike:
        return said == "nothing, measured" and not unlike
    if "which no loader reads" in said:
        return {*answers.values()} == {"refused"}
    refusing = {name for name, answer in answers.items() if answer == "refused"}
    return "Pillow" in refusing or refusing == {name for name in answers if f"{name} refuses it" in said}


def faults(page: Path) -> list[Row]:
    """Return the cases of docs/faults/table.md."""
    return [
        Row(
            "faults",
            f"{row['fault']}, {row['stage']}",
            {"right": RIGHT, "not tried": SKIPPED}.get(row["right"], WRONG),
            row["what happened"],
            int(row["bytes lost"].replace(",", "")),
            int(row["processes left"]),
        )
        for row in table_of(page)
    ]
