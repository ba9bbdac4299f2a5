"""Where each variant's code is at a revision, or why it is not there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate import HOMES
from loader_gate.base.interpreter import Interpreter, holds_packages
from loader_gate.base.modules import (
    import_roots,
    module_file,
    modules_in,
    names_in,
    public_functions,
    renamed_from,
)
from loader_gate.base.repository import Repository, RevisionError
from loader_gate.base.unchanged import Side, has_other_data, is_unchanged
from loader_gate.worker.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loader_gate.base.checkouts import Checkouts
    from loader_gate.registry.variant import Variant


class _NoCheckoutError(RevisionError):
    """The suite is installed, so that nobody expects its own variants to be compared."""


@dataclass(frozen=True)
class Found:
    """What there is of some variants at a revision.

    Attributes:
        origins: Where base workers take their code from, by variant, for those that base has.
        missing: Why base has none, for all other variants; words that follow the variant's name.
        deleted: Built-in variants that base has and this checkout lacks, with words that follow the name.
        unchanged: Those that run the same code at base, and so need not be timed against it.
    """

    origins: Mapping[str, Origin] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    deleted: Mapping[str, str] = field(default_factory=dict)
    unchanged: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Search:
    """Looks for each variant's code at a revision.

    Attributes:
        checkouts: The revision.
        interpreter: The Python of base workers.
        search_path: Where workers of this checkout look for modules.
        package_parent: The folder that holds the package.
        times_unchanged: Whether what runs the same code at base is timed against it all the same.
    """

    checkouts: Checkouts
    interpreter: Interpreter
    search_path: Sequence[str]
    package_parent: Path
    times_unchanged: bool = False

    def run(self, variants: Sequence[Variant]) -> Found:
        """Find all that there is.

        Raises:
            RevisionError: The revision is unknown, or nothing lies in a repository that could know it.
        """
        built_in = [variant for variant in variants if variant.is_built_in]
        loaders = [variant for variant in variants if not variant.is_built_in]
        found = Found()
        if built_in:
            try:
                found = self._built_in(built_in)
            except _NoCheckoutError:
                if not loaders:
                    raise
            except RevisionError as error:
                # To compare one's own code needs no checkout of the suite, nor a revision of that name in it.
                if not loaders:
                    raise
                reason = f"comes with the suite and stays as it is: {error}"
                found = Found(missing={variant.name: reason for variant in built_in})
        of_loaders = {loader.name: self._loader(loader) for loader in loaders}
        origins = {name: origin for name, origin in of_loaders.items() if isinstance(origin, Origin)}
        missing = {name: reason for name, reason in of_loaders.items() if isinstance(reason, str)}
        unchanged = found.unchanged | {name for name, origin in of_loaders.items() if origin is None}
        found = Found({**found.origins, **origins}, {**found.missing, **missing}, found.deleted, unchanged)
        # What is merely new has no base, but can be compared as soon as there is one.
        if not found.origins and not self.checkouts.is_known:
            reasons = "; ".join(f"{name} {reason}" for name, reason in found.missing.items())
            raise RevisionError(
                f"--against {self.checkouts.revision}: there is nothing to compare with: {reasons}."
            )
        return found

    def _built_in(self, built_in: Sequence[Variant]) -> Found:
        """Find the suite's own variants."""
        here = (self.package_parent / "loader_gate" / "variants").resolve()
        repository = Repository.holding(here)
        # Installed into a venv inside somebody's repository, it is no part of that.
        if repository is None or not repository.is_tracked(here / "__init__.py"):
            raise _NoCheckoutError(
                f"--against {self.checkouts.revision}: the suite at {self.package_parent} is no git "
                "checkout, so its variants have no other revision; run a clone of it, or give your own "
                "--loader, which is compared in its own repository."
            )
        folder = here.relative_to(repository.top)
        called = self.checkouts.called(repository)
        if not repository.has_folder(self.checkouts.commit(repository), folder):
            raise RevisionError(
                f"--against {self.checkouts.revision}: {called} of {repository.top} has no {folder}, so no "
                "variants; give a later revision."
            )
        there = self.checkouts.folder(repository) / folder
        ours, theirs = modules_in(here), modules_in(there)
        gone = {name: file for name, file in theirs.items() if name not in ours}
        # Every new module, not only this session's: a variant may have been renamed to any of them.
        new = {name: file for name, file in ours.items() if name not in theirs}
        renamed = {name: renamed_from(file, gone.values()) for name, file in new.items()}
        missing = {}
        for name, old in renamed.items():
            missing[name] = (
                f"is new: {called} has no {folder / new[name].name}"
                if old is None
                else f"looks renamed from {old.stem}, which {called} has: give it that name again to compare"
            )
        deleted = {
            name: f"is deleted: {called} has {folder / file.name}, this checkout has not"
            for name, file in gone.items()
        }
        deleted.update({old.stem: f"looks renamed to {name}" for name, old in renamed.items() if old})
        unknown = f"is new: {called} has no such module in {folder}"
        path = self.interpreter.seen(self.search_path)
        origin = Origin(path, self.interpreter.program, str(there.parent), str(there))
        compared = [variant for variant in built_in if variant.name in theirs]
        unchanged = self._unchanged(compared, here, there, repository)
        return Found(
            {variant.name: origin for variant in compared if variant.name not in unchanged},
            {each.name: missing.get(each.name, unknown) for each in built_in if each.name not in theirs},
            deleted,
            unchanged,
        )

    def _unchanged(
        self, compared: Sequence[Variant], here: Path, there: Path, repository: Repository
    ) -> frozenset[str]:
        """Return which of the suite's own variants run the same code in the folder of those at base."""
        ours, theirs = Side(here.parent, variants=here), Side(there.parent, variants=there)
        homes = [Path(*module.split(".")[1:]).with_suffix(".py") for module in HOMES.values()]
        # A worker at base imports them all, whatever its variant needs.
        always = [Path("__init__.py"), Path("variants", "__init__.py"), *homes]
        may_be = self._may_be_unchanged and all(_alike(ours.top / name, theirs.top / name) for name in always)
        if not may_be or self._has_other_data(repository, here.relative_to(repository.top)):
            return frozenset()
        return frozenset(each.name for each in compared if is_unchanged(ours, theirs, each.module))

    @property
    def _may_be_unchanged(self) -> bool:
        """Return whether the same code would be as fast at base, and nobody wants to see that."""
        return self.interpreter.is_ours and not self.times_unchanged

    def _loader(self, loader: Variant) -> Origin | str | None:
        """Return where a user's loader comes from, or why base has none; None if its code is the same."""
        file = Path(loader.file) if loader.file else module_file(loader.module, self.search_path)
        if file is None:
            return f"has no base: {loader.module} has no file that git could know"
        repository = Repository.holding(file.parent)
        if repository is None:
            raise RevisionError(
                f"--against {self.checkouts.revision}: {file}, which holds {loader.floor_key}, lies in no "
                "git repository; start pytest where the loader comes from a checkout, or leave out "
                "--against."
            )
        self.checkouts.commit(repository)
        if not repository.is_tracked(file):
            return f"has no base: git does not track {file}; add and commit it first"
        top = self.checkouts.folder(repository)
        path, own = self._turned(loader, repository, top)
        there = module_file(loader.module, own, hooks=False)
        if loader.file:
            same_place = top / file.relative_to(repository.top)
            there = same_place if same_place.is_file() else None
        if there is None:
            return self._new_module(file, repository, top)
        before, now = names_in(there), names_in(file)
        if before is not None and loader.function not in before:
            called = self.checkouts.called(repository)
            reason = f"is new: {loader.module} of {called} has no {loader.function}"
            lost = [] if now is None else sorted(public_functions(there) - now)
            if lost:
                reason += (
                    f", but has {', '.join(lost)}, gone since: a renamed one compares under its old name"
                )
            return reason
        if self._may_be_unchanged:
            roots = [*import_roots(loader, self.search_path), *self.search_path]
            ours, theirs = Side(repository.top, roots, hooks=True), Side(top.resolve(), path)
            files = (file.resolve(), there.resolve()) if loader.file else None
            alike = is_unchanged(ours, theirs, loader.module, files)
            if alike and not self._has_other_data(repository):
                return None
        of_file = str(there) if loader.file else None
        return Origin(self.interpreter.seen(path), self.interpreter.program, None, str(top), of_file)

    def _has_other_data(self, repository: Repository, folder: Path = Path()) -> bool:
        """Return whether what a loader might read has changed in a folder, given relative to the top."""
        changed = self.checkouts.changed_files(repository)
        return has_other_data(name for name in changed if name.is_relative_to(folder))

    def _new_module(self, file: Path, repository: Repository, top: Path) -> str:
        """Return why a loader's module is not there, and which it may have been renamed from."""
        called = self.checkouts.called(repository)
        gone = repository.deleted_modules(self.checkouts.commit(repository))
        old = renamed_from(file, (top / name for name in gone))
        where = file.relative_to(repository.top)
        if old is None:
            return f"is new: {called} has no {where}"
        return (
            f"looks renamed: it was {old.relative_to(top)} in {called} and is {where}; put it back to compare"
        )

    def _turned(
        self, loader: Variant, repository: Repository, top: Path
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the search path with folders of a repository turned to its worktree, and those alone."""
        entries = [*import_roots(loader, self.search_path), *self.search_path]
        turned: dict[str, None] = {}
        kept = []
        for entry in entries:
            resolved = Path(entry).resolve()
            if not resolved.is_relative_to(repository.top) or holds_packages(entry):
                kept.append(entry)
                continue
            there = top / resolved.relative_to(repository.top)
            if there.is_dir():
                turned[str(there)] = None
            # What git does not know, such as a build folder, has no other revision. The suite stays for
            # processes that a loader starts: they may have to unpickle a tree.
            if resolved == self.package_parent or not repository.is_tracked(resolved):
                kept.append(entry)
        own = tuple(turned)
        # The worker imports the harness before it looks here, so the worktree may hold another one.
        return tuple(dict.fromkeys([*own, *kept])), own


def _alike(here: Path, there: Path) -> bool:
    """Return whether two files have the same bytes."""
    try:
        return here.read_bytes() == there.read_bytes()
    except OSError:
        return False
