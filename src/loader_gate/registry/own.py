"""A user's own loader, which joins as a variant with ``--loader``."""

from __future__ import annotations

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
