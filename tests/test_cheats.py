"""Cheats and honest look-alikes of ``docs/cheats``: each is what it says, and what is found is told right."""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from docs.cheats import __main__ as command
from docs.cheats.cases import MODULES, TWIN, Case, all_cases
from docs.cheats.judge import CAUGHT, CHARGED, ERROR, PASSED, REFUSED, THROUGH, outcome
from docs.cheats.photos import Photos
from docs.cheats.sessions import Found, Stage, read
from docs.cheats.table import Row, summary, write_table
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE
from loader_gate.same_work.check import check_epoch
from loader_gate.same_work.reference import Reference, build_reference
from loader_gate.worker.loader import Loader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loader_gate import Tree

CASES = {case.name: case for case in all_cases()}
HONEST = [case for case in CASES.values() if not case.is_cheat and case.is_installed]
#: What starts processes or imports a framework is left to the sessions.
HEAVY = {
    *("pool_of_processes", "processes_for_an_epoch", "torch_workers", "torch_persistent_workers"),
    *("four_that_stay", "four_for_an_epoch"),
    *("tfdata_autotuned", "tfdata_as_numpy"),
}


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Return what is asked for."""
    return Spec(image_size=(96, 96), batch_size=5, shuffle=True, seed=0, cache_dir=tmp_path)


@pytest.fixture(scope="module")
def few_images(new_synthetic_tree: Callable[[int, int], Tree]) -> Tree:
    """Return a tree of 12 images: every loader decodes them twice."""
    return new_synthetic_tree(12, 2)


@pytest.fixture(scope="module")
def reference(few_images: Tree, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Return the reference decode."""
    return build_reference(few_images, (96, 96), tmp_path_factory.mktemp("reference"))


@cache
def _function(case: Case) -> Any:
    return getattr(importlib.import_module(f"docs.cheats.{case.module}"), case.name)


def _opened(name: str, tree: Tree, spec: Spec) -> Loader:
    function = _function(CASES[name])
    return Loader(function, function, tree, spec)


def test_every_loader_is_listed() -> None:
    """Whatever takes a tree and a spec says what is expected of it, and in one line what it does."""
    for module in MODULES:
        for name, found in vars(importlib.import_module(f"docs.cheats.{module}")).items():
            if (
                name.startswith("_")
                or not inspect.isfunction(found)
                or found.__module__ != f"docs.cheats.{module}"
            ):
                continue
            if [*inspect.signature(found).parameters] == ["tree", "spec"]:
                assert name in CASES
    for case in CASES.values():
        assert case.about.endswith(".")
        assert "\n" not in case.about


def test_names_are_told_apart() -> None:
    """A session has one of each, beside variants of the suite."""
    cases = all_cases()
    assert len(cases) == len(CASES)
    assert not CASES.keys() & {variant.name for variant in built_in_variants()}
    assert not CASES[TWIN].is_cheat


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.name) for case in HONEST if case.name not in HEAVY],
)
def test_honest_ones_are_honest(case: Case, few_images: Tree, spec: Spec, reference: Reference) -> None:
    """Two epochs are whole, and in orders of their own."""
    loader = _opened(case.name, few_images, spec)
    orders = []
    for _ in range(2):
        found = check_epoch(loader.batches, few_images, spec, loader.declared, reference)
        assert found.reason is None
        orders.append(found.order.tolist())
    assert orders[0] != orders[1]


@pytest.mark.parametrize(
    "name",
    [
        "one_batch_of_zeros",
        "blank_images",
        "first_image_of_each_batch",
        "first_and_last_of_each_batch",
        "one_in_four_again",
        "half_of_each_class",
        "labels_of_other_images",
        "uint8_later",
        "smaller_later",
        "last_batch_dropped",
        "last_batch_replaced",
        "wrong_length",
        "dump_that_is_empty",
    ],
)
def test_cheats_cheat(name: str, few_images: Tree, spec: Spec, reference: Reference) -> None:
    """The first epoch is right, the second one is not."""
    loader = _opened(name, few_images, spec)
    first, second = (
        check_epoch(loader.batches, few_images, spec, loader.declared, reference) for _ in range(2)
    )
    assert first.reason is None
    assert second.reason


def test_a_small_batch_comes_last(few_images: Tree, spec: Spec) -> None:
    """Every image comes once, with its label, in batches of the size that was asked for."""
    photos = Photos(few_images, spec)
    parts = photos.parts()
    assert [len(files) for files in parts] == [5, 5, 2]
    assert sorted(np.concatenate(parts).tolist()) == [*range(12)]
    images, labels = photos.batch(parts[-1])
    assert images.shape == (2, 96, 96, 3)
    assert labels.argmax(axis=1).tolist() == [few_images.labels[file] for file in parts[-1]]


