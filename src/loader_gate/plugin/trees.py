"""The tree of a session, behind the fixture ``image_tree``, and what is shown of it."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import pytest

from loader_gate.plugin.settings import SettingsError, options_of
from loader_gate.progress import Display
from loader_gate.text import printable, printable_lines
from loader_gate.trees.request import TreeRequest
from loader_gate.trees.tree import TreeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loader_gate.trees.tree import Tree


class _Summary:
    """Repeats at the end which tree it was, and what was left out of it."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._lines:
            terminalreporter.write_line(line)


def provided_tree(config: pytest.Config) -> Tree:
    """Return the tree that the options ask for, built and checked; fail the test if it is not usable."""
    from loader_gate.trees.pixels import allow_pixels
    from loader_gate.trees.prepare import prepare_tree

    problem = ""
    with showing_progress(config) as stream:
        display = Display(stream)
        try:
            request = replace(tree_request(config), libraries=_libraries(config))
            allow_pixels(request.most_pixels)
            tree = prepare_tree(request, display)
        except (SettingsError, TreeError) as error:
            problem = printable_lines(f"No usable image tree: {error}")
    if problem:
        pytest.fail(problem, pytrace=False)
    config.pluginmanager.register(_Summary([printable(f"Image tree {tree.describe()}"), *display.notices]))
    return tree


def _libraries(config: pytest.Config) -> tuple[str, ...]:
    """Return the libraries that are going to decode the images; none where no variant is measured."""
    from loader_gate.plugin.selection import decoders
    from loader_gate.plugin.start import SUITE

    return decoders(config) if SUITE in config.stash else ()


def tree_request(config: pytest.Config) -> TreeRequest:
    """Return the options about the tree as data."""
    options = options_of(config)

    def path(value: Path | None) -> Path | None:
        return None if value is None else config.invocation_params.dir / value.expanduser()

    return TreeRequest(
        image_root=path(options.image_root),
        coco_annotations=path(options.coco_annotations),
        tree=options.tree,
        tree_images=options.tree_images,
        classes=options.classes,
        images_per_class=options.images_per_class,
        tree_seed=options.tree_seed,
        skip_bad_images=options.skip_bad_images,
        most_pixels=options.most_pixels,
        no_links=options.cold,
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
