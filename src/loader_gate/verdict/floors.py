"""The floors of every profile: read and checked, picked for a machine, and written back.

A profile in ``floors.toml`` may have ``min_cores`` and ``gpu`` (what a machine needs for it to be picked),
one table of floors a workload, and ``measured``, one table a workload, which says where written floors
come from.
"""

from __future__ import annotations

import difflib
import math
import os
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from loader_gate.registry.variant import BASELINE

if TYPE_CHECKING:
    import datetime
    from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
    from pathlib import Path

    from loader_gate.machine.machine import Machine
    from loader_gate.statistics.estimate import Estimate

#: Tables of floors; an emulated accelerator has its own, as its speedups are others than those of a model.
WORKLOADS = ("loading", "training", "training-emulated", "dump")

#: The share that a written floor leaves below the low end of the interval: machines of one class differ.
MARGIN = 0.10

#: Floors hold for trees whose images have up to so many times more or fewer bytes than those measured, and
#: that have up to so many times fewer images.
ALIKE = 2.0

_PROFILE_KEYS = ("min_cores", "gpu", "measured", *WORKLOADS)
_WORK_KEYS = ("image_bytes", "image_size", "images", "batch_size")
_MEASURED_KEYS = ("date", "machine", "versions", *_WORK_KEYS)


class FloorsError(Exception):
    """A floor or profile cannot be used; the message names the file and key or the option, and what to do."""


@dataclass(frozen=True)
class Work:
    """What a speedup depends on, beside the machine: how much there is to decode, and to what.

    Attributes:
        image_bytes: Mean bytes of an image's file.
        image_size: Height and width of loaded images, in pixels.
        images: How many images an epoch has; None in stamps of an earlier version.
        batch_size: Images a batch; likewise.
    """

    image_bytes: int
    image_size: int
    images: int | None = None
    batch_size: int | None = None

    def __str__(self) -> str:
        """Return it in words."""
        number = "" if self.images is None else f"{self.images:,} "
        batch = "" if self.batch_size is None else f", {self.batch_size} a batch"
        kilobytes = f"{self.image_bytes / 1000:,.0f} KB"
        return f"{number}images of {kilobytes} loaded at {self.image_size}x{self.image_size}{batch}"

    def differences(self, other: Work) -> list[str]:
        """Return in what way floors measured on this cannot hold for the other; in none if they can.

        What a stamp does not say counts as the same.
        """
        found = []
        larger, smaller = sorted((self.image_bytes, other.image_bytes), reverse=True)
        if larger > ALIKE * smaller:
            found.append("the size of an image file")
        if self.image_size != other.image_size:
            found.append("the image size")
        # A shorter epoch is more of its beginning, in which a pipeline fills up; a longer one is no worse.
        if self.images is not None and other.images is not None and self.images > ALIKE * other.images:
            found.append("the number of images")
        if None not in (self.batch_size, other.batch_size) and self.batch_size != other.batch_size:
            found.append("the batch size")
        return found


@dataclass(frozen=True)
class Profile:
    """A named set of floors for a class of machine.

    Attributes:
        name: The profile's name.
        min_cores: The fewest usable cores a machine needs for the profile to be picked by itself, or None for
            one that is used by name only.
        gpu: Whether it also needs a GPU.
        floors: The floors, by workload and then by variant, or ``MODULE:FUNCTION`` of a user's loader.
        measured_on: What they were measured on, by workload; where nothing is said they hold for everything.
    """

    name: str
    min_cores: int | None = None
    gpu: bool = False
    floors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    measured_on: Mapping[str, Work] = field(default_factory=dict)

    def floor(self, workload: str, key: str) -> float | None:
        """Return the floor of a variant (its `Variant.floor_key`) in a workload, or None."""
        return self.floors.get(workload, {}).get(key)

    def misfit(self, workload: str, work: Work) -> str:
        """Return why the floors of a workload cannot hold for this work, or nothing if they can."""
        measured = self.measured_on.get(workload)
        differences = [] if measured is None else measured.differences(work)
        if not differences:
            return ""
        return (
            f"No floors: those of profile {self.name}, {workload}, were measured on {measured}, and these "
            f"are {work}: {_differ(differences)}. Write some with --profile NAME --update-floors, give "
            f"--floor VARIANT=X, or use them all the same with --profile {self.name}."
        )


@dataclass(frozen=True)
class Floors:
    """All profiles of one file, by name."""

    path: Path
    profiles: Mapping[str, Profile]


@dataclass(frozen=True)
class Choice:
    """The profile a session uses, or None where none fits; and a sentence that says why."""

    profile: Profile | None
    reason: str


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


