"""The file of floors: read and checked, and written back.

A profile in ``floors.toml`` may have ``min_cores`` and ``gpu``, one table of floors a workload, and
``measured``, one table a workload, which says where written floors come from.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from loader_gate.kept_files import alone, replace_whole
from loader_gate.registry.spec import AUGMENTS
from loader_gate.registry.variant import BASELINE
from loader_gate.verdict.floors import (
    MARGIN,
    NO_BASELINE_FLOOR,
    Conditions,
    Floors,
    FloorsError,
    Profile,
    checked_floor,
    differ,
    joined,
    supported_floor,
    unknown,
)
from loader_gate.workloads.known import floor_tables

if TYPE_CHECKING:
    import datetime
    from collections.abc import Collection, Iterator, Mapping, MutableMapping
    from pathlib import Path

    from loader_gate.machine.machine import Machine
    from loader_gate.statistics.estimate import Estimate


_PROFILE_KEYS = ("min_cores", "gpu", "measured", *floor_tables())
_CONDITION_KEYS = ("image_bytes", "image_size", "images", "batch_size")
_MEASURED_KEYS = ("date", "machine", "versions", *_CONDITION_KEYS, "augment")


def load_floors(path: Path, known_variants: Collection[str], may_be_new: bool = False) -> Floors:
    """Return the profiles in a file, every key and number checked.

    Args:
        path: The TOML file.
        known_variants: Names of the suite's own variants; a key with a colon is a user's loader, and allowed.
        may_be_new: Whether a file that is not there is one to be created (``--update-floors``).

    Raises:
        FloorsError: The file cannot be read, or holds a name that is not known or a floor that cannot be one.
    """
    document = {} if may_be_new and not path.exists() else _parsed(_text(path), path)
    _known(document, ("profiles",), "key", f"{path}: ")
    profiles = {
        name: _profile(name, table, known_variants, path)
        for name, table in _tables(document.get("profiles", {}), f"{path}: profiles").items()
    }
    seen: dict[tuple[int, bool], str] = {}
    for profile in profiles.values():
        if profile.min_cores is None:
            continue
        other = seen.setdefault((profile.min_cores, profile.gpu), profile.name)
        if other != profile.name:
            raise FloorsError(
                f"{path}: profiles.{other} and profiles.{profile.name} are for the same machines: give one "
                "another min_cores or gpu, or take min_cores out of one to use it by --profile only."
            )
    return Floors(path, profiles)


def write_floors(
    path: Path,
    profile: str,
    workload: str,
    estimates: Mapping[str, Estimate],
    machine: Machine,
    date: datetime.date,
    margin: float = MARGIN,
    conditions: Conditions | None = None,
) -> dict[str, float]:
    """Write the floors that these estimates support into a file, and return them.

    Each is the estimate's `supported_floor`. Comments and other entries stay. The baseline, and
    variants with no low end, are left out; without any floor left the file is not touched. A new profile is
    created, to be picked on machines like this one, unless another already is.

    Args:
        path: The TOML file, created if missing.
        profile: The profile's name.
        workload: The workload that was measured.
        estimates: Estimates by `Variant.floor_key`.
        machine: The machine they were measured on.
        date: The day they were measured.
        margin: The share to leave below the low end, at least 0 and below 1.
        conditions: What they were measured on; if None, the floors hold for everything.

    Raises:
        FloorsError: The file cannot be read or written, the workload is not known, or other variants have
            floors there that were measured under other conditions.
    """
    import tomlkit

    if workload not in floor_tables():
        raise FloorsError(f"{path}: {unknown(workload, floor_tables(), 'workload')}.")
    found = {key: supported_floor(estimate, margin) for key, estimate in estimates.items()}
    floors = {key: floor for key, floor in found.items() if floor > 0 and key != BASELINE}
    if not floors:
        return {}
    # A link stays a link: what it points at is replaced.
    target = path.resolve()
    try:
        # From reading to writing: another session's floors are in what is read.
        with alone(target.parent):
            text = _text(target) if target.exists() else ""
            versions = tomlkit.inline_table()
            versions.update(machine.versions)
            stamp = {"date": date, "machine": machine.describe(), "versions": versions}
            wanted = _parsed(text, target)
            if conditions is not None:
                _refuse_mixed_conditions(wanted, path, profile, workload, floors, conditions)
                unusual = {
                    key: value
                    for key, value in asdict(conditions).items()
                    if value not in (None, AUGMENTS[0])
                }
                stamp.update(unusual)
            try:
                document = tomlkit.parse(text)
                _enter(wanted, profile, workload, floors, stamp, machine)
                _enter(document, profile, workload, floors, stamp, machine)
                new = document.as_string().lstrip("\n")
                written = _parsed(new, target) == wanted
            except (LookupError, TypeError, ValueError, FloorsError, tomlkit.exceptions.TOMLKitError):
                written = False
            if not written:
                # TOML Kit puts new tables in the wrong place among inline tables and dotted keys.
                raise FloorsError(
                    f"{path}: profiles.{profile}.{workload} cannot be written without harm to the rest: "
                    "write every profile and workload there under a header of its own, such as "
                    f"[profiles.{profile}.{workload}]."
                )
            replace_whole(target, new)
    except OSError as error:
        raise FloorsError(f"{path} cannot be written: {error.strerror}.") from error
    return floors


def _refuse_mixed_conditions(
    document: Mapping[str, Any],
    path: Path,
    profile: str,
    workload: str,
    floors: Collection[str],
    conditions: Conditions,
) -> None:
    """Refuse to put a new stamp above floors that were measured under other conditions and would stay."""
    table = document.get("profiles", {}).get(profile, {})
    stay = [key for key in table.get(workload, {}) if key not in floors]
    where = f"{path}: profiles.{profile}"
    measured = _stamped_conditions(
        table.get("measured", {}).get(workload, {}), f"{where}.measured.{workload}"
    )
    if measured is None or not stay:
        return
    # Either's floors have to hold for the other, as both will have one stamp.
    differences = list(dict.fromkeys([*measured.differences(conditions), *conditions.differences(measured)]))
    if differences:
        raise FloorsError(
            f"{where}.{workload}: no floors were written. Those of {joined(stay)} would stay, and were "
            f"measured on {measured}, but these are {conditions}: {differ(differences)}. Measure all of "
            "them in one session, take the others out, or write into another profile with --profile NAME."
        )


def _profile(name: str, table: dict[str, Any], known_variants: Collection[str], path: Path) -> Profile:
    where = f"{path}: profiles.{name}"
    _known(table, _PROFILE_KEYS, "key or workload", f"{where}.")
    min_cores = table.get("min_cores")
    if min_cores is not None and (type(min_cores) is not int or min_cores < 1):
        raise FloorsError(f"{where}.min_cores is {min_cores!r}, expected a whole number above 0.")
    gpu = table.get("gpu", False)
    if not isinstance(gpu, bool):
        raise FloorsError(f"{where}.gpu is {gpu!r}, expected true or false.")
    measured = _tables(table.get("measured", {}), f"{where}.measured")
    _known(measured, floor_tables(), "workload", f"{where}.measured.")
    measured_on = {}
    for workload, stamp in measured.items():
        _known(stamp, _MEASURED_KEYS, "key", f"{where}.measured.{workload}.")
        conditions = _stamped_conditions(stamp, f"{where}.measured.{workload}")
        if conditions is not None:
            measured_on[workload] = conditions
    workloads = _tables({key: table[key] for key in floor_tables() if key in table}, where)
    floors = {}
    for workload, entries in workloads.items():
        for key, floor in entries.items():
            entry = f"{where}.{workload}.{key}"
            if key == BASELINE:
                raise FloorsError(f"{entry}: {NO_BASELINE_FLOOR}")
            if ":" not in key and key not in known_variants:
                raise FloorsError(
                    f"{entry}: {unknown(key, known_variants, 'variant')}; "
                    'a loader of your own goes by "MODULE:FUNCTION".'
                )
            checked_floor(floor, entry)
        floors[workload] = {key: float(floor) for key, floor in entries.items()}
    return Profile(name, min_cores, gpu, floors, measured_on)


def _stamped_conditions(stamp: Mapping[str, Any], where: str) -> Conditions | None:
    """Return what floors were measured on, or None if their stamp does not say."""
    sizes = {key: stamp[key] for key in _CONDITION_KEYS if key in stamp}
    if not sizes:
        return None
    if not {"image_bytes", "image_size"} <= set(sizes):
        raise FloorsError(
            f"{where} has {joined(list(sizes))} only: expected image_bytes and image_size too, or none of "
            "them."
        )
    for key, size in sizes.items():
        if type(size) is not int or size < 1:
            raise FloorsError(f"{where}.{key} is {size!r}, expected a whole number above 0.")
    augment = stamp.get("augment", AUGMENTS[0])
    if augment not in AUGMENTS:
        raise FloorsError(f"{where}.augment is {augment!r}, expected one of {', '.join(AUGMENTS)}.")
    return Conditions(**sizes, augment=augment)


def _known(names: Collection[str], known: Collection[str], kind: str, prefix: str) -> None:
    for name in names:
        if name not in known:
            raise FloorsError(f"{prefix}{name}: {unknown(name, known, kind)}.")


def _tables(value: object, where: str) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict):
        raise FloorsError(f"{where} is {value!r}, expected a table.")
    for key, table in value.items():
        if not isinstance(table, dict):
            raise FloorsError(f"{where}.{key} is {table!r}, expected a table.")
    return value


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise FloorsError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise FloorsError(f"{path} is not TOML: {error}.") from error


def _parsed(text: str, path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        # mypy checks as for 3.10, often from an environment of a later Python, which has no need of tomli.
        import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

    try:
        document: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FloorsError(f"{path} is not TOML: {error}.") from error
    return document


def _enter(
    document: MutableMapping[str, Any],
    profile: str,
    workload: str,
    floors: Mapping[str, float],
    stamp: Mapping[str, Any],
    machine: Machine,
) -> None:
    """Enter floors and their stamp into a document, which may also be a plain dict."""
    import tomlkit

    profiles = _table(document, "profiles")
    if profile not in profiles:
        free = _is_free(profiles, machine)
        table = _table(profiles, profile)
        if free:
            table["min_cores"] = machine.cores
        else:
            table.add(tomlkit.comment("Used by --profile only: another profile is picked for such machines."))
        table["gpu"] = machine.gpu is not None
    table = profiles[profile]
    with _tail_kept(table):
        with _tail_kept(_table(table, workload)):
            table[workload].update(floors)
        measured = _table(_table(table, "measured"), workload)
        with _tail_kept(measured):
            measured.update(stamp)
            if "augment" not in stamp:  # floors of before may have been of parts of pictures
                measured.pop("augment", None)


def _is_free(profiles: Mapping[str, Any], machine: Machine) -> bool:
    gpu = machine.gpu is not None
    return not any(
        table.get("min_cores") == machine.cores and table.get("gpu", False) == gpu
        for table in profiles.values()
    )


def _table(parent: MutableMapping[str, Any], key: str) -> Any:
    import tomlkit

    if key not in parent:
        parent[key] = tomlkit.table()
    return parent[key]


@contextmanager
def _tail_kept(table: Any) -> Iterator[None]:
    """Keep the comments and empty lines at the end of a table there, whatever is added to it meanwhile.

    To TOML Kit they belong to the table before them, but to people to the one below.
    """
    tail: list[Any] = []
    body = _last_body(table)
    while body and body[-1][0] is None:
        tail.insert(0, body.pop())
    yield
    _last_body(table).extend(tail)


def _last_body(table: Any) -> list[Any]:
    from tomlkit.items import Table

    body: list[Any] = []
    while isinstance(table, Table):
        body = table.value.body
        table = body[-1][1] if body else None
    return body
