"""The plugin, as a user meets it: options, their errors, the fixture and what is shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import loader_gate

pytest_plugins = ("pytester",)

USER_TEST = """
def test_one(image_tree):
    assert len(image_tree) == 4

def test_two(image_tree):
    assert image_tree.class_names == ("x", "y")
"""


@pytest.fixture
def cache(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, by the variable that users set."""
    monkeypatch.setenv("LOADER_GATE_CACHE", str(pytester.path / "cache"))
    return pytester.path / "cache"


@pytest.fixture
def root(pytester: pytest.Pytester) -> Path:
    """A real tree of four images."""
    for name in ("x", "y"):
        (pytester.path / "photos" / name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(pytester.path / "photos" / name / f"{number}.png")
    return pytester.path / "photos"


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest with this plugin alone."""
    return pytester.runpytest_inprocess("-p", "loader_gate", "-p", "no:cacheprovider", *options)


@pytest.mark.usefixtures("cache", "root")
def test_real_tree(pytester: pytest.Pytester) -> None:
    """A relative --image-root works, tests share one tree, and the summary says which it was."""
    pytester.makepyfile(USER_TEST)
    result = run(pytester, "--image-root", "photos", "-W", "error")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["Image tree photos: 4 images in 2 classes, * KB each on average"])
    result.stderr.fnmatch_lines(["Checking images: 4/4, *"])
    assert str(result.stderr).count("Checking") == 1


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("capture", ["fd", "sys", "no"])
def test_synthetic_tree(pytester: pytest.Pytester, capture: str) -> None:
    """Progress is seen however output is captured, and is no part of a test's own output."""
    pytester.makepyfile(
        """
        def test_one(image_tree, capsys):
            print("mine")
            assert capsys.readouterr() == ("mine\\n", "")
            assert len(image_tree) == 2
        """
    )
    result = run(pytester, "--tree=dogs-vs-cats", "--tree-images=2", f"--capture={capture}")
    result.assert_outcomes(passed=1)
    result.stderr.fnmatch_lines(["Drawing images: 2/2, *"])
    result.stdout.fnmatch_lines(["Image tree dogs-vs-cats-2x2-seed0-*: 2 images in 2 classes*"])


@pytest.mark.usefixtures("cache")
def test_skip_bad_images(pytester: pytest.Pytester, root: Path) -> None:
    """Without the option every test fails with one message and no traceback; with it the number is said."""
    pytester.makepyfile(USER_TEST)
    (root / "x" / "bad.png").write_bytes(b"")
    refused = run(pytester, "--image-root", "photos")
    refused.assert_outcomes(errors=2)
    refused.stdout.fnmatch_lines(
        ["No usable image tree: 1 file is not a usable image*", "*bad.png is empty (0 bytes)"]
    )
    refused.stdout.no_fnmatch_line("*Traceback*")
    refused.stdout.no_fnmatch_line("*plugin.py*")
    skipped = run(pytester, "--image-root", "photos", "--skip-bad-images")
    skipped.assert_outcomes(passed=2)
    skipped.stdout.fnmatch_lines(["--skip-bad-images left out 1 of 5 images:*"])


@pytest.mark.usefixtures("cache", "root")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--coco-annotations", "a.json"], "--coco-annotations needs --image-root"),
        (["--image-root", "photos", "--coco-annotations", "a.json"], "a.json does not exist"),
        (
            ["--image-root", "photos", "--tree", "small"],
            "--tree small asks for a synthetic tree and --image-root",
        ),
        (["--image-root", "nowhere"], "nowhere does not exist"),
        (["--image-root", "test_user.py"], "is not a folder"),
        (["--tree", "medium"], "medium"),
        (["--tree-images", "0"], "--tree-images is 0; expected a whole number of at least 1"),
        (["--tree-images", "many"], "invalid int value: 'many'"),
        (["--classes", "1"], "--classes is 1"),
        (["--images-per-class", "-3"], "--images-per-class is -3"),
        (["--tree-images", "9", "--images-per-class", "1"], "give one of them"),
        (["--tree", "dogs-vs-cats", "--classes", "3"], "always has 2 classes"),
    ],
)
def test_wrong_options(pytester: pytest.Pytester, options: list[str], message: str) -> None:
    """A usage error, before anything runs."""
    pytester.makepyfile(test_user="def test_one(): print('ran')")
    result = run(pytester, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in str(result.stderr)
    assert "ran" not in str(result.stdout)


def test_help_names_every_option(pytester: pytest.Pytester) -> None:
    """All in one group."""
    result = run(pytester, "--help")
    text = str(result.stdout)
    group = text[text.index("image loaders") :]
    for option in (
        "--image-root=DIR",
        "--coco-annotations=JSON",
        "--tree=",
        "--tree-images=N",
        "--classes=N",
        "--images-per-class=N",
        "--tree-seed=N",
        "--skip-bad-images",
    ):
        assert option in group


def test_nothing_heavy_is_imported() -> None:
    """The plugin costs `pytest --help` nothing: no NumPy, Pillow, rich before a tree is needed."""
    code = (
        "import sys, pytest, loader_gate, loader_gate.plugin.hooks; "
        "heavy = {'numpy', 'PIL', 'scipy', 'rich', 'filelock', 'platformdirs', 'loader_gate.trees.prepare'}; "
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    home = Path(loader_gate.__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("cache", "root")
def test_xdist(pytester: pytest.Pytester) -> None:
    """Workers of pytest-xdist prepare the tree without writing over each other."""
    pytest.importorskip("xdist")
    pytester.makepyfile(USER_TEST)
    result = run(pytester, "--image-root", "photos", "-p", "xdist", "-n", "2")
    result.assert_outcomes(passed=2)
