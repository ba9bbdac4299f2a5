"""The workflows: what they may do, and every script that they run, run here too."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from loader_gate.registry.variant import BASELINE
from loader_gate.report.summary import MARKER

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
SCRIPTS = GITHUB / "scripts"
WORKFLOWS = {file.name: file for file in sorted((GITHUB / "workflows").glob("*.yml"))}
ACTIONS = {file.parent.name: file for file in sorted((GITHUB / "actions").glob("*/action.yml"))}

#: Everything that a step may run. ``.ci/run`` runs the tox environments, and tests below the rest.
RUN = {
    "python -m pip install tox && python -m tox run -e lint",
    "python -m pip install tox && python -m tox run -e end-to-end,test",
    "python -m pip install tox && python -m tox run -e wheel",
    "python -m pip install tox && python -m tox run -e security",
    'python -m pip install --require-hashes --only-binary ":all:" --requirement .ci/release-lock.txt',
    'python .ci/release.py --tag "$GITHUB_REF_NAME" --output release',
    'gh release create "$GITHUB_REF_NAME" --verify-tag --notes-file release/notes.md '
    "release/packages/* release/loader_gate.cdx.json",
    ".ci/chromium",
    ".github/scripts/history.sh restore",
    ".github/scripts/history.sh page",
    ".github/scripts/history.sh keep",
    'python "$GITHUB_ACTION_PATH/../../scripts/gate.py" install',
    'python "$GITHUB_ACTION_PATH/../../scripts/gate.py" measure',
    'python "$GITHUB_ACTION_PATH/../../scripts/doctor.py"',
    'python3 "$GITHUB_ACTION_PATH/../../scripts/comment.py"',
}

#: What jobs may do beside reading the repository, by workflow and job.
WRITING = {
    ("comment.yml", "comment"): {"actions": "read", "pull-requests": "write"},
    ("history.yml", "keep"): {"contents": "write"},
    ("history.yml", "publish"): {"id-token": "write", "pages": "write"},
    ("release.yml", "attest"): {"attestations": "write", "id-token": "write"},
    ("release.yml", "publish"): {"id-token": "write"},
    ("release.yml", "announce"): {"contents": "write"},
}


def _load(file: Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return loaded


def _jobs() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (name, job, about) for name, file in WORKFLOWS.items() for job, about in _load(file)["jobs"].items()
    ]


def _steps() -> list[dict[str, Any]]:
    steps = [step for _, _, job in _jobs() for step in job.get("steps", [])]
    return steps + [step for file in ACTIONS.values() for step in _load(file)["runs"]["steps"]]


# What the files say.


def test_there_are_workflows() -> None:
    """The tests below look at something."""
    names = ("ci", "comment", "doctor", "gate", "gpu", "history", "release", "security")
    assert [*WORKFLOWS] == [f"{name}.yml" for name in names]
    assert {*ACTIONS} == {"comment", "doctor", "gate"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_do_nothing_by_itself(name: str) -> None:
    """Each job says what it may do; a newer run replaces an older one, except where a run is to be kept."""
    workflow = _load(WORKFLOWS[name])
    assert workflow["permissions"] == {}
    kept = {"history.yml", "release.yml"}
    assert workflow["concurrency"]["cancel-in-progress"] is (name not in kept)


@pytest.mark.parametrize(("name", "job", "about"), _jobs())
def test_a_job_has_no_more_rights_than_it_needs(name: str, job: str, about: dict[str, Any]) -> None:
    """Reading the repository, unless the list above says otherwise; and an end."""
    assert about["permissions"] == WRITING.get((name, job), {"contents": "read"})
    if "uses" not in about:  # another workflow, whose jobs have an end each
        assert 0 < about["timeout-minutes"] <= 120


def test_who_may_write_runs_nothing_of_a_pull_request() -> None:
    """The workflow that comments checks nothing out, and runs nothing but its action."""
    (step,) = _load(WORKFLOWS["comment.yml"])["jobs"]["comment"]["steps"]
    assert step == {"uses": "$/.github/actions/comment"}
    assert not any("checkout" in each.get("uses", "") for each in _load(ACTIONS["comment"])["runs"]["steps"])
    # YAML 1.1 takes the word `on` for true.
    triggers = {name: _load(file)[True] for name, file in WORKFLOWS.items()}
    assert all("pull_request_target" not in each for each in triggers.values())
    assert [name for name, each in triggers.items() if "workflow_run" in each] == ["comment.yml"]


def test_every_action_is_pinned() -> None:
    """By a commit, with the version that it is in a comment; ours are of the same commit."""
    texts = [file.read_text(encoding="utf-8") for file in (*WORKFLOWS.values(), *ACTIONS.values())]
    used = [line for text in texts for line in text.splitlines() if re.search(r"\buses:", line)]
    assert len(used) > 10
    pinned: dict[str, set[str]] = {}
    for line in used:
        if re.search(r"uses: [.$]/\.github/actions/(gate|comment|doctor)( # zizmor: .*)?$", line):
            continue
        if line.strip().startswith("uses: ./.github/workflows/ci.yml"):
            continue
        foreign = r"actions/[a-z-]+|pypa/gh-action-pypi-publish"
        found = re.search(rf"uses: ({foreign})@([0-9a-f]{{40}} # v\d+\.\d+\.\d+)$", line)
        assert found, line
        pinned.setdefault(found[1], set()).add(found[2])
    assert all(len(versions) == 1 for versions in pinned.values()), pinned


def test_no_credentials_stay() -> None:
    """A checkout leaves no token in the repository's configuration for later steps."""
    checkouts = [step for step in _steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) > 4
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_every_step_runs_what_is_run_here() -> None:
    """Scripts are files, and no text of a pull request or an input can become part of a command."""
    commands = {step["run"] for step in _steps() if "run" in step}
    assert commands == RUN
    assert "${{" not in "".join(commands)
    for script in (*SCRIPTS.glob("*.sh"), ROOT / ".ci" / "chromium"):
        assert os.access(script, os.X_OK), script


