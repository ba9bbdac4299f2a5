"""Installs the suite without TensorFlow, as ``docs/backends.md`` says; collects, measures and gates there."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import venv
from pathlib import Path

from distributions import ROOT, CheckError, build, expect, run, step

#: A session as small as can be and still be decided.
SESSION = (
    *(
        "--tree-images=48",
        "--classes=2",
        "--image-size=64",
        "--batch-size=8",
        "--budget=120",
        "--hang-after=600",
    ),
    *("--floors=benchmarks/floors.toml", "--variant=uint8_memory_map", "-p", "no:cacheprovider", "-rs"),
)
#: What no machine is fast enough for.
OUT_OF_REACH = "--floor=uint8_memory_map=1000"


def main() -> int:
    """Do all of it; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="loader-gate-without-") as name:
        folder = Path(name)
        try:
            _, wheel = build(folder / "dist")
            suite = Suite(folder, wheel)
            suite.collects()
            suite.gates("loading")
            suite.gates("training")
        except CheckError as error:
            print(error, file=sys.stderr)
            return 1
    print("The suite collects, measures and gates without TensorFlow.")
    return 0


class Suite:
    """This checkout's benchmarks, in an environment that has the wheel and no TensorFlow."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        """Install all that the docs name.

        Args:
            folder: Where the environment is to be, and everything that sessions leave.
            wheel: Of this checkout.
        """
        self._folder = folder
        self._python = folder / "environment" / "bin" / "python"
        with step("install"):
            venv.create(folder / "environment", with_pip=False, symlinks=True)
            pip = (sys.executable, "-m", "pip", "--python", str(self._python), "install", "--quiet")
            run([*pip, "--constraint", str(ROOT / "constraints.txt"), *needed()])
            run([*pip, "--no-deps", str(wheel)])
        said = run([str(self._python), "-c", "import importlib.util as u; print(u.find_spec('tensorflow'))"])
        expect(said.strip() == "None", f"TensorFlow is there all the same: {said}")

    def collects(self) -> None:
        """Check that every test is collected."""
        with step("collect"):
            said = self._pytest("benchmarks", "--collect-only", "-q")
            expect(
                "test_throughput[keras_image_data_generator]" in said, f"no baseline was collected:\n{said}"
            )

    def gates(self, workload: str) -> None:
        """Check that a workload is measured, that a floor out of reach fails, and what is skipped."""
        with step(workload):
            saved, test = self._folder / f"{workload}.json", f"benchmarks/test_{workload}.py"
            said = self._pytest(test, *SESSION, OUT_OF_REACH, f"--benchmark-json={saved}", expected=1)
            found = {
                each["extra_info"]["variant"]: each["extra_info"]
                for each in json.loads(saved.read_text(encoding="utf-8"))["benchmarks"]
            }
            expect(found["uint8_memory_map"]["verdict"] == "fail", f"it was not held to its floor:\n{said}")
            expect(found["keras_image_data_generator"]["images_per_second"] > 0, f"no baseline:\n{said}")
            if workload == "training":
                expect(
                    found["uint8_memory_map"]["backend"] == "jax", f"it trained on another backend:\n{said}"
                )
            said = self._pytest(test, "--variant=all", "--collect-only", "-q")
            expect("tfdata_no_cache" in said, f"what needs TensorFlow is not even named:\n{said}")

    def _pytest(self, *arguments: str, expected: int = 0) -> str:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "PYTHON", "COV_", "GITHUB_", "TOX_", "KERAS_"))
        }
        about = {"LOADER_GATE_CACHE": str(self._folder / "cache"), "TMPDIR": str(self._folder)}
        command = [str(self._python), "-m", "pytest", *arguments]
        return run(command, cwd=ROOT, environment={**kept, **about}, expected=expected)


def needed() -> list[str]:
    """Return what the docs say has to be installed beside the wheel, in the place of TensorFlow JAX."""
    for line in (ROOT / "docs" / "backends.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("pip install jax "):
            return shlex.split(line)[2:]
    raise CheckError("docs/backends.md does not say what has to be installed in the place of TensorFlow.")


if __name__ == "__main__":
    sys.exit(main())
