"""What the action ``doctor`` runs: examines the runner, and puts what was found into the job's summary.

Inputs come as environment variables, so that no text of a pull request is ever part of a script.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def command(inputs: Mapping[str, str]) -> list[str]:
    """Return the command that examines."""
    minutes = inputs.get("DOCTOR_MINUTES", "")
    options = [f"--minutes={minutes}"] if minutes else []
    options += [f"--variant={each}" for each in inputs.get("DOCTOR_VARIANTS", "").split()]
    options += [f"--loader={each}" for each in inputs.get("DOCTOR_LOADER", "").split()]
    return [sys.executable, "-m", "loader_gate.doctor", *options]


def main() -> int:
    """Examine the runner, and write the summary; return the exit code of the command."""
    done = subprocess.run(command(os.environ), stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, flush=True)
    said = done.stdout or "It could not be examined: the log of this step says why.\n"
    # Four spaces make a block that no text in it can end.
    block = "".join(f"    {line}\n" for line in said.splitlines())
    with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as summary:
        summary.write(f"## What this runner can decide\n\n{block}\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
