"""Saved runs: what is read from their files, and how one is marked as accepted."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import pytest

from loader_gate.plugin.benchmark_storage import BenchmarkStorage
from loader_gate.runs.acceptance import mark_accepted
from loader_gate.runs.parsing import RunError, read_run

STATS = dict.fromkeys(("min", "max", "mean", "stddev", "median", "iqr", "rounds", "iterations"), 1.0)
BENCHMARK = {"fullname": "test[a]", "name": "test[a]", "group": "loading", "stats": STATS}
INFO = {"workload": "loading", "variant": "a", "speedup": 2.0, "speedup_low": 1.9, "speedup_high": 2.1}


def write_run(path: Path, *infos: dict[str, Any], **about: Any) -> Path:
    """Write a run with these benchmarks."""
    benchmarks = [{**BENCHMARK, "extra_info": info} for info in infos]
    data = {"machine_info": {"node": "here"}, "benchmarks": benchmarks, "loader_gate": about}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot be read: Expecting value"),
        ('{"machine_info": {', "cannot be read"),
        ("\xff", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[]", "it holds no object"),
        ("{}", "it has no machine_info"),
        ('{"machine_info": {}}', "it has no list of benchmarks"),
        ('{"machine_info": {}, "benchmarks": {}}', "it has no list of benchmarks"),
        ('{"machine_info": {}, "benchmarks": [1]}', "benchmark 0 has no fullname"),
        ('{"machine_info": {}, "benchmarks": [{"fullname": "a"}]}', "a has no figure min"),
        (
            json.dumps({"machine_info": {}, "benchmarks": [{**BENCHMARK, "stats": {**STATS, "iqr": "?"}}]}),
            "test[a] has no figure iqr in its stats",
        ),
    ],
)
def test_damaged_files(text: str, problem: str, tmp_path: Path) -> None:
    """Whatever is in a file, reading it raises nothing but an error that names it."""
    path = tmp_path / "0001_run.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError) as caught:
        read_run(path)
    assert str(caught.value).startswith(f"{path} is passed over, as it ")
    assert problem in str(caught.value)


def test_a_folder_of_odd_runs(tmp_path: Path) -> None:
    """Each is named and passed over, and the last good one compared with."""
    storage = BenchmarkStorage(f"file://{tmp_path}")
    folder = storage._files.get("").resolve()
    good = write_run(folder / "0001_good.json", INFO, accepted=True)
    text = good.read_text(encoding="utf-8")
    old = {**json.loads(text), "version": "3.0.0", "loader_gate": None}
    odd: dict[str, bytes] = {
        "empty": b"",
        "cut": text[:-40].encode(),
        "list": b'[{"name": "loading", "value": 0.4}]',
        "nan": text.replace("2.0", "NaN").encode(),
        "nan_figure": text.replace('"mean": 1.0', '"mean": NaN').encode(),
        "bom": b"\xef\xbb\xbf" + text.encode(),
        "utf16": text.encode("utf-16"),
        "conflict": f"<<<<<<< HEAD\n{text}\n=======\n{text}\n>>>>>>> main\n".encode(),
        "null": json.dumps({**json.loads(text), "benchmarks": None}).encode(),
        "of_3_0": json.dumps(old).encode(),
    }
    for number, (name, content) in enumerate(odd.items(), 2):
        (folder / f"{number:04}_{name}.json").write_bytes(content)
    (folder / "0020_link.json").symlink_to("nowhere.json")
    (folder / "0021_folder.json").mkdir()
    found = BenchmarkStorage(f"file://{tmp_path}").accepted
    figures = [entry.estimate.ratio for run in found.runs for entry in run.entries]
    assert figures == [2.0]
    assert found.runs[-1].path == good
    said = "\n".join(found.about)
    for name in (*odd, "link", "folder"):
        assert re.search(rf"_{name}\.json.* passed over", said), (name, said)


def test_no_file(tmp_path: Path) -> None:
    """Neither does a file that is gone."""
    with pytest.raises(RunError, match="cannot be read"):
        read_run(tmp_path / "0001_run.json")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"speedup": "2"}, "speedup is '2', expected a number above 0"),
        ({"speedup": -1}, "speedup is -1"),
        ({"speedup": True}, "speedup is True"),
        ({"speedup": math.nan}, "speedup is nan"),
        ({"speedup": 10**400}, "expected a number above 0"),
        ({"speedup": 3.0}, "speedup 3.0 is outside its interval 1.9–2.1"),
        ({"speedup_low": []}, "speedup_low is []"),
        ({"images_per_second": {}}, "images_per_second is {}"),
        ({"variant": None}, "variant None, expected names"),
    ],
)
def test_damaged_entries(change: dict[str, Any], problem: str, tmp_path: Path) -> None:
    """One bad benchmark does not spoil the others of its run."""
    run = read_run(write_run(tmp_path / "0001_run.json", {**INFO, **change}, {**INFO, "variant": "b"}))
    assert [entry.variant for entry in run.entries] == ["b"]
    (text,) = run.damaged
    assert text.startswith(f"test[a] in {run.path} is passed over: ")
    assert problem in text


def test_entries_without_a_speedup(tmp_path: Path) -> None:
    """A benchmark of somebody else, or one without figures, is no damage."""
    infos: list[Any] = [{}, {"speedup": 2.0}, {**INFO, "speedup": None}, None]
    run = read_run(write_run(tmp_path / "run.json", *infos))
    assert (run.entries, run.damaged) == ((), ())
    assert (run.accepted, run.label) == (None, "run.json")


@pytest.mark.parametrize("accepted", [None, "yes", 1, []])
def test_only_true_is_accepted(accepted: object, tmp_path: Path) -> None:
    """Anything that is no mark is taken for none."""
    assert read_run(write_run(tmp_path / "0001_a.json", INFO, accepted=accepted)).accepted is None


def test_a_calibrated_accelerator_is_one_device(tmp_path: Path) -> None:
    """Its speed follows the baseline's from session to session; a speed that was asked for does not."""
    works = [
        read_run(write_run(tmp_path / "run.json", {**INFO, "device": device}, device=asked)).entries[0].work
        for device, asked in (
            ("emulated:1200", "emulated"),
            ("emulated:1300", "emulated"),
            ("emulated:1300", "emulated:1300"),
            ("cpu", "auto"),
        )
    ]
    assert [work.device for work in works] == ["emulated", "emulated", "emulated:1300", "cpu"]


