"""Mutation testing: how changes are read, and what makes the command fail. mutmut itself is not run here."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.mutation.__main__ import PAGE, REASONS
from docs.mutation.mutants import Mutant, change_of, line_of, prepare, read_mutants
from docs.mutation.page import Reason, outdated, read_reasons, section, unexplained, with_section
from docs.mutation.rooms import ROOMS, Room
from tests.sessions import ROOT

SOURCE = '''"""Two functions."""


def first(a: int) -> bool:
    """Say it."""
    return a > 1


class Owner:
    """Has one."""

    def first(self, b: int) -> int:
        """Add one."""
        return (
            b + 1
        )
'''
NOTICED = Mutant("room/module.py", "first", "killed")
UNNOTICED = Mutant("room/module.py", "first", "survived", 6, "return a > 1", "return a >= 1")
REASON = Reason("room/module.py", "first", "return a > 1", "return a >= 1", "It is never 1.")


def test_where_a_function_begins() -> None:
    """A method is another one than the function of its name."""
    assert [line_of(each, SOURCE) for each in ("first", "Owner.first", "Owner.second", "No.first")] == [
        4,
        12,
        0,
        0,
    ]


def test_what_was_changed() -> None:
    """The line that is another one, whatever mutmut calls the function."""
    before = "def x_first__mutmut_orig(a: int) -> bool:\n    return a > 1\n"
    after = "def x_first__mutmut_12(a: int) -> bool:\n    return a >= 1\n"
    assert change_of(before, after) == (1, "return a > 1", "return a >= 1")
    assert change_of(before, before) == (0, "", "")


def test_results_become_mutants(tmp_path: Path) -> None:
    """Of one that was not noticed it is said where it is and what was changed."""
    module = tmp_path / "mutants" / "src" / "loader_gate" / "verdict" / "dump_size.py"
    module.parent.mkdir(parents=True)
    functions = (
        f"def x_held_to_base__mutmut_{name}(ratio):\n    '''Say it.'''\n    return ratio {sign} 1\n"
        for name, sign in (("orig", ">"), ("1", ">="), ("2", "<"))
    )
    module.write_text("\n\n".join(functions), encoding="utf-8")
    statuses = {
        "loader_gate.verdict.dump_size.x_held_to_base__mutmut_1": "survived",
        "loader_gate.verdict.dump_size.x_held_to_base__mutmut_2": "killed",
        "loader_gate.verdict.rules.xǁRulesǁjudge__mutmut_3": "not checked",
        "loader_gate.verdict.rules.x__found_floor__mutmut_4": "killed",
    }
    source = (ROOT / "src" / "loader_gate" / "verdict" / "dump_size.py").read_text(encoding="utf-8")
    line = source[: source.index("def held_to_base")].count("\n") + 3
    assert read_mutants(statuses, tmp_path) == [
        Mutant(
            "verdict/dump_size.py", "held_to_base", "survived", line, "return ratio > 1", "return ratio >= 1"
        ),
        Mutant("verdict/dump_size.py", "held_to_base", "killed"),
        Mutant("verdict/rules.py", "Rules.judge", "not checked"),
        Mutant("verdict/rules.py", "_found_floor", "killed"),
    ]


@pytest.mark.parametrize(
    ("mutant", "reasons", "is_open"),
    [
        (NOTICED, [], False),
        (UNNOTICED, [], True),
        (UNNOTICED, [REASON], False),
        (UNNOTICED, [Reason(*(REASON.file, "first", REASON.before, ""), "It is never 1.")], False),
        (UNNOTICED, [Reason(*(REASON.file, "first", REASON.before, "return a < 1"), "It is.")], True),
        (UNNOTICED, [Reason(*(REASON.file, "second", REASON.before, ""), "It is never 1.")], True),
        (
            Mutant(*("room/module.py", "first", "not checked"), 6, "return a > 1", "return a >= 1"),
            [REASON],
            True,
        ),
    ],
)
def test_what_makes_it_fail(mutant: Mutant, reasons: list[Reason], is_open: bool) -> None:
    """A change that no test notices and that nobody has explained; what was not tried cannot be explained."""
    assert unexplained([mutant], reasons) == [mutant] * is_open


def test_reasons_that_are_none_any_more() -> None:
    """Once a test notices the change, its reason goes; those of files that were not mutated stay."""
    elsewhere = Reason("room/other.py", "first", "return 1", "", "Nobody asks.")
    assert outdated([UNNOTICED], [REASON, elsewhere]) == []
    assert outdated([NOTICED], [REASON, elsewhere]) == [REASON]


def test_the_part_about_a_room() -> None:
    """A row a module, and every change that no test notices with its reason, or that it has none."""
    other = Mutant("room/module.py", "first", "no tests", 7, "x = `a | b`", "")
    text = section("room", [NOTICED, UNNOTICED, other, UNNOTICED], [REASON])
    assert "| `room/module.py` | 4 | 1 | 2 | 1 | 25.0 % |" in text
    assert text.count("It is never 1.") == 1
    assert "| `room/module.py:6` | `return a > 1` → `return a >= 1` | It is never 1. |" in text
    assert "| `room/module.py:7` | `x = 'a \\| b'` → nothing | **open** |" in text


def test_a_room_alone_leaves_the_others() -> None:
    """Its part of the page is put in the place of the one before, in the order of rooms."""
    rooms = ("one", "two", "three")
    page = with_section("", "three", "## three\n\nold\n", rooms)
    page = with_section(page, "one", "## one\n\nfirst\n", rooms)
    page = with_section(page, "three", "## three\n\nnew\n", rooms)
    assert page.startswith("# Mutation testing\n")
    assert page.endswith("## one\n\nfirst\n\n## three\n\nnew\n")
    assert with_section(page, "one", "## one\n\nfirst\n", rooms) == page


def test_what_mutmut_works_on(tmp_path: Path) -> None:
    """A copy, with settings of its own; what is there is gone on with."""
    room = Room("verdict", ("test_dump_size.py",), ("test_dump_size.py::test_what_is_larger",))
    for _ in range(2):
        prepare(room, tmp_path)
        text = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
        assert text.count("[tool.mutmut]") == 1
    assert "only_mutate = ['src/loader_gate/verdict/*.py']" in text
    assert "--deselect=tests/test_dump_size.py::test_what_is_larger" in text
    for name in ("src/loader_gate/verdict/rules.py", "tests/test_dump_size.py"):
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()


def test_rooms_have_their_tests() -> None:
    """Every file and test that is named is there."""
    for room in ROOMS:
        assert (ROOT / "src" / "loader_gate" / room.name).is_dir()
        for file in room.tests:
            assert (ROOT / "tests" / file).is_file(), file
        for node in room.without:
            file, _, name = node.partition("::")
            text = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert f"def {name}(" in text or f"class {name}" in text, node


def test_the_page_has_the_reasons() -> None:
    """Each of them, if its module is on the page, for a line that is there; none is open."""
    page = PAGE.read_text(encoding="utf-8")
    assert "**open**" not in page
    for each in read_reasons(REASONS):
        source = (ROOT / "src" / "loader_gate" / each.file).read_text(encoding="utf-8")
        assert each.before in " ".join(source.split()), each
        assert each.reason in page or f"| `{each.file}` |" not in page, each
