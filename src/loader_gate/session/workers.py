"""The processes of one workload: where each takes its code from, and which folder it writes to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loader_gate.machine.lacking import remedy
from loader_gate.registry.spec import Spec
from loader_gate.session.dump_writer import AT_BASE, Dumps
from loader_gate.worker.forked import Templates
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerError, WorkerProcess

if TYPE_CHECKING:
    from pathlib import Path

    from loader_gate.registry.variant import Variant
    from loader_gate.worker.origin import Origin


@dataclass(frozen=True)
class Launcher:
    """Starts processes.

    Attributes:
        search_path: Where they look for modules.
        limits: What each may take.
        origins: Where the code of variants at base comes from, by variant; of those that have one.
        templates: Fork those that go on where earlier ones were.
    """

    search_path: Sequence[str]
    limits: WorkerLimits
    origins: Mapping[str, Origin]
    templates: Templates

    def start(
        self,
        variant: Variant,
        at_base: bool = False,
        *,
        writes_to: Path | None = None,
        imported: Mapping[str, str] | None = None,
    ) -> WorkerProcess:
        """Start a process.

        Args:
            variant: What it runs.
            at_base: Whether that is the variant at base.
            writes_to: The folder whose size is limited, if any.
            imported: What an earlier one of the same has imported, if there was one.

        Raises:
            WorkerError: The system does not let it be started.
        """
        try:
            return WorkerProcess(
                variant,
                self.search_path,
                self.limits,
                disk_folder=writes_to,
                origin=self.origins[variant.name] if at_base else None,
                fork=self.templates.with_imported(imported),
            )
        except OSError as error:
            raise WorkerError(f"its worker could not be started: {error}: {remedy(error)}") from error


@dataclass(frozen=True)
class SessionWorkers:
    """The workers that are timed; see ``rotation.runner.Workers``.

    Attributes:
        launcher: Starts their processes.
        common: The epoch to deliver; each variant has a folder of its own in its folder.
        dumps: What has been written for them to read.
        wanted: Names of variants that are to be compared with base, where that is possible.
    """

    launcher: Launcher
    common: Spec
    dumps: Dumps
    wanted: Collection[str]

    def spec(self, variant: Variant, at_base: bool) -> Spec:
        """Return the epoch that a variant has to deliver, on one of both sides."""
        written = self.dumps.of(variant, at_base)
        if written is not None:
            return written.spec
        return self.common.for_variant(f"{variant.name}{AT_BASE}" if at_base else variant.name)

    def compares(self, variant: Variant) -> bool:
        """Return whether a variant is to be measured at base, too."""
        return variant.name in self.wanted and variant.name in self.launcher.origins

    def start(
        self, variant: Variant, at_base: bool, imported: Mapping[str, str] | None = None
    ) -> WorkerProcess:
        """Start a worker; what it writes goes with it, but for a dump, which may be there to stay.

        Raises:
            WorkerError: It would have no dump to read.
        """
        if at_base and variant.name in self.dumps.failed_at_base:
            raise WorkerError(f"its dump could not be written: {self.dumps.failed_at_base[variant.name]}")
        if self.dumps.of(variant, at_base) is not None:
            return self.launcher.start(variant, at_base, imported=imported)
        folder = self.spec(variant, at_base).cache_dir
        written = folder if variant.traits.may_write else None
        worker = self.launcher.start(variant, at_base, writes_to=written, imported=imported)
        worker.folder = folder
        return worker
