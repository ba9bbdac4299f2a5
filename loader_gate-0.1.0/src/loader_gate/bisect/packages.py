"""Packages of two environments: which differ, and an environment that has some of the changed ones.

That one is a venv of the good Python. In its own folder there are links to the files of changed packages,
which are found before the good ones. Nothing is installed or fetched, and neither environment is written to.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.bisect.asked import BisectError
from loader_gate.machine.temporary import OwnedFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PATIENCE_SECONDS = 120.0
_PROBE = """
import json, site, sys
folders = site.getsitepackages() + ([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])
print("\\n" + json.dumps([list(sys.version_info[:2]), sys.version.split()[0], sys.path[1:], folders]))
"""


@dataclass(frozen=True)
class Environment:
    """A Python with its packages.

    Attributes:
        program: The interpreter, by the name that it was given: a link is how a venv knows itself.
        series: Its version without the last part, such as 3.11: what compiled packages are made for.
        version: All of its version.
        folders: The folders of its packages.
        packages: What is installed, by normalized name: what Python finds first.
    """

    program: str
    series: str
    version: str
    folders: tuple[str, ...]
    packages: Mapping[str, importlib.metadata.Distribution]

    @classmethod
    def of(cls, option: str, program: Path) -> Environment:
        """Ask a Python what it has; its packages are read, not imported.

        Raises:
            BisectError: It is none.
        """
        path = str(program.expanduser().absolute())
        try:
            asked = subprocess.run(
                [path, "-c", _PROBE],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PATIENCE_SECONDS,
                check=True,
            )
            series, version, search_path, folders = json.loads(asked.stdout.splitlines()[-1])
        except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
            raise BisectError(f"{option} {program}: it does not run as a Python does: {error}.") from error
        packages: dict[str, importlib.metadata.Distribution] = {}
        for each in importlib.metadata.distributions(path=search_path):
            name = each.metadata["Name"]
            if name:
                packages.setdefault(_normalized(name), each)
        return cls(path, ".".join(map(str, series)), version, tuple(folders), packages)

    def version_of(self, name: str) -> str:
        """Return the version of a package; empty if there is none."""
        return self.packages[name].version if name in self.packages else ""


@dataclass(frozen=True)
class Differences:
    """What differs between two environments.

    Attributes:
        good: The good one.
        bad: The bad one.
    """

    good: Environment
    bad: Environment

    @property
    def changed(self) -> tuple[str, ...]:
        """Return the packages whose versions differ, one of which may be none, by name."""
        names = sorted({*self.good.packages, *self.bad.packages})
        return tuple(each for each in names if self.good.version_of(each) != self.bad.version_of(each))

    @property
    def movable(self) -> tuple[str, ...]:
        """Return those of them that can be put before the good ones: in the bad one, with a list of files."""
        return tuple(
            each for each in self.changed if each in self.bad.packages and self.bad.packages[each].files
        )

    def describe(self, name: str) -> str:
        """Return a package with both versions."""
        good, bad = (each.version_of(name) or "none" for each in (self.good, self.bad))
        return f"{name} {good} -> {bad}"

    def fixed(self, name: str) -> str:
        """Return why a changed package stays as it is in the good environment."""
        return "it is not in the bad one" if name not in self.bad.packages else "it does not list its files"

    @contextlib.contextmanager
    def mixed(self, names: Sequence[str]) -> Iterator[str]:
        """Make an environment of the good one with some packages of the bad one, and give its Python.

        Raises:
            BisectError: It cannot be made.
        """
        with OwnedFolder() as name:
            folder = Path(name).resolve() / "venv"
            command = [self.good.program, "-m", "venv", "--without-pip", str(folder)]
            made = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            if made.returncode:
                said = made.stderr.strip() or made.stdout.strip()
                raise BisectError(f"--good-python {self.good.program} makes no venv: {said}")
            packages = folder / "lib" / f"python{self.good.series}" / "site-packages"
            for each in names:
                _link(self.bad.packages[each], packages)
            # addsitedir, as folders of packages may name more of them, and finders of editable installs.
            lines = [f"import site; site.addsitedir({each!r})" for each in self.good.folders]
            (packages / "zz_good.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
            yield str(folder / "bin" / "python")


def _link(package: importlib.metadata.Distribution, folder: Path) -> None:
    """Link the files of a package into a folder; scripts, which lie outside, are left out."""
    for file in package.files or ():
        if ".." in file.parts or file.is_absolute() or "__pycache__" in file.parts:
            continue
        source, target = Path(str(package.locate_file(file))), folder / file
        if source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source.absolute())


def _normalized(name: str) -> str:
    """Return the name that a package goes by for every tool (PEP 503)."""
    return "-".join(filter(None, name.lower().replace("_", "-").replace(".", "-").split("-")))
