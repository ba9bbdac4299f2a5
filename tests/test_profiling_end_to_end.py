"""Profiles of real processes: what is not looked at, and what cannot be, is said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.rotation.measurement import Measurement
from loader_gate.rotation.runner import Job
from loader_gate.same_work.reference import build_reference
from loader_gate.session import py_spy
from loader_gate.session.dump_writer import Dumps
from loader_gate.session.profiling import Profiler, Profiles
from loader_gate.session.workers import Launcher, SessionWorkers
from loader_gate.statistics.estimate import Estimate
from loader_gate.trees.tree import Tree
from loader_gate.verdict.change import Change
from loader_gate.worker.epoch import DRAIN
from loader_gate.worker.forked import Templates
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.origin import Origin
from loader_gate.worker.process import module_search_path

LOADER = """import time

import numpy as np
import simplejpeg
from PIL import Image


def read_image(path):
    with open(path, "rb") as file:
        return file.read()


def decode(data, size):
    return simplejpeg.decode_jpeg(data, min_height=size[0], min_width=size[1])


def resize(pixels, size):
    return np.asarray(Image.fromarray(pixels).resize((size[1], size[0])))


class Epochs:
    def __init__(self, tree, spec):
        self.tree, self.spec = tree, spec
        self.random = np.random.default_rng(spec.seed)

    def __iter__(self):
        labels = np.eye(len(self.tree.class_names), dtype=np.float32)[list(self.tree.labels)]
        size, count = self.spec.image_size, self.spec.batch_size
        order = self.random.permutation(len(self.tree))
        for start in range(0, len(order), count):
            some = order[start : start + count]
            images = [resize(decode(read_image(self.tree.paths[each]), size), size) for each in some]
            yield np.stack(images).astype(np.float32) / 255, labels[some]
"""
#: What makes each loader slower, in the place of what.
PLANTED = {
    "sleeps": (
        '    with open(path, "rb") as file:',
        '    time.sleep(0.02)\n    with open(path, "rb") as file:',
    ),
    "resizes_twice": (
        "    return np.asarray(Image",
        "    pixels = np.asarray(Image.fromarray(pixels).resize((1600, 1200)))\n    return np.asarray(Image",
    ),
    "by_pillow": (
        "    return simplejpeg.decode_jpeg(data, min_height=size[0], min_width=size[1])",
        "    import io\n\n    return np.asarray(Image.open(io.BytesIO(data)).convert('RGB').reduce(4))",
    ),
}
SIZE = (96, 128)
SECONDS = 2.0


@contextmanager
def profiler(tree: Tree, folder: Path, modules: dict[str, tuple[Path, Path]]) -> Iterator[Profiler]:
    """Provide a profiler of loaders whose modules lie in one folder at head and in another at base."""
    build_reference(tree, SIZE, folder / "reference")
    heads = [str(head) for head, _ in modules.values()]
    packages = module_search_path(folder)
    origins = {name: Origin((str(base), *packages), sys.executable) for name, (_, base) in modules.items()}
    templates = Templates()
    launcher = Launcher([*heads, *packages], WorkerLimits(60.0), origins, templates)
    workers = SessionWorkers(launcher, Spec(SIZE, 8, True, 0, folder / "cache"), Dumps(), [*modules])
    yield Profiler(workers, Job(tree, folder / "reference", DRAIN), lambda _: None, SECONDS)
    templates.close()


def regressed(measurement: Measurement) -> Measurement:
    """Return a measurement whose seconds are a regression, three times those of base."""
    change = Change("seconds", "regression", Estimate(3.0, 2.9, 3.1, 4), 0.01)
    verdict = replace(measurement.verdict, status="fail", changes=(change,))
    passes = tuple(replace(each, seconds=each.seconds / 3) for each in measurement.variant_passes)
    variant = Variant(measurement.variant.name, measurement.variant.name, "Epochs")
    return replace(measurement, variant=variant, verdict=verdict, base_passes=passes)


def test_what_did_not_regress_is_not_profiled(
    tiny_tree: Tree, tmp_path: Path, make_measurement: Callable[..., Measurement]
) -> None:
    """Without the option, nothing is started for it."""
    with profiler(tiny_tree, tmp_path, {}) as profile:
        assert profile.profile({"calm": make_measurement("calm")}, everything=False) == Profiles()


def test_without_py_spy(
    tiny_tree: Tree,
    tmp_path: Path,
    make_measurement: Callable[..., Measurement],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One remark says what to install, and the verdict is what it was."""
    monkeypatch.setattr("shutil.which", lambda *_arguments, **_named: None)
    for name in ("one", "two"):
        code = LOADER.replace(*PLANTED["by_pillow"]).replace("import simplejpeg\n", "")
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    measurements = {name: regressed(make_measurement(name)) for name in ("one", "two")}
    with profiler(tiny_tree, tmp_path, dict.fromkeys(measurements, (tmp_path, tmp_path))) as profile:
        found = profile.profile(measurements, everything=False)
    (remark,) = found.remarks
    assert remark.startswith("Not profiled: one, two: ")
    assert 'pip install "loader-gate[profile]"' in remark
    assert found.named(measurements["one"]) == measurements["one"]


def test_what_py_spy_says(tmp_path: Path) -> None:
    """That it may not look has a remedy; anything else is passed on, in one line."""
    for said, expected in (
        ("echo 'Error: Permission Denied (os error 13)'; exit 1", "py-spy may not look: "),
        ("printf 'Error: no such thing\\n\\n'; exit 1", "py-spy could not look: Error: no such thing"),
    ):
        program = tmp_path / "py-spy"
        program.write_text(f"#!/bin/sh\n{said}\n", encoding="utf-8")
        program.chmod(0o755)
        with pytest.raises(py_spy.ProfilerError) as caught:
            py_spy.record(str(program), 1, 1.0)
        assert str(caught.value).startswith(expected)
