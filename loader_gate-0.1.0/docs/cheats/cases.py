"""Which loaders there are, and what is expected of each."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Loader = TypeVar("Loader", bound=Callable[..., Any])

#: The modules that hold them, in the order of the table.
MODULES = ("later", "lazy", "elsewhere", "pixels", "order", "caches", "declared", "readers", "processes")
#: The honest loader that every cheat is measured beside: it decodes each image anew, one after another.
TWIN = "decoded_anew"
_EXPECTED = "loader_gate_cheats"


@dataclass(frozen=True)
class Case:
    """One loader, and what is expected of it.

    Attributes:
        name: Of the function.
        module: Of `MODULES`.
        about: How it cheats, or why it looks like a cheat and is none: its docstring.
        is_cheat: Whether it must not get a figure.
        may_be_charged: Of a cheat: whether a figure will do that is no better than its twin's, since it does
            the work after all, at another time or when somebody looks.
        needs: A module that has to be installed.
        images_per_class: So many only, instead of the whole tree.
    """

    name: str
    module: str
    about: str
    is_cheat: bool
    may_be_charged: bool = False
    needs: str = ""
    images_per_class: int | None = None

    @property
    def loader(self) -> str:
        """Return what ``--loader`` takes."""
        return f"{__package__}.{self.module}:{self.name}"

    @property
    def is_installed(self) -> bool:
        """Return whether what it needs is there."""
        return not self.needs or find_spec(self.needs) is not None


def cheat(loader: Loader) -> Loader:
    """Say of a loader that it has to be refused."""
    return _expect(loader, is_cheat=True)


def cheat_unless_charged(loader: Loader) -> Loader:
    """Say of a loader that it has to be refused, or to take as long as its twin."""
    return _expect(loader, is_cheat=True, may_be_charged=True)


def honest(loader: Loader) -> Loader:
    """Say of a loader that it has to pass."""
    return _expect(loader, is_cheat=False)


def needing(module: str) -> Callable[[Loader], Loader]:
    """Return a decorator that says what has to be installed for an honest loader."""
    return lambda loader: _expect(loader, is_cheat=False, needs=module)


def with_few_images(images_per_class: int) -> Callable[[Loader], Loader]:
    """Return a decorator that says of an honest loader on how small a tree it has to pass."""
    return lambda loader: _expect(loader, is_cheat=False, images_per_class=images_per_class)


def declares(**names: Any) -> Callable[[Loader], Loader]:
    """Return a decorator that lets a loader declare something, such as its ``KIND``."""

    def declare(loader: Loader) -> Loader:
        for name, value in names.items():
            setattr(loader, name, value)
        return loader

    return declare


def _expect(loader: Loader, **expected: Any) -> Loader:
    setattr(loader, _EXPECTED, expected)
    return loader


def all_cases() -> tuple[Case, ...]:
    """Return every loader, as the modules have them."""
    return tuple(case for module in MODULES for case in _cases(module))


def _cases(module: str) -> Iterator[Case]:
    for name, found in vars(importlib.import_module(f"{__package__}.{module}")).items():
        expected = getattr(found, _EXPECTED, None)
        if expected is not None:
            yield Case(name, module, (found.__doc__ or "").strip(), **expected)
