"""What made a loader slower: what steps mean, what is said, what is refused, and what is left behind."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loader_gate.base.repository import Repository
from loader_gate.bisect.__main__ import main
from loader_gate.bisect.asked import Asked, BisectError, places
from loader_gate.bisect.commits import candidates, range_between, repository_of, run, start
from loader_gate.bisect.halving import fewest
from loader_gate.bisect.judging import EXIT_CODES, Found, Line, narrowest, steps_left, summed_error
from loader_gate.bisect.packages import Differences, Environment
from loader_gate.bisect.project import SettingsNotKeptError, project_settings, with_settings
from loader_gate.bisect.search_packages import search_packages
from loader_gate.bisect.session import Stage, read
from loader_gate.bisect.step import Plan
from loader_gate.bisect.words import about_end, about_line, about_step, about_sureness, why_no_search
from loader_gate.plugin.settings import read_settings
from loader_gate.registry.variant import BASELINE
from loader_gate.sizes import parse_size
from loader_gate.statistics.session_error import SESSION_ERROR
from loader_gate.text import WIDTH
from loader_gate.verdict.change import RESOLUTION
from tests.test_against_end_to_end import git

LOADER = "def photos(tree, spec):\n    return []\n"
ASKED = Asked("photos", "loaders:photos", {"batch-size": 8}, ("-x",), 90.0, ".", (".",), ())


def found(outcome: str, change: float | None = 1.5, **more: Any) -> Found:
    """Return what a session has found, of made-up figures."""
    low, high = (None, None) if change is None else (change / 1.05, change * 1.05)
    return Found(outcome, change, low, high, more.pop("reason", "its own sentence"), 30.0, **more)


# What a step means.


@pytest.mark.parametrize(
    ("outcome", "judgement", "code"),
    [
        ("regression", "slower", 1),
        ("slower", "not slower", 0),  # proven, but within the tolerance, and more is ruled out
        ("same", "not slower", 0),
        ("improvement", "not slower", 0),
        ("undecided", "skipped", 125),
        ("unmeasured", "skipped", 125),
    ],
)
def test_what_an_outcome_means(outcome: str, judgement: str, code: int) -> None:
    """Git is told so by an exit code."""
    step = found(outcome)
    assert step.judgement == judgement
    assert EXIT_CODES[step.judgement] == code


@pytest.mark.parametrize("change", [1.03, 1.1, 1.5, 3.6])
def test_the_line_is_half_way(change: float) -> None:
    """It is as far from one side as from the other, in the middle of what a session may leave open."""
    line = Line(change)
    assert change / line.half == pytest.approx(line.half)
    assert line.tolerance + 1 < line.half < line.tolerance + 1 + RESOLUTION
    assert line.is_wide_enough
    assert 1 + line.tolerance > 1
    assert 1 + line.tolerance + RESOLUTION < change


def test_a_large_slowdown() -> None:
    """A session takes a tolerance below 100 %, and that is said."""
    line = Line(9.0)
    assert 0.85 < line.tolerance < 0.95
    assert "beyond less than half of that, 1.910" in " ".join(
        about_line(line, found("regression", 9.0), "a", "b")
    )


def test_what_is_too_little_to_tell() -> None:
    """A tolerance below zero would call the good side slower than itself."""
    assert Line(narrowest() + 1e-9).is_wide_enough
    assert not Line(narrowest() - 1e-4).is_wide_enough
    assert not Line(1.01).is_wide_enough


def test_errors_add_up() -> None:
    """Each step by what it said; one that was held twice could have been wrong twice; a skipped one not."""
    steps = [found("regression"), found("same"), found("same", sessions=2), found("undecided", sessions=2)]
    assert summed_error(steps) == pytest.approx(SESSION_ERROR + 0.025 + 0.05)
    assert summed_error([found("same")] * 100) == 1.0


@pytest.mark.parametrize(("candidates", "steps"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (64, 6), (65, 7)])
def test_how_many_steps_are_left(candidates: int, steps: int) -> None:
    """Each halves them."""
    assert steps_left(candidates) == steps == math.ceil(math.log2(candidates))


def test_what_a_session_says() -> None:
    """Its JSON has the change, or why there is none."""
    info = {"variant": "photos", "reason": "why", "change_low": 1.1, "change_high": 1.3}
    compared = {**info, "change": 1.2, "change_outcome": "regression"}
    about = {"session_error": 0.004, "notes": ["Nothing is compared: photos is new."]}
    assert read({"benchmarks": [{"extra_info": compared}], "loader_gate": about}, "photos") == Found(
        "regression", 1.2, 1.1, 1.3, "why", 0.0, 0.004
    )
    cleared = {**compared, "reason": "which clears its floor of 0.00; seconds 1.2 times base's; more"}
    assert (
        read({"benchmarks": [{"extra_info": cleared}]}, "photos").reason == "seconds 1.2 times base's; more"
    )
    new = read({"benchmarks": [{"extra_info": info}], "loader_gate": about}, "photos")
    assert (new.outcome, new.reason) == ("unmeasured", "Nothing is compared: photos is new.")
    lost = {**info, "change": None, "change_outcome": "undecided", "reason": "base died"}
    assert read({"benchmarks": [{"extra_info": lost}]}, "photos").reason == "base died"
    unmeasured = {"unmeasured": [{"variant": "photos", "reason": "its worker raised ImportError"}]}
    assert read({"loader_gate": unmeasured}, "photos").reason == "its worker raised ImportError"
    assert read({}, "photos").reason == ""
    unchanged = {"variant": "photos", "change": None, "change_outcome": "unchanged"}
    same = read({"benchmarks": [{"extra_info": unchanged}]}, "photos")
    assert (same.judgement, same.misled, str(same)) == ("not slower", 0.0, "it runs the same code")


def test_a_plan_comes_back(tmp_path: Path) -> None:
    """A step reads what the search has written, and what steps before it have found."""
    plan = Plan(ASKED, "0" * 40, 1.5, tmp_path / "found.jsonl", 30.0, 3, 4)
    plan.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == plan
    assert plan.steps() == {}
    steps = {"a" * 40: found("same", 1.0), "b" * 40: found("unmeasured", None)}
    for commit, step in steps.items():
        plan.add(commit, step)
    assert plan.steps() == steps


# What is said.


@pytest.mark.parametrize(
    ("session", "said"),
    [
        (found("regression"), ""),
        (found("same", 1.0), "HEAD is not slower than v1"),
        (found("improvement", 0.8), "HEAD is not slower than v1"),
        (found("slower", 1.02), "HEAD is hardly slower than v1"),
        (found("undecided", 1.1, reason="too noisy."), "may be slower or not, 1.100 times as long (1.048 to"),
        (
            found("unmeasured", None, reason="no module numpy"),
            "could not be compared, so nothing is searched",
        ),
        (found("regression", 1.02), "too little to tell commit by commit"),
    ],
)
def test_whether_there_is_anything_to_search_for(session: Found, said: str) -> None:
    """Only what is slower, and by more than the sessions of steps leave open."""
    reason = why_no_search(session, "v1", "HEAD")
    assert said in reason
    assert bool(reason) == bool(said)


def test_the_end() -> None:
    """One commit, with what its session said; or several, with why some of them were skipped."""
    described = {"a": "aaa Wait", "b": "bbb Break", "c": "ccc Mend"}
    steps = {
        "a": found("regression", reason="a regression: decode() gained most"),
        "b": found("unmeasured", None),
    }
    one = about_end(["a"], described, steps, "commit")
    assert one == ["The first slow commit: aaa Wait", "Its session said: a regression: decode() gained most"]
    several = about_end(["c", "b", "a"], described, steps, "commit")
    assert several[0] == "One of these 3 commits is the first slow one, and it is not known which:"
    assert several[2:3] == ["    bbb Break: skipped, its own sentence"]
    assert not any("gained" in line for line in several)
    assert about_end(["a", "b"], described, steps, "commit")[-1].startswith("The session of aaa Wait said: ")


def test_lines_fit_and_steer_no_terminal() -> None:
    """A commit's subject and a session's words are somebody else's."""
    subject = "abc1234 \x1b[31m" + "long " * 60
    lines = [
        *about_step("Step 1 of about 3", subject, found("undecided", reason="\x1b[2J" + "why " * 60)),
        *about_line(Line(1.5), found("regression"), subject, "HEAD"),
        *about_end(["a"], {"a": subject}, {"a": found("regression", reason="\x07")}, "commit"),
        *about_sureness([found("regression"), found("same"), found("undecided")]),
    ]
    assert max(map(len, lines)) <= WIDTH
    assert all(line.isprintable() for line in lines)
    said = "at most 3 %, noise has misled any of these sessions: 1 found it slower (0.5 % each), 1 ruled"
    assert said in " ".join(" ".join(lines).split())


