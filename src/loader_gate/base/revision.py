"""The code that a checkout is compared with: of a git revision, under another interpreter, or both.

Only loaders come from base. The harness around them (the worker, what uses batches up, the check that all do
the same work) is this checkout's own on both sides, so that a change of the harness can never look like a
change of a loader.
"""

from __future__ import annotations

import ast
import pkgutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.base.interpreter import (
    OURS,
    Interpreter,
    holds_packages,
    read_interpreter,
    without_packages,
)
from loader_gate.base.repository import Repository, RevisionError
from loader_gate.worker.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from loader_gate.registry.variant import Variant

__all__ = ["Base", "Origin", "RevisionError", "base_of"]

#: The folder that holds the package.
SUITE = Path(__file__).resolve().parents[2]
#: The share of equal lines from which a file counts as another one renamed. Git's own 0.5 is too little:
#: two variants that differ only in their cache share 0.48.
ALIKE = 0.6


@dataclass(frozen=True)
class Base:
    """What a session compares with.

    Attributes:
        revision: The full id of the commit: of the suite's repository, or, if that is not compared, of the
            first loader's; empty if only the interpreter differs.
        description: For people: what was asked for, and what that is.
        origins: Where base workers take their code from, by variant, for those that base has.
        missing: Why base has none, for all other variants; words that follow the variant's name.
        deleted: Built-in variants that base has and this checkout lacks, with words that follow the name.
        versions: Of Python and packages, if base has another interpreter; else empty.
    """

    revision: str
    description: str
    origins: Mapping[str, Origin]
    missing: Mapping[str, str]
    deleted: Mapping[str, str]
    versions: Mapping[str, str]


@contextmanager
def base_of(
    revision: str | None,
    python: Path | None,
    variants: Sequence[Variant],
    search_path: Sequence[str],
    *,
    suite: Path = SUITE,
) -> Iterator[Base]:
    """Provide the code to compare with; temporary worktrees are removed in the end, whatever happens.

    Files as they are count as this checkout, committed or not.

    Args:
        revision: What ``--against`` was given, or None.
        python: What ``--against-python`` was given, or None.
        variants: This checkout's variants, the user's own among them.
        search_path: Where workers of this checkout look for modules.
        suite: The folder that holds the package; another one only in tests.

    Raises:
        RevisionError: There is nothing to compare with.
    """
    if revision is not None and (not revision.strip() or revision.startswith("-")):
        raise RevisionError(
            f"--against {revision!r}: expected a git revision, such as main, HEAD~1 or a commit's id."
        )
    interpreter = OURS
    if python is not None:
        with_tensorflow = any(variant.is_built_in for variant in variants)
        interpreter = read_interpreter(python, without_packages(search_path), with_tensorflow)
    if revision is None:
        yield _this_checkout(interpreter, variants, search_path)
        return
    with ExitStack() as worktrees:
        yield _Search(revision, interpreter, search_path, suite, worktrees).run(variants)


def _this_checkout(interpreter: Interpreter, variants: Sequence[Variant], search_path: Sequence[str]) -> Base:
    """Return this very code under another interpreter."""
    origins = {}
    for variant in variants:
        # A loader that an editable install finds by a hook is on no path that another Python would know.
        roots = [root for root in _import_roots(variant, search_path) if root not in search_path]
        path = _seen_by(interpreter, [*variant.path, *search_path, *roots])
        origins[variant.name] = Origin(path, interpreter.program)
    description = f"this checkout under {interpreter.describe()}"
    return Base("", description, origins, {}, {}, interpreter.versions)


def _seen_by(interpreter: Interpreter, search_path: Iterable[str]) -> tuple[str, ...]:
    return tuple(search_path) if interpreter.is_ours else without_packages(search_path)


