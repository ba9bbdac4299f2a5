"""What the action ``gate`` runs: installs the suite and its user's loader, then measures and gates.

Inputs come as environment variables, so that no text of a pull request is ever part of a script.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SUITE = Path(__file__).resolve().parents[2]


class InputError(Exception):
    """An input of the action cannot be used; the message names it and says what was expected."""


def install(inputs: Mapping[str, str]) -> int:
    """Install the suite, and what the user's loader needs; return pip's exit code."""
    extras = ",".join(inputs.get("GATE_EXTRAS", "").split())
    suite = f"{SUITE}[{extras}]" if extras else str(SUITE)
    # The suite's own repository measures the files that are checked out, and those of a base.
    editable = ["--editable"] if Path.cwd().resolve() == SUITE else []
    wanted = shlex.split(inputs.get("GATE_INSTALL", ""))
    # The versions that the suite was tested with, unless somebody else's requirements have a say.
    wanted = wanted or ["--constraint", str(SUITE / "constraints.txt")]
    command = [sys.executable, "-m", "pip", "install", *editable, suite, *wanted]
    return subprocess.run(command, check=False).returncode


def measure(inputs: Mapping[str, str]) -> int:
    """Run pytest, write the summary and what a comment is made from; return pytest's exit code."""
    from loader_gate.report.summary import summary_of_file

    folder = Path(inputs["GATE_FOLDER"])
    folder.mkdir(parents=True, exist_ok=True)
    run = folder / "run.json"
    command = [*pytest_command(inputs), f"--benchmark-json={run}"]
    print(shlex.join(command), flush=True)
    code = subprocess.run(command, check=False).returncode
    (folder / "exit-code.txt").write_text(f"{code}\n", encoding="utf-8")
    # Of a pull request, such as refs/pull/7/merge.
    _, kind, number, *_ = [*inputs.get("GITHUB_REF", "").split("/"), "", "", ""]
    if kind == "pull":
        (folder / "pull-request.txt").write_text(f"{number}\n", encoding="utf-8")
    with Path(inputs["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as summary:
        title = inputs.get("GATE_TITLE") or "loader-gate"
        summary.write(f"{summary_of_file(run, title, code)}\n")
    return code


def pytest_command(inputs: Mapping[str, str]) -> list[str]:
    """Return the command that measures.

    Raises:
        InputError: An input cannot be used.
    """
    from loader_gate.registry.variant import BASELINE

    loaders = inputs.get("GATE_LOADER", "").split()
    variants = inputs.get("GATE_VARIANTS", "").split()
    options = [f"--loader={each}" for each in loaders]
    # Beside a loader of one's own, only what it is compared with.
    options += [f"--variant={each}" for each in variants or ([BASELINE] if loaders else [])]
    options += [f"--floor={each}" for each in inputs.get("GATE_FLOOR", "").split()]
    for name in ("image-root", "tree", "tree-images", "confirm", "budget"):
        value = inputs.get(f"GATE_{name.upper().replace('-', '_')}", "")
        options += [f"--{name}={value}"] if value else []
    base = base_revision(inputs)
    options += [f"--against={base}"] if base else []
    options += shlex.split(inputs.get("GATE_ARGUMENTS", ""))
    return [sys.executable, "-m", "pytest", *_tests(inputs), *options]


def _tests(inputs: Mapping[str, str]) -> list[str]:
    """Return the user's own tests, or those of the suite that measure some workloads."""
    own = shlex.split(inputs.get("GATE_TESTS", ""))
    if own:
        return own
    files = {file.stem.removeprefix("test_"): str(file) for file in SUITE.glob("benchmarks/test_*.py")}
    names = inputs.get("GATE_WORKLOADS", "").split() or ["loading"]
    for name in names:
        if name not in files:
            raise InputError(f"workloads: {name!r} is none; expected some of {', '.join(sorted(files))}.")
    return [files[name] for name in names]


def base_revision(inputs: Mapping[str, str]) -> str:
    """Return what to compare with; empty if that is nothing.

    Raises:
        InputError: A pull request's merge base is asked for, and is not in this clone.
    """
    against = inputs.get("GATE_AGAINST", "")
    if against != "merge-base":
        return against
    target = inputs.get("GITHUB_BASE_REF", "")
    if not target:  # no pull request
        return ""
    command = ["git", "merge-base", "--", f"origin/{target}", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(
            f"against: git finds no merge base of origin/{target} and HEAD; give actions/checkout "
            f"`fetch-depth: 0`. It says: {done.stderr.strip() or 'nothing'}"
        )
    return done.stdout.strip()[:12]


def main() -> int:
    """Install or measure; a wrong input is an annotation and exit code 4, as pytest's own wrong options."""
    try:
        return {"install": install, "measure": measure}[sys.argv[1]](os.environ)
    except InputError as error:
        message = str(error).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        print(f"::error title=loader-gate::{message}")
        return 4


if __name__ == "__main__":
    sys.exit(main())
