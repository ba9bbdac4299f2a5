"""The history of saved runs: what is read, the steps and drift in it, and the command that keeps it."""

from __future__ import annotations

import csv
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loader_gate.history.__main__ import main
from loader_gate.history.all_runs import find_run, load_runs
from loader_gate.history.detection_rates import autocorrelated
from loader_gate.history.series import Series, series_of
from loader_gate.history.steps import AnotherBottleneck, find_changes
from loader_gate.registry.variant import BASELINE
from loader_gate.runs.parsing import read_run
from tests.planted_history import FOLDER, Planted

STREAMING, MEMORY, FILE = "tfdata_no_cache", "tfdata_memory_cache", "tfdata_file_cache"

#: A step of 12 % with an upgrade of TensorFlow, a slow drift, and a variant that does not change.
EVENTFUL = Planted(
    steps={STREAMING: {36: 0.88}},
    tensorflow={0: "2.20.0", 36: "2.21.0"},
    drift={FILE: 0.997},
)


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a storage of 60 runs in which things happen; not to be written to."""
    storage = tmp_path_factory.mktemp("eventful")
    EVENTFUL.save(storage)
    return storage


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a file says."""
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def series_in(storage: Path, variant: str = STREAMING) -> list[Series]:
    """Return the series of a variant."""
    return [series for series in series_of(load_runs(storage).runs) if series.variant == variant]


# Reading.


def test_runs_of_all_folders(tmp_path: Path) -> None:
    """Oldest first, whatever their number, with the folder in their label where there are several."""
    Planted(runs=3).save(tmp_path)
    newer = Planted(runs=2).save(tmp_path, "Linux-CPython-3.12-64bit")
    for path in newer:
        edit(path, lambda data: data.update(datetime=data["datetime"].replace("2026", "2027")))
    points = series_in(tmp_path)[0].points
    assert [point.run.removeprefix("Linux-CPython-") for point in points] == [
        *("3.11-64bit/0001", "3.11-64bit/0002", "3.11-64bit/0003"),
        *("3.12-64bit/0001", "3.12-64bit/0002"),
    ]
    runs = load_runs(tmp_path).runs
    assert find_run(runs, "3") is find_run(runs, f"{FOLDER}/0003") is find_run(runs, str(runs[2].path))


def test_what_a_point_says(eventful: Path) -> None:
    """All that a report may want to show of a run."""
    series = series_in(eventful)[0]
    point = series.points[40]
    assert (series.name, len(series.points)) == (f"{STREAMING} (loading)", 60)
    assert (point.run, point.saved_on, point.accepted) == ("0041", "2026-02-14T04:30:00+00:00", True)
    assert (point.checkout.commit, point.checkout.branch) == (EVENTFUL.commit(40), "main")
    assert point.versions["tensorflow"] == "2.21.0"
    assert point.low < point.speedup < point.high
    assert (point.verdict, point.images_per_second is not None) == ("pass", True)


