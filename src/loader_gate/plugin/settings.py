"""What a session is asked for: by the command line, else by pyproject.toml, else by default."""

from __future__ import annotations

import argparse
import difflib
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loader_gate.plugin.options import OPTIONS, Option
from loader_gate.runs.comparison import parse_tolerance
from loader_gate.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

_MERGED: pytest.StashKey[argparse.Namespace] = pytest.StashKey()

#: What is measured beside a repository's own loaders: a key of the file that is no option.
VARIANTS = Option("variants", "names", None, "")
_KNOWN = {option.name: option for option in (*OPTIONS, VARIANTS)}
_ALLOWED = [name for name, option in _KNOWN.items() if option.in_file]
#: What cannot hold any more once something else is on the command line.
_OVERRULED = {
    "tree": ("image-root", "coco-annotations"),
    "image-root": ("tree", "coco-annotations"),
    "tree-images": ("images-per-class",),
    "images-per-class": ("tree-images",),
    "device": ("weights",),
}
_EXPECTED = {
    "text": "a string",
    "names": "a list of strings",
    "switch": "true or false",
    "count": "a whole number of at least {least}",
    "number": "a number above 0 and below a million",
    "path": "a path, as a string",
    "size": 'a size, such as "800M"',
    "percent": "a number of percent, such as 3",
}


class SettingsError(Exception):
    """A setting in pyproject.toml cannot be used; the message names file and key, and what was expected."""


def options_of(config: pytest.Config) -> argparse.Namespace:
    """Return every option by its plain name, those of other plugins too.

    Raises:
        SettingsError: pyproject.toml has a setting that cannot be used.
    """
    if _MERGED not in config.stash:
        of_file = read_settings(settings_file(config.invocation_params.dir, config.rootpath))
        config.stash[_MERGED] = _merged(config.option, of_file)
    return config.stash[_MERGED]


def _merged(given: argparse.Namespace, of_file: Mapping[str, Any]) -> argparse.Namespace:
    on_line = {option.name for option in OPTIONS if getattr(given, option.dest, None) is not None}
    overruled = {each for name in on_line for each in _OVERRULED.get(name, ())}
    if not str(getattr(given, "loader_gate_device", "")).startswith("emulated"):
        overruled.discard("weights")  # an emulated device has none, any other may
    values = dict(vars(given))
    for option in OPTIONS:
        values[option.plain] = values.pop(option.dest, None)
        if option.name not in on_line:
            held = None if option.name in overruled else of_file.get(option.name)
            values[option.plain] = option.default if held is None else held
    values["variants"] = of_file.get("variants", [])
    return argparse.Namespace(**values)


def read_settings(file: Path) -> dict[str, Any]:
    """Return the settings in a file, checked, with paths relative to its folder; none if it is not there.

    Raises:
        SettingsError: One cannot be used, or the file is not TOML.
    """
    return {name: _checked(name, value, file) for name, value in (_table(file) or {}).items()}


def settings_file(started_in: Path, root: Path) -> Path:
    """Return the file of settings of a session: the nearest that has any, from its folder upward.

    Args:
        started_in: The folder that the session was started in.
        root: pytest's root folder, whose file counts if there is no such.

    Raises:
        SettingsError: A file on the way is not TOML.
    """
    files = (folder / "pyproject.toml" for folder in (started_in, *started_in.parents, root))
    return next((file for file in files if _table(file) is not None), root / "pyproject.toml")


def _table(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        # mypy checks as for 3.10, often from an environment of a later Python, which has no need of tomli.
        import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]
    try:
        tools = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file}: {error}") from error
    table = tools.get("loader-gate")
    if not isinstance(table, dict | None):
        raise SettingsError(f"{file}: [tool.loader-gate] is {table!r}, expected a table.")
    return table


def _checked(name: str, value: object, file: Path) -> Any:
    where = f"{file}: [tool.loader-gate] {name}"
    option = _KNOWN.get(name)
    if option is None:
        near = difflib.get_close_matches(name.replace("_", "-"), _ALLOWED, n=3)
        hint = f"nearest: {' or '.join(near)}." if near else f"known: {', '.join(_ALLOWED)}."
        raise SettingsError(f"{where}: there is no such setting; {hint}")
    if not option.in_file:
        hint = "; what is measured beside your own loaders is variants" if name == "variant" else ""
        raise SettingsError(f"{where} is for the command line only, --{name}{hint}.")
    found = _value(option, value, file.parent)
    if found is None:
        expected = _EXPECTED[option.kind].format(least=option.least)
        if option.choices is not None:
            expected = f"one of {', '.join(option.choices)}"
        raise SettingsError(f"{where} is {value!r}, expected {expected}.")
    return found


def _value(option: Option, value: object, folder: Path) -> Any:
    """Return a value of the file as the command line would give it; None if it is none of that kind."""
    if option.kind == "switch":
        return value if isinstance(value, bool) else None
    if option.kind == "names":
        right = isinstance(value, list) and all(isinstance(each, str) and each for each in value)
        return value if right else None
    if isinstance(value, str) and value:
        return _of_text(option, value, folder)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if option.kind == "count":
        return value if isinstance(value, int) and option.least <= value < 1_000_000_000 else None
    if option.kind == "number":
        return float(value) if 0 < value < 1_000_000 else None
    if option.kind in ("percent", "size") and math.isfinite(value):
        return _of_text(option, str(value), folder)
    return None


def _of_text(option: Option, text: str, folder: Path) -> Any:
    if option.choices is not None and text not in option.choices:
        return None
    if option.kind == "path":
        return folder / Path(text).expanduser()
    if option.kind == "text":
        is_file = option.name == "weights" and text != "imagenet"
        return str(folder / Path(text).expanduser()) if is_file else text
    parse = {"size": parse_size, "percent": parse_tolerance}.get(option.kind)
    try:
        return None if parse is None else parse(text)
    except (ValueError, argparse.ArgumentTypeError):
        return None
