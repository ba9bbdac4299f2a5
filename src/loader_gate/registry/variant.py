"""Which variants there are: one module in ``loader_gate/variants/`` each, and the user's own loaders.

A variant's module has a function ``load(tree, spec)`` and may say, as upper-case names, what it delivers;
a user's loader function may carry the same names as attributes:

``KIND``
    ``streaming`` (the default), ``memory``, ``dump``, ``rival`` or ``limit``.
``INTERPOLATION``
    ``nearest``, ``bilinear`` or ``area``; left out, the best match of the three counts.
``DTYPE``, ``VALUE_RANGE``
    Of the images; left out, ``"float32"`` and ``(0.0, 1.0)``.

Modules may say more:

``REQUIRES``, ``INSTALL``
    What has to be installed beside the suite itself, as names to import (``"torch simplejpeg"``), and the
    command that installs it. Without it the variant is skipped by name.
``DEFAULT``
    ``False`` of a variant that takes part only if ``--variant`` asks for it; or the workloads in which it
    does so by itself, such as ``("loading", "dump")``.
``BOUNDS``
    Of a limit: the kinds of variants that can be no faster, such as ``("dump", "memory")``.

Beside ``load``, a module of kind ``memory`` or ``dump`` has ``predicted_bytes(images, spec)``, what so many
images will take in memory or on disk; and one of kind ``dump`` has ``dump_problem(images, spec)``, why what
is in ``spec.cache_dir`` is not a finished dump of them, or nothing if it is. Any module may have
``predicted_buffer_bytes(images, spec)``, what the decoded images take that it holds in memory besides.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from loader_gate import variants

if TYPE_CHECKING:
    from types import ModuleType

    from loader_gate.registry.spec import Spec

BASELINE = "keras_image_data_generator"
KINDS = ("streaming", "memory", "dump", "rival", "limit")
WORKLOADS = ("loading", "training", "dump")
#: What ``--variant`` takes in the place of a name: every variant there is.
ALL = "all"


class RegistryError(Exception):
    """A variant or loader cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Variant:
    """One way to turn a tree into batches.

    Attributes:
        name: The name in node ids, floors and reports.
        module: The module that holds the loader function.
        function: The name of that function.
        kind: One of `KINDS`; of a user's loader it is not known before its worker says it.
        requires: Names of modules that have to be installed beside the suite itself.
        install: The command that installs them.
        default: The workloads in which it takes part without being asked for.
        bounds: Of a limit, the kinds of variants that can be no faster.
        file: Of a loader that was found in a file: that file, as its module's name need not lead there.
        path: Of such a loader: the folders in which its worker has to look for modules first.
    """

    name: str
    module: str
    function: str = "load"
    kind: str = KINDS[0]
    requires: tuple[str, ...] = ()
    install: str = ""
    default: tuple[str, ...] = WORKLOADS
    bounds: tuple[str, ...] = ()
    file: str = ""
    path: tuple[str, ...] = ()

    @property
    def floor_key(self) -> str:
        """Return the name under which ``floors.toml`` keeps floors of this variant."""
        return self.name if self.is_built_in else f"{self.module}:{self.function}"

    @property
    def is_built_in(self) -> bool:
        """Return whether the variant comes with the suite."""
        return self.module.startswith(f"{variants.__name__}.")

    def absence(self) -> str:
        """Return what is not installed that it needs, and how to install it; nothing if all is there."""
        absent = [name for name in self.requires if not _is_installed(name)]
        return f"needs {' and '.join(absent)}: {self.install}" if absent else ""

    def predicted_bytes(self, images: int, spec: Spec) -> int | None:
        """Return what so many images will take in memory or on disk, or None if nobody knows."""
        predict = self._said("predicted_bytes")
        return None if predict is None else int(predict(images, spec))

    def predicted_buffer_bytes(self, images: int, spec: Spec) -> int:
        """Return what the decoded images take that it holds in memory beside its cache or dump."""
        predict = self._said("predicted_buffer_bytes")
        return 0 if predict is None else int(predict(images, spec))

    def dump_problem(self, images: int, spec: Spec) -> str:
        """Return why ``spec.cache_dir`` holds no finished dump of so many images, or nothing if it does."""
        problem = self._said("dump_problem")
        return "" if problem is None else str(problem(images, spec))

    def _said(self, name: str) -> Any:
        return getattr(importlib.import_module(self.module), name, None) if self.is_built_in else None


