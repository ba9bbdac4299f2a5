"""Which numbers of cores ``--cores`` asks for, and which processors stand for each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.machine.cores import processors
from loader_gate.machine.topology import Binding, bind
from loader_gate.registry.variant import RegistryError
from loader_gate.workloads.known import known_workloads

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection

    from loader_gate.workloads.workload import Workload


class CoresError(RegistryError):
    """``--cores`` asks for what cannot be measured; the message says why, and what to ask for."""


def bindings_of(options: argparse.Namespace, cores: int) -> tuple[Binding, ...]:
    """Return the processors of each number of cores that is asked for, ascending, and of all; else none.

    Args:
        options: The options of the session, by their plain names.
        cores: How many cores it may use.

    Raises:
        CoresError: That cannot be measured here, or not in such a session.
    """
    if options.cores is None:
        return ()
    if options.against is not None or options.against_python is not None:
        raise CoresError(
            f"--cores {options.cores}: a comparison with a base is made on all cores; leave --cores or "
            "--against out, and measure the other in a session of its own."
        )
    return bindings(options.cores, cores, processors())


def bindings(
    text: str, cores: int, allowed: Collection[int] | None, root: Path = Path("/")
) -> tuple[Binding, ...]:
    """Return the processors of each number of cores in a list such as ``1,2``; see `bindings_of`.

    Args:
        text: The list.
        cores: How many cores the session may use: its processors, or fewer by a quota.
        allowed: The numbers of the processors that it may run on; None where the system has no affinity.
        root: The folder that holds ``sys``; another one only in tests.

    Raises:
        CoresError: That cannot be measured.
    """
    if allowed is None:
        raise CoresError(
            f"--cores {text}: this system cannot bind a process to some of its cores; leave it out."
        )
    counts = [_count(text, each.strip()) for each in text.split(",")]
    doubles = [each for each in counts if counts.count(each) > 1]
    if doubles:
        raise CoresError(f"--cores {text}: {doubles[0]} is there twice; name each number of cores once.")
    if max(counts) > cores:
        has = "1 core" if cores == 1 else f"{cores} cores"
        raise CoresError(f"--cores {text}: this session may use {has}, not {max(counts)}; name fewer.")
    fewer = sorted({*counts} - {cores})
    if not fewer:
        instead = f"name fewer, such as --cores 1,{cores}" if cores > 1 else "that takes more than one core"
        raise CoresError(f"--cores {text}: all cores are measured anyway, and fewer beside them: {instead}.")
    return tuple(bind(each, allowed, root) for each in (*fewer, cores))


def about_other_workloads(found: Collection[Binding], workload: Workload) -> tuple[str, ...]:
    """Return a note for people on a workload that ``--cores`` is not about, if it was given."""
    if not found or workload.runs_on_fewer_cores:
        return ()
    return (f"--cores is about loading alone: {workload.name} was measured on all cores only.",)


def check_selected(found: Collection[Binding], workloads: Collection[str]) -> None:
    """Refuse ``--cores`` where no test of what it is about is selected.

    Args:
        found: The processors of each number of cores that is asked for.
        workloads: The names of the workloads that are going to be measured.

    Raises:
        CoresError: There is none.
    """
    if found and workloads and not any(known_workloads()[each].runs_on_fewer_cores for each in workloads):
        raise CoresError(
            "--cores is about loading alone, and no test of it is selected; name one, such as "
            "benchmarks/test_loading.py, or leave --cores out."
        )


def _count(text: str, part: str) -> int:
    if not (part.isascii() and part.isdigit() and len(part) < 6 and int(part) > 0):
        raise CoresError(
            f"--cores {text}: {part or 'nothing'!r} is no number of cores; expected whole numbers above 0, "
            "with commas between them, such as --cores 1,2."
        )
    return int(part)
