"""Which processors stand for so many cores, and what is started on them."""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loader_gate.machine.cores import processors
from loader_gate.machine.topology import Binding, bind, bound_to
from loader_gate.session.bindings import (
    CoresError,
    about_other_workloads,
    bindings,
    bindings_of,
    check_selected,
)
from loader_gate.workloads.known import known_workloads

SHOW = "from loader_gate.machine.cores import cores, processors; print(cores(), *processors())"


def system(folder: Path, siblings: dict[int, str], name: str = "core_cpus_list") -> Path:
    """Return a root whose ``sys`` says which processors are on one core."""
    for processor, line in siblings.items():
        file = folder / f"sys/devices/system/cpu/cpu{processor}/topology" / name
        file.parent.mkdir(parents=True)
        file.write_text(f"{line}\n")
    return folder


@pytest.mark.parametrize("name", ["core_cpus_list", "thread_siblings_list"])
def test_each_has_a_core_of_its_own(name: str, tmp_path: Path) -> None:
    """As long as there are cores; then hyper-threads have to share, which is said."""
    root = system(tmp_path, {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}, name)
    found = [bind(count, {0, 1, 2, 3}, root) for count in (1, 2, 3, 4)]
    assert found == [
        Binding((0,)),
        Binding((0, 1)),
        Binding((0, 1, 2), shares_cores=True),
        Binding((0, 1, 2, 3), shares_cores=True),
    ]
    assert bind(2, {0, 2, 3}, root) == Binding((0, 3))


def test_siblings_as_a_range(tmp_path: Path) -> None:
    """As Linux writes neighbours."""
    root = system(tmp_path, {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"})
    assert bind(2, {0, 1, 2, 3}, root) == Binding((0, 2))


def test_where_the_system_does_not_tell(tmp_path: Path) -> None:
    """Each processor counts as a core; a line that is no list is none."""
    assert bind(2, {5, 3, 9}, tmp_path) == Binding((3, 5))
    assert bind(2, {0, 1}, system(tmp_path, {0: "?", 1: ""})) == Binding((0, 1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,9", "this session may use 4 cores, not 9"),
        ("0,2", "'0' is no number of cores"),
        ("-1", "'-1' is no number of cores"),
        ("1.5", "'1.5' is no number of cores"),
        ("one", "'one' is no number of cores"),
        ("1,,2", "'nothing' is no number of cores"),
        ("1000000000000", "is no number of cores"),
        ("²", "is no number of cores"),
        ("1,2,1", "1 is there twice"),
        ("4", "all cores are measured anyway, and fewer beside them: name fewer, such as --cores 1,4"),
    ],
)
def test_what_cannot_be_asked_for(text: str, words: str, tmp_path: Path) -> None:
    """It is refused by name, with what to ask for."""
    with pytest.raises(CoresError, match=words.replace(".", r"\.")) as refused:
        bindings(text, 4, range(4), tmp_path)
    assert str(refused.value).startswith(f"--cores {text}: ")


def test_what_can_be_asked_for(tmp_path: Path) -> None:
    """Fewer cores, ascending, and all of them: a quota may allow fewer than there are processors."""
    assert [each.cores for each in bindings("2, 1", 4, range(4), tmp_path)] == [1, 2, 4]
    assert [each.cores for each in bindings("1,4", 4, range(4), tmp_path)] == [1, 4]
    assert [each.cores for each in bindings("1", 2, range(8), tmp_path)] == [1, 2]
    with pytest.raises(CoresError, match="that takes more than one core"):
        bindings("1", 1, range(1), tmp_path)


def test_what_it_is_about() -> None:
    """Loading: of another workload it is said, and alone it is refused."""
    found = bindings("1", 2, range(2))
    known = known_workloads()
    assert about_other_workloads(found, known["loading"]) == ()
    assert about_other_workloads((), known["training"]) == ()
    (note,) = about_other_workloads(found, known["training"])
    assert "training was measured on all cores only" in note
    check_selected(found, ["loading", "training"])
    check_selected((), ["training"])
    check_selected(found, [])
    with pytest.raises(CoresError, match="no test of it is selected"):
        check_selected(found, ["training", "dump"])


def test_not_with_a_base() -> None:
    """One comparison at a time."""
    for name in ("against", "against_python"):
        options = argparse.Namespace(**{"against": None, "against_python": None, "cores": "1", name: "HEAD"})
        with pytest.raises(CoresError, match="a comparison with a base is made on all cores"):
            bindings_of(options, 2)
    assert bindings_of(argparse.Namespace(cores=None), 2) == ()


def test_a_system_without_affinity() -> None:
    """One sentence."""
    with pytest.raises(CoresError, match="this system cannot bind a process to some of its cores"):
        bindings("1", 4, None)


@pytest.mark.skipif(len(processors() or ()) < 2, reason="needs affinity, and two processors")
def test_bound_from_the_first_instruction_on() -> None:
    """What is started is bound, with its threads and children; other threads of this process are not."""
    allowed = processors() or frozenset()
    last = max(allowed)
    with ThreadPoolExecutor(1) as other:
        other.submit(processors).result()  # it is there before
        with bound_to((last,)):
            bound = subprocess.run([sys.executable, "-c", SHOW], check=True, capture_output=True, text=True)
            elsewhere = other.submit(processors).result()
    assert bound.stdout.split() == ["1", str(last)]
    assert elsewhere == processors() == allowed
    with bound_to(()):
        assert processors() == allowed