def test_the_gate_passes_every_input_on() -> None:
    """No input of the action is forgotten on its way to the script, and the script reads no other."""
    action = _load(ACTIONS["gate"])
    passed = " ".join(json.dumps(step) for step in action["runs"]["steps"])
    assert all(f"inputs.{name} }}}}" in passed for name in action["inputs"])
    names = {name for step in action["runs"]["steps"] for name in step.get("env", {})}
    script = (SCRIPTS / "gate.py").read_text(encoding="utf-8")
    made_up = {f"GATE_{name}" for name in ("IMAGE_ROOT", "TREE", "TREE_IMAGES", "CONFIRM", "BUDGET")}
    assert {*re.findall(r"GATE_[A-Z_]+[A-Z]", script)} | made_up == names


def test_the_runner_with_a_gpu_is_off_by_default() -> None:
    """A self-hosted runner is for a repository that says it has one, and never for pull requests."""
    workflow = _load(WORKFLOWS["gpu.yml"])
    assert workflow["jobs"]["gpu"]["if"] == "vars.LOADER_GATE_GPU == 'true'"
    assert {*workflow[True]} == {"schedule", "workflow_dispatch"}
    hosted = {job.get("runs-on") for name, _, job in _jobs() if name not in ("gpu.yml", "doctor.yml")}
    assert hosted == {"ubuntu-latest", None}  # None is a job that is another workflow


def test_a_release_is_published_by_who_runs_nothing() -> None:
    """What builds has no rights; who has them only hands on what was built, after the tests have passed."""
    workflow = _load(WORKFLOWS["release.yml"])
    assert workflow[True] == {"push": {"tags": ["v*"]}}
    jobs = workflow["jobs"]
    needs = {name: job.get("needs", []) for name, job in jobs.items()}
    assert needs == {
        "test": [],
        "build": [],
        "attest": ["test", "build"],
        "publish": "attest",
        "announce": "publish",
    }
    assert jobs["publish"]["environment"]["name"] == "pypi"
    for name in ("attest", "publish", "announce"):
        first, *others = jobs[name]["steps"]
        assert first["uses"].startswith("actions/download-artifact@")
        assert [each["run"].split()[0] for each in others if "run" in each] == ["gh"] * (name == "announce")
    # A cache may be written by whoever runs a workflow on the default branch, and would be part of the build.
    assert not any("cache" in each.get("with", {}) for each in jobs["build"]["steps"])
    assert "secrets." not in "".join(file.read_text(encoding="utf-8") for file in WORKFLOWS.values())


