"""Saved runs: what their files say of speedups, which of them are accepted, and how one becomes so.

A run is one JSON file of pytest-benchmark. It is written before a session's end is known, so each is saved as
not accepted, and marked as accepted only after a session that did not fail. Nothing else in it ever changes.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

from loader_gate.statistics.estimate import Estimate

#: The workload and the variant: what a benchmark is known by, wherever its test has moved to.
Key: TypeAlias = tuple[str, str]

#: How pytest-benchmark numbers its files, by folders of one system and Python each.
NUMBERED = "[0-9][0-9][0-9][0-9]_"

#: Figures that pytest-benchmark's own table cannot do without.
_STATS = ("min", "max", "mean", "stddev", "median", "iqr", "rounds", "iterations")


class RunError(Exception):
    """A file is no run that can be compared with; the message names it and says what is wrong."""


@dataclass(frozen=True)
class Work:
    """What has to be the same for two speedups to be compared, as text.

    Attributes:
        tree: The digest of the images.
        image_size: Height and width, in pixels.
        batch_size: Images a batch.
        device: Of the training workload. An accelerator whose speed follows the baseline's is one device.
        schema: Of the figures.
    """

    tree: str
    image_size: str
    batch_size: str
    device: str
    schema: str

    def differences(self, now: Work) -> str:
        """Return what is another in `now`, in words; empty if nothing is."""
        found = [
            f"{each.name.replace('_', ' ')} {_short(then)} then, {_short(since)} now"
            for each in fields(self)
            if (then := getattr(self, each.name)) != (since := getattr(now, each.name))
        ]
        return "; ".join(found)


@dataclass(frozen=True)
class Entry:
    """What a run says of one benchmark.

    Attributes:
        workload: The workload's name.
        variant: The variant's name.
        node_id: pytest's name of the test.
        estimate: Its speedup.
        images_per_second: Its throughput, if known.
        work: What was measured on.
        verdict: The verdict, if known.
        kind: Of the variant, if known.
    """

    workload: str
    variant: str
    node_id: str
    estimate: Estimate
    images_per_second: float | None
    work: Work
    verdict: str = ""
    kind: str = ""

    @property
    def key(self) -> Key:
        """Return what it is known by."""
        return self.workload, self.variant

    @property
    def is_limit(self) -> bool:
        """Return whether it is a limit: what becomes of one is the machine's doing, and nobody's fault."""
        return self.kind == "limit"


@dataclass(frozen=True)
class Revision:
    """What was checked out.

    Attributes:
        commit: The commit's id; empty if there was no repository.
        branch: The branch's name; empty if there was none.
        dirty: Whether files differed from that commit.
    """

    commit: str = ""
    branch: str = ""
    dirty: bool = False

    def __str__(self) -> str:
        """Return it in short for people."""
        changed = " with changes" if self.dirty and self.commit else ""
        return f"{self.commit[:10]}{changed}" if self.commit else "no known revision"


@dataclass(frozen=True)
class SavedRun:
    """One file.

    Attributes:
        path: The file.
        accepted: Whether it may be a baseline; None if it is from before runs were marked.
        saved_on: When, in ISO format, if known.
        fingerprint: Of its machine, if known.
        machine: The machine in words.
        entries: Its benchmarks.
        missing: Benchmarks of runs before it that were gone for good.
        doubtful: Benchmarks that seemed slower than before without it being certain.
        damaged: What could not be read, a sentence each.
        revision: What was checked out.
        versions: Of Python and of packages, by name.
        run_id: Its own, wherever the file is copied to; empty if it is from before runs had one.
    """

    path: Path
    accepted: bool | None
    saved_on: str
    fingerprint: str | None
    machine: str
    entries: tuple[Entry, ...]
    missing: frozenset[Key] = frozenset()
    doubtful: frozenset[Key] = frozenset()
    damaged: tuple[str, ...] = ()
    revision: Revision = Revision()
    versions: Mapping[str, str] = field(default_factory=dict)
    run_id: str = ""

    @property
    def label(self) -> str:
        """Return its number in pytest-benchmark's storage, or else its file's name."""
        number, underscore, _ = self.path.name.partition("_")
        return number if underscore and number.isdigit() else self.path.name


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
    problem = _problem(data)
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
        revision=_revision(data.get("commit_info")),
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


def _revision(commit_info: object) -> Revision:
    found = commit_info if isinstance(commit_info, dict) else {}
    commit, branch = str(found.get("id", "")), str(found.get("branch", ""))
    return Revision(
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
    work = {name: _text(extra_info.get(name)) for name in (each.name for each in fields(Work))}
    # Calibrated anew in each session, to the same multiple of what the baseline can feed.
    if device == "emulated" and work["device"].startswith("emulated"):
        work["device"] = "emulated"
    return Entry(
        workload,
        variant,
        node_id,
        estimate,
        None if rate is None else _number(rate, "images_per_second"),
        Work(**work),
        str(extra_info.get("verdict") or ""),
        str(extra_info.get("kind") or ""),
    )


def mark_accepted(path: Path, run_id: str) -> bool:
    """Mark a run as accepted, at once or not at all; return whether it is the run of that id.

    Raises:
        OSError: It cannot be written; the file is as it was.
    """
    target = path.resolve()
    if not target.is_file():  # a pipe or a device
        return False
    try:
        text = target.read_text(encoding="utf-8")
        data = json.loads(text) if run_id in text else None
    except ValueError:
        return False
    if not isinstance(data, dict) or data.get("loader_gate", {}).get("run") != run_id:
        return False
    data["loader_gate"]["accepted"] = True
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=True, indent=4)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(target, name)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return True


def printable(text: str) -> str:
    """Return text of a file as a terminal may show it: what would steer the terminal is spelled out."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text
    )


def _problem(data: object) -> str:
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
            if not isinstance(stats, dict) or not _is_number(stats.get(name)):
                return f"{benchmark['fullname']} has no figure {name} in its stats"
    return ""


def _keys(listed: object) -> Iterable[Key]:
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict):
            yield str(each.get("workload")), str(each.get("variant"))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


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


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:12]}…"
