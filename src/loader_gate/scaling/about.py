"""What the JSON says of throughput against cores, and what is to be said of all variants together."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from loader_gate.runs.sentences import with_interval
from loader_gate.scaling.ranks import MOST_TOLD, Flip, flips
from loader_gate.scaling.scaling import Scaling, busy_meanwhile, scaling_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loader_gate.machine.topology import Binding
    from loader_gate.session.result import Result


def about_cores(results: Mapping[str, Result], bindings: Sequence[Binding]) -> dict[str, Any]:
    """Return what the JSON says of throughput against cores; nothing where that was not measured.

    Args:
        results: What was measured, by workload.
        bindings: With which processors, ascending; the last one is all of them.
    """
    variants: list[Scaling] = []
    remarks: list[str] = []
    for result in results.values():
        found = scaling_of(result, bindings) if bindings else []
        if found:
            variants += found
            remarks += _remarks(result, found, bindings)
    if not variants:
        return {}
    return {"cores": {"variants": [_as_json(asdict(each)) for each in variants], "remarks": remarks}}


def _as_json(value: Any) -> Any:
    """Return data with null in the place of infinity, which JSON does not know."""
    if isinstance(value, dict):
        return {name: _as_json(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _remarks(result: Result, found: Sequence[Scaling], bindings: Sequence[Binding]) -> Iterator[str]:
    """Yield what is to be said of all variants together, in sentences."""
    if busy := busy_meanwhile(result, bindings):
        yield (
            f"Measured {busy}: all cores were fewer than there are, so that nothing is told of more, nor who "
            "changes places. Stop these programs, and measure again."
        )
    flipped = [] if busy else flips(result, bindings[-1].cores)
    yield from map(_in_words, flipped[:MOST_TOLD])
    if len(flipped) > MOST_TOLD:
        yield f"{len(flipped) - MOST_TOLD} more pairs of variants change places with more cores."
    if not busy and not flipped and len([each for each in found if not each.is_limit]) > 1:
        fewest, most = bindings[0].cores, _cores(bindings[-1].cores)
        yield f"No two variants surely change places from {fewest} to {most}."
    if shared := [each.cores for each in bindings if each.shares_cores]:
        numbers = " and ".join(map(str, shared))
        yield f"With {numbers} some are hyper-threads of one core (*): there are not as many cores."
    predicted = [each.prediction for each in found if each.prediction is not None]
    if predicted:
        yield (
            f"What {_cores(predicted[0].cores)} would give is predicted by Amdahl's law, if they are cores "
            "like these, storage is no limit, and work does not grow with their number; never more than "
            "what is predicted of the variant's limit."
        )
    for each in found:
        if each.misfit:
            yield f"{each.variant} is {each.misfit}, so that nothing is predicted."
    if any(each.from_one_core is not None for each in found):
        yield (
            "What 1 core alone tells of more is predicted from its CPU time: at least as if the thread that "
            "asks for batches and all waiting stayed as they are, at most as if all threads worked at once; "
            "if CPU time does not grow with the cores, and no thread waits for another one's lock."
        )


def _in_words(flip: Flip) -> str:
    by, then = (with_interval(each.value, each.low, each.high) for each in (flip.by, flip.then))
    return (
        f"With {_cores(flip.few)} {flip.first} is {by} times as fast as {flip.second}, with "
        f"{_cores(flip.more)} {flip.second} is {then} times as fast as {flip.first}."
    )


def _cores(number: int) -> str:
    return "1 core" if number == 1 else f"{number} cores"