# What is measured, and where.


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository of three commits in a row, and one beside them."""
    folder = tmp_path / "repository"
    (folder / "part" / "src").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    for name, text in (("first", LOADER), ("second", f"{LOADER}\n"), ("third", f"{LOADER}\n\n")):
        (folder / "part" / "src" / "loaders.py").write_text(text, encoding="utf-8")
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", name)
        git(folder, "tag", name)
    git(folder, "checkout", "--quiet", "-b", "side", "first")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "beside")
    git(folder, "checkout", "--quiet", "main")
    return folder.resolve()


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("no-such", "third", r"^GOOD no-such: .* knows no such revision"),
        ("first", "-q", "BAD '-q': expected a git revision"),
        ("third", "first", "GOOD third comes after BAD first: give the earlier one first"),
        (
            "side",
            "third",
            "GOOD side is no ancestor of BAD third; their last common commit is [0-9a-f]+ first",
        ),
        ("third", "main", "are the same commit, [0-9a-f]+ third"),
    ],
)
def test_what_is_no_range(good: str, bad: str, message: str, repository: Path) -> None:
    """It is refused by name, and with what to do."""
    with pytest.raises(BisectError, match=message):
        range_between(Repository(repository), good, bad)


def test_a_range(repository: Path) -> None:
    """All after the good one may be the first slow one."""
    assert range_between(Repository(repository), "first", "main").candidates == 2


def test_a_shallow_clone(repository: Path, tmp_path: Path) -> None:
    """It is said that history is missing, and how to get it."""
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", str(shallow))
    with pytest.raises(
        BisectError, match="it is a shallow clone: get its history with `git fetch --unshallow`"
    ):
        range_between(Repository(shallow), "first", "HEAD")


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds are said."""
    with pytest.raises(
        BisectError, match="lies in no git repository; start in the one that holds the loader"
    ):
        repository_of(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BisectError, match="There is no git on PATH: install it"):
        repository_of(tmp_path)