@dataclass
class _Search:
    """Looks for each variant's code at a revision."""

    revision: str
    interpreter: Interpreter
    search_path: Sequence[str]
    suite: Path
    worktrees: ExitStack
    commits: dict[Repository, str] = field(default_factory=dict)
    folders: dict[Repository, Path] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)

    def run(self, variants: Sequence[Variant]) -> Base:
        """Find all that there is."""
        built_in = [variant for variant in variants if variant.is_built_in]
        loaders = [variant for variant in variants if not variant.is_built_in]
        if built_in:
            try:
                self._find_built_in(built_in)
            except RevisionError as error:
                # To compare one's own code needs no checkout of the suite, nor a revision of that name in it.
                if not loaders:
                    raise
                reason = f"comes with the suite and stays as it is: {error}"
                self.missing.update((variant.name, reason) for variant in built_in)
        for loader in loaders:
            self._find_loader(loader)
        if not self.origins:
            reasons = "; ".join(f"{name} {reason}" for name, reason in self.missing.items())
            raise RevisionError(f"--against {self.revision}: there is nothing to compare with: {reasons}.")
        names = [self._describe(each) for each in self.folders]
        description = f"{self.revision} ({', '.join(names)})"
        if not self.interpreter.is_ours:
            description += f" under {self.interpreter.describe()}"
        return Base(
            self.commits[next(iter(self.folders))],
            description,
            self.origins,
            self.missing,
            self.deleted,
            self.interpreter.versions,
        )

    def _describe(self, repository: Repository) -> str:
        of = f" in {repository.top.name}" if len(self.folders) > 1 else ""
        return repository.describe(self.commits[repository]) + of

    def _commit(self, repository: Repository) -> str:
        if repository not in self.commits:
            self.commits[repository] = repository.commit(self.revision)
        return self.commits[repository]

    def _called(self, repository: Repository) -> str:
        """Return a revision's name and short id."""
        short = repository.short(self._commit(repository))
        return self.revision if self.revision.startswith(short) else f"{self.revision} ({short})"

    def _check_out(self, repository: Repository) -> Path:
        """Return the worktree of a repository, made if there is none yet."""
        if repository not in self.folders:
            worktree = repository.worktree(self._commit(repository))
            self.folders[repository] = self.worktrees.enter_context(worktree)
        return self.folders[repository]

    def _find_built_in(self, built_in: Sequence[Variant]) -> None:
        here = (self.suite / "loader_gate" / "variants").resolve()
        repository = Repository.holding(here)
        # Installed into a venv inside somebody's repository, it is no part of that.
        if repository is None or not repository.is_tracked(here / "__init__.py"):
            raise RevisionError(
                f"--against {self.revision}: the suite at {self.suite} is no git checkout, so its variants "
                "have no other revision; run a clone of it, or give your own --loader, which is compared in "
                "its own repository."
            )
        folder = here.relative_to(repository.top)
        called = self._called(repository)
        if not repository.has_folder(self._commit(repository), folder):
            raise RevisionError(
                f"--against {self.revision}: {called} of {repository.top} has no {folder}, so no variants; "
                "give a later revision."
            )
        there = self._check_out(repository) / folder
        ours, theirs = _modules(here), _modules(there)
        gone = {name: file for name, file in theirs.items() if name not in ours}
        self.deleted.update(
            (name, f"is deleted: {called} has {folder / file.name}, this checkout has not")
            for name, file in gone.items()
        )
        # Every new module, not only this session's: a variant may have been renamed to any of them.
        for name, file in ours.items():
            if name in theirs:
                continue
            reason = f"is new: {called} has no {folder / file.name}"
            old = _renamed_from(file, gone.values())
            if old is not None:
                reason = (
                    f"looks renamed from {old.stem}, which {called} has: give it that name again to compare"
                )
                self.deleted[old.stem] = f"looks renamed to {name}"
            self.missing.update((each.name, reason) for each in built_in if each.name == name)
        for variant in built_in:
            if variant.name in theirs:
                path = _seen_by(self.interpreter, self.search_path)
                self.origins[variant.name] = Origin(
                    path, self.interpreter.program, str(there.parent), str(there)
                )
            else:
                self.missing.setdefault(variant.name, f"is new: {called} has no such module in {folder}")

    def _find_loader(self, loader: Variant) -> None:
        file = Path(loader.file) if loader.file else module_file(loader.module, self.search_path)
        if file is None:
            self.missing[loader.name] = f"has no base: {loader.module} has no file that git could know"
            return
        repository = Repository.holding(file.parent)
        if repository is None:
            raise RevisionError(
                f"--against {self.revision}: {file}, which holds {loader.floor_key}, lies in no git "
                "repository; start pytest where the loader comes from a checkout, or leave out --against."
            )
        if not repository.is_tracked(file):
            self.missing[loader.name] = f"has no base: git does not track {file}; add and commit it first"
            return
        top = self._check_out(repository)
        path, own = self._turned(loader, repository, top)
        there = module_file(loader.module, own, hooks=False)
        if loader.file:
            same_place = top / file.relative_to(repository.top)
            there = same_place if same_place.is_file() else None
        called = self._called(repository)
        if there is None:
            self.missing[loader.name] = self._new_module(file, repository, top, called)
            return
        before, now = _names(there), _names(file)
        if before is not None and loader.function not in before:
            reason = f"is new: {loader.module} of {called} has no {loader.function}"
            lost = [] if now is None else sorted(_functions(there) - now)
            if lost:
                reason += (
                    f", but has {', '.join(lost)}, gone since: a renamed one compares under its old name"
                )
            self.missing[loader.name] = reason
            return
        path = _seen_by(self.interpreter, path)
        of_file = str(there) if loader.file else None
        self.origins[loader.name] = Origin(path, self.interpreter.program, None, str(top), of_file)

    def _new_module(self, file: Path, repository: Repository, top: Path, called: str) -> str:
        gone = repository.deleted_modules(self._commit(repository))
        old = _renamed_from(file, (top / name for name in gone))
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
        entries = [*_import_roots(loader, self.search_path), *self.search_path]
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
            if resolved == self.suite or not repository.is_tracked(resolved):
                kept.append(entry)
        own = tuple(turned)
        # The worker imports the harness before it looks here, so the worktree may hold another one.
        return tuple(dict.fromkeys([*own, *kept])), own


