"""A saved run as the JSON has it, made up so that every part of a report has something to show."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from loader_gate.registry.variant import BASELINE

#: What a folder, a loader or a branch may be called.
HOSTILE = "<script>alert(1)</script>"


def benchmark(variant: str, workload: str = "loading", **info: Any) -> dict[str, Any]:
    """Return one benchmark: twice as fast as the baseline, and a pass, unless told otherwise."""
    speedup = info.get("speedup", 1.0 if variant == BASELINE else 2.0)
    rng = np.random.default_rng(len(variant))
    passes = {
        name: [round(float(each), 6) for each in rng.lognormal(math.log(seconds), 0.05, 16)]
        for name, seconds in (("baseline_seconds", 0.5), ("variant_seconds", 0.5 / speedup))
    }
    known = {
        "variant": variant,
        "workload": workload,
        "kind": "streaming",
        "verdict": "pass",
        "reason": "the baseline: its speedup is 1 by definition"
        if variant == BASELINE
        else "which clears its floor of 1.50",
        "floor": None if variant == BASELINE else 1.5,
        "speedup": speedup,
        "speedup_low": speedup / 1.1,
        "speedup_high": speedup * 1.1,
        "images": 256,
        "images_per_second": 512 * speedup,
        "shuffle_quality": 0.98,
        "cpu_seconds_per_image": 0.0018,
        "cores_used": 1.84,
        "batch_seconds": {"p50": 0.031, "p95": 0.04, "p99": 0.055, "longest": 0.31},
        "peak_rss_bytes": 700_000_000,
        "first_batch_seconds": 0.05 / speedup,
        "teardown_seconds": 0.01,
        "profile": "ci-2core",
        "tree": "0123",
        "image_size": 224,
        "batch_size": 32,
        "schema": 1,
        **passes,
    }
    stats = dict.fromkeys(("min", "max", "mean", "stddev", "median", "iqr", "rounds", "iterations"), 1)
    name = f"benchmarks/test_{workload}.py::test_throughput[{variant}]"
    return {"fullname": name, "extra_info": {**known, **info}, "stats": stats}


def changed(ratio: float, outcome: str) -> dict[str, Any]:
    """Return what ``--against`` adds to a benchmark."""
    seconds = {
        "outcome": outcome,
        "change": ratio,
        "low": ratio / 1.02,
        "high": ratio * 1.02,
        "tolerance": 0.03,
    }
    cpu = {**seconds, "outcome": "same", "change": 1.0, "low": 0.99, "high": 1.01}
    return {
        "change": ratio,
        "change_low": ratio / 1.02,
        "change_high": ratio * 1.02,
        "change_outcome": outcome,
        "changes": {"seconds": seconds, "CPU seconds": cpu},
        "base_seconds": [0.25] * 16,
    }


def held_back(word: str, sentence: str) -> dict[str, Any]:
    """Return what says that something holds a variant back."""
    return {"bottleneck": word, "bottleneck_evidence": {"cores": 2, "sentence": sentence}}


def profiled() -> dict[str, Any]:
    """Return what the profile of a variant and of its base adds to a benchmark, with a hostile function."""
    return {
        "profile_tool": "py-spy",
        "profile_stages": {"decode": 0.6, "wait": 0.3, HOSTILE: 0.1},
        "profile_functions": [
            {"function": "decode", "file": "loaders.py", "line": 20, "self": 0.1, "total": 0.6},
            {"function": HOSTILE, "file": f"{HOSTILE}.py", "line": 1, "self": 0.3, "total": 0.3},
        ],
        "profile_flame": [
            [-1, "load", "loaders.py", "decode", 9.0, 5.0],
            [0, "decode", "loaders.py", "decode", 6.0, 2.0],
            [0, HOSTILE, f"{HOSTILE}.py", "wait", 3.0, 3.5],
            [2, "poll", "libc.so.6", "wait", 2.0, 3.5],
        ],
        "profile_gained": [
            {"function": "decode", "file": "loaders.py", "line": 20, "milliseconds_an_image": 4.0},
            {"function": HOSTILE, "file": "", "line": 0, "milliseconds_an_image": 0.5},
        ],
    }


def figure(value: float, spread: float = 1.1) -> dict[str, float]:
    """Return a figure with an interval."""
    return {"value": value, "low": value / spread, "high": value * spread}


def made_up_cores() -> dict[str, Any]:
    """Return what is said of throughput against cores."""

    def scaling(variant: str, rates: tuple[float, float], **more: Any) -> dict[str, Any]:
        points = [
            {"cores": 1, "shares_cores": False, "images_per_second": figure(rates[0]), "problem": ""},
            {
                "cores": 2,
                "shares_cores": True,
                "images_per_second": figure(rates[1]),
                "speedup": figure(rates[1] / rates[0]),
                "problem": "",
            },
        ]
        return {"workload": "loading", "variant": variant, "is_limit": False, "points": points, **more}

    tested = {
        "cores": 2,
        "at_least": 1.6,
        "at_most": 2.0,
        "measured": figure(1.8),
        "right": "yes",
    }
    failed = {"cores": 1, "shares_cores": False, "images_per_second": None, "problem": f"killed: {HOSTILE}"}
    return {
        "variants": [
            scaling(
                "calm",
                (500.0, 900.0),
                serial_share=figure(0.11),
                prediction={
                    "cores": 8,
                    "images_per_second": figure(2300.0, 1.4),
                    "limited_by": "its serial share",
                },
                from_one_core=tested,
            ),
            scaling(BASELINE, (400.0, 410.0), serial_share=figure(0.95, 1.03)),
            {"workload": "loading", "variant": HOSTILE, "points": [failed], "is_limit": True},
        ],
        "remarks": ["With 2 some are hyper-threads of one core (*).", HOSTILE],
    }


def made_up_run() -> dict[str, Any]:
    """Return a run in which everything has happened at once."""
    limit: dict[str, Any] = {
        "share_of_limit": 0.9,
        "share_of_limit_low": 0.85,
        "share_of_limit_high": 0.95,
        "limit": "decode",
    }
    dump: dict[str, Any] = {
        "kind": "dump",
        "cold_seconds": 1.9,
        "dump_bytes": 154_165_504,
        "dump_files": 2,
        "dump_bytes_per_image": 602_209.0,
        "predicted_bytes_per_image": 602_112.0,
        "break_even": "has paid for itself after 3 epochs against tfdata_no_cache",
        "dump_of_this_machine": True,
    }
    below = "below its floor of 1.50: find what slowed it"
    near = "too near its floor of 1.50 to tell in the time there was: give it a larger --budget"
    return {
        "machine_info": {
            "node": "runner",
            "fingerprint": "f00d",
            "description": "Some CPU, 2 cores, 8.0 GiB, no GPU, Linux x86_64",
            "versions": {"python": "3.11.7", "tensorflow": "2.21.0"},
        },
        "commit_info": {"id": "c0ffee" * 6, "branch": HOSTILE, "dirty": True},
        "datetime": "2026-03-05T04:30:00+00:00",
        "version": "5.3.1",
        "benchmarks": [
            benchmark(BASELINE),
            benchmark("calm", **held_back("decode-bound", "1.9 of 2 cores busy, 76% goes into decoding")),
            benchmark("mapped", speedup=20.0, kind="dump", disk_bytes_per_image=150_528.0),
            # No pass takes no time, but a damaged file may say so.
            benchmark(
                "near",
                verdict="undecided",
                reason=near,
                speedup=1.52,
                variant_seconds=[0.0, -1.0, *[0.33] * 14],
            ),
            benchmark(
                "slower",
                verdict="fail",
                reason=below,
                speedup=1.2,
                **changed(1.12, "regression"),
                **profiled(),
            ),
            benchmark("cached", speedup=53.0, kind="memory", memory_bytes_per_image=602_112.0, **limit),
            benchmark(HOSTILE, **changed(0.99, "same"), **held_back("unclear", f"most often in {HOSTILE}")),
            benchmark("dumped", "dump", speedup=8.0, **dump),
            benchmark(BASELINE, "training", device="emulated:1656", accelerator_utilisation=0.24),
            benchmark("calm", "training", device="emulated:1656", accelerator_utilisation=0.5),
        ],
        "loader_gate": {
            "schema": 1,
            "accepted": False,
            "run": "1d",
            "unmeasured": [
                {
                    "variant": "crashed",
                    "workload": "loading",
                    "reason": "it crashed: </script><!-- exit code 139",
                }
            ],
            "recommendation": [{"sentences": ["Use mapped.", f"Next best: {HOSTILE}."]}],
            "article": [
                {
                    "row": "tf.data, no cache",
                    "article_minutes": 23.0,
                    "article_speedup": 2.5,
                    "seconds": 0.3,
                    "speedup": 2.4,
                    "speedup_low": 2.2,
                    "speedup_high": 2.6,
                    "minutes": 4.2,
                    "why": "more cores, more speedup",
                }
            ],
            "cores": made_up_cores(),
            "about": {
                "loading": {
                    "tree": HOSTILE,
                    "images": 256,
                    "notes": ["A note."],
                    "floors": "Profile ci-2core: picked for 2 cores without a GPU.",
                    "noise": "load 1.3 at the start, the baseline against itself 0.99 (0.91–1.08)",
                    "base": "c0ffee (main)",
                }
            },
        },
    }
