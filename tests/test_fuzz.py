"""Whatever is in a file or an option: an error of ours that names it, or an answer, and never a traceback.

Few cases each time, drawn in the same way; `tox run -e fuzz` draws many more, and others each time.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import os
import re
import subprocess
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from loader_gate import argument_types
from loader_gate.advice.__main__ import main as advise
from loader_gate.history.__main__ import main as history
from loader_gate.registry.variant import Variant
from loader_gate.report.make import write_report
from loader_gate.report.summary import summary_of_file
from loader_gate.runs.confirmation import ConfirmError, read_earlier_run
from loader_gate.runs.parsing import run_or_problem
from loader_gate.sizes import parse_size
from loader_gate.trees.coco import coco_images
from loader_gate.trees.look import look
from loader_gate.trees.request import PRESETS, TreeRequest
from loader_gate.trees.tree import TreeError
from loader_gate.verdict.floors import FloorsError, OwnFloor
from loader_gate.verdict.floors_file import load_floors
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerError, WorkerProcess
from loader_gate.workloads.device import DeviceError, parse_device
from tests.made_up_runs import HOSTILE, made_up_run
from tests.test_saved_runs import INFO, write_run

#: How many cases each test draws.
CASES = int(os.environ.get("LOADER_GATE_FUZZ", "0"))
settings.register_profile(
    "ours",
    settings(
        max_examples=CASES or 25,
        derandomize=not CASES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    ),
)
settings.load_profile("ours")

#: At the beginning of a line of a log it would switch off our own annotations.
COMMAND = "\n::stop-commands::x"
texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", HOSTILE, "]]>", COMMAND, "\x1b[31m", "\u202e", "../../x"]),
)
numbers = st.one_of(
    st.integers(-3, 3), st.integers(), st.sampled_from([10**400, -(10**20)]), st.floats(), st.booleans()
)
values = st.recursive(
    st.one_of(st.none(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
#: Where to change something, as a share of all places, and what becomes of it; None takes it away.
changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.one_of(st.none(), values)), max_size=4)


def places(found: Any) -> list[tuple[Any, Any]]:
    """Return every place in JSON: what holds it, and its key there."""
    keys = list(found) if isinstance(found, dict) else range(len(found)) if isinstance(found, list) else ()
    return [place for key in keys for place in ((found, key), *places(found[key]))]


def changed(data: Any, those: list[tuple[float, Any]]) -> Any:
    """Return JSON with some places changed."""
    data = copy.deepcopy(data)
    for share, value in those:
        every = places(data)
        if every:
            holder, key = every[int(share * len(every))]
            if value is None:
                del holder[key]
            else:
                holder[key] = value
    return data


def run_of(data: Any, folder: Path) -> Path:
    """Write JSON as the only run of a storage, and return its file."""
    path = folder / "machine" / "0001_run.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@given(name=texts.map(f"{COMMAND}{{}}".format), missing=st.sampled_from(["", "mean"]), those=changes)
def test_saved_runs(name: str, missing: str, those: list[tuple[float, Any]], tmp_path: Path) -> None:
    """All that reads a run: the list, the steps, the map, the summary and the page."""
    run = made_up_run()
    for each in run["benchmarks"]:
        each["fullname"] = name
        each["stats"].pop(missing, None)  # which is said of it by its name
    path = run_of(changed(run, those), tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        assert history(["--storage", str(tmp_path)]) in (0, 1, 2)
        assert advise([str(path)]) in (0, 1)
    assert not re.search(r"[\x1b\u202e]|^::", out.getvalue() + err.getvalue(), re.MULTILINE)
    summary = summary_of_file(path)
    assert HOSTILE not in summary
    assert not re.search(r"^::", summary, re.MULTILINE)
    found = run_or_problem(path)
    if isinstance(found, str):
        assert str(path) in found
        return
    page = tmp_path / "report.html"
    write_report(page, json.loads(path.read_text(encoding="utf-8")), [found], [])
    assert HOSTILE not in page.read_text(encoding="utf-8")


@given(those=changes)
def test_runs_to_go_on_with(those: list[tuple[float, Any]], tmp_path: Path) -> None:
    """A damaged one is refused by name."""
    info = {**INFO, "base_revision": "c0ffee", "kind": "streaming", "verdict": "undecided"}
    path = write_run(tmp_path / "run.json", info, comparisons=17, tolerance=0.01, seed=1)
    data = changed(json.loads(path.read_text(encoding="utf-8")), those)
    path.write_text(json.dumps(data), encoding="utf-8")
    with contextlib.suppress(ConfirmError):
        read_earlier_run(path)


COCO = {
    "images": [{"id": number, "file_name": f"{number}.jpg"} for number in (1, 2, 3)],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "area": 5.5, "iscrowd": 0},
        {"id": 2, "image_id": 2, "category_id": 2, "bbox": [1, 1, 2, 2]},
        {"id": 3, "image_id": 2, "category_id": 1, "area": 90, "iscrowd": 1},
        {"id": 4, "image_id": 3, "category_id": 2, "area": 7},
    ],
}


@given(those=changes, cut=st.floats(0, 1))
def test_coco_annotations(those: list[tuple[float, Any]], cut: float, tmp_path: Path) -> None:
    """Any JSON, whole or cut: no image is looked for elsewhere, and each has a class."""
    for number in (1, 2, 3):
        (tmp_path / f"{number}.jpg").touch()
    text = json.dumps(changed(COCO, those))
    path = tmp_path / "instances.json"
    path.write_text(text[: 1 + int(cut * len(text))] if cut < 0.3 else text, encoding="utf-8")
    with contextlib.suppress(TreeError):
        for image in coco_images(tmp_path, path, tmp_path / "cache", skip_missing=True).images:
            assert Path(image.path).resolve().parent == tmp_path.resolve()
            assert image.class_name


ANSWERS: list[dict[str, Any]] = [
    {"kind": "streaming", "build_seconds": 0.1},
    {"seconds": 0.5, "epochs": 1, "batch_seconds": {"p50": 0.03}, "shuffle_quality": None},
    {"error": "ValueError: no image"},
    {"difference": "3 images are missing"},
    {"not_cold": "its data was in the page cache"},
]


@given(
    answer=st.one_of(st.sampled_from(ANSWERS), values),
    those=changes,
    cut=st.floats(0, 1),
    before=st.sampled_from([b"", b"", b"Hello.\n", b"{}", b"1"]),
)
def test_answers_of_workers(answer: Any, those: list[tuple[float, Any]], cut: float, before: bytes) -> None:
    """Whatever a loader makes its process write to the connection: an answer, or an error that says so."""
    message = json.dumps(changed(answer, those)).encode()

    def answering(_: object, __: object, connection: Connection, stderr: int) -> Any:
        os.write(connection.fileno(), before)
        connection.send_bytes(message[: int(cut * len(message))] if cut < 0.3 else message)
        # It reads what it is asked until the connection is closed.
        own = {"stdin": connection.fileno(), "stdout": stderr, "start_new_session": True}
        return subprocess.Popen(["/bin/cat"], **own)  # type: ignore[call-overload]

    variant = Variant("any", "any", "any")
    worker = WorkerProcess(variant, [], WorkerLimits(0.2), fork=answering)  # type: ignore[arg-type]
    try:
        with contextlib.suppress(WorkerError):
            assert isinstance(worker.ask("pass", epochs=1), dict)
    finally:
        worker.end()


FLOORS: dict[str, Any] = {
    "profiles": {
        "mine": {"min_cores": 2, "gpu": False, "loading": {"tfdata_no_cache": 1.5, "a.b:c": 2}},
        "other": {"measured": {"loading": {"date": "2026-01-01", "images": 256}}, "dump": {}},
    }
}


@given(those=changes, cut=st.floats(0, 1))
def test_floors(those: list[tuple[float, Any]], cut: float, tmp_path: Path) -> None:
    """Any TOML, whole or cut."""
    try:
        text = tomlkit.dumps(changed(FLOORS, those))
    except Exception:
        assume(False)
    path = tmp_path / "floors.toml"
    path.write_text(text[: 1 + int(cut * len(text))], encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(FloorsError):
        load_floors(path, ["tfdata_no_cache"])


@pytest.mark.parametrize(
    ("parse", "refused"),
    [
        (parse_size, ValueError),
        (OwnFloor.parse, FloorsError),
        (lambda text: parse_device(text, has_gpu=False), DeviceError),
        (argument_types.count, argparse.ArgumentTypeError),
        (argument_types.positive, argparse.ArgumentTypeError),
        (argument_types.size, argparse.ArgumentTypeError),
    ],
)
@given(text=st.one_of(texts, st.from_regex(r"[\w/:.=-]{0,5}[=:]?[-+0-9a-zA-Z_.]{1,6}", fullmatch=True)))
def test_options(parse: Callable[[str], object], refused: type[Exception], text: str) -> None:
    """A text is taken, or refused by its own error."""
    with contextlib.suppress(refused):
        parse(text)


sizes = st.one_of(st.none(), st.integers(-1, 12), st.integers())


@given(
    tree=st.one_of(st.none(), st.sampled_from([*PRESETS, "large"])),
    tree_images=sizes,
    classes=sizes,
    images_per_class=sizes,
    tree_seed=st.integers(),
)
def test_trees_that_are_asked_for(**asked: Any) -> None:
    """What passes has a size, which is above 0 and fits its classes."""
    request = TreeRequest(**asked)
    with contextlib.suppress(TreeError):
        request.check()
        images, classes = request.sizes()
        assert 0 < classes <= images


def encoded(name: str) -> bytes:
    """Return a small image in a format."""
    into = io.BytesIO()
    Image.effect_noise((20, 13), 60).convert("P" if name == "GIF" else "RGB").save(into, name)
    return into.getvalue()


IMAGES = {name: encoded(name) for name in ("JPEG", "PNG", "GIF", "BMP")}


@given(
    name=st.sampled_from(sorted(IMAGES)),
    where=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    cut=st.floats(0, 1),
)
def test_damaged_images(name: str, where: list[tuple[float, int]], cut: float, tmp_path: Path) -> None:
    """Good or bad, with what is wrong with it; headers are hit as often as pixels."""
    data = bytearray(IMAGES[name])
    for share, byte in where:
        data[int(share**2 * len(data))] = byte
    path = tmp_path / f"image.{name.lower()}"
    path.write_bytes(data[: int(cut * len(data)) + 1] if cut < 0.5 else data)
    digest, _, reason = look((str(path), None))
    assert (digest is None) != (reason is None)
    assert "\n" not in (reason or "")