CHEAT = Case("a", "later", "Cheats.", is_cheat=True)
LATE = Case("b", "later", "Works later.", is_cheat=True, may_be_charged=True)
FAIR = Case("c", "later", "Works.", is_cheat=False)


@pytest.mark.parametrize(
    ("case", "found", "expected"),
    [
        (CHEAT, Found("unmeasured", "it does other work"), CAUGHT),
        (CHEAT, Found("pass", "", 9.0, 1.2), THROUGH),
        (CHEAT, Found("error", "no JSON"), ERROR),
        (LATE, Found("unmeasured", "it works between passes"), CAUGHT),
        (LATE, Found("undecided", "", 9.0, 0.97), CHARGED),
        (LATE, Found("undecided", "", 9.0, 0.5), THROUGH),
        (LATE, Found("undecided", ""), THROUGH),
        (FAIR, Found("fail", "below its floor", 9.0, 1.0), PASSED),
        (FAIR, Found("unmeasured", "why ever"), REFUSED),
        (None, Found("undecided", "", 9.0), PASSED),
        (None, Found("unmeasured", "why ever"), REFUSED),
    ],
)
def test_outcomes(case: Case | None, found: Found, expected: str) -> None:
    """A cheat must get no figure, or one that is no gain; an honest loader must get one."""
    assert outcome(case, found) == expected


def test_what_a_session_said_is_read() -> None:
    """Seconds are held against those of the twin; whoever is not in the JSON has an error."""
    infos: list[dict[str, Any]] = [
        {"variant": TWIN, "verdict": "undecided", "variant_seconds": [0.4, 0.6], "images_per_second": 99.0},
        {"variant": "fast", "verdict": "pass", "variant_seconds": [0.2, 0.3, 9.0], "reason": "it is"},
    ]
    document = {
        "benchmarks": [{"extra_info": info} for info in infos],
        "loader_gate": {"unmeasured": [{"variant": "cheat", "reason": "it is none"}]},
    }
    found = read(document, [TWIN, "fast", "cheat", "lost"], "it crashed")
    assert found[TWIN] == Found("undecided", "", 99.0, 1.0)
    assert found["fast"] == Found("pass", "it is", None, 0.5)
    assert found["cheat"] == Found("unmeasured", "it is none")
    assert found["lost"] == Found("error", "it crashed")
    assert read({}, ["lost"])["lost"].verdict == "error"


def test_a_session_without_its_baseline_catches_nobody() -> None:
    """All are unmeasured then, which says nothing of any."""
    reasons = [{"variant": each, "reason": "its worker hung"} for each in (BASELINE, "cheat")]
    found = read({"loader_gate": {"unmeasured": reasons}}, ["cheat"])
    assert found == {"cheat": Found("error", "its worker hung")}
    assert outcome(CHEAT, found["cheat"]) == ERROR


def test_the_table(tmp_path: Path) -> None:
    """It counts, and has a line for each loader with what was said of it, shortened."""
    rows = [
        Row("a", CHEAT, Found("unmeasured", "it | is\nnone " * 30), CAUGHT, "got through"),
        Row("b", LATE, Found("pass", "", 9.0, 0.5), THROUGH),
        Row("c", FAIR, Found("pass", "", 9.0, 1.0), PASSED),
        Row("ours", None, Found("unmeasured", "why ever"), REFUSED),
    ]
    assert summary(rows) == "cheats caught: 1 of 2; honest ones passed: 1 of 1; ours passed: 0 of 1"
    file = tmp_path / "table.md"
    write_table(rows, file, 120.0)
    text = file.read_text(encoding="utf-8")
    assert "- **cheats caught: 1 of 2**" in text
    (line,) = (each for each in text.splitlines() if each.startswith("| `a` |"))
    assert line.count("|") == 7
    assert line.endswith("… |")
    assert "| `b` | Works later. |  | **got through** | 0.5 | pass |" in text


def test_the_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is 1 as soon as one cheat gets through, or one honest loader does not."""
    verdicts = {TWIN: "undecided", "blank_images": "unmeasured"}

    def hold(_: Stage, cases: list[Case], *__: Any) -> dict[str, Found]:
        return {case.name: Found(verdicts[case.name], "") for case in cases}

    monkeypatch.setattr(Stage, "hold", hold)
    monkeypatch.setattr(command, "draw_tree", lambda _: None)
    names = ["--only", *verdicts]
    assert command.main(names) == 0
    verdicts["blank_images"] = "undecided"
    assert command.main(names) == 1
    verdicts |= {"blank_images": "unmeasured", TWIN: "unmeasured"}
    assert command.main(names) == 1
    assert "Session 1 of 1" in capsys.readouterr().err
