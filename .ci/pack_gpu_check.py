"""Packs what a machine with a GPU and no network needs for ``python -m loader_gate.gpu_check`` into one file.

``python .ci/pack_gpu_check.py FILE.tar.gz --python 3.12``, wherever ``tox run -e wheel`` can run. On that
machine: ``tar xf FILE.tar.gz && gpu-check/run OUT``.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
import tempfile
from pathlib import Path

from distributions import ROOT, CheckError, build, expect, run, step

#: What such a machine has, each with all that it depends on.
THERE = ("jax", "matplotlib", "opencv-python-headless", "pillow", "psutil", "pytest", "scipy", "torch")
#: What is carried beside our own wheel: all that it, and the extras which the check uses, need besides.
CARRIED = (
    "absl-py",
    "h5py",
    "ijson",
    "keras",
    "markdown-it-py",
    "mdurl",
    "namex",
    "narwhals",
    "nvidia-ml-py",
    "optree",
    "platformdirs",
    "plotly",
    "py-cpuinfo",
    "pytest-benchmark",
    "rich",
    "ruptures",
    "simplejpeg",
    "tomlkit",
)
#: What may be carried there is often limited.
MOST_BYTES = 60_000_000
#: The systems that such a machine may be, as pip names them: it takes each by its exact name.
PLATFORMS = tuple(
    f"{each}_x86_64"
    for each in ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17", "manylinux2014")
)


def main() -> int:
    """Pack it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", metavar="FILE.tar.gz", type=Path)
    parser.add_argument(
        "--python",
        metavar="X.Y",
        help="the Python there, on Linux x86-64 (default: this one, on a system like this)",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loader-gate-gpu-check-") as name:
        folder = Path(name)
        try:
            _, wheel = build(folder / "dist")
            download(folder / "wheels", options.python)
            pack(options.file, [wheel, *sorted((folder / "wheels").glob("*.whl"))])
            size = options.file.stat().st_size
            expect(
                size < MOST_BYTES, f"{options.file} has {size:,} bytes, expected fewer than {MOST_BYTES:,}."
            )
        except CheckError as error:
            print(error, file=sys.stderr)
            return 1
    print(f"{options.file}: {size / 1e6:.1f} MB. There: tar xf {options.file.name} && gpu-check/run OUT")
    return 0


def download(folder: Path, python: str | None) -> None:
    """Download the wheels that are carried, of the tested versions.

    Args:
        folder: Where they are to be.
        python: The version of Python that they are for; this one's if None.
    """
    elsewhere = () if python is None else ("--python-version", python, *_each("--platform", PLATFORMS))
    with step("download"):
        run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
                *("--constraint", str(ROOT / "constraints.txt"), "--dest", str(folder), *elsewhere, *CARRIED),
            ]
        )


def _each(option: str, values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in (option, value)]


def pack(file: Path, wheels: list[Path]) -> None:
    """Write wheels, and the script that installs and runs them, into one file."""
    with step("pack"), tarfile.open(file, "w:gz") as archive:
        for wheel in wheels:
            archive.add(wheel, f"gpu-check/wheels/{wheel.name}")
        archive.add(Path(__file__).with_name("gpu_check.sh"), "gpu-check/run")


if __name__ == "__main__":
    sys.exit(main())
