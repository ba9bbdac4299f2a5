"""A session whose epochs are longer than its budget allows: passes are parts of them, and it says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loader_gate.registry.variant import BASELINE
from tests.sample_loaders import UNHURRIED_SECONDS
from tests.sessions import ONLY_BASELINE, Run, Sessions, loaders

IMAGES, BATCH = 1_200, 5


@pytest.fixture(scope="module")
def run(tree_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Hold a session on many small pictures, with epochs of 5 seconds and a budget of 8."""
    root, drawn = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(IMAGES):
        folder = root / f"class_{number % 4}"
        folder.mkdir(exist_ok=True)
        colours = drawn.integers(0, 255, (7, 7, 3)).astype(np.uint8)
        picture = Image.fromarray(colours).resize((48, 48), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number:04}.jpg", quality=95)
    size = (f"--image-root={root}", "--image-size=32", f"--batch-size={BATCH}", "--budget=8")
    folder = tmp_path_factory.mktemp("sessions")
    sessions = Sessions(folder, tree_cache, "benchmarks/test_loading.py", *size, *ONLY_BASELINE)
    run = sessions.run(*loaders("unhurried", "begins_alike"))
    sessions.check_nothing_is_left()
    return run


def test_parts_tell_of_the_whole(run: Run) -> None:
    """The loader's pace is that of its waits, as a whole epoch's would be."""
    info = run.infos["unhurried"]
    assert info["passes"] == "parts of epochs"
    assert 0 < info["part_of_epoch"] < 0.25
    whole = IMAGES / BATCH * UNHURRIED_SECONDS
    assert IMAGES / info["images_per_second"] > whole
    assert info["blocks"] >= 1
    assert all(seconds > whole for seconds in info["variant_seconds"])
    assert info["shuffle_quality"] > 0.9


def test_the_table_says_so(run: Run) -> None:
    """Whose passes are parts, and how large."""
    assert f"Passes are parts of epochs, as whole ones of {IMAGES:,} images are longer" in run.text
    assert BASELINE in run.infos


def test_what_is_no_sample_is_refused(run: Run) -> None:
    """A loader whose epochs begin with the same images."""
    reason = run.unmeasured["begins_alike"]
    assert "they are no samples of all images. Shuffle all files anew for each epoch" in reason
