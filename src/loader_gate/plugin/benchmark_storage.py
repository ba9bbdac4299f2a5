"""The saved runs of this system and Python, as pytest-benchmark's storage finds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate.kept_files import alone, replace_whole, write_whole
from loader_gate.machine.lacking import remedy
from loader_gate.runs.acceptance import mark_accepted
from loader_gate.runs.choosing import (
    ChosenRuns,
    choose_accepted,
    choose_named,
    may_be_compared_with,
    why_none_is_accepted,
)
from loader_gate.runs.parsing import run_or_problem
from loader_gate.runs.saved import NUMBERED, SavedRun

if TYPE_CHECKING:
    from pytest_benchmark.storage.file import FileStorage

_NOT_SAVED = "This run could not be saved"
_AS_IT_WAS = "What was there is as it was; make room, or name another place"


class CompareError(Exception):
    """An option of comparing cannot be used; the message names it and says what to do."""


class BenchmarkStorage:
    """Saved runs in a folder."""

    def __init__(self, address: str) -> None:
        """Open a storage.

        Args:
            address: The value of ``--benchmark-storage``.

        Raises:
            CompareError: It is no folder.
        """
        if "://" in address and not address.startswith("file://"):
            raise CompareError(
                f"--benchmark-storage {address}: expected a folder; only there are runs accepted."
            )
        self._address = address

    @cached_property
    def _files(self) -> FileStorage:
        from pytest_benchmark.storage.file import FileStorage
        from pytest_benchmark.utils import get_machine_id

        folder = self._address.removeprefix("file://")
        return FileStorage(folder, logger=None, default_machine_id=get_machine_id())

    @cached_property
    def accepted(self) -> ChosenRuns:
        """Return the accepted runs, or why there is none."""
        runs, problems = _read(self._numbered())
        chosen = choose_accepted(runs, problems)
        if chosen is not None:
            return chosen
        why = why_none_is_accepted(runs, self._files.get(""), self._accepted_elsewhere())
        return ChosenRuns((), (*why, *problems))

    def named(self, name: str) -> ChosenRuns:
        """Return the runs that ``--benchmark-compare`` names, accepted or not.

        Raises:
            CompareError: There is none, or one cannot be read.
        """
        option = f"--benchmark-compare {name}"
        try:
            paths = [*reversed(self._files.query(name))]
        except ValueError as error:
            raise CompareError(f"{option}: {error}") from error
        runs, problems = _read(paths)
        if problems:
            raise CompareError(f"{option}: {problems[0]} Name another run.")
        if not runs:
            known = ", ".join(path.name for path in self._numbered()[:3]) or "none"
            raise CompareError(
                f"{option}: no such run in {self._files.get('')}; the last ones there: {known}. Without a "
                "value the last accepted run is taken."
            )
        return choose_named(runs)

    def accept(self, run_id: str) -> None:
        """Mark the run of that id as accepted.

        Raises:
            OSError: It cannot be written.
        """
        any(mark_accepted(path, run_id) for path in self._numbered())

    def _numbered(self) -> list[Path]:
        """Return the files of saved runs, newest first."""
        return [*reversed(self._files.query(NUMBERED))]

    def _accepted_elsewhere(self) -> SavedRun | None:
        """Return the newest accepted run of another Python or system."""
        folder = self._files.get("")
        paths = [path for path in reversed(self._files.query(f"*/{NUMBERED}")) if path.parent != folder]
        return next((run for run in _read(paths)[0] if may_be_compared_with(run)), None)


def save_whole(books: Any) -> list[str]:
    """Let pytest-benchmark save whole or not at all, and under a number that no other session takes.

    By itself it empties the file that it writes into, two sessions that end at once may take one number, and
    where a disk is full, or no more process can be started, it ends pytest with a traceback, before any
    table is shown.

    Args:
        books: Its session, before it saves.

    Returns:
        When it has saved: a sentence on what could not be written.
    """
    from pytest_benchmark.storage.file import FileStorage
    from pytest_benchmark.utils import safe_dumps

    problems: list[str] = []

    def as_text(output_json: object) -> str:
        return str(safe_dumps(output_json, ensure_ascii=True, indent=4))

    def save_json(output_json: object) -> None:
        with told(problems, f"{_NOT_SAVED}: --benchmark-json {books.json}", _AS_IT_WAS):
            write_whole(Path(books.json), as_text(output_json))
            books.logger.info(f"Wrote benchmark data in: {books.json}", purple=True)

    storage: Any = books.storage

    def save(output_json: object, name: str) -> None:
        with told(problems, f"{_NOT_SAVED}: --benchmark-storage {storage.path}", _AS_IT_WAS):
            with alone(storage.get("")):
                file = storage.get(f"{storage._next_num}_{name}.json")
                replace_whole(file, as_text(output_json))
            storage.logger.info(f"Saved benchmark data in: {file}")

    handle_saving = books.handle_saving

    def save_all() -> None:
        try:
            handle_saving()
        except OSError as error:  # it starts programs that tell what machine and which commit this is
            problems.append(f"{_NOT_SAVED}: {error}: {remedy(error)}.")

    books.handle_saving = save_all
    if isinstance(books.json, Path):  # older ones have opened it by now
        books.save_json = save_json
    if isinstance(books.storage, FileStorage):
        storage.save = save
    return problems


@contextmanager
def told(problems: list[str], problem: str, consequence: str) -> Iterator[None]:
    """Put what the system does not let be written into words.

    Args:
        problems: What a sentence is added to.
        problem: What could not be done, and where; words that the system's follow.
        consequence: What that means, and what to do.
    """
    try:
        yield
    except OSError as error:
        problems.append(f"{problem}: {error}. {consequence}.")


def _read(paths: Iterable[Path]) -> tuple[list[SavedRun], list[str]]:
    """Return the runs that can be read, in the order given, and a sentence on each that cannot."""
    read = [run_or_problem(path) for path in paths]
    runs = [each for each in read if isinstance(each, SavedRun)]
    return runs, [each for each in read if isinstance(each, str)]
