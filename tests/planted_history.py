"""A made-up storage of saved runs, with steps, drift and upgrades where a test wants them.

The files have all that real ones have, so whatever reads saved runs can be shown a history of months.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from loader_gate.registry.variant import BASELINE

FOLDER = "Linux-CPython-3.11-64bit"
BEGIN = datetime(2026, 1, 5, 4, 30, tzinfo=timezone.utc)

#: Speedups before anything happens.
SPEEDUPS = {
    BASELINE: 1.0,
    "tfdata_no_cache": 2.0,
    "tfdata_file_cache": 9.0,
    "tfdata_memory_cache": 55.0,
}


@dataclass(frozen=True)
class Planted:
    """What happens in a history. Numbers of runs count from 0: a run is the first that has it.

    Attributes:
        runs: How many runs there are, a day apart.
        noise: Standard deviation of a run's speedup, as a share.
        seed: Of the noise.
        speedups: Each variant's speedup before anything happens.
        workloads: The workloads.
        steps: By variant, in every workload: what a speedup is multiplied with, by the run from which on.
        drift: By variant: what a speedup is multiplied with from one run to the next.
        tensorflow: Its versions, by the run from which on.
        machines: Machines in words, likewise.
        trees: Digests of trees, likewise.
        blocks: Blocks a benchmark, for the size of the files.
    """

    runs: int = 60
    noise: float = 0.03
    seed: int = 0
    speedups: Mapping[str, float] = field(default_factory=lambda: SPEEDUPS)
    workloads: tuple[str, ...] = ("loading",)
    steps: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    drift: Mapping[str, float] = field(default_factory=dict)
    tensorflow: Mapping[int, str] = field(default_factory=lambda: {0: "2.20.0"})
    machines: Mapping[int, str] = field(
        default_factory=lambda: {0: "Some CPU, 2 cores, 8.0 GiB, no GPU, Linux x86_64"}
    )
    trees: Mapping[int, str] = field(default_factory=lambda: {0: "0123456789abcdef" * 4})
    blocks: int = 8

    def save(self, storage: Path, folder: str = FOLDER) -> list[Path]:
        """Write the runs into a storage; return their files, oldest first."""
        rng = np.random.default_rng(self.seed)
        (storage / folder).mkdir(parents=True, exist_ok=True)
        return [self._save(storage / folder, number, rng) for number in range(self.runs)]

    def commit(self, number: int) -> str:
        """Return the commit that a run is of."""
        return f"{number:04x}" * 10

    def _save(self, folder: Path, number: int, rng: np.random.Generator) -> Path:
        saved_on = BEGIN + timedelta(days=number)
        machine = _at(self.machines, number)
        data = {
            "machine_info": {
                "node": "runner",
                "machine": "x86_64",
                "python_implementation": "CPython",
                "python_version": "3.11.7",
                "system": "Linux",
                "cpu": {},
                "fingerprint": sha256(machine.encode()).hexdigest()[:16],
                "description": machine,
                "versions": {
                    "python": "3.11.7",
                    "tensorflow": _at(self.tensorflow, number),
                    "keras": "3.15.1",
                    "numpy": "2.4.6",
                    "pillow": "13.0.0",
                },
            },
            "commit_info": {
                "id": self.commit(number),
                "time": saved_on.isoformat(),
                "author_time": saved_on.isoformat(),
                "dirty": False,
                "project": "loaders",
                "branch": "main",
            },
            "benchmarks": [
                self._benchmark(workload, variant, number, rng)
                for workload in self.workloads
                for variant in self.speedups
            ],
            "datetime": saved_on.isoformat(),
            "version": "5.3.1",
            "loader_gate": {
                "schema": 1,
                "article": [],
                "unmeasured": [],
                "accepted": True,
                "run": f"{self.seed:08x}{number:024x}",
                "device": "auto",
                "missing": [],
                "doubtful": [],
            },
        }
        path = folder / f"{number + 1:04}_{self.commit(number)}_{saved_on:%Y%m%d_%H%M%S}.json"
        path.write_text(json.dumps(data, indent=4), encoding="utf-8")
        return path

    def _benchmark(
        self, workload: str, variant: str, number: int, rng: np.random.Generator
    ) -> dict[str, Any]:
        speedup, half = self.speedups[variant], 0.0
        if variant != BASELINE:
            steps = [by for at, by in self.steps.get(variant, {}).items() if number >= at]
            drift = self.drift.get(variant, 1.0) ** number
            speedup *= math.prod(steps) * drift * math.exp(rng.normal(0, self.noise))
            half = 2 * self.noise
        baseline = np.round(rng.lognormal(math.log(0.5), 0.05, 2 * self.blocks), 6)
        seconds = np.round(rng.lognormal(math.log(0.5 / speedup), 0.05, 2 * self.blocks), 6)
        middle = float(np.median(seconds))
        name = f"test_throughput[{variant}]"
        return {
            "group": workload,
            "name": name,
            "fullname": f"benchmarks/test_{workload}.py::{name}",
            "params": {"variant": variant},
            "param": variant,
            "extra_info": {
                "variant": variant,
                "kind": next((kind for kind in ("limit", "memory") if kind in variant), "streaming"),
                "verdict": "pass",
                "reason": "the low end of its interval is at or above the floor",
                "floor": None if variant == BASELINE else round(self.speedups[variant] * 0.7, 2),
                "speedup": speedup,
                "speedup_low": speedup * math.exp(-half),
                "speedup_high": speedup * math.exp(half),
                "blocks": self.blocks,
                "epochs": 1,
                "images": 256,
                "images_per_second": 256 / middle,
                "cpu_seconds_per_image": 1.5 * middle / 256,
                "peak_rss_bytes": 800_000_000 + int(rng.integers(10_000_000)),
                "build_seconds": 0.25,
                "first_batch_seconds": middle / 10,
                "teardown_seconds": middle / 20,
                "median_psnr": 41.5,
                "baseline_seconds": baseline.tolist(),
                "variant_seconds": seconds.tolist(),
                "workload": workload,
                "profile": "ci-2core",
                "tree": _at(self.trees, number),
                "image_size": 224,
                "batch_size": 32,
                "schema": 1,
            },
            "options": {"disable_gc": False, "timer": "recorded passes", "warmup": False},
            "stats": {
                "min": float(seconds.min()),
                "max": float(seconds.max()),
                "mean": float(seconds.mean()),
                "stddev": float(seconds.std(ddof=1)),
                "rounds": len(seconds),
                "median": middle,
                "iqr": float(np.subtract(*np.percentile(seconds, [75, 25]))),
                "q1": float(np.percentile(seconds, 25)),
                "q3": float(np.percentile(seconds, 75)),
                "iqr_outliers": 0,
                "stddev_outliers": 0,
                "outliers": "0;0",
                "ld15iqr": float(seconds.min()),
                "hd15iqr": float(seconds.max()),
                "ops": 1 / float(seconds.mean()),
                "total": float(seconds.sum()),
                "iterations": 1,
            },
        }


def _at(changes: Mapping[int, str], number: int) -> str:
    """Return what holds for a run."""
    return changes[max(since for since in changes if since <= number)]
