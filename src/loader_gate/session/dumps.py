"""Dumps one can trust: written by one cold epoch, finished or not there, never mistaken for another."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.registry.kind import kind_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from loader_gate.registry.spec import Spec
    from loader_gate.registry.variant import Variant
    from loader_gate.trees.tree import Tree
    from loader_gate.worker.process import WorkerProcess

MANIFEST = "manifest.json"
#: How long another session may hold a dump before that is said.
WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Dump:
    """What a variant has written to disk.

    Attributes:
        cold_seconds: Building the variant, and the epoch that wrote it, whichever of them does the writing.
        files: Sizes in bytes, by file name.
        history: What was found and done: written, used again, or why it was written anew.
        machine: Fingerprint of the machine that wrote it; empty if that is not known.
        date: The day on which it was written, such as 2026-11-23; empty if that is not known.
    """

    cold_seconds: float
    files: dict[str, int]
    history: str
    machine: str = ""
    date: str = ""

    @property
    def bytes(self) -> int:
        """Return the size of all files."""
        return sum(self.files.values())


def dump_key(variant: Variant, tree: Tree, spec: Spec) -> str:
    """Return a digest of everything a dump depends on: the tree, the spec, the code and TensorFlow."""
    code = b""
    if variant.is_built_in:  # all variants' code: one may build on another
        folder = Path(str(import_module(variant.module).__file__)).parent
        code = b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))
    about = {**asdict(spec), "cache_dir": None, "tree": tree.digest, "variant": variant.name}
    about["tensorflow"] = [each.version for each in metadata.distributions(name="tensorflow")]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode() + code).hexdigest()[:16]


def finished_dump(
    variant: Variant,
    tree: Tree,
    spec: Spec,
    start_worker: Callable[[Variant], WorkerProcess],
    say: Callable[[str], None],
    machine: str = "",
    *,
    at_base: bool = False,
) -> Dump:
    """Return the dump in ``spec.cache_dir``, written now unless a finished one is there.

    Only one session at a time writes a dump or looks whether it is finished; another waits. What is not
    finished, or has changed since, is removed and written anew.

    Args:
        variant: A variant of kind ``dump``.
        tree: The images.
        spec: The epoch to deliver; ``cache_dir`` is the dump's folder.
        start_worker: Starts the process that writes.
        say: Told what was wrong with a dump that cannot be used.
        machine: The fingerprint of this machine.
        at_base: Whether another revision's code writes it: what a finished one looks like only that knows.

    Raises:
        WorkerError: The writer failed. Nothing of the dump is left.
        DumpError: The writer ended without finishing the dump. Nothing of it is left.
    """
    folder = spec.cache_dir
    with _alone(folder, say):
        kept, problem = _kept(variant, tree, spec)
        if kept is not None:
            return kept
        history = "written"
        if any(folder.glob("*")):
            history = f"written anew: {problem}"
            say(f"The dump of {variant.name} in {folder} cannot be used ({problem}): it is written anew.")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            return replace(_write(variant, tree, spec, start_worker, machine, at_base), history=history)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


class DumpError(Exception):
    """A writer ended well, but its dump is not finished; the message says what is missing."""


@contextmanager
def _alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a dump; wait for another session that does, and say so."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        lock.acquire(timeout=WAIT_SECONDS)
    except Timeout:
        say(f"Another session was writing the dump in {folder}: this one has waited for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _write(
    variant: Variant,
    tree: Tree,
    spec: Spec,
    start_worker: Callable[[Variant], WorkerProcess],
    machine: str,
    at_base: bool,
) -> Dump:
    worker = start_worker(variant)
    try:
        opened = worker.open(tree, spec)
        if not kind_named(opened["kind"]).writes_dump:
            raise DumpError(
                f"its KIND is {opened['kind']!r}, and this workload is of loaders whose first epoch writes a "
                'dump that later ones read: declare KIND = "dump", or measure it in another workload'
            )
        # Importing a library has to be done once in any program, with a dump or without.
        cold = float(opened["build_seconds"]) - float(opened["import_seconds"])
        cold += float(worker.ask("pass", epochs=1)["seconds"])
        files = _sizes(spec.cache_dir)
    finally:
        worker.end()
    problem = "" if at_base else variant.dump_problem(len(tree), spec)
    if not problem and files != _sizes(spec.cache_dir):
        problem = "it was still written afterwards, which is not timed: end the epoch when it is written"
    if problem:
        raise DumpError(f"the epoch that writes its dump ended, but {problem}")
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    dump = Dump(cold, _sizes(spec.cache_dir), "written", machine, today)
    if not dump.bytes:
        raise DumpError(
            "the epoch that writes its dump ended, but there is nothing in spec.cache_dir: write it there, "
            "so that its size is known and it goes with the session"
        )
    manifest = {"key": dump_key(variant, tree, spec), **asdict(dump)}
    beside = spec.cache_dir / f".{MANIFEST}"
    try:
        beside.write_text(json.dumps(manifest), encoding="utf-8")
        beside.replace(spec.cache_dir / MANIFEST)
    except OSError as error:
        raise DumpError(
            f"its dump was written, but not the manifest beside it ({error}): free some of that disk, or set "
            "TMPDIR or --keep-dumps to another"
        ) from error
    return dump


def _kept(variant: Variant, tree: Tree, spec: Spec) -> tuple[Dump | None, str]:
    """Return the dump in the folder, or None and why there is none that is finished and unchanged."""
    folder = spec.cache_dir
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        key = str(manifest["key"])
        files = {str(name): int(size) for name, size in manifest["files"].items()}
        # Manifests of an earlier version do not say where and when.
        where_and_when = (str(manifest.get(name, "")) for name in ("machine", "date"))
        kept = Dump(float(manifest["cold_seconds"]), files, "used again", *where_and_when)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None, variant.dump_problem(len(tree), spec) or "its writer did not come to its end"
    if key != dump_key(variant, tree, spec):
        return None, "it is of another tree, spec, code or TensorFlow"
    sizes = _sizes(folder)
    for name in sorted({*files, *sizes}):
        found, written = sizes.get(name, 0), files.get(name, 0)
        if found != written:
            return None, f"{name} has {found:,} bytes, not the {written:,} that were written"
    problem = variant.dump_problem(len(tree), spec)
    return (None, problem) if problem else (kept, "")


def _sizes(folder: Path) -> dict[str, int]:
    """Return the sizes of all files of a dump, by path inside its folder."""
    return {str(file.relative_to(folder)): file.stat().st_size for file in sorted(dump_files(folder))}


def dump_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a dump, without the manifest that says it is finished."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if name not in (MANIFEST, f".{MANIFEST}"):
                yield Path(parent) / name


def break_even_epochs(cold: float, warm: float, streaming: float) -> int | None:
    """Return after how many epochs a dump has paid for itself, or None if it never does.

    Args:
        cold: Seconds that it takes to build the variant and to write the dump.
        warm: Seconds of an epoch that reads it.
        streaming: Seconds of an epoch without a dump.
    """
    if warm >= streaming:
        return None
    epochs = (cold - warm) / (streaming - warm)
    return max(1, -int(-epochs // 1))
