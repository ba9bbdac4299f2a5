"""``--augment`` as part of what is asked for: who takes part, and what is compared with what."""

from __future__ import annotations

import pytest

from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.kind import kind_named
from loader_gate.registry.spec import AUGMENTS
from loader_gate.registry.variant import RegistryError, Variant
from loader_gate.runs.parsing import work_of
from loader_gate.session import settings
from loader_gate.statistics.estimate import Estimate
from loader_gate.verdict.beyond_limit import beyond_limit
from loader_gate.verdict.floors import Conditions, Profile
from loader_gate.verdict.share import Share
from loader_gate.workloads.device import Device
from loader_gate.workloads.known import workload
from loader_gate.workloads.workload import WorkloadOptions

BUILT_IN = {each.name: each for each in built_in_variants()}


def test_who_cannot_is_skipped_with_the_reason() -> None:
    """By its kind; and nobody is without ``--augment``."""
    reasons = {
        "uint8_memory": "it keeps finished pictures",
        "uint8_memory_map": "it keeps finished pictures",
        "keras_image_dataset": "it delivers whole pictures only",
        "limit_memory_copy": "it bounds nothing that can",
    }
    for name, reason in reasons.items():
        said = BUILT_IN[name].absence("crop-flip")
        assert f"cannot take part in --augment crop-flip: {reason}" in said
        assert "; leave out --augment to measure it, or use a variant that docs/augment.md lists" in said
        assert BUILT_IN[name].absence() == BUILT_IN[name].absence("none") == ""
    assert BUILT_IN["tfdata_no_cache"].absence("crop-flip") == ""


def test_whether_a_loader_of_yours_can_its_batches_say() -> None:
    """It is not skipped before."""
    assert Variant("photos", "my.loaders", "photos").absence("crop-flip") == ""


def test_to_name_one_that_cannot_is_an_error() -> None:
    """As of one that is not installed."""
    with pytest.raises(RegistryError, match="--variant uint8_memory: it cannot take part in --aug"):
        settings._chosen(built_in_variants(), [], ["uint8_memory"], "crop-flip")
    chosen = settings._chosen(built_in_variants(), [], ["uint8_memory"], "none")
    assert "uint8_memory" in [each.name for each in chosen]


def test_it_is_part_of_every_workload() -> None:
    """Whole pictures, if nothing is said."""
    options = WorkloadOptions(Device("cpu"), augment="crop-flip")
    assert workload("loading", options).augment == "crop-flip"
    assert workload("loading", WorkloadOptions(Device("cpu"))).augment == AUGMENTS[0] == "none"


def test_it_is_part_of_what_makes_work_the_same() -> None:
    """A run of before ``--augment`` was of whole pictures."""
    before, plain, cropped = (
        work_of({"tree": "t", **more}, "auto") for more in ({}, {"augment": "none"}, {"augment": "crop-flip"})
    )
    assert before == plain
    assert plain.differences(cropped) == "augment none then, crop-flip now"


def test_who_decodes_only_the_part_may_beat_the_limit_of_whole_files() -> None:
    """By a half, and not by more than twice; without ``--augment`` by a tenth at most."""
    for ratio, is_strict, is_doubted in ((1.5, True, True), (1.5, False, False), (2.5, False, True)):
        share = Share(
            "limit_jpeg_decode", Estimate(ratio, 0.95 * ratio, 1.05 * ratio, 8), is_strict=is_strict
        )
        assert bool(beyond_limit(kind_named("streaming"), share)) == is_doubted


def test_floors_of_whole_pictures_do_not_hold() -> None:
    """Nor do those of an unstamped file, nor the other way round."""
    cropped, plain = Conditions(150_000, 224, augment="crop-flip"), Conditions(150_000, 224)
    for measured, here, holds in (
        (plain, plain, True),
        (plain, cropped, False),
        (cropped, plain, False),
        (cropped, cropped, True),
    ):
        reason = Profile("ci", 2, measured_on={"loading": measured}).misfit("loading", here)
        assert (reason == "") == holds
        assert holds or "what is done to images (--augment) differs" in reason
    unstamped = Profile("ci", 2)
    assert unstamped.misfit("loading", plain) == ""
    assert "(--augment) differs" in unstamped.misfit("loading", cropped)
