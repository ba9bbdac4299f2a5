"""Training on TensorFlow, JAX and torch: the same model on all of them, and the same order of variants.

Rows of the tables of ``docs/backends.md`` are printed; ``-rP`` shows them.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from loader_gate.registry.variant import BASELINE
from loader_gate.workloads.backend import BACKENDS, is_installed
from tests.sessions import AMPLE_BUDGET, ROOT, STUCK_SECONDS, Sessions

#: A variant without decoding, beside the baseline: whatever the backend, it is the faster one.
FAST = "uint8_memory_map"
SESSION = (
    # The smallest images that the model takes, so that loading counts.
    *("--tree=small", "--tree-images=48", "--classes=2", "--image-size=32", "--batch-size=8"),
    *(AMPLE_BUDGET, "--hang-after=600", "--device=cpu"),
    *(f"--variant={FAST}", "--variant=torch_pillow", f"--floor={FAST}=1", "--floor=torch_pillow=0.01"),
)
#: Of a loss of about 1. Between JAX, by `fit`, and torch, by its loop, it was 0.00002, between TensorFlow and
#: these 0.0006.
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
    print(f"| `{backend}` | {' | '.join(f'{each:.4f}' for each in found)} |")


@installed
def test_float16_learns_too(backend: str) -> None:
    """Losses are scaled, so that gradients do not vanish: about the same is learnt."""
    found = epoch_on(backend)
    assert found["halves"] == pytest.approx(found["losses"], rel=0.1)


@installed
def test_what_it_was_trained_on_is_known(backend: str) -> None:
    """Every image, its class, and no batch that was only read ahead; of bytes and channels first, too."""
    assert epoch_on(backend)["is_seen"]


@pytest.fixture(scope="module")
def session_on(
    tmp_path_factory: pytest.TempPathFactory, tree_cache: Path
) -> Callable[[str], dict[str, dict[str, Any]]]:
    """Return a function that holds a session on a backend, and says of each variant what was measured."""

    @cache
    def hold(backend: str) -> dict[str, dict[str, Any]]:
        folder = tmp_path_factory.mktemp(backend)
        sessions = Sessions(folder, tree_cache, "benchmarks/test_training.py", *SESSION)
        run = sessions.run("--backend", backend)
        assert run.code == 0, run.out + run.err
        sessions.check_nothing_is_left()
        return run.infos

    return hold


def surely_faster(infos: dict[str, dict[str, Any]]) -> set[tuple[str, str]]:
    """Return the pairs of variants, the faster first, whose intervals do not overlap: others are ties."""
    return {
        (one, other)
        for one, other in permutations(infos, 2)
        if infos[one]["speedup_low"] > (infos[other]["speedup_high"] or math.inf)
    }


@installed
def test_the_order_of_variants_is_the_same(
    backend: str, session_on: Callable[[str], dict[str, dict[str, Any]]]
) -> None:
    """What need not decode is surely faster than the baseline, and no two variants have changed places."""
    infos = session_on(backend)
    assert {each["backend"] for each in infos.values()} == {backend}
    assert {each["verdict"] for each in infos.values()} == {"pass"}
    found = surely_faster(infos)
    assert (FAST, BASELINE) in found
    for other in filter(is_installed, BACKENDS[: BACKENDS.index(backend)]):
        there = surely_faster(session_on(other))
        assert not found & {(slower, faster) for faster, slower in there}, other
    for name, info in sorted(infos.items(), key=lambda each: -each[1]["speedup"]):
        interval = f"{info['speedup_low']:.2f} to {info['speedup_high'] or math.inf:.2f}"
        print(f"| `{backend}` | `{name}` | {info['speedup']:.2f} | {interval} | {info['verdict']} |")
