"""File names of strangers: whatever bytes they are, they are measured or refused readably, and text."""

from __future__ import annotations

import io
import json
import os
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.trees import NewFolder, NewTree, write_image
from loader_gate.advice.__main__ import main as advice
from loader_gate.bisect.__main__ import main as bisect
from loader_gate.capacity.__main__ import main as capacity
from loader_gate.copy_variant import main as copy_variant
from loader_gate.doctor.__main__ import main as doctor
from loader_gate.growth.__main__ import main as growth
from loader_gate.progress import Display
from loader_gate.registry.variant import BASELINE
from loader_gate.report.__main__ import main as report
from loader_gate.text import in_words, one_line, printable, printable_lines
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.trees.tree import TreeError
from tests.made_up_runs import made_up_run

#: At the beginning of a line of a log it would switch off our own annotations.
COMMAND = "\n::stop-commands::x"
NAMES = (
    unicodedata.normalize("NFD", "né.jpg"),
    unicodedata.normalize("NFC", "né.jpg"),
    "line\nbreak.jpg",
    "tab\there.jpg",
    "-rf.jpg",
    "\u202egpj.exe.jpg",
    "x" * 240 + ".jpg",
    "<b>&amp;.jpg",
    "a[0]{1}*.jpg",
    "back\\slash.jpg",
    "::stop-commands::x.jpg",
    "\x1b[31mred.jpg",
)
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")


@only_linux
def test_odd_names_are_measured_where_they_are(new_folder: NewFolder, new_subset: NewTree) -> None:
    """They are names as any other."""
    root = new_folder("a [1] {x}", x=2, y=2)
    for name in NAMES:
        write_image(root / "x" / name)
    tree = new_subset(root)
    assert tree.root == root
    assert {Path(path).name for path in tree.paths} >= {*NAMES}


@only_linux
def test_bytes_that_are_no_utf_8(new_folder: NewFolder, new_subset: NewTree) -> None:
    """No string of TensorFlow holds them: the image gets a link whose name is text, and so does a class."""
    root = new_folder("a", x=2, y=2)
    image = write_image(root / "x" / "plain.jpg").read_bytes()
    Path(os.fsdecode(os.fsencode(root / "x") + b"/jalape\xf1o.jpg")).write_bytes(image)
    (root / "y").rename(os.fsdecode(os.fsencode(root) + b"/ma\xf1ana"))
    tree = new_subset(root)
    assert tree.class_names == ("ma\\xf1ana", "x")
    assert len(tree) == 6
    assert any(path.endswith("/jalape\\xf1o.jpg") for path in tree.paths)
    for path in tree.paths:
        path.encode("utf-8")
        assert Path(path).is_file()


@only_linux
def test_errors_are_text(new_folder: NewFolder, new_subset: NewTree) -> None:
    """No name of a file steers the terminal or the runner, or breaks a line."""
    root = new_folder("a\n::stop-commands::z", x=2, y=2)
    for name in NAMES:
        (root / "x" / name).write_bytes(b"")
    with pytest.raises(TreeError, match="12 files") as caught:
        new_subset(root)
    lines = printable_lines(str(caught.value)).splitlines()
    assert len(lines) == 1 + len(NAMES)
    assert not [line for line in lines if line.lstrip().startswith("::")]
    assert all(line.isprintable() for line in lines)