def test_where_a_checkout_is_looked_at(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies among the user's files is looked for in the checkout, the rest where it is."""
    part, elsewhere = repository / "part", tmp_path / "elsewhere"
    monkeypatch.setenv("PYTHONPATH", f"{part / 'src'}:{elsewhere}")
    monkeypatch.syspath_prepend(str(part / "src"))
    own, other = places("loaders:photos", part, repository)
    assert own[:2] == ("part/src", "part")
    assert other == (str(elsewhere),)
    asked = Asked("photos", "loaders:photos", {}, (), 90.0, "part", own, other)
    with Repository(repository).worktree("second") as folder:
        assert asked.search_path(folder)[:2] == (str(folder / "part"), str(folder / "part" / "src"))
        assert asked.absence(folder) == ""
        (folder / "part" / "src" / "loaders.py").unlink()
        assert asked.absence(folder) == "it has no module loaders"
        (folder / "part" / "src").rmdir()
        (folder / "part").rmdir()
        assert asked.absence(folder) == "it has no folder part"
    assert json.loads(json.dumps(asked.own_path)) == [*own]


def test_settings_of_the_project(tmp_path: Path) -> None:
    """They are those of today, with paths for any checkout; what a search has of its own is left out."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.loader-gate]\nimage-root = "data"\nskip-bad-images = true\nmemory-limit = "1G"\n'
        'floors = "floors.toml"\ntolerance = 5\nbudget = 12\nvariants = ["all"]\n',
        encoding="utf-8",
    )
    settings, budget = project_settings(tmp_path)
    assert budget == 12
    assert settings == {
        "image-root": str(tmp_path / "data"),
        "skip-bad-images": True,
        "memory-limit": parse_size("1G"),
    }
    (tmp_path / "pyproject.toml").write_text("[tool.loader-gate]\nno-such = 1\n", encoding="utf-8")
    with pytest.raises(BisectError, match="there is no such setting"):
        project_settings(tmp_path)


@pytest.mark.parametrize(
    "before",
    ["", '[tool.pytest.ini_options]\na = 1\n[x]\n[tool.loader-gate]\ntree = "small"\n', "[x]\ny = 2\n", None],
)
def test_settings_of_a_checkout(before: str | None, tmp_path: Path) -> None:
    """They are today's while sessions are held, and git sees no change when it checks the next one out."""
    file = tmp_path / "pyproject.toml"
    if before is not None:
        file.write_text(before, encoding="utf-8")
    settings = {"image-root": '/data/it\'s "here"', "batch-size": 8, "skip-bad-images": True}
    with with_settings(tmp_path, settings):
        assert read_settings(file) == {**settings, "image-root": Path('/data/it\'s "here"')}
        assert ("ini_options" in file.read_text(encoding="utf-8")) == ("ini_options" in (before or ""))
    assert (file.read_text(encoding="utf-8") if file.exists() else None) == before


def test_settings_of_a_damaged_checkout(tmp_path: Path) -> None:
    """That commit cannot be measured."""
    (tmp_path / "pyproject.toml").write_text("tool = 3", encoding="utf-8")
    with (
        pytest.raises(SettingsNotKeptError, match=r"its pyproject\.toml cannot be read"),
        with_settings(tmp_path, {}),
    ):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("first", "third"), "Give --loader MODULE:FUNCTION or --variant NAME"),
        (("first", "third", "--loader=a:b", "--variant=c"), "one of them"),
        (("first", "--loader=a:b"), "Give two commits"),
        (("first", "third", f"--variant={BASELINE}"), "give another variant"),
        (("--good-python=p", "--loader=a:b"), "give both"),
        (("first", "third", "--good-python=p", "--bad-python=p", "--loader=a:b"), "one after the other"),
        (("first", "third", "--loader=photos"), "expected MODULE:FUNCTION"),
        (
            ("first", "third", "--loader=no_such:photos"),
            "BAD third cannot be measured: it has no module no_such",
        ),
        (("first", "third", "--variant=tfdata_no_cache"), "start in a checkout of it"),
        (("--good-python=/no/such", "--bad-python=p", "--loader=a:b"), "does not run as a Python does"),
        (
            (f"--good-python={sys.executable}", f"--bad-python={sys.executable}", "--loader=a:b"),
            "same versions",
        ),
    ],
)
def test_what_is_wrong_with_arguments(
    arguments: tuple[str, ...],
    message: str,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is said before anything is measured."""
    monkeypatch.chdir(repository)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


# Steps.

#: A step that judges by the length of a file, as `repository` has it longer from commit to commit.
STEP = "import sys; sys.exit({}[len(open('part/src/loaders.py').read())])"
FIRST = len(LOADER)


@pytest.mark.parametrize(
    ("codes", "left"),
    [
        ({1: 0}, ["third"]),
        ({1: 1}, ["second"]),
        ({1: 125}, ["third", "second"]),
    ],
)
def test_git_steps_through(codes: dict[int, int], left: list[str], repository: Path) -> None:
    """One is left, or several where one was skipped; nothing of it is in the user's repository."""
    lengths = {FIRST + more: code for more, code in codes.items()}
    mine = Repository(repository)
    with mine.worktree("third") as folder:
        worktree = Repository(folder)
        start(worktree, range_between(mine, "first", "third"))
        assert not [*(repository / ".git").glob("BISECT*")]
        run(worktree, [sys.executable, "-c", STEP.format(lengths)])
        assert candidates(worktree) == [mine.commit(each) for each in left]
        assert git(repository, "for-each-ref", "refs/bisect") == ""
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_a_step_that_fails_otherwise(repository: Path) -> None:
    """It says nothing of its commit, so the search stops, with its last words."""
    with Repository(repository).worktree("third") as folder:
        worktree = Repository(folder)
        start(worktree, range_between(Repository(repository), "first", "third"))
        with pytest.raises(BisectError, match=r"`git bisect run` has stopped: .*128"):
            run(worktree, [sys.executable, "-c", "import sys; print('disk full'); sys.exit(128)"])


# Changed packages.


@pytest.mark.parametrize("slow", [("c",), ("a",), ("a", "d"), ("b", "c", "e"), tuple("abcdefgh")])
def test_the_fewest_packages(slow: tuple[str, ...]) -> None:
    """Those that are slow together are found, with few trials, and none of them twice."""
    asked: list[tuple[str, ...]] = []

    def is_slow(names: tuple[str, ...]) -> bool:
        asked.append(names)
        return {*slow} <= {*names}

    assert fewest(tuple("abcdefgh"), is_slow) == slow
    assert len(asked) == len({*asked})
    assert len(asked) <= (6 if len(slow) == 1 else 50)


def test_packages_that_need_each_other() -> None:
    """A trial without one of them says nothing, and counts as not slow: the rest is found."""

    def is_slow(names: tuple[str, ...]) -> bool:
        can_be_measured = ("b" in names) == ("c" in names)
        return can_be_measured and "c" in names

    assert fewest(tuple("abcdef"), is_slow) == ("b", "c")


def add_package(environment: Path, name: str, version: str, files: dict[str, str]) -> None:
    """Install a made-up package into an environment, as pip would."""
    (packages,) = environment.glob("lib/python*/site-packages")
    about = f"{name.replace('-', '_')}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    written = {**files, f"{about}/METADATA": metadata}
    record = "".join(f"{each},,\n" for each in (*written, f"{about}/RECORD", "../../../bin/tool"))
    for each, text in {**written, f"{about}/RECORD": record}.items():
        (packages / each).parent.mkdir(parents=True, exist_ok=True)
        (packages / each).write_text(text, encoding="utf-8")


def new_environment(folder: Path) -> Path:
    """Make a venv that also has all packages of the one that runs these tests, and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    others = [each for each in sys.path if "site-packages" in each]
    lines = "".join(f"import site; site.addsitedir({each!r})\n" for each in others)
    (packages / "others.pth").write_text(lines, encoding="utf-8")
    return folder / "bin" / "python"


@pytest.fixture
def differences(tmp_path: Path) -> Differences:
    """Return what differs between two small environments."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    pythons = [new_environment(each) for each in (good, bad)]
    for environment, version, pause in ((good, "1.0", 0.0), (bad, "2.0", 0.4)):
        add_package(environment, "Made_Up.Helper", version, {"made_up/__init__.py": f"PAUSE = {pause}\n"})
        add_package(environment, "other-thing", version, {"other_thing.py": f"VERSION = '{version}'\n"})
        add_package(environment, "same-thing", "1.0", {"same_thing.py": f"FROM = '{environment.name}'\n"})
    add_package(good, "gone-thing", "1.0", {"gone_thing.py": ""})
    add_package(bad, "new-thing", "1.0", {"new_thing.py": ""})
    return Differences(
        *(Environment.of(option, python) for option, python in zip(("good", "bad"), pythons, strict=True))
    )


def test_which_packages_differ(differences: Differences) -> None:
    """Those of another version, in one environment only too; what is gone cannot be tried."""
    assert differences.changed == ("gone-thing", "made-up-helper", "new-thing", "other-thing")
    assert differences.movable == ("made-up-helper", "new-thing", "other-thing")
    assert differences.describe("made-up-helper") == "made-up-helper 1.0 -> 2.0"
    assert differences.describe("gone-thing") == "gone-thing 1.0 -> none"
    assert differences.fixed("gone-thing") == "it is not in the bad one"


def test_a_mixed_environment(differences: Differences) -> None:
    """Some packages are the bad ones, all others the good ones; neither environment changes."""
    code = (
        "import importlib.metadata, json, made_up, numpy, other_thing, same_thing; "
        "version = importlib.metadata.version('made-up-helper'); "
        "print(json.dumps([made_up.PAUSE, other_thing.VERSION, same_thing.FROM, version]))"
    )
    with differences.mixed(["made-up-helper"]) as python:
        said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
        folder = Path(python).parents[2]
    assert json.loads(said) == [0.4, "1.0", "good", "2.0"]
    assert not folder.exists()
    good = [differences.good.program, "-c", code]
    said = subprocess.run(good, capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == [0.0, "1.0", "good", "1.0"]


@pytest.mark.parametrize(("good_pause", "code"), [(0.1, 0), (0.4, 3)])
def test_the_slow_package(
    good_pause: float,
    code: int,
    differences: Differences,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is found by sessions of some packages each, if all of them are slow together, and said."""

    def paused(stage: Stage, tolerance: float, _: str) -> Found:
        """Return what a session would find that takes as long as the pause of the packages that it sees."""
        asked = [stage.python, "-c", "import made_up; print(made_up.PAUSE)"]
        said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        change = float(said) / good_pause if float(said) else 1.0
        return found("regression" if change > 1 + tolerance else "same", change)

    monkeypatch.setattr(Stage, "compare", paused)
    good, bad = Path(differences.good.program), Path(differences.bad.program)
    mine, asked = Repository(repository), replace(ASKED, own_path=("part/src",))
    with pytest.raises(BisectError, match="it has no module loaders"):
        search_packages(mine, ASKED, good, bad)
    capsys.readouterr()
    assert search_packages(mine, asked, good, bad) == code
    out = " ".join(capsys.readouterr().out.split())
    assert "4 packages differ: gone-thing 1.0 -> none, made-up-helper 1.0 -> 2.0, " in out
    assert "Not tried: gone-thing, as it is not in the bad one." in out
    end = "There is nothing to search for" if code else "The first slow package: made-up-helper 1.0 -> 2.0"
    assert end in out
    assert len(git(repository, "worktree", "list").splitlines()) == 1
