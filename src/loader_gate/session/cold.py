"""``--cold``: what it can be asked for with, whether passes can begin cold here, and what is said of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from loader_gate.machine.page_cache import IN_MEMORY, cached_share, evict, file_system_of, without_doubles
from loader_gate.machine.processes import bytes_read
from loader_gate.registry.variant import RegistryError
from loader_gate.sizes import format_size
from loader_gate.worker.cold import MOST_CACHED

if TYPE_CHECKING:
    import argparse

    from loader_gate.registry.variant import Variant
    from loader_gate.rotation.measurement import Measurement
    from loader_gate.trees.tree import Tree
    from loader_gate.workloads.workload import Workload

#: File systems whose files do not leave memory, and why.
NEVER_COLD = {
    **dict.fromkeys(IN_MEMORY, "its files are in memory and on no disk"),
    "zfs": "it keeps files in a cache of its own (ARC), which no program can empty",
}
#: How many times the memory a data set has to be by the rules of MLPerf Storage, against caching.
MLPERF_TIMES_MEMORY = 5
#: A variant that reads less than this share of the tree's size has what it delivers elsewhere.
_READS_NOTHING = 0.01


def check_options(options: argparse.Namespace) -> None:
    """Refuse what cannot be asked for together with ``--cold``.

    Raises:
        RegistryError: Something is.
    """
    if options.update_floors:
        raise RegistryError(
            "--update-floors with --cold: floors are of warm passes, as a disk's speed is its own; leave one "
            "of the two out, and hold a cold variant to a floor by --floor."
        )
    if options.cores is not None:
        raise RegistryError(
            f"--cores {options.cores} with --cold: what a disk gives does not follow the cores; measure the "
            "two in sessions of their own."
        )


def without_other_limits(variants: Sequence[Variant], options: argparse.Namespace) -> tuple[Variant, ...]:
    """Return variants without the limits on reading that are of the other kind of session.

    Args:
        variants: Those that the options choose.
        options: The options of the session, by their plain names.

    Raises:
        RegistryError: The options name such a limit.
    """
    other = "warm" if options.cold else "cold"
    for each in variants:
        if each.cache == other and each.name in options.variant:
            hint = "leave --cold out" if options.cold else "add --cold"
            raise RegistryError(f"--variant {each.name}: it is a limit of {other} passes; {hint}.")
    return tuple(each for each in variants if each.cache != other)


@dataclass(frozen=True)
class ColdPlan:
    """Whether passes of a workload can begin cold; as it is by default, of a workload that is not to be cold.

    Attributes:
        problem: Why none can; empty if they can.
        refused: Why those of some variants cannot, by name.
        counts_bytes: Whether the system shows what a process has had read from disks.
        notes: Lines for people.
    """

    problem: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    counts_bytes: bool = True
    notes: tuple[str, ...] = ()


def plan_cold(
    tree: Tree, variants: Iterable[Variant], folder: Path, keep_dumps: Path | None, memory_limit: int | None
) -> ColdPlan:
    """Look whether passes can begin cold: by the largest file of the tree, which is evicted and read.

    Args:
        tree: The images.
        variants: What is to be measured.
        folder: The folder that variants write to.
        keep_dumps: Where dumps are kept instead, if anywhere.
        memory_limit: ``--memory-limit``, in bytes, if given.
    """
    if sys.platform != "linux":
        return ColdPlan("only Linux lets files be evicted from its page cache: leave --cold out")
    files = without_doubles(tree.paths)
    probe = max(files, key=os.path.getsize)
    # Of a subset there may be nothing but links in the tree's own folder.
    problem = _never_cold(Path(probe).resolve().parent, "the tree", "move it to a folder on a disk")
    if problem:
        return ColdPlan(problem)
    evict([probe])
    stayed = cached_share([probe])
    if stayed is None or stayed > MOST_CACHED:
        return ColdPlan(_stays(probe, stayed))
    before = bytes_read()
    Path(probe).read_bytes()
    counts_bytes = bytes_read() > before
    own = _never_cold(keep_dumps or folder, "what it writes", "set TMPDIR or --keep-dumps to a disk")
    # Of rivals and of loaders of yours, their workers find out whether they write anything.
    refused = {each.name: own for each in variants if own and each.traits.writes_dump}
    notes = [*_about_links(len(tree), len(files))]
    if not counts_bytes:
        notes.append(
            f"Bytes a second are not known: {file_system_of(probe)}, where the tree is, does not count what "
            "it reads for a process."
        )
    if memory_limit is not None:
        notes.append(_about_mlperf(_bytes_on_disk(tree), memory_limit))
    return ColdPlan("", refused, counts_bytes, tuple(notes))


def _bytes_on_disk(tree: Tree) -> int:
    """Return the bytes of a tree's files, of which links to one count once."""
    return sum(map(os.path.getsize, without_doubles(tree.paths)))


