"""The project's own settings: those of today, for every commit, so that all steps ask the same question."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate.bisect.asked import BisectError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What a search has its own of, or has no use for.
_LEFT_OUT = {"budget", "floors", "gate", "profile", "tolerance", "variants"}
_NAME = "pyproject.toml"


class SettingsNotKeptError(Exception):
    """A checkout's file of settings cannot be given those of today; the message says why."""


def project_settings(started_in: Path) -> tuple[dict[str, Any], float | None]:
    """Return the settings that hold where the user has started, with paths for any folder, and the budget.

    Raises:
        BisectError: One cannot be used.
    """
    from loader_gate.plugin.settings import SettingsError, read_settings, settings_file

    try:
        found = read_settings(settings_file(started_in, started_in))
    except SettingsError as error:
        raise BisectError(str(error)) from error
    settings = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in found.items()
        if name not in _LEFT_OUT
    }
    return settings, found.get("budget")


@contextlib.contextmanager
def with_settings(folder: Path, settings: Mapping[str, Any]) -> Iterator[None]:
    """Let sessions that start in a folder of a checkout have these settings; put its file back in the end.

    Raises:
        SettingsNotKeptError: Its file is no TOML.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    file = folder / _NAME
    before = file.read_bytes() if file.is_file() else None
    try:
        document = tomlkit.parse((before or b"").decode())
        document.setdefault("tool", {})["loader-gate"] = dict(settings)
        after = tomlkit.dumps(document)
    except (TOMLKitError, ValueError, TypeError, AttributeError) as error:
        raise SettingsNotKeptError(f"its {_NAME} cannot be read: {error}") from error
    try:
        file.write_text(after, encoding="utf-8")
        yield
    finally:
        if before is None:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(before)