def pick_profile(
    floors: Floors, requested: str | None, cores: int, gpu: bool, may_be_new: bool = False
) -> Choice:
    """Return the profile to use: the requested one, or the most demanding one that the machine satisfies.

    Args:
        floors: The profiles there are.
        requested: The value of ``--profile``, if given.
        cores: Cores the machine lets us use.
        gpu: Whether it has a GPU.
        may_be_new: Whether an unknown requested name is a profile to be created (``--update-floors``).

    Raises:
        FloorsError: The requested profile is not in the file.
    """
    machine = f"{cores} core{'' if cores == 1 else 's'} {'and a GPU' if gpu else 'without a GPU'}"
    if requested is not None:
        if requested in floors.profiles:
            return Choice(floors.profiles[requested], f"Profile {requested}: asked for with --profile.")
        if may_be_new:
            return Choice(Profile(requested), f"Profile {requested}: new, without floors yet.")
        raise FloorsError(
            f"--profile {requested}: {_unknown(requested, floors.profiles, 'profile')} in {floors.path}; "
            "or create it with --update-floors."
        )
    fitting = [
        (profile.gpu, profile.min_cores, profile)
        for profile in floors.profiles.values()
        if profile.min_cores is not None and profile.min_cores <= cores and (gpu or not profile.gpu)
    ]
    if not fitting:
        return Choice(
            None,
            f"No floors: no profile in {floors.path} is for a machine with {machine}; choose one with "
            "--profile, or create one with --profile NAME --update-floors.",
        )
    # A machine with a GPU also has what the profiles without one ask for: the one that asks for more wins.
    profile = max(fitting, key=lambda fit: fit[:2])[2]
    return Choice(profile, f"Profile {profile.name}: picked for {machine}.")


def parse_floor(text: str, known_variants: Collection[str]) -> tuple[str, float]:
    """Return the variant and floor of one ``--floor VARIANT=X``.

    Args:
        text: The option's value.
        known_variants: Names of all variants of this run, the user's loaders among them.

    Raises:
        FloorsError: The form, the variant or the number is wrong, or the variant is the baseline.
    """
    option = f"--floor {text}"
    variant, equals, value = (part.strip() for part in text.rpartition("="))
    if not equals or not variant:
        raise FloorsError(f"{option}: expected VARIANT=X, such as tfdata_no_cache=1.5.")
    if variant == BASELINE:
        raise FloorsError(f"{option}: {_NO_BASELINE_FLOOR}")
    if variant not in known_variants:
        raise FloorsError(f"{option}: {_unknown(variant, known_variants, 'variant')}.")
    try:
        floor = float(value)
    except ValueError:
        raise FloorsError(f"{option}: the floor is {value!r}, expected a number above 0.") from None
    return variant, _checked_floor(floor, option)


