"""Training, dumps and their guards by the real command on a tiny tree: what a user sees and what is left.

Starting TensorFlow takes long, so tests share sessions, and two of those run at once. None depends on how
fast or how calm the machine is: what has to be decided is far from its floor, and has more time than it can
need.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from loader_gate.registry.variant import BASELINE
from loader_gate.sizes import format_size
from loader_gate.trees.tree import Tree
from tests.sessions import AMPLE_BUDGET, SMALL_BUDGET, Run, Sessions

STREAMING, MEMORY, DUMP = "tfdata_no_cache", "tfdata_memory_cache", "tfdata_file_cache"
#: Another dump, which is read without TensorFlow.
MAPPED = "uint8_memory_map"
IMAGES = 24
TREE = ("--tree=small", f"--tree-images={IMAGES}", "--classes=2", "--batch-size=5")
DATA = "images.data-00000-of-00001"

#: Pixels of images that fill a memory: all 24 take 302 MB, and a batch of one 13 MB.
LARGE = 1024


def image_bytes(size: int) -> int:
    """Return what a square image takes as float32."""
    return size * size * 3 * 4


@dataclass(frozen=True)
class Story:
    """Sessions that ran one after another, and where."""

    sessions: Sessions
    runs: list[Run]


def sessions_in(folder: Path, tree_cache: Path) -> Sessions:
    """Return sessions of every workload, in which every warning is an error, so that none goes unseen."""
    return Sessions(folder, tree_cache, "benchmarks", "-W", "error", *TREE)


def train(sessions: Sessions) -> list[Run]:
    """One variant beside the baseline, on a device that takes a tenth of a second an epoch."""
    options = ("-k", "epoch", "--device=emulated:240", "--image-size=32", f"--variant={STREAMING}")
    return [sessions.run(*options, f"--floor={STREAMING}=0.01", AMPLE_BUDGET)]


def train_untimed(sessions: Sessions) -> list[Run]:
    """Under xdist nothing is timed, so that the accelerator never gets its speed."""
    options = ("-k", "epoch", "--device=emulated", "--image-size=32", f"--variant={BASELINE}")
    return [sessions.run(*options, "-n", "1")]


def dump(sessions: Sessions) -> list[Run]:
    """Dumps that are kept: written by one session; by the next one is used, and the other repaired."""
    kept = sessions.folder / "kept" / "dumps"  # for the suite to make
    own = [option for name in (DUMP, MAPPED) for option in (f"--variant={name}", f"--floor={name}=0.01")]
    options = ("-k", "dump", f"--keep-dumps={kept}", "--image-size=64", *own, SMALL_BUDGET)
    # Nothing has to be decided: least of all what has no floor, and is measured beside it for its break-even.
    first = sessions.run(*options, "-W", f"default:{DUMP} (dump", "-W", f"default:{MAPPED} (dump")
    for data in kept.rglob(DATA):
        os.truncate(data, data.stat().st_size // 2)
    return [first, sessions.run(*options, "--gate=strict")]


def outgrow_memory(sessions: Sessions) -> list[Run]:
    """The article's crash: a cache that is larger than the memory, first foreseen, then had on purpose."""
    own = (f"--image-size={LARGE}", "--batch-size=1", f"--variant={MEMORY}", f"--floor={MEMORY}=0.01")
    options = ("-k", "throughput", *own, SMALL_BUDGET)
    foreseen = sessions.run(*options, "--memory-limit=1G")
    # With most of a cache more, the baseline has room for its check, and a whole cache has none.
    taken: int = foreseen.infos[BASELINE]["peak_rss_bytes"]
    limit = taken + 5 * IMAGES * image_bytes(LARGE) // 6
    return [foreseen, sessions.run(*options, f"--memory-limit={limit}", "--no-guard")]


STORIES = {
    "dumps": dump,
    "training": train,
    "memory": outgrow_memory,
    "untimed": train_untimed,
}


@pytest.fixture(scope="module")
def tell(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tree_cache: Path,
    tiny_tree: Tree,
) -> Iterator[Callable[[str], Story]]:
    """Begin the stories that the selected tests are about; return a function that waits for one's end."""
    assert len(tiny_tree) == IMAGES  # it has been drawn already
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    places = {
        name: sessions_in(tmp_path_factory.mktemp(name), tree_cache) for name in STORIES if name in wanted
    }
    pool = ThreadPoolExecutor(2)
    try:
        told = {name: pool.submit(STORIES[name], place) for name, place in places.items()}
        yield lambda name: Story(places[name], told[name].result())
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def training(tell: Callable[[str], Story]) -> Run:
    """The session on an emulated accelerator."""
    story = tell("training")
    assert story.sessions.left_files() == []
    return story.runs[0]


