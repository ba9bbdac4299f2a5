"""The node ids of the suite, as scripts and saved runs know them: `python -m tests.node_ids` writes them.

A new variant or benchmark is added without a word. What would vanish breaks somebody's history, so that has
to be asked for: `python -m tests.node_ids --forget`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "tests" / "node_ids.txt"
ABOUT = "# Written by `python -m tests.node_ids`. With (all): only measured if --variant asks for it.\n"
ON_REQUEST = " (all)"


def listed() -> dict[str, bool]:
    """Return the node ids in the file, and whether each is collected by default."""
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {line.removesuffix(ON_REQUEST): not line.endswith(ON_REQUEST) for line in lines}


def collected() -> dict[str, bool]:
    """Return the same of the node ids that there are."""
    default = _collected()
    return {each: each in default for each in _collected("--variant=all")}


def _collected(*options: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", "benchmarks", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


def main(arguments: list[str]) -> int:
    """Write the file, unless that would forget a node id which is in it; return the exit code."""
    there = collected()
    gone = [each for each in (listed() if FILE.exists() else {}) if each not in there]
    if gone and arguments != ["--forget"]:
        print(*gone, sep="\n")
        print("These would vanish, and their history with them: with --forget they do.")
        return 1
    lines = [f"{each}{'' if by_default else ON_REQUEST}\n" for each, by_default in there.items()]
    FILE.write_text(ABOUT + "".join(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
