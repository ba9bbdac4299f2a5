"""The suite's own variants, found by being there: one module in ``loader_gate/variants/`` each."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from typing import TYPE_CHECKING

from loader_gate import variants
from loader_gate.registry.kind import DEFAULT_KIND, KINDS, Kind
from loader_gate.registry.spec import AUGMENTS
from loader_gate.registry.variant import BASELINE, RegistryError, Variant
from loader_gate.trees.kinds import LIBRARIES
from loader_gate.workloads.known import known_workloads

if TYPE_CHECKING:
    from types import ModuleType


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
    return tuple(sorted(found, key=lambda each: (each.name != BASELINE, each.traits.is_limit, each.name)))


def _declared(variant: Variant, module: ModuleType) -> Variant:
    """Return the variant with what its module says of it."""
    kind = getattr(module, "KIND", DEFAULT_KIND)
    if kind not in KINDS:
        raise RegistryError(f"{module.__file__}: KIND is {kind!r}, not one of {', '.join(KINDS)}.")
    for name in KINDS[kind].needs:
        if not callable(getattr(module, name, None)):
            raise RegistryError(f"{module.__file__} has no function {name}: kind {kind} needs one.")
    requires, install = _requirements(module)
    default, bounds = _default_workloads(module), _bounds(module, KINDS[kind])
    decoders = tuple(getattr(module, "DECODERS", " ".join(LIBRARIES)).split())
    return replace(
        variant,
        kind=kind,
        requires=requires,
        install=install,
        default=default,
        bounds=bounds,
        cache=_cache(module, KINDS[kind]),
        decoders=decoders,
        augments=_augments(module),
        sent_bytes=_sent_bytes(module),
    )


def _requirements(module: ModuleType) -> tuple[tuple[str, ...], str]:
    """Return the modules that have to be installed, and the command that installs them."""
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
    return tuple(requires.split()), install


def _default_workloads(module: ModuleType) -> tuple[str, ...]:
    """Return the workloads in which it takes part without being asked for."""
    default, workloads = getattr(module, "DEFAULT", True), tuple(known_workloads())
    if isinstance(default, bool):
        default = workloads if default else ()
    if not (isinstance(default, tuple) and all(each in workloads for each in default)):
        raise RegistryError(
            f"{module.__file__}: DEFAULT is {default!r}, expected True, False, or a tuple of workloads: "
            f"{', '.join(workloads)}."
        )
    return default


def _bounds(module: ModuleType, kind: Kind) -> tuple[str, ...]:
    """Return the kinds that a limit bounds; nothing else bounds any."""
    bounds = getattr(module, "BOUNDS", ())
    bounded = [each.name for each in KINDS.values() if not each.is_limit]
    if not (isinstance(bounds, tuple) and all(each in bounded for each in bounds)):
        raise RegistryError(
            f"{module.__file__}: BOUNDS is {bounds!r}, expected a tuple of kinds: {', '.join(bounded)}."
        )
    if bool(bounds) != kind.is_limit:
        raise RegistryError(
            f"{module.__file__}: BOUNDS is {bounds!r} and KIND is {kind.name!r}, but a limit, and only a "
            "limit, says which kinds it bounds."
        )
    return bounds


def _cache(module: ModuleType, kind: Kind) -> str:
    """Return whether a limit is of reading from the page cache, or from the disk itself; else nothing."""
    cache = getattr(module, "CACHE", "")
    if cache not in ("", "warm", "cold") or (cache and not kind.is_limit):
        raise RegistryError(
            f"{module.__file__}: CACHE is {cache!r} and KIND is {kind.name!r}, but only a limit may say so, "
            '"warm" or "cold".'
        )
    return str(cache)


def _augments(module: ModuleType) -> tuple[str, ...]:
    """Return what of ``--augment`` it can do; everything can do nothing."""
    augments = getattr(module, "AUGMENTS", ())
    if not (isinstance(augments, tuple) and all(each in AUGMENTS for each in augments)):
        raise RegistryError(
            f"{module.__file__}: AUGMENTS is {augments!r}, expected a tuple of {', '.join(AUGMENTS[1:])}."
        )
    return (*AUGMENTS[:1], *augments)


def _sent_bytes(module: ModuleType) -> int:
    """Return the bytes of a pixel's channel on a network."""
    sent = getattr(module, "SENT_BYTES", Variant.sent_bytes)
    if type(sent) is not int or sent < 1:
        raise RegistryError(
            f"{module.__file__}: SENT_BYTES is {sent!r}, expected a whole number of bytes, such as 1 of "
            "uint8; leave it out if images are sent as float32."
        )
    return sent


def _is_module_name(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))
