"""Reads saved runs from their files. Nothing in a file is trusted to be what it should be."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from loader_gate.runs.saved import Checkout, Entry, Key, SavedRun, WorkKey
from loader_gate.statistics.estimate import Estimate

#: Figures that pytest-benchmark's own table cannot do without.
_STATS = ("min", "max", "mean", "stddev", "median", "iqr", "rounds", "iterations")

_BOTTLENECK = re.compile("[a-z]{1,20}-bound")


class RunError(Exception):
    """A file is no run that can be compared with; the message names it and says what is wrong."""


def read_run(path: Path) -> SavedRun:
    """Read a saved run.

    Raises:
        RunError: It cannot be read, or is nothing that pytest-benchmark could show.
    """
    try:
        data = _parsed(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} is passed over, as it cannot be read: {error}.") from error
    return parse_run(path, data)


def parse_run(path: Path, data: Any) -> SavedRun:
    """Return what the JSON of a run says.

    Args:
        path: Its file, which is not looked at.
        data: The JSON.

    Raises:
        RunError: It is nothing that pytest-benchmark could show.
    """
    problem = problem_of(data)
    if problem:
        raise RunError(f"{path} is passed over, as it is no saved run: {problem}.")
    machine, about = data["machine_info"], data.get("loader_gate")
    about = about if isinstance(about, dict) else {}
    accepted = about.get("accepted")
    read = [_entry_or_problem(path, benchmark, about.get("device")) for benchmark in data["benchmarks"]]
    fingerprint = machine.get("fingerprint")
    return SavedRun(
        path=path,
        accepted=accepted if isinstance(accepted, bool) else None,
        saved_on=str(data.get("datetime", "")),
        fingerprint=fingerprint if isinstance(fingerprint, str) else None,
        machine=str(machine.get("description") or machine.get("node") or "an unknown machine"),
        entries=tuple(each for each in read if isinstance(each, Entry)),
        missing=frozenset(_keys(about.get("missing"))),
        doubtful=frozenset(_keys(about.get("doubtful"))),
        damaged=tuple(each for each in read if isinstance(each, str)),
        checkout=checkout_of(data.get("commit_info")),
        versions=_versions(machine),
        run_id=str(about.get("run", "")),
    )


def _parsed(content: bytes) -> Any:
    """Return what JSON says, five times as fast where orjson is installed: histories are long."""
    try:
        import orjson

        return orjson.loads(content)
    except (ImportError, ValueError):  # what orjson is too strict for, such as NaN, or what nobody can read
        return json.loads(content.decode("utf-8"))


def run_or_problem(path: Path) -> SavedRun | str:
    """Return a saved run, or in a sentence why it cannot be read."""
    try:
        return read_run(path)
    except RunError as error:
        return str(error)


def checkout_of(commit_info: object) -> Checkout:
    """Return what pytest-benchmark's ``commit_info`` says was checked out."""
    found = commit_info if isinstance(commit_info, dict) else {}
    commit, branch = str(found.get("id", "")), str(found.get("branch", ""))
    return Checkout(
        # What pytest-benchmark writes where it finds none.
        "" if commit in ("unversioned", "unknown") else commit,
        "" if branch in ("(unknown)", "(detached head)") else branch,
        found.get("dirty") is True,
    )


def _versions(machine: Mapping[str, Any]) -> dict[str, str]:
    versions = machine.get("versions")
    found = {str(name): str(each) for name, each in versions.items()} if isinstance(versions, dict) else {}
    python = machine.get("python_version")
    return {"python": python, **found} if isinstance(python, str) else found


def _entry_or_problem(path: Path, benchmark: Mapping[str, Any], device: object) -> Entry | str | None:
    name = str(benchmark["fullname"])
    try:
        return read_entry(benchmark.get("extra_info"), name, device)
    except ValueError as error:
        return f"{name} in {path} is passed over: {error}."