def test_marking(tmp_path: Path) -> None:
    """The mark is all that changes: no figure, no right, no neighbour, nothing left behind."""
    path = write_run(tmp_path / "0001_run.json", INFO, accepted=False, run="this one", other=[0.1, 1e-17])
    path.chmod(0o640)
    before = json.loads(path.read_text(encoding="utf-8"))
    assert mark_accepted(path, "this one")
    after = json.loads(path.read_text(encoding="utf-8"))
    assert after["loader_gate"].pop("accepted") is True
    assert before["loader_gate"].pop("accepted") is False
    assert after == before
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_marking_through_a_link(tmp_path: Path) -> None:
    """A link stays a link, to the marked run."""
    path = write_run(tmp_path / "0001_run.json", INFO, accepted=False, run="this one")
    link = tmp_path / "latest.json"
    link.symlink_to(path)
    assert mark_accepted(link, "this one")
    assert link.is_symlink()
    assert read_run(path).accepted is True


def test_only_the_run_of_that_id_is_marked(tmp_path: Path) -> None:
    """Somebody else may have saved in the meantime; and not every file is a run, or even a file."""
    path = write_run(tmp_path / "0001_run.json", INFO, accepted=False, run="another", note="this one")
    before = path.read_bytes()
    assert not mark_accepted(path, "this one")
    assert path.read_bytes() == before
    assert not mark_accepted(Path(os.devnull), "this one")
    assert not mark_accepted(tmp_path / "nowhere.json", "this one")


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced at once or not at all."""
    path = write_run(tmp_path / "0001_run.json", INFO, accepted=False, run="this one")
    before = path.read_bytes()

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        mark_accepted(path, "this one")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