def test_a_class_that_is_a_command(new_folder: NewFolder, new_subset: NewTree) -> None:
    """Its name stands at the beginning of a line."""
    root = new_folder("a", x=2, y=2)
    (root / "::stop-commands::x").mkdir()
    with pytest.raises(TreeError) as caught:
        new_subset(root)
    assert str(caught.value).splitlines()[1] == r"  \x3a:stop-commands::x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", r"\x3a:error::x"),
        ("a ::error::x", r"a \x3a:error::x"),
        ("a::b std::string", "a::b std::string"),
        ("##[group]x", r"\x23#[group]x"),
        ("a\nb\x1b[1m\u202e", r"a\nb\x1b[1m\u202e"),
        ("né 猫", "né 猫"),
        ("\udcf1", r"\udcf1"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    """What steers is spelled out, wherever a line may be broken; words stay."""
    assert printable(text) == shown
    assert printable(shown) == shown


def test_lines() -> None:
    """Lines of ours stay lines, those of an exception become one."""
    assert printable_lines("a:\n  ::b") == "a:\n  \\x3a:b"
    assert one_line("a\n::b  c\r\n") == r"a \x3a:b c"


def test_exception_of_a_loader() -> None:
    """Its newline would put a command at column 0 of the log, which switches off our own annotations."""
    assert in_words(ValueError("no\n::stop-commands::token")) == r"ValueError: no \x3a:stop-commands::token"


@only_linux
@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (advice, ["run.json"]),
        (capacity, ["run.json", "--variant=a"]),
        (report, ["run.json"]),
        (doctor, [f"--variant={COMMAND}"]),
        (growth, [COMMAND]),
        (bisect, ["good", "bad", "--loader=a:b"]),
        (copy_variant, [BASELINE, "FOLDER"]),
    ],
)
def test_errors_of_commands(
    command: Callable[[list[str]], int],
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """None begins a line with a command for the runner, be it in a saved run, an option or the folder."""
    folder = tmp_path / COMMAND
    folder.mkdir()
    monkeypatch.chdir(folder)
    run = made_up_run()
    run["benchmarks"][0] |= {"fullname": COMMAND, "stats": {}}
    Path("run.json").write_text(json.dumps(run), encoding="utf-8")
    Path("tree.py").touch()
    assert command([each.replace("FOLDER", str(folder)) for each in arguments]) > 0
    said = capsys.readouterr().err
    assert COMMAND.strip() in said.replace(r"\x3a", ":")
    assert COMMAND not in said


def test_what_is_passed_over_is_said(new_folder: NewFolder) -> None:
    """Hidden images, other kinds, images beside the classes: nothing vanishes silently."""
    root = new_folder("a", x=2, y=2)
    for name in ("stray.jpg", "x/._001.jpg", "x/a.webp", "y/b.HEIC", "x/notes.txt"):
        (root / name).write_bytes(b"")
    display = Display(io.StringIO())
    assert len(prepare_tree(TreeRequest(root), display, cache=root.parent / "cache")) == 4
    said = display.notices[0].splitlines()
    assert [line.strip() for line in said[1:]] == [
        "stray.jpg is in no class folder",
        "x/._001.jpg is hidden",
        "x/a.webp is of a kind that not every loader reads",
        "y/b.HEIC is of a kind that not every loader reads",
    ]


def test_links_that_lead_nowhere(new_folder: NewFolder, new_subset: NewTree) -> None:
    """Each is named, with what helps: loops, files of git-annex that were not fetched, folders in a loop."""
    root = new_folder("a", x=2, y=2)
    (root / "x" / "loop.jpg").symlink_to("loop.jpg")
    (root / "x" / "annex.jpg").symlink_to(
        "../../.git/annex/objects/0x/9f/SHA256E-s9--0.jpg/SHA256E-s9--0.jpg"
    )
    (root / "nowhere").symlink_to("nowhere")
    with pytest.raises(TreeError, match="2 files") as caught:
        new_subset(root)
    assert "loop.jpg is a link that leads to itself" in str(caught.value)
    assert "annex.jpg is a link to a file of git-annex that is not here: run `git annex get .`" in str(
        caught.value
    )


def test_folders_in_classes(new_folder: NewFolder, new_subset: NewTree) -> None:
    """Each is named, and what has left it there; one that leads back to the classes, too."""
    root = new_folder("a", x=2, y=2)
    (root / "x" / "again").symlink_to(root)
    write_image(root / "y" / "@eaDir" / "1.jpg")
    with pytest.raises(TreeError, match="lie in class folders") as caught:
        new_subset(root)
    lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
    assert lines == [
        f"{root / 'x' / 'again'}",
        f"{root / 'y' / '@eaDir'} (left there by a Synology server: remove it)",
    ]


def test_two_names_that_are_one_to_the_cache(
    new_folder: NewFolder, new_subset: NewTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that knows no upper case takes them for one; the message says which and what to do."""
    root = new_folder("a", x=2, y=2)
    write_image(root / "x" / ".hidden.png")
    monkeypatch.setattr("loader_gate.trees.source.readable", lambda name: name[:1])
    with pytest.raises(TreeError, match=r"cannot be linked to beside another .* LOADER_GATE_CACHE"):
        new_subset(root)