def test_training_passes(training: Run) -> None:
    """Both epochs are measured and gated, without a warning."""
    assert training.code == 0, training.out + training.err
    assert set(training.infos) == {BASELINE, STREAMING}
    assert " 2 passed" in training.out


def test_the_device_and_how_busy_it_was(training: Run) -> None:
    """The JSON says both for each variant, and no epoch is faster than the device."""
    for info in training.infos.values():
        assert (info["workload"], info["device"]) == ("training", "emulated:240")
        assert 0 < info["accelerator_utilisation"] <= 1
        assert min(info["variant_seconds"]) >= IMAGES / 240
    assert re.search(rf"Accelerator busy .*: {BASELINE} \d+%, {STREAMING} \d+%\.", training.text)


def test_the_headspace(training: Run) -> None:
    """Each variant is held against batches that are already there, which are no benchmark of their own."""
    for info in training.infos.values():
        assert info["headspace"] > 0
        assert 0 < info["device_images_per_second"] <= 240
    assert "The device (emulated:240, 32x32, 5 a batch) takes " in training.text
    assert re.search(rf"\(headspace, 95 % CI\): {BASELINE} \d.*, {STREAMING} \d", training.text)
    (need, *_) = [training.saved["loader_gate"]["need"]]
    assert need["device"] == "emulated:240"
    assert {each["variant"] for each in need["variants"]} == {BASELINE, STREAMING}


def test_the_pace_is_said(training: Run) -> None:
    """The accelerator's own error is measured in each session."""
    assert re.search(r"Emulated accelerator: an epoch takes .*\d\.\d+%", training.text)


def test_the_articles_rows(training: Run) -> None:
    """They are in the JSON and on screen, with the article's figures beside those of here."""
    baseline, streaming = training.saved["loader_gate"]["article"]
    assert (baseline["row"], baseline["article_minutes"], baseline["speedup"]) == (
        "ImageDataGenerator",
        58,
        1,
    )
    assert "emulated:240" in baseline["why"]
    assert (streaming["article_minutes"], streaming["article_speedup"]) == (23, 2.5)
    info = training.infos[STREAMING]
    for name in ("speedup", "speedup_low", "speedup_high"):
        assert streaming[name] == info[name]
    assert streaming["minutes"] == pytest.approx(streaming["seconds"] / IMAGES * 117_266 / 60)
    assert "the article, measured here" in training.out
    assert max(map(len, training.out.partition("the article, measured here")[2].splitlines()[1:])) <= 100


@pytest.fixture(scope="module")
def untimed(tell: Callable[[str], Story]) -> Story:
    """The session without timing."""
    return tell("untimed")


def test_side_by_side_is_not_green(untimed: Story) -> None:
    """Under xdist nothing can be timed: a variant is unmeasured, says why, and fails."""
    pytest.importorskip("xdist")
    (run,) = untimed.runs
    assert run.code == 1
    assert set(run.failures) == {BASELINE}
    assert f"{BASELINE} (training, " in run.failures[BASELINE]
    assert "was not measured" in run.failures[BASELINE]
    assert "pytest-xdist runs tests side by side" in run.failures[BASELINE]
    untimed.sessions.check_nothing_is_left()


@pytest.fixture(scope="module")
def dumps(tell: Callable[[str], Story]) -> Story:
    """The two sessions with kept dumps; none fails but under the strict gate, which the second one has."""
    story = tell("dumps")
    for run, code in zip(story.runs, (0, 1), strict=True):
        assert run.code == code, run.out + run.err
    return story


def test_what_is_undecided(dumps: Story) -> None:
    """The lenient gate warns of it, the strict one fails it; both say what to do."""
    lenient, strict = dumps.runs
    assert lenient.failures == {}
    assert f"UndecidedWarning: {DUMP} (dump, " in lenient.text
    assert "by so few blocks: give it a larger --budget" in strict.failures[DUMP]


def test_a_dump_is_written(dumps: Story) -> None:
    """Its cold epoch is timed apart, and the floor is for reading it."""
    first = dumps.runs[0]
    info = first.infos[DUMP]
    assert (info["workload"], info["kind"], info["dump_history"]) == ("dump", "dump", "written")
    assert info["cold_seconds"] > 0
    assert info["cold_seconds"] not in info["variant_seconds"]
    assert set(first.infos) == {DUMP, MAPPED}


