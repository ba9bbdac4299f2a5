"""What every session of a search measures, and where in a checkout: the same for all of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate.base.interpreter import holds_packages
from loader_gate.base.modules import import_roots, module_file
from loader_gate.registry.variant import Variant
from loader_gate.worker.process import module_search_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class BisectError(Exception):
    """Nothing can be searched; the message says what was found, what was expected and what to do."""


@dataclass(frozen=True)
class Asked:
    """What sessions measure.

    Attributes:
        variant: The name that the loader or variant goes by in a session.
        loader: Its ``MODULE:FUNCTION``; empty for a variant of the suite.
        settings: The project's, as ``[tool.loader-gate]`` has them, but for what a search has of its own.
        options: More options of pytest.
        budget: The most measuring time of a session, in seconds.
        inside: The folder that sessions start in, relative to the repository's top.
        own_path: Folders of the repository in which modules are looked for, relative to its top.
        other_path: Such folders outside of it, of PYTHONPATH.
    """

    variant: str
    loader: str
    settings: Mapping[str, Any]
    options: tuple[str, ...]
    budget: float
    inside: str
    own_path: tuple[str, ...]
    other_path: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Asked:
        """Return what ``dataclasses.asdict`` has made data of."""
        found: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each for name, each in data.items()
        }
        return cls(**found)

    def folder(self, top: Path) -> Path:
        """Return the folder that a session starts in.

        Args:
            top: The folder that the repository is checked out to.
        """
        return top / self.inside

    def search_path(self, top: Path) -> tuple[str, ...]:
        """Return the folders of a checkout in which modules are looked for, the first ones first."""
        return tuple(dict.fromkeys(map(str, (self.folder(top), *(top / each for each in self.own_path)))))

    def absence(self, top: Path) -> str:
        """Return why a checkout cannot be measured, if its files tell that; else nothing.

        A module that a checkout lacks might be found elsewhere, as in the files that the user has open.
        """
        if not self.folder(top).is_dir():
            return f"it has no folder {self.inside}"
        path = self.search_path(top)
        if not self.loader:
            file = module_file(f"loader_gate.variants.{self.variant}", path, hooks=False)
            return "" if file else f"it has no variant {self.variant}"
        module = self.loader.partition(":")[0]
        return "" if module_file(module, path, hooks=False) else f"it has no module {module}"


def places(loader: str, started_in: Path, top: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return where modules are looked for: `Asked.own_path` and `Asked.other_path`.

    Args:
        loader: ``MODULE:FUNCTION``, or nothing.
        started_in: The folder that the user has started in.
        top: The top of the repository, with all links resolved.
    """
    path = module_search_path(started_in)
    roots: Sequence[str] = ()
    if loader:
        module, _, function = loader.partition(":")
        # Also what an editable install finds by a hook, which no path shows.
        roots = import_roots(Variant(function, module, function), path)
    own: dict[str, None] = {}
    for entry in (*roots, *path):
        resolved = Path(entry).resolve()
        if resolved.is_relative_to(top) and not holds_packages(entry):
            own[resolved.relative_to(top).as_posix()] = None
    given = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    other = [each for each in given if not Path(each).resolve().is_relative_to(top)]
    return tuple(own), tuple(other)


def environment(search_path: Sequence[str]) -> dict[str, str]:
    """Return the environment variables of a session.

    What git has set for its children, as a hook or a bisection does, would lead other programs astray.

    Args:
        search_path: Folders in which modules are looked for first.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    kept.pop("PYTHONSAFEPATH", None)  # the loader's own folder is looked at first
    return {**kept, "PYTHONPATH": os.pathsep.join(search_path)}
