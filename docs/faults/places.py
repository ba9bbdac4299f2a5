"""What is done to the place of a case before its session is held."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docs.faults.sessions import Place


def without_trees(place: Place) -> None:
    """Let the tree be drawn anew."""
    shutil.rmtree(place.folder / "cache")


def without_checks(place: Place) -> None:
    """Let the images lie in a folder of the user's, and be checked anew."""
    (tree,) = (place.folder / "cache" / "trees").glob("small-*")
    shutil.copytree(tree / "train", place.folder / "images")


def with_damaged_runs(place: Place) -> None:
    """Put runs behind the good one that cannot be read, each in another way."""
    (good,) = place.storage.rglob("*.json")
    text = good.read_text(encoding="utf-8")
    damaged = {
        "empty": b"",
        "half": text[: len(text) // 2].encode(),
        "zeros": bytes(4096),
        "list": b"[]",
        "number": b"1e999",
        "deep": b"[" * 100_000,
        "not-utf-8": text.encode("utf-16"),
        "no-benchmarks": b'{"machine_info": {}}',
        "strings": text.replace('"benchmarks": [', '"benchmarks": ["x", ').encode(),
    }
    for number, (name, content) in enumerate(damaged.items(), 2):
        good.with_name(f"{number:04}_{name}.json").write_bytes(content)
    good.with_name("0020_link.json").symlink_to("nowhere")
    good.with_name("0021_loop.json").symlink_to("0021_loop.json")
    good.with_name("0022_folder.json").mkdir()


def with_runs_of_other_days(place: Place) -> None:
    """Put runs behind the good one that the clock says are of the future, and of long ago."""
    (good,) = place.storage.rglob("*.json")
    run = json.loads(good.read_text(encoding="utf-8"))
    for number, year in enumerate(("2999", "1969"), 2):
        run["datetime"] = f"{year}{run['datetime'][4:]}"
        good.with_name(f"{number:04}_{year}.json").write_text(json.dumps(run), encoding="utf-8")


PREPARATIONS = {
    each.__name__: each
    for each in (without_trees, without_checks, with_damaged_runs, with_runs_of_other_days)
}