def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And so is a damaged benchmark; the rest of the history is there."""
    paths = Planted(runs=4).save(tmp_path)
    paths[1].write_text("{", encoding="utf-8")
    edit(paths[2], lambda data: data["benchmarks"][1]["extra_info"].update(speedup="fast"))
    loaded = load_runs(tmp_path)
    assert [run.label for run in loaded.runs] == ["0001", "0003", "0004"]
    assert len(loaded.damaged) == 2
    assert len(series_in(tmp_path)[0].points) == 2
    assert main(["--storage", str(tmp_path), "prune", "--keep", "1", "--delete"]) == 0
    assert str(paths[1]) in capsys.readouterr().err
    assert [path.exists() for path in paths] == [False, True, False, True]


def test_a_run_of_before_there_was_a_schema(tmp_path: Path) -> None:
    """It has no marks, no machine in words and no interval, and is read as far as it goes."""
    path = Planted(runs=1).save(tmp_path)[0]

    def age(data: dict[str, Any]) -> None:
        for name in ("fingerprint", "description", "versions"):
            del data["machine_info"][name]
        del data["loader_gate"], data["commit_info"]
        kept = ("variant", "workload", "speedup", "tree")
        for each in data["benchmarks"]:
            each["extra_info"] = {name: each["extra_info"][name] for name in kept}

    edit(path, age)
    run = read_run(path)
    assert (run.accepted, run.machine, run.run_id, str(run.checkout)) == (
        *(None, "runner", ""),
        "no known revision",
    )
    point = series_in(tmp_path)[0].points[0]
    assert (point.low, point.high, point.images_per_second) == (0, math.inf, None)
    assert point.versions == {"python": "3.11.7"}


# Series.


def test_another_tree_goes_on_where_it_took_the_place(tmp_path: Path) -> None:
    """And a step with it names it, and the machine."""
    places: dict[str, Any] = {
        "trees": {0: "a" * 64, 20: "b" * 64},
        "machines": {0: "One CPU, 2 cores", 20: "Another CPU, 2 cores"},
    }
    Planted(runs=40, steps={STREAMING: {20: 0.8}}, **places).save(tmp_path)
    (series,) = series_in(tmp_path)
    (step,) = find_changes([series])[0].steps
    assert step.index == 20
    assert step.changed == (
        "the machine: One CPU, 2 cores → Another CPU, 2 cores",
        "the tree: aaaaaaaaaaaa → bbbbbbbbbbbb",
    )


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (
            {"trees": {0: "a" * 64, 5: "b" * 64, 10: "a" * 64}},
            {"tree aaaaaaaaaaaa": 10, "tree bbbbbbbbbbbb": 5},
        ),
        ({"machines": {0: "One", 5: "Another", 10: "One"}}, {"on One": 10, "on Another": 5}),
    ],
)
def test_trees_and_machines_that_take_turns_are_told_apart(
    what: dict[str, Any], expected: dict[str, int], tmp_path: Path
) -> None:
    """Their levels would alternate: one that comes back has a series of its own."""
    Planted(runs=15, **what).save(tmp_path)
    assert {series.about: len(series.points) for series in series_in(tmp_path)} == expected


def test_another_image_size_is_another_series(tmp_path: Path) -> None:
    """Also if it took the place of the one before: nobody expects the same speedup."""
    for path in Planted(runs=12).save(tmp_path)[8:]:
        edit(path, lambda data: [each["extra_info"].update(image_size=64) for each in data["benchmarks"]])
    assert {series.about: len(series.points) for series in series_in(tmp_path)} == {
        "image size 224": 8,
        "image size 64": 4,
    }


def test_cold_passes_are_another_series(tmp_path: Path) -> None:
    """What a disk gives is no step of what memory gives."""
    for path in Planted(runs=12).save(tmp_path)[8:]:
        edit(path, lambda data: [each["extra_info"].update(cache="cold") for each in data["benchmarks"]])
    assert {series.about: len(series.points) for series in series_in(tmp_path)} == {
        "warm cache": 8,
        "cold cache": 4,
    }


def test_a_service_that_is_there_is_another_series(tmp_path: Path) -> None:
    """What somebody's cluster gives is no step of what this host gives, nor is it another cluster's."""
    paths = Planted(runs=12).save(tmp_path)
    for chosen, address in ((paths[4:8], "grpc://one:5050"), (paths[8:], "grpc://two:5050")):
        for path in chosen:
            edit(
                path,
                lambda data, address=address: [  # type: ignore[misc]
                    each["extra_info"].update(service=address) for each in data["benchmarks"]
                ],
            )
    assert {series.about: len(series.points) for series in series_in(tmp_path)} == {
        "service started here": 4,
        "service grpc://one:5050": 4,
        "service grpc://two:5050": 4,
    }


# Steps and drift.


def test_a_planted_step_is_found_and_the_upgrade_named(eventful: Path) -> None:
    """In 60 runs, one step of 12 % and one upgrade: at the right run, and nothing else."""
    (changes,) = find_changes(series_in(eventful)[:1])
    (step,) = changes.steps
    assert changes.drift is None
    assert (step.index, step.run, step.checkout.commit) == (36, "0037", EVENTFUL.commit(36))
    assert step.earliest <= 36 <= step.latest
    assert step.changed == ("TensorFlow 2.20.0 → 2.21.0",)
    assert step.ratio.low < 0.88 < step.ratio.high < 0.97
    assert step.before > step.after
    assert step.p_value < 0.01
    for variant in (BASELINE, MEMORY):
        (changes,) = find_changes(series_in(eventful, variant)[:1])
        assert changes.steps == []
        assert changes.drift is None


def test_series_of_a_storage_tell_of_each_other(tmp_path: Path) -> None:
    """Beside others whose noise lasts, a step is known less well than alone; be they told of, or not."""
    names = [f"loader_{number}" for number in range(6)]
    speedups = {BASELINE: 1.0, STREAMING: 2.0} | dict.fromkeys(names, 2.0)
    Planted(speedups=speedups, steps={STREAMING: {30: 0.7}}).save(tmp_path)
    (stepped,) = series_in(tmp_path, STREAMING)
    others = [_lasting(series_in(tmp_path, name)[0], seed) for seed, name in enumerate(names)]
    alone, beside, together = (
        find_changes(many, beside=rest)[0].steps[0].ratio
        for many, rest in (([stepped], []), ([stepped], others), ([stepped, *others], []))
    )
    assert beside == together
    assert beside.low < alone.low < alone.high < beside.high


def _lasting(series: Series, seed: int) -> Series:
    """Return a series with noise that lasts."""
    speedups = np.exp(autocorrelated(0.7)(np.random.default_rng(seed)))
    points = zip(series.points, speedups.tolist(), strict=True)
    return replace(series, points=tuple(replace(point, speedup=speedup) for point, speedup in points))


def test_a_drift_is_no_step(eventful: Path) -> None:
    """0.3 % a run: no run has made it slow."""
    (changes,) = find_changes(series_in(eventful, FILE)[:1])
    drift = changes.drift
    assert changes.steps == []
    assert drift is not None
    assert (drift.first, drift.last) == (0, 59)
    assert drift.ratio.low < 0.997**59 < drift.ratio.high


def test_another_bottleneck(tmp_path: Path) -> None:
    """From the run on that has it, passing over runs in which it is unclear; two runs alone are none."""
    words = ["decode-bound"] * 4 + [""] + ["read-bound"] * 4 + ["wait-bound"] * 2 + ["read-bound"] * 3

    def set_word(data: dict[str, Any], *, word: str) -> None:
        for each in data["benchmarks"]:
            each["extra_info"]["bottleneck"] = word or "unclear"

    for path, word in zip(Planted(runs=len(words)).save(tmp_path), words, strict=True):
        edit(path, partial(set_word, word=word))
    (changes,) = find_changes(series_in(tmp_path)[:1])
    assert changes.bottlenecks == [AnotherBottleneck(5, "decode-bound", "read-bound")]


def test_an_upgrade_in_a_run_that_may_be_the_first(eventful: Path) -> None:
    """It is named, with its run: noise may hide where exactly a step is."""
    series = series_in(eventful)[0]
    points = list(series.points)
    points[36] = replace(points[36], speedup=(points[35].speedup * points[37].speedup) ** 0.5)
    for number in range(36, 60):
        points[number] = replace(points[number], versions=points[0].versions)
    for number in range(37, 60):
        points[number] = replace(points[number], versions={**points[0].versions, "keras": "4.0.0"})
    (step,) = find_changes([replace(series, points=tuple(points))])[0].steps
    assert (step.earliest, step.latest) == (36, 37)
    assert step.changed == ("Keras 3.15.1 → 4.0.0" + (" (run 0038)" if step.index == 36 else ""),)


# The command.


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was printed, in one line."""
    return " ".join(capsys.readouterr().out.split())