def write_floors(
    path: Path,
    profile: str,
    workload: str,
    estimates: Mapping[str, Estimate],
    machine: Machine,
    date: datetime.date,
    margin: float = MARGIN,
    work: Work | None = None,
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
        work: What they were measured on; if None, the floors hold for everything.

    Raises:
        FloorsError: The file cannot be read or written, the workload is not known, or other variants have
            floors there that were measured on other work.
    """
    import tomlkit

    if workload not in WORKLOADS:
        raise FloorsError(f"{path}: {_unknown(workload, WORKLOADS, 'workload')}.")
    found = {key: supported_floor(estimate, margin) for key, estimate in estimates.items()}
    floors = {key: floor for key, floor in found.items() if floor > 0 and key != BASELINE}
    if not floors:
        return {}
    # A link stays a link: what it points at is replaced.
    target = path.resolve()
    text = _text(target) if target.exists() else ""
    versions = tomlkit.inline_table()
    versions.update(machine.versions)
    stamp = {"date": date, "machine": machine.describe(), "versions": versions}
    wanted = _parsed(text, target)
    if work is not None:
        _refuse_mixed_work(wanted, path, profile, workload, floors, work)
        stamp.update({key: value for key, value in asdict(work).items() if value is not None})
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
            f"{path}: profiles.{profile}.{workload} cannot be written without harm to the rest: write every "
            f"profile and workload there under a header of its own, such as [profiles.{profile}.{workload}]."
        )
    _replace(target, new)
    return floors


def _refuse_mixed_work(
    document: Mapping[str, Any],
    path: Path,
    profile: str,
    workload: str,
    floors: Collection[str],
    work: Work,
) -> None:
    """Refuse to put a new stamp above floors that were measured on other work and would stay."""
    table = document.get("profiles", {}).get(profile, {})
    stay = [key for key in table.get(workload, {}) if key not in floors]
    where = f"{path}: profiles.{profile}"
    measured = _stamped_work(table.get("measured", {}).get(workload, {}), f"{where}.measured.{workload}")
    if measured is None or not stay:
        return
    # Either's floors have to hold for the other, as both will have one stamp.
    differences = list(dict.fromkeys([*measured.differences(work), *work.differences(measured)]))
    if differences:
        raise FloorsError(
            f"{where}.{workload}: no floors were written. Those of {_and(stay)} would stay, and were "
            f"measured on {measured}, but these are {work}: {_differ(differences)}. Measure all of them in "
            "one session, take the others out, or write into another profile with --profile NAME."
        )


def supported_floor(estimate: Estimate, margin: float = MARGIN) -> float:
    """Return the floor that an estimate supports: its low end less the margin, or 0 if it has no low end.

    Rounded down to three significant digits, so that it is never above what was measured.
    """
    floor = estimate.low * (1 - margin)
    if floor <= 0:
        return 0.0
    exact = Decimal(floor)
    return float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 2), rounding=ROUND_DOWN))


def _differ(what: Sequence[str]) -> str:
    return f"{_and(what)} {'differs' if len(what) == 1 else 'differ'}"


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


_NO_BASELINE_FLOOR = f"{BASELINE} is the baseline, whose speedup is 1 by definition: take its floor out."


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
    _known(measured, WORKLOADS, "workload", f"{where}.measured.")
    measured_on = {}
    for workload, stamp in measured.items():
        _known(stamp, _MEASURED_KEYS, "key", f"{where}.measured.{workload}.")
        work = _stamped_work(stamp, f"{where}.measured.{workload}")
        if work is not None:
            measured_on[workload] = work
    workloads = _tables({key: table[key] for key in WORKLOADS if key in table}, where)
    floors = {}
    for workload, entries in workloads.items():
        for key, floor in entries.items():
            entry = f"{where}.{workload}.{key}"
            if key == BASELINE:
                raise FloorsError(f"{entry}: {_NO_BASELINE_FLOOR}")
            if ":" not in key and key not in known_variants:
                raise FloorsError(
                    f"{entry}: {_unknown(key, known_variants, 'variant')}; "
                    'a loader of your own goes by "MODULE:FUNCTION".'
                )
            _checked_floor(floor, entry)
        floors[workload] = {key: float(floor) for key, floor in entries.items()}
    return Profile(name, min_cores, gpu, floors, measured_on)


def _stamped_work(stamp: Mapping[str, Any], where: str) -> Work | None:
    """Return what floors were measured on, or None if their stamp does not say."""
    sizes = {key: stamp[key] for key in _WORK_KEYS if key in stamp}
    if not sizes:
        return None
    if not {"image_bytes", "image_size"} <= set(sizes):
        raise FloorsError(
            f"{where} has {_and(list(sizes))} only: expected image_bytes and image_size too, or none of them."
        )
    for key, size in sizes.items():
        if type(size) is not int or size < 1:
            raise FloorsError(f"{where}.{key} is {size!r}, expected a whole number above 0.")
    return Work(**sizes)


def _checked_floor(floor: object, where: str) -> float:
    # A bool is an int in Python, and no floor.
    if isinstance(floor, bool) or not isinstance(floor, (int, float)) or not 0 < floor < math.inf:
        raise FloorsError(f"{where}: the floor is {floor!r}, expected a number above 0.")
    return float(floor)


def _known(names: Collection[str], known: Collection[str], kind: str, prefix: str) -> None:
    for name in names:
        if name not in known:
            raise FloorsError(f"{prefix}{name}: {_unknown(name, known, kind)}.")


def _unknown(name: str, known: Collection[str], kind: str) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
    return f"no such {kind}; {hint}".removesuffix(".")


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

    profiles = _table(document, "profiles", of_tables=True)
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
        measured = _table(_table(table, "measured", of_tables=True), workload)
        with _tail_kept(measured):
            measured.update(stamp)


def _is_free(profiles: Mapping[str, Any], machine: Machine) -> bool:
    gpu = machine.gpu is not None
    return not any(
        table.get("min_cores") == machine.cores and table.get("gpu", False) == gpu
        for table in profiles.values()
    )


def _table(parent: MutableMapping[str, Any], key: str, of_tables: bool = False) -> Any:
    import tomlkit

    if key not in parent:
        first = not parent
        parent[key] = tomlkit.table(is_super_table=of_tables)
        if not first and not of_tables:
            # An empty line before its header; the first one below a super table has one already.
            parent[key].trivia.indent = "\n"
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


def _replace(path: Path, text: str) -> None:
    # Written beside the file and moved over it: a session that is killed leaves the old floors whole.
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            beside.write_bytes(text.encode())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise FloorsError(f"{path} cannot be written: {error.strerror}.") from error