def test_the_bytes_of_a_dump(dumps: Story) -> None:
    """As many as are on disk, and within 2 % of what was predicted for an image."""
    first = dumps.runs[0]
    info = first.infos[DUMP]
    predicted = image_bytes(64)
    assert info["predicted_bytes_per_image"] == predicted
    assert info["dump_bytes_per_image"] == pytest.approx(predicted, rel=0.02)
    assert info["dump_bytes"] == pytest.approx(info["dump_bytes_per_image"] * IMAGES)
    (data,) = dumps.sessions.folder.rglob(DATA)  # as the second session left it
    files = [file for file in data.parent.iterdir() if file.name != "manifest.json"]
    assert info["dump_files"] == len(files)
    assert data.stat().st_size >= predicted * IMAGES
    assert format_size(info["dump_bytes"]) in first.text


def test_what_else_is_said_of_a_dump(dumps: Story) -> None:
    """When it has paid for itself, and whether the system had it in memory: else no figure can be read."""
    first = dumps.runs[0]
    info = first.infos[DUMP]
    assert info["break_even_epochs"] is None or info["break_even_epochs"] >= 1
    assert f"against {STREAMING}" in first.text
    if sys.platform.startswith("linux"):
        assert 0 <= info["page_cache_share"] <= 1
    (row,) = first.saved["loader_gate"]["article"]
    assert (row["row"], row["seconds"]) == ("tf.data, file cache, first epoch", info["cold_seconds"])


def test_a_dump_is_used_again(dumps: Story) -> None:
    """The second session writes nothing, and tells the first one's figures."""
    first, second = (run.infos[MAPPED] for run in dumps.runs)
    assert (first["dump_history"], second["dump_history"]) == ("written", "used again")
    assert f"The dump of {MAPPED} in " not in dumps.runs[1].text
    for name in ("cold_seconds", "dump_bytes", "dump_files", "predicted_bytes_per_image"):
        assert second[name] == first[name]


def test_a_truncated_dump_is_noticed_said_and_rebuilt(dumps: Story) -> None:
    """It is not read, not even once: the report says which file was wrong, and has a new one's figures."""
    first, second = dumps.runs
    assert second.infos[DUMP]["dump_history"].startswith("written anew: ")
    assert DATA in second.infos[DUMP]["dump_history"]
    assert f"The dump of {DUMP} in " in second.text
    assert "cannot be used" in second.text
    assert second.infos[DUMP]["dump_bytes"] == first.infos[DUMP]["dump_bytes"]


def test_kept_dumps_are_all_that_is_left(dumps: Story) -> None:
    """Each once in the folder of kept ones, and nothing in TMPDIR."""
    assert len([*dumps.sessions.folder.rglob(DATA)]) == 1
    assert len([*dumps.sessions.folder.rglob("*.uint8")]) == 1
    assert dumps.sessions.left_files() == []


@pytest.fixture(scope="module")
def memory(tell: Callable[[str], Story]) -> Story:
    """The sessions with a cache that does not fit; both fail."""
    story = tell("memory")
    for run in story.runs:
        assert run.code == 1, run.out + run.err
    return story


def test_a_crash_is_foreseen(memory: Story) -> None:
    """The variant is unmeasured and fails; both figures are named, and what to use instead."""
    run = memory.runs[0]
    assert set(run.infos) == {BASELINE}
    assert set(run.failures) == {MEMORY}
    reason = run.unmeasured[MEMORY]
    need = format_size(IMAGES * image_bytes(LARGE))
    for part in (f"{IMAGES} images", need, "1.0 GB (--memory-limit)", "--no-guard"):
        assert part in reason
    _, _, instead = reason.partition(": use ")
    assert STREAMING in instead
    assert DUMP not in instead  # it shuffles as many decoded images as the other caches
    assert reason in run.failures[MEMORY]


def test_a_crash_is_contained(memory: Story) -> None:
    """The worker dies, the verdict says that it was memory, and the rest is measured."""
    run = memory.runs[1]
    assert set(run.infos) == {BASELINE}
    assert run.infos[BASELINE]["verdict"] == "pass"
    assert set(run.failures) == {MEMORY}
    assert "ran out of memory" in run.unmeasured[MEMORY]
    assert "(--memory-limit)" in run.unmeasured[MEMORY]
    assert run.unmeasured[MEMORY] in run.failures[MEMORY]


def test_a_crash_leaves_nothing_behind(memory: Story) -> None:
    """Nor any of TensorFlow's temporary files: a worker that is killed cannot remove its own."""
    assert memory.sessions.left_files() == []


def test_no_chatter_of_a_library(memory: Story) -> None:
    """The last words of a worker are worth quoting only if somebody said them: TensorFlow's log is none."""
    assert "absl" not in memory.runs[1].unmeasured[MEMORY]


def test_a_gpu_that_is_not_there(tmp_path: Path, tree_cache: Path) -> None:
    """It is an error of usage, before anything is built or measured."""
    run = sessions_in(tmp_path, tree_cache).run("--device=gpu")
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert "--device gpu: this machine shows no GPU" in run.out + run.err
    assert run.saved == {}
