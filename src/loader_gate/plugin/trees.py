"""The pytest plugin: the options about the tree, and the fixture ``image_tree``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO, cast

import pytest

from loader_gate.progress import Display
from loader_gate.trees.request import PRESETS, TreeRequest
from loader_gate.trees.tree import Tree, TreeError

_PRESET_HELP = "; ".join(f"{name}: {preset.about}" for name, preset in PRESETS.items())

#: Every option: its name and what argparse wants to know.
OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "--image-root",
        {
            "metavar": "DIR",
            "help": "measure on a real tree: DIR/<class>/<image> or DIR/cat.0.jpg, with or without train/",
        },
    ),
    (
        "--coco-annotations",
        {
            "metavar": "JSON",
            "help": "with --image-root a flat folder of images: classes from a COCO instances file",
        },
    ),
    (
        "--tree",
        {"choices": tuple(PRESETS), "help": f"a synthetic tree ({_PRESET_HELP}); default small"},
    ),
    (
        "--tree-images",
        {
            "metavar": "N",
            "type": int,
            "help": "how many images: of the synthetic tree, or a stratified subset",
        },
    ),
    ("--classes", {"metavar": "N", "type": int, "help": "how many classes"}),
    (
        "--images-per-class",
        {"metavar": "N", "type": int, "help": "how many images a class; of a real tree, at most"},
    ),
    (
        "--tree-seed",
        {"metavar": "N", "type": int, "default": 0, "help": "seed of drawing and choosing images; default 0"},
    ),
    (
        "--skip-bad-images",
        {
            "action": "store_true",
            "help": "leave images out that cannot be decoded, instead of refusing the tree",
        },
    ),
)

_SUMMARY: pytest.StashKey[list[str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options."""
    # pytest finds a group by its name, but shows only the description that it was first given.
    group = parser.getgroup("image loaders", "image loaders: how fast each way of loading images is")
    for name, settings in OPTIONS:
        group.addoption(name, **settings)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse options that are wrong or contradict each other, before anything runs."""
    try:
        tree_request(config).check()
    except TreeError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Repeat at the end which tree it was, and what was left out of it."""
    for line in config.stash.get(_SUMMARY, []):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def image_tree(request: pytest.FixtureRequest) -> Tree:
    """The tree that the options ask for, built and checked, the same for every test of the session."""
    # Not imported before it is needed: `pytest --help` has to stay quick.
    from loader_gate.trees.prepare import prepare_tree

    problem = ""
    with showing_progress(request.config) as stream:
        display = Display(stream)
        try:
            tree = prepare_tree(tree_request(request.config), display)
        except TreeError as error:
            problem = f"No usable image tree: {error}"
    if problem:
        pytest.fail(problem, pytrace=False)
    request.config.stash[_SUMMARY] = [f"Image tree {tree.describe()}", *display.notices]
    return tree


def tree_request(config: pytest.Config) -> TreeRequest:
    """Return the options about the tree as data."""

    def path(option: str) -> Path | None:
        value = config.getoption(option)
        return None if value is None else config.invocation_params.dir / Path(value).expanduser()

    return TreeRequest(
        image_root=path("--image-root"),
        coco_annotations=path("--coco-annotations"),
        tree=config.getoption("--tree"),
        tree_images=config.getoption("--tree-images"),
        classes=config.getoption("--classes"),
        images_per_class=config.getoption("--images-per-class"),
        tree_seed=config.getoption("--tree-seed"),
        skip_bad_images=config.getoption("--skip-bad-images"),
    )


@contextmanager
def showing_progress(config: pytest.Config) -> Iterator[TextIO]:
    """Suspend pytest's capture of output, and give the stream on which progress may be shown meanwhile.

    It is standard error, or in a worker of pytest-xdist (several would write over each other) nothing.
    """
    if hasattr(config, "workerinput"):
        with Path(os.devnull).open("w", encoding="utf-8") as nothing:
            yield nothing
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        yield cast(TextIO, _FreshLine(sys.stderr))


class _FreshLine:
    """A stream that begins a new line before the first thing is written: pytest's own line is unfinished."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._fresh = False

    def write(self, text: str) -> int:
        if not self._fresh:
            self._fresh = True
            self._stream.write("\n")
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
