"""How the figures came to be: single passes, and the machine with its noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from loader_gate.registry.variant import BASELINE
from loader_gate.report.benchmarks import BenchmarkRow, about_run, name_of
from loader_gate.report.json_values import as_mapping
from loader_gate.report.page.parts import NONE, Chart, Section, Table, in_seconds


def passes(rows: Sequence[BenchmarkRow]) -> Section | None:
    """Return every pass of the variants that fail or are undecided."""
    charts = []
    for row in rows:
        baseline, own = row.figures("baseline_seconds"), row.figures("variant_seconds")
        if not row.is_doubtful or row.variant == BASELINE or not own:
            continue
        sides = {"baseline": baseline, "base": row.figures("base_seconds"), row.variant: own}
        sides = {name: seconds for name, seconds in sides.items() if seconds}
        most = max(map(len, sides.values()))
        charts.append(
            Chart(
                f"passes-{row.workload}-{row.variant}",
                f"Passes of {name_of(row)}",
                "Median seconds: "
                + ", ".join(f"{name} {in_seconds(median(found))}" for name, found in sides.items())
                + ".",
                ("Pass", *sides),
                [
                    (
                        f"block {index // 2 + 1}, pass {index % 2 + 1}",
                        *(
                            in_seconds(found[index]) if index < len(found) else NONE
                            for found in sides.values()
                        ),
                    )
                    for index in range(most)
                ],
                {
                    "kind": "passes",
                    "sides": [{"name": name, "seconds": found} for name, found in sides.items()],
                },
            )
        )
    about = "Of the variants that fail or are undecided: every pass, two a block, in the order they were run."
    return Section("passes", "Passes of the doubtful", about, charts) if charts else None


def machine(run: Mapping[str, Any]) -> Section:
    """Return where it ran."""
    machine = as_mapping(run.get("machine_info"))
    versions = {str(name): str(version) for name, version in as_mapping(machine.get("versions")).items()}
    if not versions and machine.get("python_version"):
        versions["python"] = str(machine["python_version"])
    versions["pytest-benchmark"] = str(run.get("version") or NONE)
    cells = [
        ("Machine", str(machine.get("description") or machine.get("node") or NONE)),
        ("Fingerprint", str(machine.get("fingerprint") or NONE)),
        *versions.items(),
    ]
    tables = [Table("Where it ran", ("What", "Which"), cells)]
    noise = [
        (str(workload), str(as_mapping(said)["noise"]))
        for workload, said in as_mapping(about_run(run).get("about")).items()
        if as_mapping(said).get("noise")
    ]
    if noise:
        note = (
            "The baseline against itself is 1 on a calm machine; if its interval leaves 1 out, the machine "
            "moved, and nobody fails."
        )
        tables.append(Table("Noise while it ran", ("Workload", "What the system showed"), noise, [note]))
    about = "Seconds are only compared with runs of the same fingerprint."
    return Section("machine", "Machine, versions and noise", about, tables=tables)
