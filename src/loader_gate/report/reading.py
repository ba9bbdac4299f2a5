"""What a saved run says of its benchmarks. Nothing in the file is trusted to be what it should be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

#: Verdicts from worst to best, with the sign that goes with each: colour is never the only one.
SIGNS = {"fail": "✗", "unmeasured": "!", "undecided": "?", "pass": "✓"}


@dataclass(frozen=True)
class Row:
    """One benchmark of a run, or a variant that has none as it was not measured.

    Attributes:
        workload: The workload's name.
        variant: The variant's name.
        verdict: `pass`, `fail`, `undecided` or `unmeasured`; what is slower than a saved run fails.
        reason: Why, and what to do.
        info: What the run says of it: the ``extra_info``.
    """

    workload: str
    variant: str
    verdict: str
    reason: str
    info: Mapping[str, Any]

    def figure(self, name: str) -> float | None:
        """Return a figure, or None if it is not there or is none."""
        return as_figure(self.info.get(name))

    def figures(self, name: str) -> list[float]:
        """Return a list of figures, without what is none."""
        return as_figures(self.info.get(name))

    def text(self, name: str) -> str:
        """Return text, empty if it is not there."""
        value = self.info.get(name)
        return "" if value is None else str(value)

    @property
    def seconds(self) -> float | None:
        """Return the median seconds of an epoch."""
        passes = self.figures("variant_seconds")
        return median(passes) if passes else None

    @property
    def is_limit(self) -> bool:
        """Return whether it is no loader, but what the machine can do at most."""
        return self.info.get("kind") == "limit"

    @property
    def is_doubtful(self) -> bool:
        """Return whether somebody will want to see its passes."""
        return self.verdict in ("fail", "undecided")

    @property
    def changes(self) -> dict[str, Mapping[str, Any]]:
        """Return what changed against base, by figure."""
        found = as_mapping(self.info.get("changes"))
        return {str(name): each for name, each in found.items() if isinstance(each, Mapping)}


def rows_of(run: Mapping[str, Any]) -> Iterable[Row]:
    """Return the benchmarks of a run, then what could not be measured."""
    slower = {
        (str(each.get("workload")), str(each.get("variant"))): str(each.get("reason"))
        for each in as_mappings(about_run(run).get("slower"))
    }
    for benchmark in as_mappings(run.get("benchmarks")):
        info = benchmark.get("extra_info")
        if not isinstance(info, Mapping) or not {"workload", "variant"} <= info.keys():
            continue  # a benchmark of somebody else's
        verdict = str(info.get("verdict"))
        # Runs of the first days did not say why.
        reason = str(info.get("reason") or "")
        known = verdict if verdict in SIGNS else "undecided"
        key = str(info["workload"]), str(info["variant"])
        if key in slower:
            reason = f"{reason}. {slower[key]}" if known == "fail" else slower[key]
            known = "fail"
        yield Row(*key, known, reason, info)
    for each in as_mappings(about_run(run).get("unmeasured")):
        reason = str(each.get("reason") or "")
        yield Row(str(each.get("workload")), str(each.get("variant")), "unmeasured", reason, {})


def name_of(row: Row) -> str:
    """Return a benchmark's name in a sentence."""
    return f"{row.variant} ({row.workload})"


def about_run(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the suite says of the run as a whole."""
    return as_mapping(run.get("loader_gate"))


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return an object of the JSON, empty if it is none."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[Any]:
    """Return a list of the JSON, empty if it is none."""
    return value if isinstance(value, list) else []


def as_mappings(value: object) -> list[Mapping[str, Any]]:
    """Return a list of objects, without what is none."""
    return [each for each in as_list(value) if isinstance(each, Mapping)]


def as_figure(value: object) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def as_figures(value: object) -> list[float]:
    """Return a list of finite numbers, without what is none."""
    return [found for each in as_list(value) if (found := as_figure(each)) is not None]