def _never_cold(folder: Path, what: str, hint: str) -> str:
    """Return why what is in a folder cannot be evicted, as far as its file system tells; else nothing."""
    kind = file_system_of(str(folder))
    if kind not in NEVER_COLD:
        return ""
    return f"{what} is in {folder} on {kind}, and {NEVER_COLD[kind]} (--cold): {hint}, or leave --cold out"


def _stays(file: str, share: float | None) -> str:
    """Return why a file that stays in the page cache may do so, and what to do."""
    found = "whether it left, the system does not say" if share is None else f"{share:.0%} of it stayed"
    hint = "another process may have it mapped: end that"
    if not os.access(file, os.W_OK):
        hint = (
            "Linux says what is in the page cache only to who may write a file: copy the tree to one of yours"
        )
    kind = file_system_of(file)
    return (
        f"{file}, on {kind or 'an unknown file system'}, was evicted from the page cache, and {found} "
        f"(--cold); {hint}, or leave --cold out"
    )


def _about_links(images: int, files: int) -> Iterator[str]:
    if files < images:
        yield (
            f"The tree's {images:,} images are {files:,} files on the disk, and links to them: what a pass "
            "has read once, it finds in the page cache. Of as many files it would read more."
        )


def _about_mlperf(data: int, limit: int) -> str:
    """Return whether the rule of MLPerf Storage is kept, for a machine of so much memory."""
    least = MLPERF_TIMES_MEMORY * limit
    is_kept = data >= least
    found = (
        f"The tree has {format_size(data)}, and {MLPERF_TIMES_MEMORY} times --memory-limit are "
        f"{format_size(least)}: the rule of MLPerf Storage, that data is at least so large, is "
    )
    if is_kept:
        return found + "kept."
    return (
        f"{found}not kept. Passes begin cold all the same; a larger tree (--tree-images, --image-root) keeps "
        "it."
    )


def cold_figures(measurement: Measurement, plan: ColdPlan) -> dict[str, Any]:
    """Return what the JSON says of a variant's cold passes; nothing if it has none.

    Args:
        measurement: What was measured of it.
        plan: Whether bytes are counted.
    """
    passes = [each for each in measurement.variant_passes if each.cached_share is not None]
    if not passes:
        return {}
    figures: dict[str, Any] = {"cached_share": max(each.cached_share or 0.0 for each in passes)}
    if plan.counts_bytes:
        figures["bytes_per_second"] = median(each.read_bytes / each.seconds for each in passes)
        figures["read_bytes"] = median(each.read_bytes for each in passes)
    return figures


def about_cold(
    measurements: Mapping[str, Measurement], extra_info: Mapping[str, Mapping[str, Any]], tree: Tree
) -> Iterator[str]:
    """Say how cold passes were, and which variants have what they deliver in a memory of their own.

    Args:
        measurements: What was measured, by variant.
        extra_info: More to say of a variant in the JSON.
        tree: The images.
    """
    shares = {name: info["cached_share"] for name, info in extra_info.items() if "cached_share" in info}
    if not shares:
        return
    most = max(shares, key=lambda name: shares[name])
    yield (
        "Cold: before each pass the tree's files and the variant's dump were evicted from the page cache. "
        f"At most {shares[most]:.1%} of them was there when a pass began ({most})."
    )
    little = _READS_NOTHING * _bytes_on_disk(tree)
    held = [
        name
        for name in shares
        if extra_info[name].get("read_bytes", little) < little
        and not measurements[name].variant.traits.is_limit
    ]
    if held:
        yield (
            f"Read from no disk, or less than a hundredth of the tree's size in a pass: {', '.join(held)}. "
            "What they deliver is in the memory of their processes, which nobody can evict: it has to fit."
        )


def about_warm(asked: bool, workload: Workload) -> tuple[str, ...]:
    """Return a note for people on a workload that ``--cold`` is not about, if it was given."""
    if not asked or workload.may_be_cold:
        return ()
    return (f"--cold is about loading and dump: {workload.name} was measured as ever.",)
