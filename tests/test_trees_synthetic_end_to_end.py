"""Synthetic trees: the same for the same seed, like photographs, as many and as large as asked for."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from loader_gate.progress import Display
from loader_gate.trees import drawn, picture, synthetic
from loader_gate.trees.cache import cache_root
from loader_gate.trees.pool import Failure
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.trees.tree import Tree, TreeError

CHECKOUT = Path(synthetic.__file__).resolve().parent.parent


def quiet() -> Display:
    """Return a display that shows nothing anybody sees."""
    return Display(io.StringIO())


def small(images: int, tree_seed: int = 0) -> TreeRequest:
    """Ask for a few images of Kaggle's kind, which are the quickest to draw."""
    return TreeRequest(tree="dogs-vs-cats", tree_images=images, tree_seed=tree_seed)


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tree, Path]:
    """A tree of 10 images, 6 of them drawn, and the cache that it is in."""
    cache = tmp_path_factory.mktemp("cache")
    return prepare_tree(small(10), quiet(), cache=cache, unique_images=6), cache


def test_same_seed_same_tree(kaggle: tuple[Tree, Path], tmp_path: Path) -> None:
    """Another cache (another machine) gets the same bytes, hence the same digest; another seed does not."""
    tree, _ = kaggle
    again = prepare_tree(small(10), quiet(), cache=tmp_path, unique_images=6)
    other = prepare_tree(small(10, tree_seed=1), quiet(), cache=tmp_path, unique_images=6)
    assert again.digest == tree.digest
    assert again.root != tree.root
    assert other.digest != tree.digest


def test_layout(kaggle: tuple[Tree, Path]) -> None:
    """Classes are even, labels fit the folders, and images are where a user of --image-root puts them."""
    tree, _ = kaggle
    assert tree.class_names == ("cats", "dogs")
    assert Counter(tree.labels) == {0: 5, 1: 5}
    assert [Path(path).parent.name for path in tree.paths] == [tree.class_names[n] for n in tree.labels]
    assert tree.root.name == "train"
    assert list(tree.paths) == sorted(tree.paths)
    assert "10 images in 2 classes" in tree.describe()


def test_hard_links_beyond_the_cap(kaggle: tuple[Tree, Path]) -> None:
    """Ten images of six pictures: six files, and a picture turns up in more than one class."""
    tree, _ = kaggle
    places: dict[int, set[str]] = {}
    for path in tree.paths:
        places.setdefault(Path(path).stat().st_ino, set()).add(Path(path).parent.name)
    assert len(places) == 6
    assert {"cats", "dogs"} in places.values()


def test_no_links_for_cold_passes(kaggle: tuple[Tree, Path]) -> None:
    """Each image is a file of its own then, with the same bytes, in a tree beside the other one."""
    tree, cache = kaggle
    asked = replace(small(10), no_links=True)
    copied = prepare_tree(asked, quiet(), cache=cache, unique_images=6)
    assert len({Path(path).stat().st_ino for path in copied.paths}) == 10
    assert copied.root != tree.root
    assert copied.digest == tree.digest
    assert prepare_tree(asked, quiet(), cache=cache, unique_images=6) == copied


def test_no_room_for_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said how much they take, and nothing stays of the tree."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(TreeError, match=r"10 images that are no links \(--cold\) takes .* has 1 KB free"):
        prepare_tree(replace(small(10), no_links=True), quiet(), cache=tmp_path, unique_images=6)
    assert [each.name for each in (tmp_path / "trees").iterdir()] == [".lock"]