def test_list_and_show(eventful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs with their revision, and the figures of one."""
    assert main(["list", "--last", "2", f"--benchmark-storage=file://{eventful}"]) == 0
    out = said(capsys)
    assert "0059 2026-03-04 04:30" in out
    assert "0060 2026-03-05 04:30" in out
    assert "0058" not in out
    assert main(["--storage", str(eventful), "show", "60"]) == 0
    out = said(capsys)
    assert "tensorflow 2.21.0" in out
    assert f"loading {MEMORY}" in out


def test_steps(eventful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In sentences."""
    assert main(["--storage", str(eventful), "steps"]) == 0
    out = said(capsys)
    assert f"slower since run 0037 (revision {EVENTFUL.commit(36)[:10]}, 2026-02-10)" in out
    assert "Changed with it: TensorFlow 2.20.0 → 2.21.0." in out
    assert "slower little by little, without a step, from run 0001 to run 0060" in out
    assert f"{MEMORY} (loading): 60 runs, 0001 to 0060; speedup 54.7; no step, no drift" in out


def test_compare(eventful: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A benchmark that has become slower by more than its tolerance is exit code 1."""
    compare = ["--storage", str(eventful), "compare"]
    assert main([*compare, "30", "40"]) == 1
    assert f"Slower: {STREAMING} (loading)." in said(capsys)
    assert main([*compare, "40", "30"]) == 0
    for tolerance in ("30%", f"{STREAMING}=30", f"loading/{STREAMING}=30%"):
        assert main([*compare, "30", "40", "--tolerance", tolerance]) == 0
    assert main([*compare, "30", "40", "--tolerance=30%", f"--tolerance={STREAMING}=1%"]) == 1
    capsys.readouterr()
    assert main([*compare]) == 0
    assert "Run 0059" in said(capsys)
    assert main([*compare, "30", "40", "--tolerance", "nothing=3%"]) == 2
    assert "--tolerance nothing: neither run has it." in capsys.readouterr().err


def test_a_slower_limit_is_no_regression(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is shown; but no loader has become slower, and nobody is alerted."""
    limit = "limit_read_files"
    Planted(
        runs=2, noise=0.01, speedups={BASELINE: 1.0, STREAMING: 2.0, limit: 9.0}, steps={limit: {1: 0.5}}
    ).save(tmp_path)
    assert main(["--storage", str(tmp_path), "compare"]) == 0
    text = said(capsys)
    assert limit in text
    assert "slower" in text
    assert main(["--storage", str(tmp_path), "export", "github-bigger"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == [f"{STREAMING} (loading)"]


def test_compare_passes_over_what_was_not_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that failed is no baseline, unless it is named."""
    paths = Planted(runs=3).save(tmp_path)
    edit(paths[1], lambda data: data["loader_gate"].update(accepted=False))
    main(["--storage", str(tmp_path), "compare"])
    assert "Run 0001" in said(capsys)
    edit(paths[0], lambda data: data["loader_gate"].update(accepted=False))
    assert main(["--storage", str(tmp_path), "compare"]) == 2
    assert "no accepted run before 0003; name the run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["show", "77"], "77: there is no such run; the last ones are: 0058, 0059, 0060."),
        (["list", "--branch", "nobody"], "There is no run of branch nobody"),
        (["prune"], "say what stays"),
        (["import", "missing.json"], "missing.json: expected the JSON file of a run"),
        (["export", "parquet"], "say where to"),
        (["list", "--storage", "s3://bucket"], "--storage s3://bucket: expected a folder"),
        (["list", "--storage", "missing"], "--storage missing: there is no such folder"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], problem: str, eventful: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are named, and what is expected is said."""
    assert main(["--storage", str(eventful), *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_prune(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Says what it would delete, deletes it when asked to, and leaves the last accepted run there."""
    paths = Planted(runs=8).save(tmp_path)
    for path in paths[4:]:
        edit(path, lambda data: data["loader_gate"].update(accepted=False))
    prune = ["--storage", str(tmp_path), "prune", "--keep", "2"]
    assert main(prune) == 0
    assert "3 of 8 runs stay. Nothing is deleted without --delete." in said(capsys)
    assert all(path.exists() for path in paths)
    assert main([*prune, "--delete"]) == 0
    assert [path.exists() for path in paths] == [False] * 3 + [True] + [False] * 2 + [True] * 2
    assert main(["--storage", str(tmp_path), "prune", "--newer-than", "1", "--delete"]) == 0
    assert [path.name for path in sorted((tmp_path / FOLDER).iterdir())] == [paths[3].name]


def test_prune_keeps_the_baseline_of_each_benchmark(tmp_path: Path) -> None:
    """A run of a part of the suite does not stand for the rest, nor a doubtful one for a sure one."""
    paths = Planted(runs=4).save(tmp_path)
    for path in paths[2:]:
        edit(path, lambda data: data["benchmarks"].pop())
    doubtful = [{"workload": "loading", "variant": STREAMING}]
    edit(paths[3], lambda data: data["loader_gate"].update(doubtful=doubtful))
    assert main(["--storage", str(tmp_path), "prune", "--keep", "1", "--delete"]) == 0
    assert [path.exists() for path in paths] == [False, True, True, True]


def test_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs get the next numbers of their folder, nothing is overwritten, and what is there is noticed."""
    here, there, alone = tmp_path / "here", tmp_path / "there", tmp_path / "run.json"
    own = Planted(runs=2).save(here)
    before = [path.read_bytes() for path in own]
    others = Planted(runs=3, seed=1).save(there)
    shutil.copy(Planted(runs=1, seed=2).save(tmp_path / "third")[0], alone)
    others[0].write_text("{}", encoding="utf-8")
    edit(own[1], lambda data: data["loader_gate"].update(accepted=False))
    shutil.copy(own[0], others[0].with_name("0009_again.json"))
    arguments = ["--storage", str(here), "import", str(there), str(alone)]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert "3 imported, 1 there already." in captured.out
    assert f"{others[0]} is passed over" in captured.err
    names = sorted(path.name for path in (here / FOLDER).iterdir())
    assert names[:2] == [path.name for path in own]
    assert [name[:5] for name in names] == ["0001_", "0002_", "0003_", "0004_", "0005_"]
    assert "0003_run.json" in names
    assert own[0].read_bytes() == before[0]
    assert {path.read_bytes() for path in others[1:]} <= {
        path.read_bytes() for path in (here / FOLDER).iterdir()
    }
    assert main(arguments) == 0
    assert "0 imported, 4 there already." in capsys.readouterr().out


def test_import_into_a_new_storage(tmp_path: Path) -> None:
    """The folder is made; pytest-benchmark finds the runs where it would have saved them."""
    alone = tmp_path / "run.json"
    shutil.copy(Planted(runs=1).save(tmp_path / "there")[0], alone)
    assert main(["--storage", str(tmp_path / "new"), "import", str(alone)]) == 0
    assert (tmp_path / "new" / FOLDER / "0001_run.json").read_bytes() == alone.read_bytes()


def test_export(eventful: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each figure of each run, the same in both formats."""
    pq = pytest.importorskip("pyarrow.parquet")
    parquet = tmp_path / "runs.parquet"
    assert main(["--storage", str(eventful), "export", "parquet", "--output", str(parquet)]) == 0
    assert main(["--storage", str(eventful), "export", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == 240
    assert rows[100]["variant"] == STREAMING
    assert rows[100]["version_tensorflow"] == "2.21.0"
    table = pq.read_table(parquet).to_pylist()
    assert [row["speedup"] for row in table] == [float(row["speedup"]) for row in rows]
    assert table[100]["accepted"] is True


def test_names_from_files_are_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a formula for a spreadsheet nor a command for the terminal."""
    path = Planted(runs=1).save(tmp_path)[0]
    edit(path, lambda data: data["commit_info"].update(branch="=cmd()\x1b[2J"))
    for command in ("list", "show 1", "steps"):
        assert main(["--storage", str(tmp_path), *command.split()]) == 0
    assert "\x1b" not in capsys.readouterr().out
    assert main(["--storage", str(tmp_path), "export", "csv"]) == 0
    assert next(csv.DictReader(capsys.readouterr().out.splitlines()))["branch"].startswith("'=cmd")


@pytest.mark.parametrize(("better", "power"), [("bigger", 1), ("smaller", -1)])
def test_export_for_github_action_benchmark(
    better: str, power: int, eventful: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What its customBiggerIsBetter and customSmallerIsBetter read, of the last run."""
    assert main(["--storage", str(eventful), "export", f"github-{better}"]) == 0
    found = json.loads(capsys.readouterr().out)
    run = load_runs(eventful).runs[-1]
    expected = {f"{each.variant} (loading)": each.estimate.ratio**power for each in run.entries[1:]}
    assert {each["name"]: each["value"] for each in found} == pytest.approx(expected)
    assert all({*each} == {"name", "unit", "value", "range", "extra"} for each in found)
    assert all(isinstance(each["range"], str) for each in found)


def test_nothing_heavy_is_imported() -> None:
    """Reading and listing need neither ruptures nor SciPy nor pyarrow."""
    code = (
        "import sys, loader_gate.history.__main__; "
        "print({'ruptures', 'scipy', 'pyarrow', 'tensorflow'} & {*sys.modules})"
    )
    root = Path(__file__).resolve().parents[1]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
