"""Which variants there are: one module in ``loader_gate/variants/`` each, and the user's own loaders.

A variant's module has a function ``load(tree, spec)`` and may say, as upper-case names, what it delivers;
a user's loader function may carry the same names as attributes:

``KIND``
    ``streaming`` (the default), ``memory``, ``dump`` or ``rival``; of a module also ``limit``, or ``ready``,
    which is a limit that hands over batches.
``INTERPOLATION``
    ``nearest``, ``bilinear`` or ``area``; left out, the best match of the three counts.
``DTYPE``, ``VALUE_RANGE``
    Of the images; left out, ``"float32"`` and ``(0.0, 1.0)``, or ``(0, 255)`` of ``"uint8"``.
``MEAN``, ``STD``
    What images of 0 to 1 are normalised with, a number or one for red, green and blue, as torchvision's
    ``Normalize`` takes them; in place of ``VALUE_RANGE``.
``LAYOUT``
    ``"NCHW"`` of channels first; left out, ``"NHWC"``.
``LABELS``
    ``"index"`` of the numbers of classes; left out, ``"one-hot"``.
``DECODERS``
    The libraries that decode its files, with spaces between them, such as ``"simplejpeg Pillow"``: no file is
    measured that one of them reads otherwise than the others. Left out of a module, Pillow, TensorFlow and
    simplejpeg; of a function, none. A function's is read without importing its module.
``SHARDS``
    ``True`` of what heeds ``spec.shard`` and ``spec.shards``: ranks that share an epoch.

Modules may say more:

``REQUIRES``, ``INSTALL``
    What has to be installed beside the suite itself, as names to import (``"torch simplejpeg"``), and the
    command that installs it. Without it the variant is skipped by name.
``DEFAULT``
    ``False`` of a variant that takes part only if ``--variant`` asks for it; or the workloads in which it
    does so by itself, such as ``("loading", "dump")``.
``AUGMENTS``
    What of ``--augment`` it can do, beside whole pictures: ``("crop-flip",)``, see `Spec.augment`.
``SENT_BYTES``
    Bytes of a pixel's channel as other machines send it, if they make the batches: 1 of ``uint8``, which is
    made float32 where it arrives. Left out, 4: batches are sent as they are delivered.
``ARCHIVE_BYTES``
    Of a rival that packs the tree's files into an archive, as they are: bytes that it writes for each image
    beside those of the file.
``BOUNDS``
    Of a limit: the kinds of variants that can be no faster, such as ``("dump", "memory")``.
``CACHE``
    Of a limit on reading: ``"warm"`` if it is one of reading from the page cache, ``"cold"`` if it reads the
    disk itself; it takes part in such sessions only (``--cold``). A cold one bounds bytes a second.

Beside ``load``, a module of kind ``memory`` or ``dump`` has ``predicted_bytes(images, spec)``, what so many
images will take in memory or on disk; and one of kind ``dump`` has ``dump_problem(images, spec)``, why what
is in ``spec.cache_dir`` is not a finished dump of them, or nothing if it is. A limit may have
``can_bound(tree)``, whether it is about the files of a tree. Any module may have
``predicted_buffer_bytes(images, spec)``, what the decoded images take that it holds in memory besides, and
``predicted_process_bytes(spec)``, what the processes take that it starts.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, replace
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from loader_gate import variants
from loader_gate.registry.kind import DEFAULT_KIND, Kind, kind_named
from loader_gate.registry.spec import AUGMENTS
from loader_gate.text import printable_lines
from loader_gate.workloads.known import known_workloads

if TYPE_CHECKING:
    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree
    from loader_gate.workloads.workload import Workload

BASELINE = "keras_image_data_generator"
#: What ``--variant`` takes in the place of a name: every variant there is.
ALL = "all"


class RegistryError(Exception):
    """A variant or loader cannot be used; the message names it and says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(printable_lines(message))


