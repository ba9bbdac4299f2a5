"""What several test modules need: sessions, variants to drop in, and made-up measurements."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

# Imported here, as a session inside a test's process forgets in the end whatever it has imported.
import numpy as np  # noqa: F401
import pytest
import rich.progress  # noqa: F401

import loader_gate.plugin.annotations
import loader_gate.plugin.ending
import loader_gate.plugin.gate  # noqa: F401
from loader_gate import variants
from loader_gate.registry.variant import Variant
from loader_gate.rotation.measurement import Measurement
from loader_gate.statistics.estimate import Estimate
from loader_gate.trees.tree import Tree
from loader_gate.verdict.share import Share
from loader_gate.verdict.verdict import Status, Verdict
from loader_gate.worker.timing import PassTiming
from tests.sessions import TINY_TREE, Sessions

#: Files whose tests import TensorFlow into their own process, which takes seconds.
IMPORT_TENSORFLOW = ("test_same_work", "test_variants_dumps", "test_variants_streaming")
#: Other files that take long.
TAKE_LONG = ("test_statistics", "test_look_alikes", "test_confirmation", "test_plugin")


#: Of those that hold sessions, the ones that take longest.
BEGIN_AT_ONCE = ("test_against_end_to_end", "test_article_end_to_end", "test_loaders_end_to_end")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process is left alone with one in the end."""
    items.sort(
        key=lambda item: (
            "end_to_end" not in item.nodeid,
            item.path.stem not in BEGIN_AT_ONCE,
            item.path.stem not in IMPORT_TENSORFLOW,
            item.path.stem not in TAKE_LONG,
        )
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let one process of xdist run all files that import TensorFlow, in the place of one process a file."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class OneTensorFlow(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return "TensorFlow" if Path(file).stem in IMPORT_TENSORFLOW else file

    return OneTensorFlow(config, log)


@pytest.fixture(scope="session", autouse=True)
def known_plugins() -> Iterator[None]:
    """Let a pytest that a test runs in its process read of installed plugins only, once read, and of no more.

    It would look through all that is installed three times, which takes a third of a short session.
    """
    every = metadata.distributions
    plugins = [
        distribution
        for distribution in every()
        if any(entry.group == "pytest11" for entry in distribution.entry_points)
    ]

    def distributions(**wanted: Any) -> Iterable[metadata.Distribution]:
        return every(**wanted) if wanted else plugins

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metadata, "distributions", distributions)
        yield


@pytest.fixture(autouse=True)
def no_worker_of_xdist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a pytest that a test runs not take itself for the worker of xdist that the test runs in."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


@pytest.fixture
def signals_heeded() -> Iterator[None]:
    """Let what is started heed Ctrl-C even if these tests are a job that a shell told to ignore it."""
    # What is handled here is not ignored in a process that is started from here.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def new_sessions(
    tmp_path_factory: pytest.TempPathFactory, tree_cache: Path, tiny_tree: Tree
) -> Callable[[], Sessions]:
    """Return a function that gives a place to run sessions in; the tree has been drawn already."""
    assert len(tiny_tree) == 24
    folder = partial(tmp_path_factory.mktemp, "sessions")
    return lambda: Sessions(folder(), tree_cache, "benchmarks/test_loading.py", *TINY_TREE)


@pytest.fixture
def drop_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Return a function that drops a module into a folder which counts as ``src/loader_gate/variants/``."""
    monkeypatch.setattr(variants, "__path__", [*variants.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    dropped = []

    def drop(name: str, code: str) -> Path:
        dropped.append(name)
        module = tmp_path / f"{name}.py"
        module.write_text(code, encoding="utf-8")
        return module

    yield drop
    for name in dropped:
        sys.modules.pop(f"{variants.__name__}.{name}", None)
        vars(variants).pop(name, None)


@pytest.fixture(scope="session")
def make_measurement() -> Callable[..., Measurement]:
    """Return a function that makes a measurement up, of a variant half a second an epoch by default."""

    def make(
        name: str = "tfdata_no_cache",
        *,
        status: Status = "pass",
        floor: float | None = 1.5,
        estimate: Estimate | None = Estimate(2.0, 1.8, 2.2, 2),  # noqa: B008 (frozen)
        seconds: tuple[float, ...] = (0.4, 0.5, 0.5, 0.6),
        baseline_seconds: tuple[float, ...] = (1.0, 1.1, 0.9, 1.0),
        cpu_seconds: float = 0.8,
        peak_rss_bytes: int = 600_000_000,
        share: Share | None = None,
        kind: str = "streaming",
    ) -> Measurement:
        def passes(each_seconds: tuple[float, ...]) -> tuple[PassTiming, ...]:
            return tuple(
                PassTiming(
                    seconds=each,
                    first_batch_seconds=each / 10,
                    teardown_seconds=each / 20,
                    cpu_seconds=cpu_seconds,
                    peak_rss_bytes=peak_rss_bytes + number,
                    epochs=1,
                )
                for number, each in enumerate(each_seconds)
            )

        return Measurement(
            variant=Variant(name, f"loader_gate.variants.{name}"),
            kind=kind,
            verdict=Verdict(status, floor, estimate, "because"),
            baseline_passes=passes(baseline_seconds),
            variant_passes=passes(seconds),
            build_seconds=0.25,
            median_psnr=41.5,
            share=share,
        )

    return make
