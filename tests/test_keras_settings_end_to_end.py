"""Keras' settings of somebody else: the baseline and the model do the same work whatever they say."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.same_work.reference import build_reference
from loader_gate.worker.keras_settings import VARIABLES, by_default
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerError, WorkerProcess, module_search_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate.trees.tree import Tree

#: Each of these keeps Keras from being imported, or changes what it makes.
THEIRS = {"floatx": "float16", "epsilon": 1, "backend": "theano", "image_data_format": "channels_first"}
TELLING = """
import os

def telling(tree, spec):
    raise RuntimeError(os.environ.get("KERAS_BACKEND", "") + "|" + os.environ["KERAS_HOME"])

class halved:
    def __init__(self, tree, spec):
        from tensorflow import keras
        keras.config.set_floatx("float16")
        keras.config.set_dtype_policy("mixed_float16")
        keras.config.set_image_data_format("channels_first")
        from sample_loaders import photos
        self.batches = photos(tree, spec)
    def __iter__(self):
        from tensorflow import keras
        found = (keras.config.floatx(), keras.config.image_data_format())  # the policy is that of a thread
        assert found == ("float16", "channels_first"), found
        return iter(self.batches)
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let Keras be set up in every way that it should not be, and return its folder."""
    home = tmp_path / "theirs"
    home.mkdir()
    (home / "keras.json").write_text(json.dumps(THEIRS), encoding="utf-8")
    settings = {"KERAS_HOME": str(home), "KERAS_BACKEND": "jax", "TF_USE_LEGACY_KERAS": "1"}
    for name, value in {**settings, "KERAS_MAX_STEPS_PER_EPOCH": "1"}.items():
        monkeypatch.setenv(name, value)
    return home


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Return a spec of the smallest images that MobileNetV2 takes."""
    return Spec((32, 32), 5, shuffle=True, seed=0, cache_dir=tmp_path)


@contextmanager
def started(variant: Variant, folder: Path, *, trains: bool = False) -> Iterator[WorkerProcess]:
    """Start a worker that finds the sample loaders, and those above."""
    (folder / "telling.py").write_text(TELLING, encoding="utf-8")
    search_path = [str(folder), *module_search_path(Path(__file__).parent)]
    worker = WorkerProcess(variant, search_path, WorkerLimits(120.0, trains=trains))
    try:
        yield worker
    finally:
        worker.end()


@pytest.mark.usefixtures("theirs")
def test_the_suites_own_variants(tiny_tree: Tree, spec: Spec, tmp_path: Path) -> None:
    """They decode to float32, channels last."""
    build_reference(tiny_tree, spec.image_size, tmp_path / "reference")
    first, second = (each for each in built_in_variants() if each.name in {BASELINE, "keras_image_dataset"})
    with started(first, tmp_path) as worker:
        for variant in (first, second):
            worker.variant = variant
            worker.open(tiny_tree, spec.for_variant(variant.name))
            assert worker.ask("check", reference=str(tmp_path / "reference"))["reason"] is None, variant.name


def test_loaders_of_their_own(theirs: Path, tiny_tree: Tree, spec: Spec, tmp_path: Path) -> None:
    """They run with their settings, as in their scripts; but with those of all, where a model trains."""
    variant = Variant("telling", "telling", "telling")
    with (
        started(variant, tmp_path) as worker,
        pytest.raises(WorkerError, match=rf"RuntimeError: jax\|{theirs}"),
    ):
        worker.open(tiny_tree, spec)
    with (
        started(variant, tmp_path, trains=True) as worker,
        pytest.raises(WorkerError, match=r"RuntimeError: tensorflow\|(?!.*theirs)"),
    ):
        worker.open(tiny_tree, spec)


@pytest.mark.usefixtures("theirs")
def test_the_model(tiny_tree: Tree, spec: Spec, tmp_path: Path) -> None:
    """It is the same whatever a loader has told Keras, and the loader still finds what it has told."""
    with started(Variant("halved", "telling", "halved"), tmp_path, trains=True) as worker:
        worker.open(tiny_tree, spec, {"name": "model", "width": 0.35, "weights": None})
        assert worker.ask("pass", epochs=1)["seconds"] > 0


def test_what_was_downloaded_is_found(theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are not fetched anew; a folder that cannot be made is done without."""
    monkeypatch.setenv("LOADER_GATE_CACHE", str(tmp_path / "cache"))
    given = {"KERAS_HOME": str(theirs), "HOME": "/home/them", **dict.fromkeys(VARIABLES, str(theirs))}
    found = by_default(given)
    assert found == {
        "HOME": "/home/them",
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(tmp_path / "cache" / "keras"),
    }
    (theirs / "models" / "weights.h5").write_text("w", encoding="utf-8")
    assert (tmp_path / "cache" / "keras" / "models" / "weights.h5").read_text(encoding="utf-8") == "w"
    assert by_default(given) == found
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("LOADER_GATE_CACHE", str(tmp_path / "file"))
    assert by_default(given)["KERAS_HOME"] == str(tmp_path / "file" / "keras")
