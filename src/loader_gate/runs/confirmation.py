"""What an earlier run against base has left open, for a later session to go on with: ``--confirm``.

Only sessions of the same comparison can be combined: whatever differs is refused by name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from loader_gate.runs.parsing import checkout_of, problem_of, work_of
from loader_gate.runs.saved import Checkout, Key, WorkKey
from loader_gate.verdict.earlier import EarlierSessions, PairedSeconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class ConfirmError(Exception):
    """A session cannot go on with a run; the message names the run, what was found and what was expected."""


@dataclass(frozen=True)
class Benchmark:
    """What a run says of a benchmark that was compared with base, or might have been.

    Attributes:
        work: The key of the work that was done.
        loader: ``MODULE:FUNCTION`` of a user's loader; empty for a variant of the suite.
        base: The full id of base's commit; empty if there was none.
        tolerance: The share by which head might be slower; None if it was not compared.
        left_open: What is known of it, if it was undecided or failed; None if it is decided.
    """

    work: WorkKey
    loader: str
    base: str
    tolerance: float | None
    left_open: EarlierSessions | None


@dataclass(frozen=True)
class EarlierRun:
    """A run that a session goes on with.

    Attributes:
        path: Its file.
        checkout: What was checked out.
        comparisons: How many of its session might have failed.
        benchmarks: What was measured, by workload and variant.
        unmeasured: What its session could not measure.
        is_later: Whether its session went on with another run itself.
    """

    path: Path
    checkout: Checkout
    comparisons: int
    benchmarks: Mapping[Key, Benchmark]
    unmeasured: frozenset[Key] = field(default_factory=frozenset)
    is_later: bool = False

    @property
    def left_open(self) -> dict[Key, EarlierSessions]:
        """Return what was undecided, failed or unmeasured, with what is known of it."""
        known = {key: each.left_open for key, each in self.benchmarks.items() if each.left_open is not None}
        return {**dict.fromkeys(self.unmeasured, EarlierSessions(self.path.name)), **known}

    def check_comparison(self, now: Checkout, base: str, tolerance: float) -> None:
        """Refuse a session that compares something else.

        Args:
            now: What is checked out.
            base: The full id of base's commit.
            tolerance: The share by which head may be slower.

        Raises:
            ConfirmError: It does, or nobody can know.
        """
        for which, checkout in (("its checkout", self.checkout), ("this checkout", now)):
            if checkout.dirty or not checkout.commit:
                raise ConfirmError(
                    f"--confirm {self.path}: {which} is {checkout}, so nobody knows whether both are the "
                    "same code; commit, and measure both sessions of that commit."
                )
        is_same = self.checkout.commit == now.commit
        differing = [] if is_same else [f"head is {self.checkout} there and {now} here"]
        for benchmark in self.benchmarks.values():
            if benchmark.tolerance is not None and benchmark.base != base:
                differing.append(
                    f"base is {benchmark.base[:10] or 'none'} there and {base[:10] or 'none'} here"
                )
            if benchmark.tolerance not in (None, tolerance):
                words = f"{100 * (benchmark.tolerance or 0):.3g} % there and {100 * tolerance:.3g} % here"
                differing.append(f"the tolerance is {words}")
        self._refuse(differing)

    def check_work(self, works: Mapping[Key, tuple[WorkKey, str]]) -> None:
        """Refuse a session that measures other work.

        Args:
            works: The key of the work of each benchmark of this session, and its loader.

        Raises:
            ConfirmError: It does.
        """
        differing = []
        for key, (work, loader) in works.items():
            then = self.benchmarks.get(key)
            if then is None:
                continue
            # Head and base wait equally long, whoever else is measured.
            words = then.work.differences(replace(work, rotation=then.work.rotation))
            if then.loader != loader:
                words = "; ".join(filter(None, [words, f"loader {then.loader} then, {loader} now"]))
            differing += [f"{'/'.join(key)}: {words}"] if words else []
        self._refuse(differing)

    def check_measured(self, wanted: Iterable[Key]) -> None:
        """Refuse to measure anew what a later session has failed to: what it went on with is not in its run.

        Args:
            wanted: The benchmarks of this session.

        Raises:
            ConfirmError: There is such a one.
        """
        lost = sorted(self.unmeasured & {*wanted}) if self.is_later else []
        if lost:
            raise ConfirmError(
                f"--confirm {self.path}: it could not measure {', '.join(map('/'.join, lost))}, and goes on "
                "with an earlier run itself; give that one."
            )

    def _refuse(self, differing: Sequence[str]) -> None:
        if differing:
            raise ConfirmError(
                f"--confirm {self.path}: that is another comparison, and cannot be combined with this one: "
                f"{'; '.join(dict.fromkeys(differing))}. Measure the same, or leave --confirm out."
            )


def read_earlier_run(path: Path) -> EarlierRun:
    """Read a run to go on with.

    Raises:
        ConfirmError: It cannot be read, or is of no session of ours with ``--against``.
    """
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfirmError(f"--confirm {path}: it cannot be read: {error}.") from error
    problem = problem_of(data)
    about = {} if problem else data.get("loader_gate")
    if problem or not isinstance(about, dict):
        raise ConfirmError(
            f"--confirm {path}: {problem or 'loader-gate has not measured it'}; expected the JSON that "
            "--benchmark-json or --benchmark-autosave has written of a session with --against."
        )
    infos = [info for each in data["benchmarks"] if _is_ours(info := each.get("extra_info"))]
    try:
        benchmarks = {
            (info["workload"], info["variant"]): _benchmark(info, path.name, about.get("device"))
            for info in infos
        }
        later = _failed_later(about)
        benchmarks = {
            key: _opened(each, path.name) if key in later else each for key, each in benchmarks.items()
        }
        comparisons = int(about["comparisons"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfirmError(f"--confirm {path}: it is damaged: {error!r}.") from error
    if not any(each.base and each.tolerance is not None for each in benchmarks.values()):
        raise ConfirmError(
            f"--confirm {path}: its session has compared nothing with a git revision; expected one with "
            "--against."
        )
    if any(info.get("base_python") for info in infos):
        raise ConfirmError(
            f"--confirm {path}: its base ran on another Python, of which nobody knows whether it is the same."
        )
    listed = about.get("unmeasured")
    unmeasured = {
        (each["workload"], each["variant"]) for each in (listed if isinstance(listed, list) else [])
    }
    return EarlierRun(
        path,
        checkout_of(data.get("commit_info")),
        comparisons,
        {key: each for key, each in benchmarks.items() if key not in unmeasured},
        frozenset(unmeasured),
        bool(about.get("confirms")),
    )


def _is_ours(info: object) -> bool:
    names = ("workload", "variant")
    return isinstance(info, dict) and all(isinstance(info.get(name), str) for name in names)


def _failed_later(about: Mapping[str, Any]) -> set[Key]:
    """Return what failed for being slower than a saved run, which no verdict says."""
    return {(each["workload"], each["variant"]) for each in about.get("slower") or ()}


def _benchmark(info: Mapping[str, Any], run: str, device: object) -> Benchmark:
    changes = info.get("changes") or {}
    seconds = changes.get("seconds")
    is_open = info["verdict"] != "pass" or (seconds or {}).get("outcome") in ("regression", "undecided")
    found = Benchmark(
        work_of(info, device),
        str(info.get("loader") or ""),
        str(info.get("base_revision") or ""),
        None if seconds is None else float(seconds["tolerance"]),
        None,
    )
    if not is_open:
        return found
    sessions = [*(info.get("earlier_sessions") or ()), info]
    paired = [_paired(each["variant_seconds"], each.get("base_seconds") or ()) for each in sessions]
    failed = {
        str(figure): float(change["tolerance"])
        for figure, change in changes.items()
        if change["outcome"] == "regression"
    }
    return replace(found, left_open=EarlierSessions(run, tuple(each for each in paired if each.base), failed))


def _opened(benchmark: Benchmark, run: str) -> Benchmark:
    return replace(benchmark, left_open=benchmark.left_open or EarlierSessions(run))


def _paired(head: Sequence[Any], base: Sequence[Any]) -> PairedSeconds:
    """Return the seconds of the blocks that base took part in, which are the first ones."""
    found = PairedSeconds(tuple(map(float, head[: len(base)])), tuple(map(float, base)))
    if not all(map(math.isfinite, found.log_ratios)):
        raise ValueError("seconds that are not finite")
    return found
