"""Another Python than our own: whether a worker can run in it, and which code of ours it may see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate.base.repository import RevisionError
from loader_gate.machine.machine import PACKAGES
from loader_gate.worker.origin import environment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OLDEST = (3, 10)
#: What every worker imports, and the packages they come in.
_NEEDED = {"numpy": "numpy", "PIL": "pillow", "psutil": "psutil", "scipy": "scipy"}
_PATIENCE_SECONDS = 120.0
# In words that even Python 2 understands, so that it can say its version. TensorFlow is only looked for:
# to import it takes seconds, and the worker will.
_PROBE = """
import json, sys
asked = json.loads(sys.argv[1])
said = {"version": list(sys.version_info[:3]), "prefix": sys.prefix}
if sys.version_info >= (3, 8):
    import importlib, importlib.metadata, importlib.util
    def problem(name):
        try:
            importlib.import_module(name)
        except Exception as error:
            return type(error).__name__ + ": " + str(error)
    said["problems"] = {name: problem(name) for name in asked["imported"]}
    for name in asked["found"]:
        said["problems"][name] = None if importlib.util.find_spec(name) else "no such module"
    said["versions"] = {}
    for name in asked["packages"]:
        try:
            said["versions"][name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
print("\\n" + json.dumps(said))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that workers can run in.

    Attributes:
        program: Its absolute file name; a link is kept as it is, for that is how a venv knows itself.
        is_ours: Whether it is the one that runs pytest.
        versions: Of Python and of the packages that a loader's speed may depend on; empty if it is ours.
    """

    program: str
    is_ours: bool
    versions: Mapping[str, str]

    def describe(self) -> str:
        """Return it in a few words for people."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.program} ({versions or 'the interpreter that runs pytest'})"

    def seen(self, search_path: Iterable[str]) -> tuple[str, ...]:
        """Return the folders of our search path in which its workers look; it has packages of its own."""
        return tuple(search_path) if self.is_ours else without_packages(search_path)


OURS = Interpreter(sys.executable, True, {})


def read_interpreter(python: Path, search_path: Sequence[str], needed: Sequence[str]) -> Interpreter:
    """Run a Python, and return what it is.

    Args:
        python: What ``--against-python`` was given.
        search_path: Where its workers will look for modules, beside its own packages.
        needed: What its workers need more, such as ``tensorflow``: it is looked for, and not imported.

    Raises:
        RevisionError: It is none, too old, or lacks what a worker needs.
    """
    program = os.path.abspath(python.expanduser())  # noqa: PTH100 (resolve() would lead out of a venv)
    option = f"--against-python {python}"
    if not Path(program).is_file():
        found = "is a folder" if Path(program).is_dir() else "does not exist"
        raise RevisionError(f"{option}: {program} {found}; give a Python's program, such as venv/bin/python.")
    said = _probe(option, program, search_path, needed)
    version = ".".join(map(str, said["version"]))
    if tuple(said["version"][:2]) < OLDEST:
        raise RevisionError(
            f"{option}: it is Python {version}, and workers need {'.'.join(map(str, OLDEST))} or later; "
            "give a newer one."
        )
    lacking = {_NEEDED.get(name, name): problem for name, problem in said["problems"].items() if problem}
    if lacking:
        raise RevisionError(
            f"{option}: it lacks what workers need: "
            f"{'; '.join(f'{package} ({problem})' for package, problem in lacking.items())}. "
            f"Install with `{program} -m pip install {' '.join(lacking)}`."
        )
    # Both may be links in the same venv, python and python3.
    if Path(said["prefix"]).resolve() == Path(sys.prefix).resolve():
        return Interpreter(program, True, {})
    return Interpreter(program, False, {"python": version, **said["versions"]})


def _probe(option: str, program: str, search_path: Sequence[str], needed: Sequence[str]) -> dict[str, Any]:
    asked = {
        "imported": list(_NEEDED),
        "found": [*needed],
        "packages": PACKAGES,
    }
    try:
        ran = subprocess.run(
            [program, "-c", _PROBE, json.dumps(asked)],
            env=environment_of(program, search_path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
        said = json.loads(ran.stdout.splitlines()[-1])
        if isinstance(said, dict) and "version" in said:
            return said
        reason = f"it printed {ran.stdout[-200:]!r}"
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    except (ValueError, IndexError):
        words = ran.stderr.split("\n")[-5:] if ran.stderr else [f"it exited with status {ran.returncode}"]
        reason = " | ".join(line.strip() for line in words if line.strip())
    raise RevisionError(f"{option}: it does not run as a Python does: {reason}; give a Python's program.")


def without_packages(search_path: Iterable[str]) -> tuple[str, ...]:
    """Return the folders that another Python may share: none of our standard library or installed packages.

    Compiled packages fit one version of Python, and an upgrade of any could not be told from our own.
    """
    return tuple(entry for entry in search_path if not holds_packages(entry))


def holds_packages(entry: str) -> bool:
    """Return whether an entry of our search path belongs to the interpreter: its library or its packages."""
    path = Path(entry)
    archive = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
    return (
        bool({"site-packages", "dist-packages", "lib-dynload"} & set(path.parts))
        or path.is_relative_to(Path(os.__file__).parent)
        or path.name == archive
    )