@dataclass(frozen=True)
class Variant:
    """One way to turn a tree into batches.

    Attributes:
        name: The name in node ids, floors and reports.
        module: The module that holds the loader function.
        function: The name of that function.
        kind: The name of its kind, see `traits`; of a user's loader not known before its worker says it.
        requires: Names of modules that have to be installed beside the suite itself.
        install: The command that installs them.
        default: The workloads in which it takes part without being asked for.
        bounds: Of a limit, the kinds of variants that can be no faster.
        cache: Of a limit on reading: whether it is of ``warm`` passes or of ``cold`` ones; else empty.
        decoders: The libraries that decode its files; of a user's loader, `Settings.decoders` knows them.
        is_strict: Of a limit, whether these can really be no faster, but for its own error.
        file: Of a loader that was found in a file: that file, as its module's name need not lead there.
        path: Of such a loader: the folders in which its worker has to look for modules first.
        augments: What of ``--augment`` it can do.
        sent_bytes: Bytes of a pixel's channel on a network.
        processors: The numbers of those that its worker is bound to; empty if it may use all.
    """

    name: str
    module: str
    function: str = "load"
    kind: str = DEFAULT_KIND
    requires: tuple[str, ...] = ()
    install: str = ""
    default: tuple[str, ...] = field(default_factory=lambda: tuple(known_workloads()))
    bounds: tuple[str, ...] = ()
    cache: str = ""
    decoders: tuple[str, ...] = ()
    is_strict: bool = True
    file: str = ""
    path: tuple[str, ...] = ()
    augments: tuple[str, ...] = AUGMENTS[:1]
    sent_bytes: int = 4
    processors: tuple[int, ...] = ()

    @property
    def floor_key(self) -> str:
        """Return the name under which ``floors.toml`` keeps floors of this variant."""
        return self.name if self.is_built_in else f"{self.module}:{self.function}"

    @property
    def is_built_in(self) -> bool:
        """Return whether the variant comes with the suite."""
        return self.module.startswith(f"{variants.__name__}.")

    def service_in(self, service: str) -> str:
        """Return the address of a tf.data service if it may be what makes the batches, else nothing.

        What a user's loader does with ``spec.service`` nobody knows.

        Args:
            service: ``--service``; empty without.
        """
        return service if not self.is_built_in or self.module.endswith(".tfdata_service") else ""

    @property
    def traits(self) -> Kind:
        """Return what its kind means."""
        return kind_named(self.kind)

    def bound_to(self, processors: tuple[int, ...]) -> Variant:
        """Return the same variant on these processors only, such as ``NAME@1`` on one."""
        return replace(self, name=f"{self.name}@{len(processors)}", processors=processors)

    def takes_part_in(self, workload: Workload) -> bool:
        """Return whether variants of its kind are measured in a workload."""
        if self.traits.is_limit:
            return workload.has_headspace if self.traits.hands_over_batches else workload.has_limits
        return self.traits.writes_dump or not workload.writes_dumps

    def absence(self, augment: str = AUGMENTS[0]) -> str:
        """Return why it cannot take part: what is not installed that it needs, or that it cannot augment.

        Args:
            augment: See `Spec.augment`. Whether a user's loader does that, its first epoch says.
        """
        absent = [name for name in self.requires if not _is_installed(name)]
        if absent:
            return f"needs {' and '.join(absent)}: {self.install}"
        if not self.is_built_in or augment in self.augments:
            return ""
        why = "it delivers whole pictures only"
        if self.traits.fills_memory or self.traits.writes_dump:
            why = "it keeps finished pictures, so that every epoch would have the parts of the first"
        elif self.traits.is_limit:
            why = "it bounds nothing that can"
        return (
            f"cannot take part in --augment {augment}: {why}; leave out --augment to measure it, or use a "
            "variant that docs/augment.md lists"
        )

    def predicted_bytes(self, images: int, spec: Spec) -> int | None:
        """Return what so many images will take in memory or on disk, or None if nobody knows."""
        predict = self._said("predicted_bytes")
        return None if predict is None else int(predict(images, spec))

    def predicted_archive_bytes(self, images: int, file_bytes: float) -> int:
        """Return what an archive of the tree's files takes on disk; 0 if it writes none.

        Args:
            images: How many images there are.
            file_bytes: The mean size of their files, in bytes.
        """
        beside = self._said("ARCHIVE_BYTES")
        return 0 if beside is None else round(images * (file_bytes + beside))

    def predicted_buffer_bytes(self, images: int, spec: Spec) -> int:
        """Return what the decoded images take that it holds in memory beside its cache or dump."""
        predict = self._said("predicted_buffer_bytes")
        return 0 if predict is None else int(predict(images, spec))

    def predicted_process_bytes(self, spec: Spec) -> int:
        """Return what the processes take that it starts beside its worker."""
        predict = self._said("predicted_process_bytes")
        return 0 if predict is None else int(predict(spec))

    def dump_problem(self, images: int, spec: Spec) -> str:
        """Return why ``spec.cache_dir`` holds no finished dump of so many images, or nothing if it does."""
        problem = self._said("dump_problem")
        return "" if problem is None else str(problem(images, spec))

    def can_bound(self, tree: Tree) -> bool:
        """Return whether the files of a tree are those that a limit is about; so they are of most limits."""
        can = self._said("can_bound")
        return True if can is None else bool(can(tree))

    def _said(self, name: str) -> Any:
        return getattr(importlib.import_module(self.module), name, None) if self.is_built_in else None


def _is_installed(name: str) -> bool:
    """Return whether a module can be found, without importing anything, not even the packages it is in."""
    package, *parts = name.split(".")
    found = find_spec(package)
    for part in parts:
        if found is None or found.submodule_search_locations is None:
            return False
        package = f"{package}.{part}"
        found = PathFinder.find_spec(package, [*found.submodule_search_locations])
    return found is not None
