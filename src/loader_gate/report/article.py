"""The article's table, with what was measured here beside it.

The article trained on COCO2017 (117,266 images, 80 classes) with a GPU: an epoch took 58 minutes with
``ImageDataGenerator``, 23 with tf.data, 42 while it wrote the file cache and 14 while it read it, and a
memory cache crashed; loading alone was about 5 times as fast. On dogs-vs-cats (10,000 images) it saw no
noticeable difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from loader_gate.registry.variant import BASELINE
from loader_gate.workloads import dump, loading, training

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loader_gate.session.result import Result
    from loader_gate.statistics.estimate import Estimate

COCO_IMAGES = 117_266
PETS_IMAGES = 10_000
_FLOAT32_256 = COCO_IMAGES * 256 * 256 * 3 * 4


@dataclass(frozen=True)
class ArticleRow:
    """One row of the article, and the same measured here.

    Attributes:
        row: What was measured.
        article_minutes: The article's minutes an epoch; None where it gives none.
        article_speedup: The article's speedup; None where it gives none.
        seconds: Seconds an epoch here; None if it was not measured.
        speedup: Speedup here.
        speedup_low: Lower end of its interval; None if it has none.
        speedup_high: Upper end of its interval; None if it has none.
        minutes: Minutes for the article's number of images, at the speed measured here.
        why: Why the two differ, or what the row shows.
    """

    row: str
    article_minutes: float | None
    article_speedup: float | None
    seconds: float | None
    speedup: float | None
    speedup_low: float | None
    speedup_high: float | None
    minutes: float | None
    why: str


@dataclass(frozen=True)
class _Claim:
    """What the article says of one way of loading images.

    Attributes:
        words: What was measured.
        minutes: Minutes an epoch; None where it gives none.
        speedup: Speedup over ``ImageDataGenerator``; None where it gives none.
        images: The images of an epoch.
        why: Why figures measured here differ, or what they show; None for the claim of no difference, which
            the interval measured here supports or not.
    """

    words: str
    minutes: float | None
    speedup: float | None
    images: int
    why: str | None


_TRAINING = {
    BASELINE: "ImageDataGenerator",
    "tfdata_no_cache": "tf.data, no cache",
    "tfdata_file_cache": "tf.data, file cache, later epochs",
    "tfdata_memory_cache": "tf.data, memory cache",
}
_COCO = {
    "tfdata_no_cache": (
        23.0,
        2.5,
        "decoding and the rest share the cores: more cores, more speedup",
    ),
    "tfdata_file_cache": (
        14.0,
        4.14,
        f"the cache holds raw float32: {_FLOAT32_256 / 1e9:.1f} GB of 256x256 images, the article's 90 GB",
    ),
    "tfdata_memory_cache": (None, None, "crashed in the article: its images were larger than its memory"),
}
_LOADING_ALONE = _Claim(
    "loading alone", None, 5.0, COCO_IMAGES, "the memory cache; its decoded images only have to be copied"
)


def article_rows(results: Mapping[str, Result]) -> list[ArticleRow]:
    """Return the article's rows that this session has something to say on.

    Args:
        results: What was measured, by workload.
    """
    rows: list[ArticleRow | None] = []
    trained = results.get(training.WORKLOAD.name)
    pets = any(result.tree.name.startswith("dogs-vs-cats") for result in results.values())
    if trained is not None:
        claims = _claims_on_pets() if pets else _claims_on_coco(str(trained.workload.device))
        rows += [_row(trained, variant, claim) for variant, claim in claims.items()]
    dumped, loaded = (results.get(each.WORKLOAD.name) for each in (dump, loading))
    if dumped is not None and not pets:
        rows += _first_epoch(dumped)
    if loaded is not None and not pets:
        rows.append(_row(loaded, "tfdata_memory_cache", _LOADING_ALONE))
    return [row for row in rows if row is not None]


def _claims_on_pets() -> dict[str, _Claim]:
    return {
        variant: _Claim(f"dogs-vs-cats, {words}", None, 1.0, PETS_IMAGES, None)
        for variant, words in _TRAINING.items()
        if variant != BASELINE
    }


def _claims_on_coco(device: str) -> dict[str, _Claim]:
    baseline = _Claim(_TRAINING[BASELINE], 58, 1.0, COCO_IMAGES, f"here on device {device}")
    others = {
        variant: _Claim(_TRAINING[variant], minutes, speedup, COCO_IMAGES, why)
        for variant, (minutes, speedup, why) in _COCO.items()
    }
    return {BASELINE: baseline, **others}


def _row(result: Result, variant: str, claim: _Claim) -> ArticleRow | None:
    """Return a claim with what was measured beside it; None if that variant was not to be measured."""
    measurement = result.measurements.get(variant)
    if measurement is None:
        return None
    estimate = measurement.verdict.estimate
    said = (claim.words, claim.minutes, claim.speedup)
    if estimate is None or not measurement.variant_passes:
        return ArticleRow(
            *(*said, None, None, None, None, None),
            f"not measured here: {measurement.verdict.reason.removesuffix('.')}",
        )
    seconds = median(timing.seconds for timing in measurement.variant_passes)
    bounded = variant != BASELINE and estimate.low > 0
    return ArticleRow(
        *said,
        seconds,
        estimate.ratio,
        estimate.low if bounded else None,
        estimate.high if bounded else None,
        seconds / len(result.tree) * claim.images / 60,
        _whether_there_is_a_difference(estimate) if claim.why is None else claim.why,
    )


def _whether_there_is_a_difference(estimate: Estimate) -> str:
    """Say whether the article's "no noticeable difference" holds here."""
    if estimate.low > 1:
        return "there is a difference here: the interval is above 1"
    if estimate.high < 1:
        return "there is a difference here: the interval is below 1"
    return "no difference can be told here: the interval holds 1"


def _first_epoch(result: Result) -> list[ArticleRow]:
    info = result.extra_info.get("tfdata_file_cache", {})
    timings = result.measurements[BASELINE].variant_passes
    if "cold_seconds" not in info or not info["dump_of_this_machine"] or not timings:
        return []
    seconds = info["cold_seconds"]
    speedup = median(timing.seconds for timing in timings) / seconds
    minutes = seconds / len(result.tree) * COCO_IMAGES / 60
    why = f"written once, without training: {info['dump_bytes_per_image'] / 1000:,.0f} KB an image"
    words = "tf.data, file cache, first epoch"
    return [ArticleRow(words, 42.0, 58 / 42, seconds, speedup, None, None, minutes, why)]
