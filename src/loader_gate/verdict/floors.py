"""The floors of every profile: picked for a machine, held against what was measured, and made from it.

A profile may have ``min_cores`` and ``gpu`` (what a machine needs for it to be picked), floors by workload
and variant, and what written floors were measured on, by workload.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from loader_gate.registry.spec import AUGMENTS
from loader_gate.registry.variant import BASELINE
from loader_gate.workloads.known import known_workloads

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from loader_gate.registry.variant import Variant
    from loader_gate.statistics.estimate import Estimate


#: The share that a written floor leaves below the low end of the interval: machines of one class differ.
MARGIN = 0.10

#: Floors hold for trees whose images have up to so many times more or fewer bytes than those measured, and
#: that have up to so many times fewer images.
COMPARABLE_RATIO = 2.0

NO_BASELINE_FLOOR = f"{BASELINE} is the baseline, whose speedup is 1 by definition: take its floor out."


class FloorsError(Exception):
    """A floor or profile cannot be used; the message names the file and key or the option, and what to do."""


@dataclass(frozen=True)
class Conditions:
    """What a speedup depends on, beside the machine: how much there is to decode, and to what.

    Attributes:
        image_bytes: Mean bytes of an image's file.
        image_size: Height and width of loaded images, in pixels.
        images: How many images an epoch has; None in stamps of an earlier version.
        batch_size: Images a batch; likewise.
        augment: What was done to images, see ``Spec.augment``.
    """

    image_bytes: int
    image_size: int
    images: int | None = None
    batch_size: int | None = None
    augment: str = AUGMENTS[0]

    def __str__(self) -> str:
        """Return it in words."""
        number = "" if self.images is None else f"{self.images:,} "
        batch = "" if self.batch_size is None else f", {self.batch_size} a batch"
        kilobytes = f"{self.image_bytes / 1000:,.0f} KB"
        augment = "" if self.augment == AUGMENTS[0] else f", {self.augment}"
        return f"{number}images of {kilobytes} loaded at {self.image_size}x{self.image_size}{batch}{augment}"

    def differences(self, other: Conditions) -> list[str]:
        """Return in what way floors measured on this cannot hold for the other; in none if they can.

        What a stamp does not say counts as the same.
        """
        found = []
        larger, smaller = sorted((self.image_bytes, other.image_bytes), reverse=True)
        if larger > COMPARABLE_RATIO * smaller:
            found.append("the size of an image file")
        if self.image_size != other.image_size:
            found.append("the image size")
        # A shorter epoch is more of its beginning, in which a pipeline fills up; a longer one is no worse.
        here, there = self.images, other.images
        if here is not None and there is not None and here > COMPARABLE_RATIO * there:
            found.append("the number of images")
        if None not in (self.batch_size, other.batch_size) and self.batch_size != other.batch_size:
            found.append("the batch size")
        if self.augment != other.augment:
            found.append("what is done to images (--augment)")
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
    measured_on: Mapping[str, Conditions] = field(default_factory=dict)

    def floor(self, workload: str, key: str) -> float | None:
        """Return the floor of a variant (its `Variant.floor_key`) in a workload, or None."""
        return self.floors.get(workload, {}).get(key)

    def misfit(self, workload: str, conditions: Conditions) -> str:
        """Return why the floors of a workload cannot hold under these conditions, or nothing if they can."""
        measured = self.measured_on.get(workload)
        if measured is None and conditions.augment != AUGMENTS[0]:  # whoever wrote them had not heard of it
            measured = replace(conditions, augment=AUGMENTS[0])
        differences = [] if measured is None else measured.differences(conditions)
        if not differences:
            return ""
        return (
            f"No floors: those of profile {self.name}, {workload}, were measured on {measured}, and these "
            f"are {conditions}: {differ(differences)}. Write some with --profile NAME --update-floors, give "
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
            f"--profile {requested}: {unknown(requested, floors.profiles, 'profile')} in {floors.path}; "
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


@dataclass(frozen=True)
class OwnFloor:
    """A floor that the user has given for this run: one ``--floor [WORKLOAD/]VARIANT=X``.

    Attributes:
        workload: The workload that it holds in; empty if in every one.
        key: The variant's name, or ``MODULE:FUNCTION`` of a user's loader.
        floor: The smallest speedup allowed.
    """

    workload: str
    key: str
    floor: float

    @classmethod
    def parse(cls, text: str) -> OwnFloor:
        """Return what the option says, of a variant that need not be known yet.

        Raises:
            FloorsError: The form, the workload or the number is wrong, or the variant is the baseline.
        """
        option = f"--floor {text}"
        names, equals, value = (part.strip() for part in text.rpartition("="))
        workload, slash, key = (part.strip() for part in names.rpartition("/"))
        parts = key.replace(":", ".", 1).split(".")
        if not equals or not all(map(str.isidentifier, parts)) or (slash and not workload):
            raise FloorsError(
                f"{option}: expected VARIANT=X, such as tfdata_no_cache=1.5, or WORKLOAD/VARIANT=X."
            )
        if workload and workload not in known_workloads():
            raise FloorsError(f"{option}: {unknown(workload, known_workloads(), 'workload')}.")
        if key == BASELINE:
            raise FloorsError(f"{option}: {NO_BASELINE_FLOOR}")
        try:
            floor = float(value)
        except ValueError:
            raise FloorsError(f"{option}: the floor is {value!r}, expected a number above 0.") from None
        return cls(workload, key, checked_floor(floor, option))

    def check(self, variants: Iterable[Variant]) -> None:
        """Refuse a floor of a variant that there is not.

        Raises:
            FloorsError: None of these variants has that name or key.
        """
        known = dict.fromkeys(name for each in variants for name in (each.name, each.floor_key))
        if self.key not in known:
            where = f"{self.workload}/" if self.workload else ""
            raise FloorsError(
                f"--floor {where}{self.key}={self.floor:g}: {unknown(self.key, known, 'variant')}."
            )


def supported_floor(estimate: Estimate, margin: float = MARGIN) -> float:
    """Return the floor that an estimate supports: its low end less the margin, or 0 if it has no low end.

    Rounded down to three significant digits, so that it is never above what was measured.
    """
    exact = Decimal(estimate.low * (1 - margin))
    return float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 2), rounding=ROUND_DOWN))


def differ(what: Sequence[str]) -> str:
    """Return that these things differ, in words."""
    return f"{joined(what)} {'differs' if len(what) == 1 else 'differ'}"


def joined(words: Sequence[str]) -> str:
    """Return words joined by commas and "and"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def checked_floor(floor: object, where: str) -> float:
    """Return a floor.

    Raises:
        FloorsError: It is no number above 0; the message begins with ``where``.
    """
    # A bool is an int in Python, and no floor.
    if isinstance(floor, bool) or not isinstance(floor, (int, float)) or not 0 < floor < math.inf:
        raise FloorsError(f"{where}: the floor is {floor!r}, expected a number above 0.")
    return float(floor)


def unknown(name: str, known: Collection[str], kind: str) -> str:
    """Return that there is no such name among those of a kind, and which was meant."""
    of_modules = [each for each in known if each.endswith(f":{name}")]  # a name that several loaders have
    near = of_modules or difflib.get_close_matches(name, known)
    hint = f"nearest: {' or '.join(near)}" if near else f"known: {', '.join(known) or 'none'}"
    return f"no such {kind}; {hint}"