def read_entry(extra_info: object, node_id: str, device: object) -> Entry | None:
    """Return what a benchmark's ``extra_info`` says; None if it is not of this suite or was not measured.

    Args:
        extra_info: The entries.
        node_id: pytest's name of the test.
        device: ``--device`` of its session.

    Raises:
        ValueError: A figure is missing or is none.
    """
    if not isinstance(extra_info, Mapping) or "speedup" not in extra_info or "workload" not in extra_info:
        return None
    if extra_info["speedup"] is None:
        return None
    workload, variant = extra_info["workload"], extra_info.get("variant")
    if not isinstance(workload, str) or not isinstance(variant, str):
        raise ValueError(f"workload {workload!r} and variant {variant!r}, expected names")
    low, high = extra_info.get("speedup_low"), extra_info.get("speedup_high")
    estimate = Estimate(
        _number(extra_info["speedup"], "speedup"),
        0.0 if low is None or low == 0 else _number(low, "speedup_low"),
        math.inf if high is None else _number(high, "speedup_high"),
        0,
    )
    if not estimate.low <= estimate.ratio <= estimate.high:
        raise ValueError(f"speedup {estimate.ratio} is outside its interval {estimate.low}–{estimate.high}")
    rate = extra_info.get("images_per_second")
    return Entry(
        workload,
        variant,
        node_id,
        estimate,
        None if rate is None else _number(rate, "images_per_second"),
        work_of(extra_info, device),
        str(extra_info.get("verdict") or ""),
        str(extra_info.get("kind") or ""),
        str(extra_info.get("loader") or ""),
        _bottleneck(extra_info.get("bottleneck")),
    )


def _bottleneck(found: object) -> str:
    """Return the word for what held a loader up; empty if it is unclear, or no such word."""
    return found if isinstance(found, str) and _BOTTLENECK.fullmatch(found) else ""


def work_of(extra_info: Mapping[str, Any], device: object) -> WorkKey:
    """Return the key of the work that a benchmark's ``extra_info`` tells of.

    Args:
        extra_info: The entries.
        device: ``--device`` of its session.
    """
    # A run of before rotations were told apart was most likely of all that there was, and of whole epochs.
    # Only cold ones say so, and those of a service that was there.
    usual = {
        name: getattr(WorkKey, name)
        for name in ("rotation", "cache", "passes", "backend", "arithmetic", "service")
    }
    said = {**usual, **extra_info}
    work = {each.name: _text(said.get(each.name)) for each in fields(WorkKey)}
    # Calibrated anew in each session, to the same multiple of what the baseline can feed.
    if device == "emulated" and work["device"].startswith("emulated"):
        work["device"] = "emulated"
    return WorkKey(**work)


def problem_of(data: object) -> str:
    """Return why pytest-benchmark could not compare with it, or nothing."""
    if not isinstance(data, dict):
        return "it holds no object"
    if not isinstance(data.get("machine_info"), dict):
        return "it has no machine_info"
    benchmarks = data.get("benchmarks")
    if not isinstance(benchmarks, list):
        return "it has no list of benchmarks"
    for number, benchmark in enumerate(benchmarks):
        if not isinstance(benchmark, dict) or not isinstance(benchmark.get("fullname"), str):
            return f"benchmark {number} has no fullname"
        stats = benchmark.get("stats")
        for name in _STATS:
            figure = stats.get(name) if isinstance(stats, dict) else None
            if not _is_number(figure) or figure != figure:  # NaN, which JSON does not know
                return f"{benchmark['fullname']} has no figure {name} in its stats"
    return ""


def _keys(listed: object) -> Iterable[Key]:
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict):
            yield str(each.get("workload")), str(each.get("variant"))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def number_above_0(value: object) -> float | None:
    """Return a finite number above 0; None for anything else that JSON may hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        return None
    return float(value)


def _number(value: Any, name: str) -> float:
    try:
        number = float(value) if _is_number(value) else math.nan
    except OverflowError:
        number = math.inf
    if not 0 < number < math.inf:
        raise ValueError(f"{name} is {value!r}, expected a number above 0")
    return number


def _text(value: object) -> str:
    return "none" if value is None else str(value)