def test_second_session_draws_nothing(kaggle: tuple[Tree, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The cached tree is used as it is."""
    tree, cache = kaggle
    monkeypatch.setattr(drawn, "results", None)
    assert prepare_tree(small(10), quiet(), cache=cache, unique_images=6) == tree


@pytest.mark.parametrize("damage", ["truncate", "remove", "record"])
def test_damaged_tree_is_built_anew(kaggle: tuple[Tree, Path], tmp_path: Path, damage: str) -> None:
    """A tree in the cache that is no longer what was built is not measured."""
    tree, cache = kaggle
    shutil.copytree(cache, tmp_path / "cache", copy_function=shutil.copy2)
    copy = Tree.read(tmp_path / "cache" / tree.root.relative_to(cache), "")
    if damage == "truncate":
        Path(copy.paths[3]).write_bytes(b"")
    elif damage == "remove":
        Path(copy.paths[3]).unlink()
    else:
        (copy.root.parent / "tree.json").write_text("{")
    again = prepare_tree(small(10), quiet(), cache=tmp_path / "cache", unique_images=6)
    assert again.digest == tree.digest
    assert Path(again.paths[3]).read_bytes() == Path(tree.paths[3]).read_bytes()
    assert not list((tmp_path / "cache" / "trees").glob(".building*"))


def test_a_tree_that_was_built_is_a_real_tree_too(kaggle: tuple[Tree, Path], tmp_path: Path) -> None:
    """--image-root on the folder of a synthetic tree finds the same images and digest."""
    tree, _ = kaggle
    again = prepare_tree(TreeRequest(image_root=tree.root.parent), quiet(), cache=tmp_path)
    assert again == tree


@pytest.mark.parametrize(("name", "mean"), [("coco", 153_000), ("pets", 22_000)])
def test_mean_bytes(name: str, mean: int) -> None:
    """Plans have the article's mean, files hit their plan, and sizes differ as those of real photos do."""
    style = picture.STYLES[name]
    planned = [picture.plan(style, 3, index) for index in range(256)]
    assert statistics.mean(plan.target_bytes for plan in planned) == pytest.approx(mean, rel=0.03)
    for number in range(8):
        # Classes take turns with the pictures: none may get the large ones.
        sizes = [plan.target_bytes for plan in planned[number::8]]
        assert statistics.mean(sizes) == pytest.approx(mean, rel=0.1)
    spread = statistics.stdev(plan.target_bytes for plan in planned)
    assert 0.25 * mean < spread < 0.6 * mean
    assert {plan.width > plan.height for plan in planned} == {True, False}
    ratios = [
        len(picture.encode(style, 3, index, picture.draw(style, 3, index))) / planned[index].target_bytes
        for index in range(12)
    ]
    assert statistics.mean(ratios) == pytest.approx(1.0, abs=0.05)


def spectrum_slope(grey: NDArray[np.float64]) -> float:
    """Return the exponent of amplitude over frequency: 0 for flat noise, about -1 for photographs."""
    side = 256
    window = np.hanning(side)[:, None] * np.hanning(side)[None, :]
    amplitude = np.abs(np.fft.fft2((grey[:side, :side] - grey[:side, :side].mean()) * window))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :]) * side
    bands = np.geomspace(3, 100, 10)
    means = [
        amplitude[(frequency >= low) & (frequency < high)].mean() for low, high in itertools.pairwise(bands)
    ]
    return float(np.polyfit(np.log(np.sqrt(bands[1:] * bands[:-1])), np.log(means), 1)[0])


def test_looks_like_a_photograph() -> None:
    """1/f spectrum, channels that move together, neighbours alike, and yet no flat surfaces."""
    style = picture.STYLES["coco"]
    drawn = [picture.draw(style, 0, index).astype(np.float64) for index in range(4)]
    slopes = [spectrum_slope(pixels.mean(axis=2)) for pixels in drawn]
    assert -1.8 < statistics.mean(slopes) < -0.8
    for pixels in drawn:
        assert pixels.std() > 15
        channels = pixels.reshape(-1, 3).T
        assert np.corrcoef(channels).min() > 0.3
        grey = pixels.mean(axis=2)
        assert np.corrcoef(grey[:, 1:].ravel(), grey[:, :-1].ravel())[0, 1] > 0.9
        assert (np.abs(np.diff(grey, axis=1)) > 0).mean() > 0.6
    noise = np.random.default_rng(0).integers(0, 256, (480, 640)).astype(np.float64)
    assert abs(spectrum_slope(noise)) < 0.1


