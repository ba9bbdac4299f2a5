"""Profiles of real processes: what was planted in a loader is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.test_profiling_end_to_end import LOADER, PLANTED, profiler, regressed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loader_gate.rotation.measurement import Measurement
    from loader_gate.session.profiling import Profiles
    from loader_gate.trees.tree import Tree


def skip_unless_looked_at(profiles: Profiles) -> None:
    """Skip where py-spy is not installed or may not look."""
    for remark in profiles.remarks:
        if "not installed" in remark or "may not look" in remark:
            pytest.skip(remark)


def test_what_was_planted_is_named(
    tiny_tree: Tree, tmp_path: Path, make_measurement: Callable[..., Measurement]
) -> None:
    """A sleep, a second resize and another decoder, each by its function, in the sentence and in the JSON."""
    pytest.importorskip("simplejpeg")
    modules = {}
    for name, (before, after) in PLANTED.items():
        assert LOADER.count(before) == 1
        for side, code in (("head", LOADER.replace(before, after)), ("base", LOADER)):
            folder = tmp_path / side / name
            folder.mkdir(parents=True)
            (folder / f"{name}.py").write_text(code, encoding="utf-8")
        modules[name] = tmp_path / "head" / name, tmp_path / "base" / name
    measurements = {name: regressed(make_measurement(name)) for name in PLANTED}
    with profiler(tiny_tree, tmp_path, modules) as profile:
        found = profile.profile(measurements, everything=False)
    skip_unless_looked_at(found)
    assert found.remarks == ()
    functions = {"sleeps": "read_image", "resizes_twice": "resize", "by_pillow": "decode"}
    for name, function in functions.items():
        info = found.extra_info(name)
        gained = info["profile_gained"][0]
        assert (gained["function"], gained["file"]) == (function, f"{name}.py"), info["profile_gained"]
        assert gained["milliseconds_an_image"] > 0
        reason = found.named(measurements[name]).verdict.reason
        assert f"ms an image in {function} ({name}.py:{gained['line']})" in reason
        assert sum(info["profile_stages"].values()) == pytest.approx(1.0)
    assert (
        PLANTED["sleeps"][1].splitlines()[0].strip()
        in (
            LOADER.replace(*PLANTED["sleeps"]).splitlines()[
                found.extra_info("sleeps")["profile_gained"][0]["line"] - 1
            ]
        )
    )
