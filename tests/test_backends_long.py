"""Training on TensorFlow, JAX and torch: the same model on all of them, and the same order of variants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from loader_gate.registry.variant import BASELINE
from loader_gate.workloads.backend import BACKENDS, is_installed
from tests.sessions import AMPLE_BUDGET, ROOT, STUCK_SECONDS, Sessions

#: A variant without decoding, beside the baseline: whatever the backend, it is the faster one.
FAST = "uint8_memory_map"
SESSION = (
    *("--tree=small", "--tree-images=48", "--classes=2", "--image-size=64", "--batch-size=8"),
    *(AMPLE_BUDGET, "--hang-after=600", "--device=cpu"),
    *(f"--variant={FAST}", "--variant=torch_pillow", f"--floor={FAST}=0.1"),
)
#: Of a loss of about 1. Between JAX and torch it was 0.000001, between TensorFlow and these 0.0006.
TOLERANCE = 0.002

installed = pytest.mark.parametrize(
    "backend",
    [pytest.param(name, marks=pytest.mark.skipif(not is_installed(name), reason=name)) for name in BACKENDS],
)


@cache
def epoch_on(backend: str) -> dict[str, Any]:
    """Return what ``tests/backend_epoch.py`` says of a backend."""
    hidden = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu", "KERAS_TORCH_DEVICE": "cpu"}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.backend_epoch"],
        cwd=ROOT,
        env={**os.environ, **hidden, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=STUCK_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


@installed
def test_the_same_model_learns_the_same(backend: str) -> None:
    """The loss of each epoch is the one on TensorFlow, within what float32 leaves open; and it falls."""
    expected, found = epoch_on("tensorflow")["losses"], epoch_on(backend)["losses"]
    assert found == pytest.approx(expected, abs=TOLERANCE)
    assert found[2] < found[1] < found[0]
    assert found[0] - found[2] > 10 * TOLERANCE  # or the comparison would say nothing


@installed
def test_what_it_was_trained_on_is_known(backend: str) -> None:
    """Every image, its class, and no batch that was only read ahead; of bytes and channels first, too."""
    assert epoch_on(backend)["is_seen"]


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory, tree_cache: Path) -> dict[str, list[str]]:
    """Return the variants of a session on each backend, the fastest first."""
    found = {}
    for backend in filter(is_installed, BACKENDS):
        folder = tmp_path_factory.mktemp(backend)
        sessions = Sessions(folder, tree_cache, "benchmarks/test_training.py", *SESSION)
        run = sessions.run("--backend", backend)
        assert run.code == 0, run.out + run.err
        infos = run.infos
        assert {each["backend"] for each in infos.values()} == {backend}
        assert infos[FAST]["verdict"] == "pass"
        found[backend] = sorted(infos, key=lambda name: -infos[name]["speedup"])
        sessions.check_nothing_is_left()
    return found


@installed
def test_the_order_of_variants_is_the_same(backend: str, orders: dict[str, list[str]]) -> None:
    """Whatever trains, what need not decode is first, and the baseline behind it."""
    assert orders[backend] == orders["tensorflow"]
    assert orders[backend].index(FAST) < orders[backend].index(BASELINE)
