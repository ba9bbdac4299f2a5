"""What a run's JSON has to show of its benchmarks, as far as it is there: reports leave out what is damaged.

`loader_gate.runs.parsing` reads the same files for comparing them, and says what is wrong with one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from loader_gate.registry.kind import kind_named
from loader_gate.report.json_values import as_figure, as_figures, as_mapping, as_mappings

#: Verdicts from worst to best, with the sign that goes with each: colour is never the only one.
SIGNS = {"fail": "✗", "unmeasured": "!", "undecided": "?", "pass": "✓"}


@dataclass(frozen=True)
class BenchmarkRow:
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

    def figure(self, name: str, part: str = "") -> float | None:
        """Return a figure, or None if it is not there or is none.

        Args:
            name: Its name.
            part: Of a figure with several parts, which one.
        """
        value = self.info.get(name)
        return as_figure(as_mapping(value).get(part) if part else value)

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
        return kind_named(str(self.info.get("kind"))).is_limit

    @property
    def is_doubtful(self) -> bool:
        """Return whether somebody will want to see its passes."""
        return self.verdict in ("fail", "undecided")

    @property
    def changes(self) -> dict[str, Mapping[str, Any]]:
        """Return what changed against base, by figure."""
        found = as_mapping(self.info.get("changes"))
        return {str(name): each for name, each in found.items() if isinstance(each, Mapping)}


def benchmark_rows(run: Mapping[str, Any]) -> Iterable[BenchmarkRow]:
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
        yield BenchmarkRow(*key, known, reason, info)
    for each in as_mappings(about_run(run).get("unmeasured")):
        reason = str(each.get("reason") or "")
        yield BenchmarkRow(str(each.get("workload")), str(each.get("variant")), "unmeasured", reason, {})


def name_of(row: BenchmarkRow) -> str:
    """Return a benchmark's name in a sentence."""
    return f"{row.variant} ({row.workload})"


def about_run(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the suite says of the run as a whole."""
    return as_mapping(run.get("loader_gate"))