def test_the_doctor_examines_the_runner_that_is_named() -> None:
    """Called by another repository or by hand, and by nothing else; every input reaches the command."""
    workflow, action = _load(WORKFLOWS["doctor.yml"]), _load(ACTIONS["doctor"])
    (job,) = workflow["jobs"].values()
    assert job["runs-on"] == "${{ inputs.runner }}"
    assert {*workflow[True]} == {"workflow_call", "workflow_dispatch"}
    called, by_hand = (workflow[True][each]["inputs"] for each in ("workflow_call", "workflow_dispatch"))
    assert {*by_hand} <= {*called}
    assert called["runner"]["default"] == by_hand["runner"]["default"] == "ubuntu-latest"
    passed = next(step for step in job["steps"] if step["uses"] == "$/.github/actions/doctor")["with"]
    assert {*passed} | {"python-version"} == {*action["inputs"]}
    assert passed == {name: f"${{{{ inputs.{name} }}}}" for name in called if name != "runner"}
    steps = json.dumps(action["runs"]["steps"])
    assert all(f"inputs.{name} }}}}" in steps for name in action["inputs"])
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert all(re.search(rf"^\|.*`{name}`.*\|.+\|$", page, re.MULTILINE) for name in called)


def test_the_docs_example() -> None:
    """The ten lines for another repository use inputs that there are, and are ten."""
    page = (ROOT / "docs" / "gating-your-repository.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(on: pull_request\n.*?)```", page, re.DOTALL)
    assert example
    assert len(example[1].splitlines()) == 10
    steps = yaml.safe_load(example[1])["jobs"]["gate"]["steps"]
    inputs = _load(ACTIONS["gate"])["inputs"]
    gate = next(step for step in steps if "loader-gate/.github/actions/gate@" in step["uses"])
    assert {*gate["with"]} <= {*inputs}
    for name in inputs:
        assert re.search(rf"^\|.*`{name}`.*\|.+\|$", page, re.MULTILINE)


# What the scripts do.


def _git(folder: Path, *arguments: str) -> str:
    settings = ("user.name=Somebody", "user.email=somebody@example.org", "commit.gpgsign=false")
    command = ["git", *(part for each in settings for part in ("-c", each)), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def _environment(**more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "GITHUB_", "GIT_", "GATE_", "HISTORY_"))
    }
    return {**kept, "GIT_CONFIG_NOSYSTEM": "1", **more}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of a repository on this disk, with a pull request's commit on top."""
    remote, clone = tmp_path / "remote.git", tmp_path / "clone"
    _git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    _git(tmp_path, "clone", "--quiet", str(remote), str(clone))
    _git(clone, "checkout", "--quiet", "-b", "main")
    (clone / "my_loaders.py").write_text("def photos(tree, spec): pass\n", encoding="utf-8")
    # Many a repository has folders of these names.
    for name in ("benchmarks", "fixtures"):
        (clone / name).mkdir()
        (clone / name / "__init__.py").write_text("raise SystemExit('the wrong one')", encoding="utf-8")
    _git(clone, "add", ".")
    _git(clone, "commit", "--quiet", "-m", "Begin")
    _git(clone, "push", "--quiet", "origin", "main")
    (clone / "my_loaders.py").write_text("def photos(tree, spec): return []\n", encoding="utf-8")
    _git(clone, "commit", "--quiet", "--all", "-m", "Change a loader")
    return clone


