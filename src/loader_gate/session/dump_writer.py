"""Has the dumps of one workload written, of head and of base, before anything is timed.

What writes one, and says whether it is finished, is in ``session/dumps.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from loader_gate.machine.page_cache import IN_MEMORY, cached_share, file_system_of
from loader_gate.progress import Progress
from loader_gate.registry.spec import Spec
from loader_gate.session.dumps import MANIFEST, Dump, DumpError, dump_files, dump_key, finished_dump
from loader_gate.sizes import format_size
from loader_gate.trees.tree import Tree
from loader_gate.worker.limits import bytes_in
from loader_gate.worker.process import WorkerError, WorkerProcess

if TYPE_CHECKING:
    from loader_gate.registry.variant import Variant

    #: Starts the process that writes: of a variant, of head or of base, into a folder.
    Start = Callable[[Variant, bool, Path], WorkerProcess]

#: What the folders of a variant at base end with.
AT_BASE = "-at-base"


@dataclass(frozen=True)
class Written:
    """A finished dump.

    Attributes:
        dump: The dump.
        spec: The epoch that it holds; ``cache_dir`` is its folder.
        cached_share: What share of it the page cache held before any pass read it; None if that is not known.
    """

    dump: Dump
    spec: Spec
    cached_share: float | None = None


@dataclass(frozen=True)
class Dumps:
    """The dumps of one workload, and what came of writing them.

    Attributes:
        head: The dumps of this checkout, by variant.
        base: Those of base.
        failed: Why there is none of head, by variant.
        failed_at_base: Why there is none of base, where there should be one.
        notes: Lines for people.
    """

    head: Mapping[str, Written] = field(default_factory=dict)
    base: Mapping[str, Written] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    failed_at_base: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, variant: Variant, at_base: bool) -> Written | None:
        """Return the dump of a variant on one of both sides, if there is one."""
        return (self.base if at_base else self.head).get(variant.name)


@dataclass(frozen=True)
class DumpWriter:
    """Writes dumps.

    Attributes:
        tree: The images.
        start: Starts the process that writes a dump: of a variant, at base or not, into a folder.
        machine: The fingerprint of this machine.
        keep_dumps: Where dumps of head are kept from session to session, or None.
        stream: Where progress is shown.
    """

    tree: Tree
    start: Start
    machine: str
    keep_dumps: Path | None
    stream: TextIO

    def write(self, variants: Sequence[Variant], spec: Spec, compared: Collection[str]) -> Dumps:
        """Write the dump of each variant that has one, unless a finished one was kept.

        Args:
            variants: The variants to measure.
            spec: The epoch to deliver, in the session's own folder.
            compared: Names of variants whose dump base writes, too; such are never kept.
        """
        # What kind a loader of the user's is of, it says only when it is called.
        writers = [each for each in variants if each.traits.writes_dump or not each.is_built_in]
        head = self._write_all("Writing dumps", writers, spec, at_base=False)
        at_base = [each for each in writers if each.name in head.written and each.name in compared]
        if not at_base:
            return Dumps(head.written, {}, head.failed, notes=head.said)
        base = self._write_all("Writing dumps of base", at_base, spec, at_base=True)
        return Dumps(head.written, base.written, head.failed, base.failed, (*head.said, *base.said))

    def _write_all(self, title: str, writers: Sequence[Variant], spec: Spec, at_base: bool) -> _Side:
        written: dict[str, Written] = {}
        failed: dict[str, str] = {}
        said: list[str] = []
        with Progress(title, len(writers), self.stream) as progress:
            for done, variant in enumerate(writers):
                progress.update(done, variant.name)
                own = self._spec_of(variant, spec, at_base)
                start = partial(self._start, spec=own, at_base=at_base, done=done, progress=progress)
                try:
                    dump = finished_dump(
                        variant, self.tree, own, start, said.append, self.machine, at_base=at_base
                    )
                except (WorkerError, DumpError) as error:
                    failed[variant.name] = str(error)
                else:
                    # The passes to come will bring all of it into the page cache.
                    share = None if at_base else cached_share(map(str, dump_files(own.cache_dir)))
                    written[variant.name] = Written(dump, own, share)
        return _Side(written, failed, tuple(said))

    def _spec_of(self, variant: Variant, spec: Spec, at_base: bool) -> Spec:
        if at_base:
            return spec.for_variant(f"{variant.name}{AT_BASE}")
        if not variant.is_built_in:  # nobody knows what code its dump depends on
            return spec.for_variant(variant.name)
        kept = spec if self.keep_dumps is None else replace(spec, cache_dir=self.keep_dumps)
        return kept.for_variant(f"{variant.name}-{dump_key(variant, self.tree, spec)}")

    def _start(
        self, variant: Variant, *, spec: Spec, at_base: bool, done: int, progress: Progress
    ) -> WorkerProcess:
        """Start a worker that writes a dump, and say how far it is while it does."""
        predicted = variant.predicted_bytes(len(self.tree), spec) or 0
        worker = self.start(variant, at_base, spec.cache_dir)

        def say() -> None:
            written = bytes_in(spec.cache_dir)
            share = min(1.0, written / predicted) if predicted else 0.0
            of = f" of {format_size(predicted)}" if predicted else ""
            progress.update(done + share, f"{variant.name}, {format_size(written)}{of}")

        worker.on_alive = say
        return worker


@dataclass(frozen=True)
class _Side:
    """What came of writing the dumps of head, or those of base."""

    written: Mapping[str, Written]
    failed: Mapping[str, str]
    said: tuple[str, ...]


def is_kept(variant: Variant, tree: Tree, spec: Spec, keep_dumps: Path | None) -> bool:
    """Return whether there may be a dump of an earlier session, for which no more disk is needed."""
    if keep_dumps is None or not variant.traits.writes_dump:
        return False
    return (keep_dumps / f"{variant.name}-{dump_key(variant, tree, spec)}" / MANIFEST).is_file()


def about_disk(folder: Path) -> tuple[str, ...]:
    """Return a note for people if a folder of dumps is on no disk."""
    kind = file_system_of(str(folder))
    if kind not in IN_MEMORY:
        return ()
    return (
        f"Dumps are in memory: {folder} is on {kind}. What is written and read here "
        "says nothing of a disk, and dumps count as memory that is taken; set TMPDIR or --keep-dumps to a "
        "folder on a disk.",
    )
