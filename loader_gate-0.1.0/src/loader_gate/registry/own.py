"""A user's own loaders: how one joins as a variant with ``--loader``, and what several are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib.machinery import PathFinder
from importlib.util import find_spec

from loader_gate.registry.variant import RegistryError, Variant


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


def told_apart(loaders: Sequence[Variant]) -> tuple[Variant, ...]:
    """Return loaders under names that tell them apart.

    A loader is named as its function is. Where several functions have one name, each goes by its
    ``MODULE:FUNCTION``, as in a file of floors: by less of its module, a third one would rename the others.
    Who goes by that already does so whoever else has left.

    Raises:
        RegistryError: Two are the same function of the same module.
    """
    first: dict[str, Variant] = {}
    for loader in loaders:
        before = first.setdefault(loader.floor_key, loader)
        if before is not loader:
            raise RegistryError(_twice(before, loader))
    functions = Counter(each.function for each in loaders)
    return tuple(
        replace(each, name=each.name if functions[each.function] == 1 else each.floor_key) for each in loaders
    )


def _twice(one: Variant, other: Variant) -> str:
    """Return what is wrong with two loaders of one module and function."""
    key = one.floor_key
    if one.file and other.file:
        return f"{other.file}: a loader is {key} already, in {one.file}; rename one of the two functions."
    also = f", and {one.file or other.file} has it" if one.file or other.file else ""
    return f"--loader {key}: it is given already{also}; leave one out."