@pytest.fixture
def gate(clone: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the gate's script in the clone."""

    def run(command: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        about = {
            "GATE_AGAINST": "merge-base",
            "GATE_FOLDER": str(tmp_path / "folder"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            "GITHUB_REF": "refs/pull/7/merge",
            "GITHUB_BASE_REF": "main",
            **inputs,
        }
        return subprocess.run(
            [sys.executable, str(SCRIPTS / "gate.py"), command],
            cwd=clone,
            env=_environment(**about),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_the_gate_collects(gate: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """In somebody's repository: their loader and the baseline; and a summary, though nothing was measured."""
    done = gate(
        "measure", GATE_LOADER="my_loaders:photos", GATE_ARGUMENTS="--collect-only -q -p no:cacheprovider"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    collected = [line.partition("[")[2] for line in done.stdout.splitlines() if "::" in line]
    assert collected == [f"{BASELINE}]", "photos]"]
    assert "nothing was measured" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert (tmp_path / "folder" / "pull-request.txt").read_text(encoding="ascii") == "7\n"


@pytest.fixture
def fake_python(tmp_path: Path) -> Path:
    """A Python whose pytest and pip only write down what they are asked."""
    programs, modules = tmp_path / "bin", tmp_path / "modules"
    programs.mkdir()
    (programs / "python").symlink_to(sys.executable)
    note = "import json, sys\nprint('asked', json.dumps(sys.argv[1:]))\n"
    for name, end in (("pip", ""), ("pytest", "sys.exit(1)\n")):
        (modules / name).mkdir(parents=True)
        (modules / name / "__init__.py").touch()
        (modules / name / "__main__.py").write_text(note + end, encoding="utf-8")
    return programs / "python"


def _asked(python: Path, folder: Path, command: str, **inputs: str) -> tuple[int, list[str]]:
    """Return the exit code of the gate's script, and what it has asked of pip or pytest."""
    temporary = python.parents[1]
    about = {"GATE_FOLDER": str(temporary / "folder"), "GITHUB_STEP_SUMMARY": str(temporary / "summary.md")}
    path = os.pathsep.join([str(temporary / "modules"), str(ROOT / "src")])
    done = subprocess.run(
        [str(python), str(SCRIPTS / "gate.py"), command],
        cwd=folder,
        env=_environment(PYTHONPATH=path, **about, **inputs),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    asked = [line.partition(" ")[2] for line in done.stdout.splitlines() if line.startswith("asked ")]
    assert len(asked) == 1, done.stdout + done.stderr
    return done.returncode, json.loads(asked[0])


def test_the_gate_asks_pytest(fake_python: Path, clone: Path, tmp_path: Path) -> None:
    """Every input becomes an option, base is where the branch left its target, the exit code is kept."""
    code, asked = _asked(
        fake_python,
        clone,
        "measure",
        GATE_LOADER="a:b c:d",
        GATE_VARIANTS="tfdata_no_cache",
        GATE_WORKLOADS="loading\ntraining",
        GATE_FLOOR="b=1.2 d=3",
        GATE_IMAGE_ROOT="my photos; rm -rf x",
        GATE_TREE_IMAGES="64",
        GATE_CONFIRM="first/run.json",
        GATE_BUDGET="30",
        GATE_AGAINST="merge-base",
        GATE_ARGUMENTS="-k 'b or d'",
        GITHUB_BASE_REF="main",
        GITHUB_REF="refs/pull/7/merge",
    )
    assert code == 1
    assert (tmp_path / "folder" / "exit-code.txt").read_text(encoding="ascii") == "1\n"
    assert asked == [
        *(str(ROOT / "benchmarks" / f"test_{name}.py") for name in ("loading", "training")),
        *("--loader=a:b", "--loader=c:d", "--variant=tfdata_no_cache", "--floor=b=1.2", "--floor=d=3"),
        *("--image-root=my photos; rm -rf x", "--tree-images=64"),
        *("--confirm=first/run.json", "--budget=30"),
        f"--against={_git(clone, 'rev-parse', 'HEAD~1')[:12]}",
        *("-k", "b or d", f"--benchmark-json={tmp_path / 'folder' / 'run.json'}"),
    ]


def test_the_gate_without_a_pull_request(fake_python: Path, clone: Path, tmp_path: Path) -> None:
    """There is no merge base to compare with, and nobody to comment to; a revision that is named counts."""
    push = {"GITHUB_REF": "refs/heads/main", "GITHUB_BASE_REF": ""}
    _, asked = _asked(fake_python, clone, "measure", GATE_AGAINST="merge-base", **push)
    assert asked[:-1] == [str(ROOT / "benchmarks" / "test_loading.py")]
    assert not (tmp_path / "folder" / "pull-request.txt").exists()
    _, asked = _asked(fake_python, clone, "measure", GATE_AGAINST="v1.0", **push)
    assert "--against=v1.0" in asked
    _, asked = _asked(fake_python, clone, "measure", GATE_TESTS="benchmarks/ 'my tests'", **push)
    assert asked[:-1] == ["benchmarks/", "my tests"]


def test_the_gate_installs(fake_python: Path, clone: Path) -> None:
    """Tested versions for the suite alone; with somebody's requirements those that fit both.

    The suite itself is installed as anybody would, except in its own repository.
    """
    suite = ["install", str(ROOT)]
    constraint = ["--constraint", str(ROOT / "constraints.txt")]
    assert _asked(fake_python, clone, "install") == (0, [*suite, *constraint])
    assert _asked(fake_python, clone, "install", GATE_INSTALL="-r 'my needs.txt' -e .") == (
        0,
        [*suite, "-r", "my needs.txt", "-e", "."],
    )
    asked = _asked(fake_python, clone, "install", GATE_EXTRAS="fast report")
    assert asked == (0, ["install", f"{ROOT}[fast,report]", *constraint])
    asked = _asked(fake_python, ROOT, "install")
    assert asked == (0, ["install", "--editable", str(ROOT), *constraint])


def test_the_history_installs_what_its_page_needs() -> None:
    """The page is drawn in the job that has measured, with what the gate has installed for it."""
    (job,) = [about for _, job, about in _jobs() if job == "measure"]
    (gate,) = [step for step in job["steps"] if step.get("uses", "").endswith("/actions/gate")]
    assert "report" in gate["with"]["extras"].split()


@pytest.mark.parametrize("code", [0, 1])
def test_the_doctor_writes_the_summary(tmp_path: Path, code: int) -> None:
    """What it says is a block of the summary, whatever text is in it; the exit code is kept."""
    module = tmp_path / "loader_gate"
    module.mkdir()
    (module / "__init__.py").touch()
    said = "print('```', sys.argv[1:]); " if code == 0 else ""
    (module / "doctor.py").write_text(f"import sys; {said}sys.exit({code})\n", encoding="utf-8")
    inputs = {
        "DOCTOR_MINUTES": "3",
        "DOCTOR_VARIANTS": "one two",
        "DOCTOR_LOADER": "a:b; rm -rf x",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "doctor.py")],
        env=_environment(PYTHONPATH=str(tmp_path), **inputs),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    heading, _, *block = (tmp_path / "summary.md").read_text(encoding="utf-8").rstrip().splitlines()
    assert heading == "## What this runner can decide"
    assert all(line.startswith("    ") for line in block)
    options = ["--minutes=3", "--variant=one", "--variant=two", "--loader=a:b;", "--loader=rm"]
    asked = [*options, "--loader=-rf", "--loader=x"]
    assert block == (
        [f"    ``` {asked}"]
        if code == 0
        else ["    It could not be examined: the log of this step says why."]
    )


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"GATE_WORKLOADS": "lading\n::error::x"},
            "workloads: 'lading' is none; expected some of dump, ",
        ),
        (
            {"GITHUB_BASE_REF": "gone"},
            "against: git finds no merge base of origin/gone and HEAD; give actions/che",
        ),
    ],
)
def test_wrong_inputs_of_the_gate(
    inputs: dict[str, str], message: str, gate: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """An annotation says what is wrong, and nothing is measured."""
    done = gate("measure", **inputs)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stdout.startswith(f"::error title=loader-gate::{message}")
    assert len(done.stdout.splitlines()) == 1


@pytest.fixture
def history(clone: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the history's script in the clone."""

    def run(command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPTS / "history.sh"), command],
            cwd=clone,
            env=_environment(HISTORY_PAUSE="0", **more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def _save(folder: Path, name: str) -> None:
    run = folder / ".benchmarks" / "Linux-CPython" / name
    run.parent.mkdir(parents=True, exist_ok=True)
    run.write_text("{}", encoding="utf-8")


def test_the_history_is_kept(
    history: Callable[..., subprocess.CompletedProcess[str]], clone: Path, tmp_path: Path
) -> None:
    """Runs are added one commit each, none is lost, and the branch has nothing else."""
    (clone / ".gitignore").write_text(".benchmarks/\n", encoding="utf-8")
    assert "begins with this run" in history("restore").stdout
    assert "nothing to keep" in history("keep").stdout
    _save(clone, "0001_a.json")
    about = {"GITHUB_TOKEN": "secret", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_SHA": "1234"}
    done = history("keep", **about)
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout + done.stderr
    # Another machine, which has only its own run.
    other = tmp_path / "other"
    _git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{tmp_path / 'remote.git'}", str(other))
    _save(other, "0002_b.json")
    subprocess.run(
        [str(SCRIPTS / "history.sh"), "keep"], cwd=other, env=_environment(), timeout=60, check=True
    )
    assert "has these runs already" in history("keep").stdout
    branch = "origin/loader-gate-history"
    _git(clone, "fetch", "--quiet", "origin")
    kept = [f"Linux-CPython/{name}" for name in ("0001_a.json", "0002_b.json")]
    assert _git(clone, "ls-tree", "-r", "--name-only", branch).splitlines() == kept
    assert _git(tmp_path / "remote.git", "log", "--format=%s", "loader-gate-history").endswith(
        "\nRun of 1234"
    )
    assert _git(clone, "status", "--porcelain") == "?? .gitignore"
    assert history("restore").returncode == 0
    assert {file.name for file in clone.glob(".benchmarks/*/*.json")} == {"0001_a.json", "0002_b.json"}


def test_a_history_that_cannot_be_pushed(
    history: Callable[..., subprocess.CompletedProcess[str]], clone: Path, tmp_path: Path
) -> None:
    """It is tried again, and then fails."""
    _save(clone, "0001_a.json")
    (tmp_path / "remote.git").rename(tmp_path / "gone.git")
    done = history("keep")
    assert done.returncode == 1
    assert "Attempt 3 has failed" in done.stdout


def test_the_page(
    history: Callable[..., subprocess.CompletedProcess[str]], clone: Path, tmp_path: Path
) -> None:
    """It is asked of the report, from all runs."""
    program = tmp_path / "programs" / "python"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@" >page/index.html\n', encoding="utf-8")
    program.chmod(0o755)
    assert history("page", PATH=f"{program.parent}{os.pathsep}{os.environ['PATH']}").returncode == 0
    asked = (clone / "page" / "index.html").read_text(encoding="utf-8")
    assert asked == "-m loader_gate.report --storage .benchmarks --output page/index.html\n"


def test_an_unknown_command_of_the_history(history: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """It is refused, as a typing error in a workflow would otherwise lose a run."""
    assert history("kepe").returncode == 2


def test_chromium_is_not_installed_twice(tmp_path: Path) -> None:
    """Where there is a browser, nothing is done."""
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    environment = _environment(PATH=f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    done = subprocess.run(
        [str(ROOT / ".ci" / "chromium")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"{program}\n"


# What the comment does, against a GitHub of our own.


@dataclass
class FakeGitHub:
    """A repository with pull request 7 at commit ``abc``.

    Attributes:
        comments: What is under the pull request.
        asked: Every request that changed something, and its body.
    """

    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    address: str = ""

    def answer(self, method: str, path: str, body: dict[str, Any]) -> object:
        """Return what GitHub would."""
        if method != "GET":
            self.asked.append((method, path, body))
            return {}
        name, _, query = path.partition("?")
        if name == "/repos/us/ours/pulls/7":
            return {"head": {"sha": "abc"}}
        assert name == "/repos/us/ours/issues/7/comments"
        page = int(query.rpartition("page=")[2])
        return self.comments[(page - 1) * 100 : page * 100]


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """A GitHub on this machine, for the time of a test."""
    fake = FakeGitHub()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            assert self.headers["Authorization"] == "Bearer secret"
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            answer = json.dumps(fake.answer(self.command, self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815 (http.server's names)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


@pytest.fixture
def comment(github: FakeGitHub, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the comment's script, with nothing installed, on what a gate has left."""
    folder = tmp_path / "left"
    folder.mkdir()

    def run(number: str | None = "7", **about: str) -> subprocess.CompletedProcess[str]:
        if number is not None:
            (folder / "pull-request.txt").write_text(number, encoding="utf-8")
        event = tmp_path / "event.json"
        ended = {
            "event": "pull_request",
            "head_sha": "abc",
            "html_url": "https://github.com/us/ours/1",
            **about,
        }
        event.write_text(json.dumps({"workflow_run": ended}), encoding="utf-8")
        environment = {
            "GATE_FOLDER": str(folder),
            "GITHUB_API_URL": github.address,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": "us/ours",
            "GITHUB_TOKEN": "secret",
            "PYTHONPATH": str(ROOT / "src"),
        }
        return subprocess.run(
            [sys.executable, "-S", str(SCRIPTS / "comment.py")],
            env=_environment(**environment, NO_PROXY="*"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_the_first_comment(
    comment: Callable[..., subprocess.CompletedProcess[str]], github: FakeGitHub
) -> None:
    """It is written, with a way to the log."""
    done = comment()
    assert done.returncode == 0, done.stderr
    ((method, path, body),) = github.asked
    assert (method, path) == ("POST", "/repos/us/ours/issues/7/comments")
    assert body["body"].startswith(f"{MARKER}\n### 🚫 loader-gate: nothing was measured")
    assert body["body"].endswith("\n\n[Log and saved run](https://github.com/us/ours/1)")


def test_the_next_comment(
    comment: Callable[..., subprocess.CompletedProcess[str]], github: FakeGitHub
) -> None:
    """The one that is there is updated, wherever it is; what a person wrote is not touched."""
    forged: list[dict[str, Any]] = [
        {"id": 1, "body": f"{MARKER} ours", "user": {"login": "mallory"}},
        {"id": 2, "body": None, "user": None},
    ]
    others = [{"id": 3, "body": "words", "user": {"login": "github-actions[bot]"}}] * 120
    github.comments = [
        *forged,
        *others,
        {"id": 99, "body": f"{MARKER}\n", "user": {"login": "github-actions[bot]"}},
    ]
    assert comment().returncode == 0
    assert [(method, path) for method, path, _ in github.asked] == [
        ("PATCH", "/repos/us/ours/issues/comments/99")
    ]


def test_a_link_in_what_the_gate_has_left(
    comment: Callable[..., subprocess.CompletedProcess[str]], github: FakeGitHub, tmp_path: Path
) -> None:
    """It leads nowhere, whatever file of the runner it is to."""
    there = tmp_path / "there.json"
    info = {"variant": "of another run", "verdict": "fail", "workload": "loading"}
    there.write_text(json.dumps({"benchmarks": [{"name": "x", "extra_info": info}]}), encoding="utf-8")
    (tmp_path / "left" / "run.json").symlink_to(there)
    assert comment().returncode == 0
    ((_, _, body),) = github.asked
    assert "nothing was measured" in body["body"]
    assert "of another run" not in body["body"]
    (tmp_path / "seven").write_text("7", encoding="utf-8")
    (tmp_path / "left" / "pull-request.txt").unlink()
    (tmp_path / "left" / "pull-request.txt").symlink_to(tmp_path / "seven")
    assert comment(None).stdout.startswith("Nothing to say: ")


@pytest.mark.parametrize("number", ["", "7; x", "07", "-7", "7/../8", "٧", "7\n8", "1" * 11])
def test_a_forged_number(
    number: str, comment: Callable[..., subprocess.CompletedProcess[str]], github: FakeGitHub
) -> None:
    """What is no number is not asked for."""
    assert comment(number).stdout.startswith("Nothing to say: ")
    assert github.asked == []


@pytest.mark.parametrize(
    ("number", "about"),
    [("7", {"head_sha": "def"}), (None, {}), ("7", {"event": "push"})],
    ids=["another commit", "no artifact", "no pull request"],
)
def test_nothing_to_say(
    number: str | None,
    about: dict[str, str],
    comment: Callable[..., subprocess.CompletedProcess[str]],
    github: FakeGitHub,
) -> None:
    """A pull request that the gate did not run for gets no comment; neither does one that has moved on."""
    done = comment(number, **about)
    assert done.returncode == 0
    assert done.stdout.startswith("Nothing to say: ")
    assert github.asked == []