def test_jpegs_are_as_encoders_of_the_web_make_them(kaggle: tuple[Tree, Path]) -> None:
    """Baseline JPEGs in colour."""
    for path in kaggle[0].paths:
        with Image.open(path) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert "progressive" not in image.info


def test_classes_and_images_per_class(tmp_path: Path) -> None:
    """Both options shape a synthetic tree; names of classes sort as their numbers do."""
    request = TreeRequest(classes=11, images_per_class=2)
    tree = prepare_tree(request, quiet(), cache=tmp_path, unique_images=2)
    assert len(tree) == 22
    assert tree.class_names[:3] == ("class_00", "class_01", "class_02")
    assert set(Counter(tree.labels).values()) == {2}


def test_presets_are_the_articles() -> None:
    """117,266 images in 80 classes, 10,000 in 2, 256 in 8."""
    sizes = {name: TreeRequest(tree=name).sizes() for name in ("coco2017", "dogs-vs-cats", "small")}
    assert sizes == {"coco2017": (117_266, 80), "dogs-vs-cats": (10_000, 2), "small": (256, 8)}


def test_trees_of_other_sizes_share_their_pictures(
    kaggle: tuple[Tree, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tree of another size draws none again, and has the same bytes as one that draws its own."""
    tree, cache = kaggle
    with monkeypatch.context() as patch:
        patch.setattr(drawn, "results", None)
        larger = prepare_tree(small(14), quiet(), cache=cache, unique_images=6)
    assert [Path(path).read_bytes() for path in larger.paths[:2]] == [
        Path(path).read_bytes() for path in tree.paths[:2]
    ]
    assert Path(larger.paths[0]).stat().st_ino == Path(tree.paths[0]).stat().st_ino


def test_what_a_killed_session_has_drawn_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is missing is drawn again, or has changed since."""
    folder, asked = tmp_path / "pictures", []

    def write(tasks: list[list[Any]]) -> Any:
        asked.append([number for number, _ in tasks])
        for number, file in tasks:
            Path(file).write_text(f"picture {number}")
        return contextlib.nullcontext([(place, "digest") for place in range(len(tasks))])

    monkeypatch.setattr(drawn, "results", lambda _, tasks: write(tasks))

    def tasks(files: Sequence[Path]) -> list[list[Any]]:
        return [[number, str(file)] for number, file in enumerate(files)]

    folder.mkdir()
    (folder / "000001.jpg").write_text("picture 1")
    first = drawn.shared(folder, tasks, 3, quiet())
    (folder / "000002.jpg").write_text("somebody has drawn on it")
    assert drawn.shared(folder, tasks, 3, quiet()) == first == list(dict.fromkeys(first))
    assert asked == [[0, 2], [2]]


def test_failed_drawing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in a worker names the picture, its place and what to do, and leaves nothing behind."""
    monkeypatch.setattr(drawn, "results", lambda *_: BrokenPool())
    place = re.escape(str(tmp_path / "trees"))
    with pytest.raises(TreeError, match=rf"picture 0 .*{place}.*: MemoryError.*set LOADER_GATE_CACHE"):
        prepare_tree(small(4), quiet(), cache=tmp_path)
    assert [path.name for path in (tmp_path / "trees").iterdir()] in ([".lock"], [])


def test_no_process_to_draw_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no picture's fault: the message says which limits to raise."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(TreeError, match=r"^pictures cannot be drawn, as no process .*no-python.*`ulimit -u`"):
        prepare_tree(small(4), quiet(), cache=tmp_path / "cache")


class BrokenPool:
    """Stands in for the pool: every item fails."""

    def __enter__(self) -> list[tuple[int, Failure]]:
        """Give one failure."""
        return [(0, Failure("MemoryError: ", died=False))]

    def __exit__(self, *_: object) -> None:
        """End without a word."""


BUILD = """
import sys
from pathlib import Path
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
tree = prepare_tree(TreeRequest(tree="dogs-vs-cats", tree_images=int(sys.argv[2])), cache=Path(sys.argv[1]))
print(tree.digest, len(tree))
"""


def start_build(cache: Path, images: int) -> subprocess.Popen[str]:
    """Start another session that builds a tree."""
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(cache), str(images)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_sessions_at_once(tmp_path: Path) -> None:
    """Two processes that want one tree get one tree; the second waits and draws nothing."""
    sessions = [start_build(tmp_path, 6) for _ in range(2)]
    answers = [session.communicate() for session in sessions]
    assert [session.returncode for session in sessions] == [0, 0]
    assert answers[0][0] == answers[1][0]
    assert sorted("Drawing images" in errors for _, errors in answers) == [False, True]
    assert len([path for path in (tmp_path / "trees").iterdir() if path.name != ".lock"]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.usefixtures("signals_heeded")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_killed_build_leaves_nothing_visible(tmp_path: Path, how: str) -> None:
    """No tree, no process; what a kill leaves on disk goes away with the next build."""
    session = start_build(tmp_path, 400)
    workers: list[int] = []
    while len(workers) < 1 or not list(tmp_path.glob("trees/.building-*/train/*/*.jpg")):
        assert session.poll() is None
        workers = children(session.pid)
        time.sleep(0.02)
    session.send_signal(getattr(signal, how))
    session.communicate()
    assert session.returncode != 0
    while any(alive(worker) for worker in workers):
        time.sleep(0.02)
    left = {path.name for path in (tmp_path / "trees").iterdir()} - {".lock"}
    assert all(name.startswith(".building-") for name in left)
    if how == "SIGINT":
        assert not left
    prepare_tree(small(2), quiet(), cache=tmp_path)
    assert [path.name[:13] for path in (tmp_path / "trees").iterdir() if path.name != ".lock"] == [
        "dogs-vs-cats-"
    ]


def children(process: int) -> list[int]:
    """Return the process ids of a process's children."""
    import psutil

    return [child.pid for child in psutil.Process(process).children(recursive=True)]


def alive(process: int) -> bool:
    """Return whether a process runs."""
    import psutil

    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep caches elsewhere")
@pytest.mark.parametrize("chosen", ["", "~/trees"])
def test_a_user_without_a_home(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user nobody has entered: nothing is written into a folder named ``~``."""
    import pwd

    def unknown(user: int) -> None:
        raise KeyError(user)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOADER_GATE_CACHE", chosen)
    with pytest.raises(TreeError, match=r"no home folder is known .* set LOADER_GATE_CACHE to a folder"):
        cache_root()


def test_unusable_cache(tmp_path: Path) -> None:
    """A file where the cache should be: the message says which variable moves it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(TreeError, match="LOADER_GATE_CACHE"):
        prepare_tree(small(4), quiet(), cache=tmp_path / "file")


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (TreeRequest(tree_images=0), "--tree-images is 0"),
        (TreeRequest(classes=1), "--classes is 1"),
        (TreeRequest(images_per_class=0), "--images-per-class is 0"),
        (TreeRequest(tree_seed=-1), "--tree-seed is -1"),
        (TreeRequest(tree_images=8, images_per_class=1), "--tree-images and --images-per-class"),
        (TreeRequest(tree_images=3, classes=4), "4 classes cannot be made of 3 images"),
        (TreeRequest(tree_images=7), "8 classes cannot be made of 7 images"),
        (TreeRequest(tree="dogs-vs-cats", classes=3), "always has 2 classes"),
        (TreeRequest(tree="medium"), "--tree is 'medium'; expected one of small"),
    ],
)
def test_silly_combinations(request_: TreeRequest, named: str, tmp_path: Path) -> None:
    """Each is refused by the name of its option before anything is drawn."""
    with pytest.raises(TreeError, match=named):
        prepare_tree(request_, quiet(), cache=tmp_path)
    assert not list(tmp_path.iterdir())