def _modules(folder: Path) -> dict[str, Path]:
    """Return the files of the modules and packages in a folder, by name."""
    return {
        info.name: folder / info.name / "__init__.py" if info.ispkg else folder / f"{info.name}.py"
        for info in pkgutil.iter_modules([str(folder)])
    }


def module_file(module: str, search_path: Iterable[str], *, hooks: bool = True) -> Path | None:
    """Return a module's file, without importing it or a package around it.

    Args:
        module: Its full name.
        search_path: Where to look first.
        hooks: Whether one that an editable install knows counts too: such are of this checkout.
    """
    first, *rest = module.split(".")
    spec = PathFinder.find_spec(first, [*search_path])
    if spec is None and hooks:
        spec = find_spec(first)
    for name in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        # By its last name: under its full one, its package would have to be imported.
        spec = PathFinder.find_spec(name, [*spec.submodule_search_locations])
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    return Path(spec.origin).resolve()


def _import_roots(variant: Variant, search_path: Sequence[str]) -> list[str]:
    """Return the folders that have to be on the search path for a user's loader to be found."""
    if variant.file:
        return [*variant.path]
    file = None if variant.is_built_in else module_file(variant.module, search_path)
    if file is None:
        return []
    inner = file.parent if file.name.startswith("__init__.") else file
    return [str(inner.parents[len(variant.module.split(".")) - 1])]


def _renamed_from(new: Path, candidates: Iterable[Path]) -> Path | None:
    """Return the file that another one was most likely renamed from, if any is alike enough."""
    lines = _lines(new)
    best, best_share = None, ALIKE
    for candidate in candidates:
        matcher = SequenceMatcher(None, _lines(candidate), lines, autojunk=False)
        if matcher.real_quick_ratio() < best_share or matcher.quick_ratio() < best_share:
            continue
        share = matcher.ratio()
        if share >= best_share:
            best, best_share = candidate, share
    return best


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _names(file: Path) -> set[str] | None:
    """Return every name that a module may have, or None if that cannot be told without running it."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
    made_up = {"*", "__getattr__", "globals", "setattr"}
    called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return None if made_up & (names | called) else names


def _functions(file: Path) -> set[str]:
    """Return the public functions of a module."""
    tree = ast.parse(file.read_bytes())
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    }