def built_in_variants() -> tuple[Variant, ...]:
    """Return every variant of the suite: the baseline first, the limits last, else by name.

    Each module is imported, so that one that cannot be says so at once.

    Raises:
        RegistryError: A module cannot be imported, or says something of itself that cannot be used.
    """
    found = []
    for info in pkgutil.iter_modules(variants.__path__):
        variant = Variant(info.name, f"{variants.__name__}.{info.name}")
        try:
            module = importlib.import_module(variant.module)
        except Exception as error:
            raise RegistryError(
                f"{variant.module} cannot be imported: {type(error).__name__}: {error}; mend it, or move its "
                "file out of loader_gate/variants/."
            ) from error
        if not callable(getattr(module, variant.function, None)):
            raise RegistryError(
                f"{module.__file__} has no function load(tree, spec): every variant needs one."
            )
        found.append(_declared(variant, module))
    return tuple(sorted(found, key=lambda each: (each.name != BASELINE, each.kind == "limit", each.name)))


def _declared(variant: Variant, module: ModuleType) -> Variant:
    """Return the variant with what its module says of it."""
    kind = getattr(module, "KIND", KINDS[0])
    if kind not in KINDS:
        raise RegistryError(f"{module.__file__}: KIND is {kind!r}, not one of {', '.join(KINDS)}.")
    needed = {"memory": ["predicted_bytes"], "dump": ["predicted_bytes", "dump_problem"]}.get(kind, [])
    for name in needed:
        if not callable(getattr(module, name, None)):
            raise RegistryError(f"{module.__file__} has no function {name}: kind {kind} needs one.")
    requires, install = getattr(module, "REQUIRES", ""), getattr(module, "INSTALL", "")
    if not (isinstance(requires, str) and all(map(_is_module_name, requires.split()))):
        raise RegistryError(
            f"{module.__file__}: REQUIRES is {requires!r}, expected names to import with spaces between "
            'them, such as "torch simplejpeg".'
        )
    if bool(requires) != bool(install) or not isinstance(install, str):
        raise RegistryError(
            f"{module.__file__}: INSTALL is {install!r}, expected the command that installs REQUIRES "
            f"({requires!r}), such as 'pip install \"loader-gate[torch]\"': each needs the other."
        )
    default = getattr(module, "DEFAULT", True)
    if isinstance(default, bool):
        default = WORKLOADS if default else ()
    if not (isinstance(default, tuple) and all(each in WORKLOADS for each in default)):
        raise RegistryError(
            f"{module.__file__}: DEFAULT is {default!r}, expected True, False, or a tuple of workloads: "
            f"{', '.join(WORKLOADS)}."
        )
    bounds = getattr(module, "BOUNDS", ())
    bounded = [each for each in KINDS if each != "limit"]
    if not (isinstance(bounds, tuple) and all(each in bounded for each in bounds)):
        raise RegistryError(
            f"{module.__file__}: BOUNDS is {bounds!r}, expected a tuple of kinds: {', '.join(bounded)}."
        )
    if bool(bounds) != (kind == "limit"):
        raise RegistryError(
            f"{module.__file__}: BOUNDS is {bounds!r} and KIND is {kind!r}, but a limit, and only a limit, "
            "says which kinds it bounds."
        )
    return replace(
        variant,
        kind=kind,
        requires=tuple(requires.split()),
        install=install,
        default=default,
        bounds=bounds,
    )


def _is_module_name(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


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


def user_variant(loader: str, search_path: list[str]) -> Variant:
    """Return the variant for ``--loader MODULE:FUNCTION``, without importing the module.

    The import is left to the worker: a user's module may well import TensorFlow or torch.

    Raises:
        RegistryError: ``loader`` has another form, or no such module is on ``search_path``.
    """
    module, colon, function = loader.partition(":")
    names = [*module.split("."), function]
    if not colon or not all(name.isidentifier() for name in names):
        raise RegistryError(
            f"--loader {loader}: expected MODULE:FUNCTION, such as my_package.loaders:photos."
        )
    # An editable install may have a finder of its own in place of a folder on the path.
    if PathFinder.find_spec(names[0], search_path) is None and find_spec(names[0]) is None:
        raise RegistryError(
            f"--loader {loader}: no module {names[0]!r} on Python's path or in the folder pytest was started "
            "in; start pytest where it can be imported, or set PYTHONPATH."
        )
    return Variant(function, module, function)
