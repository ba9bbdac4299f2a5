"""The code that a checkout is compared with: of a git revision, under another interpreter, or both.

Only loaders come from base. The harness around them (the worker, what uses batches up, the check that all do
the same work) is this checkout's own on both sides, so that a change of the harness can never look like a
change of a loader.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.base.checkouts import Checkouts
from loader_gate.base.interpreter import OURS, Interpreter, read_interpreter, without_packages
from loader_gate.base.modules import import_roots
from loader_gate.base.repository import RevisionError
from loader_gate.base.search import Search
from loader_gate.worker.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loader_gate.registry.variant import Variant


#: The folder that holds the package.
PACKAGE_PARENT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Base:
    """What a session compares with.

    Attributes:
        revision: The full id of the commit: of the suite's repository, or, if that is not compared, of the
            first loader's; empty if only the interpreter differs.
        description: For people: what was asked for, and what that is.
        origins: Where base workers take their code from, by variant, for those that base has; maybe for none.
        missing: Why base has none, for all other variants; words that follow the variant's name.
        deleted: Built-in variants that base has and this checkout lacks, with words that follow the name.
        unchanged: Those that run the same code at base, and so are not timed against it.
    """

    revision: str
    description: str
    origins: Mapping[str, Origin]
    missing: Mapping[str, str]
    deleted: Mapping[str, str]
    unchanged: frozenset[str] = frozenset()

    def remarks(self) -> list[str]:
        """Return what there is to say of variants that are not compared."""
        others = [f"{name} {words}" for name, words in {**self.missing, **self.deleted}.items()]
        if self.origins or self.unchanged:
            return [f"Against {self.description}: {words}." for words in others]
        return [f"Nothing is compared with {self.description}: {'; '.join(others)}."]


@contextmanager
def base_of(
    revision: str | None,
    python: Path | None,
    variants: Sequence[Variant],
    search_path: Sequence[str],
    *,
    times_unchanged: bool = False,
    package_parent: Path = PACKAGE_PARENT,
) -> Iterator[Base]:
    """Provide the code to compare with; temporary worktrees are removed in the end, whatever happens.

    Files as they are count as this checkout, committed or not.

    Args:
        revision: What ``--against`` was given, or None.
        python: What ``--against-python`` was given, or None.
        variants: This checkout's variants, the user's own among them.
        search_path: Where workers of this checkout look for modules.
        times_unchanged: Whether what runs the same code at base is compared all the same.
        package_parent: The folder that holds the package; another one only in tests.

    Raises:
        RevisionError: There is no such revision or interpreter, or no repository that could know it.
    """
    if revision is not None and (not revision.strip() or revision.startswith("-")):
        raise RevisionError(
            f"--against {revision!r}: expected a git revision, such as main, HEAD~1 or a commit's id."
        )
    interpreter = OURS
    if python is not None:
        # What only some variants need, such as torch, is missed by their workers; Keras is the baseline's.
        needs_keras = any(variant.is_built_in for variant in variants)
        needed = [name for name in ("keras", "tensorflow") if needs_keras and find_spec(name)]
        interpreter = read_interpreter(python, without_packages(search_path), needed)
    if revision is None:
        yield _this_checkout(interpreter, variants, search_path)
        return
    with ExitStack() as worktrees:
        checkouts = Checkouts(revision, worktrees)
        search = Search(checkouts, interpreter, search_path, package_parent, times_unchanged)
        found = search.run(variants)
        under = "" if interpreter.is_ours else f" under {interpreter.describe()}"
        yield Base(
            checkouts.first_commit(),
            checkouts.describe() + under,
            found.origins,
            found.missing,
            found.deleted,
            found.unchanged,
        )


def _this_checkout(interpreter: Interpreter, variants: Sequence[Variant], search_path: Sequence[str]) -> Base:
    """Return this very code under another interpreter."""
    origins = {}
    for variant in variants:
        # A loader that an editable install finds by a hook is on no path that another Python would know.
        roots = [root for root in import_roots(variant, search_path) if root not in search_path]
        path = interpreter.seen([*variant.path, *search_path, *roots])
        origins[variant.name] = Origin(path, interpreter.program)
    description = f"this checkout under {interpreter.describe()}"
    return Base("", description, origins, {}, {})
