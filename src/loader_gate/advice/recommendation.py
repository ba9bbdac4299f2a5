"""Which variant to use for a tree of some size, on this machine, and why.

The fastest variant that fits is the one to use; of those that the intervals cannot tell apart from it, the
one that takes the least memory, and of these the least disk. Where it is known what the model takes on its
device, whatever takes least of all that deliver as much is enough.

A sample is measured from memory: its files and dumps are in the page cache. The whole of a data set need not
fit there. What does not is as fast as it was with nothing in the page cache (``--cold``). Where nobody has
measured that, it is said what the disk would have to give, and what is known for certain comes first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from loader_gate.advice.need import Need
from loader_gate.advice.pareto import SAME_BYTES, MapPoint, surely_faster
from loader_gate.registry.variant import BASELINE
from loader_gate.session.dumps import break_even_epochs
from loader_gate.session.guard import TRAINING_WORKER_BYTES
from loader_gate.sizes import format_size
from loader_gate.verdict.sentence import number

#: The share of free memory or disk that a variant may fill.
FILLED = 0.9

#: A tree of so many times the images that were measured from the disk may be another matter for it.
_MANY_TIMES = 10

_GENERATOR = "ImageDataGenerator"


@dataclass(frozen=True)
class Situation:
    """What a variant is to be used for, and has to fit into.

    Attributes:
        tree: What people call the images, as the beginning of a sentence.
        images: How many there are.
        file_bytes: Bytes of an image's file, on average; 0 if nobody knows.
        free_memory: Bytes of memory that may still be taken.
        free_disk: Bytes of disk that may still be taken.
    """

    tree: str
    images: int
    file_bytes: float
    free_memory: int
    free_disk: int


@dataclass(frozen=True)
class Recommendation:
    """Which variant to use in a situation.

    Attributes:
        situation: For what.
        variant: The variant to use; None if none can be recommended.
        next_best: The one to use if that does not suit; None if there is none.
        sentences: The same in words, and why.
    """

    situation: Situation
    variant: str | None
    next_best: str | None
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class _Candidate:
    """A variant in a situation.

    Attributes:
        point: The variant, at the speed that it has there.
        from_memory: Its speedup where everything is in memory.
        obstacle: Why it cannot be used, or nothing.
        read_bytes: Bytes an image that it reads from the disk, as they do not fit into memory; 0 if they do.
    """

    point: MapPoint
    from_memory: float
    obstacle: str
    read_bytes: float = 0.0

    @property
    def is_known(self) -> bool:
        """Return whether its speed there was measured: from memory, or from the disk."""
        return not self.read_bytes or self.point.from_disk is not None

    @property
    def is_held_back(self) -> bool:
        """Return whether the disk makes its speedup another one."""
        return not math.isclose(self.point.speedup.ratio, self.from_memory)

    @property
    def bytes(self) -> float:
        """Return what it takes of disk and memory an image."""
        disk, memory = self.point.disk_bytes, self.point.memory_bytes
        return math.inf if disk is None or memory is None else disk + memory


def recommend(points: Sequence[MapPoint], situation: Situation, need: Need | None = None) -> Recommendation:
    """Return which variant to use.

    Args:
        points: What was measured; see `loader_gate.advice.pareto.points_of`.
        situation: What it is to be used for.
        need: What the model takes on its device, if that is known.
    """
    found = _fastest(points, situation)
    if need is None:
        return found
    enough = _enough(points, situation, need)
    if enough is None:
        told = f"No variant that fits is known to deliver {need}."
        return replace(found, sentences=(*found.sentences, told)) if found.variant else found
    name = enough.point.variant
    if name == found.variant:
        return replace(found, sentences=(*found.sentences, f"{name} delivers {need}."))
    use = f"use {name}, {_figures(enough, situation, None)}"
    use = f"stay with {_GENERATOR}" if name == BASELINE else use
    sentences = [
        f"{_beginning(situation)}{use}: it delivers {need}, so that a faster one changes nothing there.",
        *([f"Where a device takes more: {found.variant}."] if found.variant else []),
    ]
    return Recommendation(situation, None if name == BASELINE else name, found.variant, tuple(sentences))


def _beginning(situation: Situation) -> str:
    size = f", {format_size(situation.images * situation.file_bytes)}" if situation.file_bytes else ""
    return f"{situation.tree} ({situation.images:,} images{size}): "


def _enough(points: Sequence[MapPoint], situation: Situation, need: Need) -> _Candidate | None:
    """Return what takes least of those that deliver what the device takes: the baseline, if it does.

    What a disk holds back there was not measured at that speed: it has to be above the need.
    """
    baseline = next((point for point in points if point.variant == BASELINE), None)
    if baseline is None:
        return None
    delivering = [
        choice
        for point in points
        if need.is_met_by(point.variant)
        and not (choice := _in_situation(point, baseline, situation)).obstacle
        and choice.is_known
        and choice.point.images_per_second >= min(point.images_per_second, need.high)
    ]
    return min(delivering, key=lambda each: (each.point.variant != BASELINE, *_lightness(each)), default=None)


def _fastest(points: Sequence[MapPoint], situation: Situation) -> Recommendation:
    """Return which variant is the fastest that fits, however many images the model takes."""
    start = _beginning(situation)
    baseline = next((point for point in points if point.variant == BASELINE), None)
    if baseline is None or len(points) == 1:
        why = f"only {BASELINE} was measured" if baseline else f"there are no figures of {BASELINE}"
        return Recommendation(situation, None, None, (f"{start}no choice, as {why}.",))
    choices = [_in_situation(point, baseline, situation) for point in points if point.variant != BASELINE]
    fitting = [choice for choice in choices if not choice.obstacle]
    faster = [choice for choice in fitting if surely_faster(choice.point, baseline)]
    if not faster:
        why = f"stay with {_GENERATOR}, as no other variant fits."
        if fitting:
            why = (
                f"undecided, as no variant that fits is faster than {_GENERATOR} for certain; a larger "
                "--budget or a quieter machine tells more."
            )
        return Recommendation(situation, None, None, (start + why, *_too_large(choices, baseline)))
    first = _to_choose_from(faster)
    best, tied = _lightest_of_the_fastest(first)
    rest = [choice for choice in first if choice is not best]
    rest = rest or [choice for choice in faster if choice is not best]
    # The next best is for whoever cannot give what the best one takes: first of all one that takes less.
    lighter = [choice for choice in rest if _takes_less(choice.point, best.point)]
    second = _lightest_of_the_fastest(lighter or rest)[0] if rest else None
    streaming = max((choice.point.images_per_second for choice in fitting if choice.bytes == 0), default=None)
    sentences = [f"{start}use {best.point.variant}, {_figures(best, situation, streaming)}."]
    if second is not None:
        sentences.append(f"Next best: {second.point.variant}, {_figures(second, situation, streaming)}.")
    names = ", ".join(choice.point.variant for choice in tied if choice is not second)
    if names:
        sentences.append(f"About as fast as {best.point.variant}, and no smaller: {names}.")
    sentences += [
        *_too_large(choices, best.point),
        *_about_the_disk(faster, [best, second], situation.images),
    ]
    next_best = None if second is None else second.point.variant
    return Recommendation(situation, best.point.variant, next_best, tuple(sentences))


def _in_situation(point: MapPoint, baseline: MapPoint, situation: Situation) -> _Candidate:
    """Return a variant at the speed that it has there, and whether it fits."""
    read = _read_bytes(point, situation)
    rate = _rate(point, read)
    # A baseline that nobody has measured from the disk is no faster from there: speedups are at least these.
    baseline_rate = _rate(baseline, _read_bytes(baseline, situation))
    slowed = rate / point.images_per_second * baseline.images_per_second / baseline_rate
    speedup = point.speedup
    there = replace(
        speedup, ratio=speedup.ratio * slowed, low=speedup.low * slowed, high=speedup.high * slowed
    )
    obstacle = _obstacle(point.disk_bytes, 0.0, situation.images, situation.free_disk, "disk") or _obstacle(
        point.memory_bytes,
        point.buffer_bytes,
        situation.images,
        situation.free_memory - TRAINING_WORKER_BYTES,
        "memory",
    )
    return _Candidate(replace(point, images_per_second=rate, speedup=there), speedup.ratio, obstacle, read)


def _read_bytes(point: MapPoint, situation: Situation) -> float:
    """Return the bytes an image that come from the disk in each epoch; 0 if all of them fit into memory."""
    read = 0.0 if point.memory_bytes != 0 else point.disk_bytes or situation.file_bytes
    room = situation.free_memory - TRAINING_WORKER_BYTES - point.buffer_bytes
    return 0.0 if read * situation.images <= max(0.0, room) else read


def _rate(point: MapPoint, read_bytes: float) -> float:
    """Return images a second; from the disk, if nobody has measured that, the most that they can be."""
    return point.from_disk if read_bytes and point.from_disk is not None else point.images_per_second


def _to_choose_from(faster: Sequence[_Candidate]) -> list[_Candidate]:
    """Return those whose speed is known; if there are none, those that read the fewest bytes an image.

    On a disk that holds them all back, these are the fastest.
    """
    known = [choice for choice in faster if choice.is_known]
    least = min(choice.read_bytes for choice in faster)
    return known or [choice for choice in faster if choice.read_bytes <= SAME_BYTES * least]


def _about_the_disk(
    faster: Sequence[_Candidate], named: Sequence[_Candidate | None], images: int
) -> list[str]:
    """Return what is known of the disk where not all fits into memory, and what is not.

    Args:
        faster: Those that are faster than the baseline.
        named: Those of them that have been told of.
        images: How many images the situation has.
    """
    sentences = []
    unknown = [choice for choice in faster if not choice.is_known]
    first = next(choice for choice in named if choice is not None)
    others = [each for each in unknown if each not in named and surely_faster(each.point, first.point)]
    if others:
        fastest = max(others, key=lambda choice: choice.point.speedup.ratio)
        ratio = number(fastest.point.speedup.ratio)
        sentences.append(f"{fastest.point.variant} would be {ratio} times as fast{_condition(fastest)}.")
    if unknown:
        sentences.append(
            "Not all of that fits into memory, and nobody has measured what the disk gives: run with --cold."
        )
    from_disk = [choice.point for choice in faster if choice.is_known and choice.read_bytes]
    rates = [each.disk_bytes_per_second for each in from_disk if each.disk_bytes_per_second]
    if from_disk:
        gave = f", which gave up to {max(rates) / 1e6:,.0f} MB/s" if rates else ""
        sentences.append(
            f"Where not all fits into memory, speeds are as measured with nothing there (--cold){gave}."
        )
        fewest = min((each.images_from_disk or images for each in from_disk), default=images)
        if fewest * _MANY_TIMES <= images:
            few = f"That was with {fewest:,.0f} images"
            sentences.append(f"{few}: a disk may be slower where so many more are spread over it.")
    fitting = [choice for choice in faster if not choice.read_bytes and choice.point.memory_bytes == 0]
    if any(choice.point.from_disk == choice.point.images_per_second for choice in fitting):
        sentences.append(
            "All passes began with nothing in memory (--cold): what fits there is faster from the second "
            "epoch on, as a run without --cold tells."
        )
    return sentences


def _condition(choice: _Candidate) -> str:
    """Return what the disk has to give for the speed of a variant; nothing where that speed was measured."""
    if choice.is_known:
        return ""
    return f" if the disk gives {format_size(choice.read_bytes * choice.point.images_per_second)} a second"


def _obstacle(size: float | None, besides: float, images: int, room: int, what: str) -> str:
    """Return why a variant cannot have the memory or disk that it takes, or nothing if it can."""
    if size is None:
        return f"nobody knows how much {what} it takes"
    needed = size * images + besides
    if not needed or needed <= FILLED * room:
        return ""
    free = format_size(max(0, room)) + (" free beside a process that trains" if what == "memory" else " free")
    return f"takes {format_size(needed)} of {what}, more than {100 * FILLED:.0f} % of the {free}"


def _lightest_of_the_fastest(choices: Sequence[_Candidate]) -> tuple[_Candidate, list[_Candidate]]:
    """Return the one to use, and those that cannot be told apart from the fastest either."""
    fastest = max(choices, key=lambda choice: choice.point.speedup.ratio)
    tied = [choice for choice in choices if not surely_faster(fastest.point, choice.point)]
    # Memory is scarcer than disk, and a model wants it too.
    best = min(tied, key=_lightness)
    return best, [choice for choice in tied if choice is not best]


def _lightness(choice: _Candidate) -> tuple[float, float, float]:
    """Return what to order by: what takes least comes first, and of these the fastest."""
    return (*_taken(choice.point), -choice.point.speedup.ratio)


def _taken(point: MapPoint) -> tuple[float, float]:
    """Return bytes of memory and of disk an image; where nobody knows, there may be any number."""
    memory, disk = point.memory_bytes, point.disk_bytes
    return math.inf if memory is None else memory, math.inf if disk is None else disk


def _takes_less(one: MapPoint, other: MapPoint) -> bool:
    """Return whether one variant takes less of all that another one takes."""
    pairs = [(one.disk_bytes, other.disk_bytes), (one.memory_bytes, other.memory_bytes)]
    return all((mine or 0) < theirs for mine, theirs in pairs if theirs) and any(
        theirs for _, theirs in pairs
    )


def _figures(choice: _Candidate, situation: Situation, streaming: float | None) -> str:
    """Return how fast a variant is and what it takes, in words.

    Args:
        choice: The variant.
        situation: What it is to be used for.
        streaming: Images a second of the fastest that takes neither disk nor memory.
    """
    point, images = choice.point, situation.images
    parts = [f"{number(point.speedup.ratio)} times {_GENERATOR}{_condition(choice)}"]
    if choice.is_held_back:
        parts[0] += f" ({number(choice.from_memory)} where all fits into memory)"
    if point.disk_bytes:
        free = format_size(situation.free_disk)
        parts.append(f"needs {format_size(point.disk_bytes * images)} on disk of {free} free")
    if point.memory_bytes:
        free = format_size(situation.free_memory)
        parts.append(f"needs {format_size(point.memory_bytes * images)} of memory of {free} free")
    if choice.bytes == 0:
        parts.append("needs no disk")
    if choice.is_known and point.cold_seconds is not None and streaming is not None:
        epochs = break_even_epochs(point.cold_seconds, 1 / point.images_per_second, 1 / streaming)
        if epochs is not None:
            parts.append(f"pays for itself after {epochs} epoch{'' if epochs == 1 else 's'}")
    return ", ".join(parts)


def _too_large(choices: Sequence[_Candidate], best: MapPoint) -> list[str]:
    """Return a sentence on the fastest in memory and on disk that do not fit, if they would be faster."""
    faster = [choice for choice in choices if choice.obstacle and surely_faster(choice.point, best)]
    faster.sort(key=lambda choice: -choice.point.speedup.ratio)
    in_memory = [choice for choice in faster if choice.point.memory_bytes != 0]
    on_disk = [choice for choice in faster if choice.point.memory_bytes == 0]
    return [
        f"{choice.point.variant} would be {number(choice.point.speedup.ratio)} times as fast"
        f"{_condition(choice)}, but {choice.obstacle}."
        for choice in (*in_memory[:1], *on_disk[:1])
    ]
