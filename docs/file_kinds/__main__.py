"""Writes docs/file_kinds.md: what each library gives for a file of each kind, and what the check says."""

from __future__ import annotations

import argparse
import os
import warnings
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from docs.file_kinds.decoders import DECODERS, given, installed, same
from docs.file_kinds.pictures import Pixels
from docs.file_kinds.samples import SAMPLES
from loader_gate.trees.kinds import ODD
from loader_gate.trees.look import look

PAGE = Path(__file__).resolve().parents[1] / "file_kinds.md"
_DISTRIBUTIONS = {"Pillow": "pillow", "DALI": "nvidia-dali-cuda120", "OpenCV": "opencv-python-headless"}

_INTRODUCTION = """\
# Kinds of files

What each library gives for a file of each kind, and what is said of it before anything is timed. "same" is
what Pillow gives, which the reference decode uses, within the limits that
[a variant is held to](measuring.md); "otherwise" is other pixels, "refused" none. simplejpeg stands for
`native_threads` and torchvision for `torch_torchvision`, which hand to Pillow what they refuse. OpenCV
decodes for no variant; it turns a picture as its Exif block says, and others do not.

A file that a library of the session's variants refuses or reads otherwise is named with what that library
does, and left out with `--skip-bad-images`; `DECODERS` of a variant, and of
[a loader of yours](variants.md#the-contract), says which libraries those are. All else is measured.

By {versions}{absent}; `python -m docs.file_kinds` writes this page.

"""


def main(arguments: list[str] | None = None) -> None:
    """Decode everything, and write the page.

    Args:
        arguments: Of the command line; there are none but ``--help``.
    """
    argparse.ArgumentParser(prog="python -m docs.file_kinds", description=__doc__).parse_args(arguments)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    libraries = installed()
    versions = ", ".join(f"{each} {version(_DISTRIBUTIONS.get(each, each))}" for each in libraries)
    others = ", ".join(each for each in DECODERS if each not in libraries)
    absent = f"; without {others}, not installed" if others else ""
    lines = [
        f"| kind | {' | '.join(libraries)} | said of it |",
        f"| --- |{' --- |' * (len(libraries) + 1)}",
    ]
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 92 million pixels are meant
        for kind, draw in SAMPLES.items():
            data = draw()
            expected = given(data, "Pillow")
            answers = [_answer(given(data, library), expected) for library in libraries]
            lines.append(f"| {kind} | {' | '.join(answers)} | {_said(data, libraries, Path(folder))} |")
    introduction = _INTRODUCTION.format(versions=versions, absent=absent)
    PAGE.write_text(introduction + "\n".join(lines) + "\n", encoding="utf-8")


def _answer(pixels: Pixels | None, expected: Pixels | None) -> str:
    if pixels is None:
        return "refused"
    if expected is None:
        return "read"
    return "same" if same(pixels, expected) else "otherwise"


def _said(data: bytes, libraries: list[str], folder: Path) -> str:
    """Return what the check of a tree says of a file, in a session of these libraries."""
    file = folder / "it.jpg"
    file.write_bytes(data)
    _, kind, reason = look((str(file), None))
    said = reason or (ODD[kind].problem(libraries) if kind else None)
    return said.partition(": Image size")[0] if said else "nothing, measured"


if __name__ == "__main__":
    main()
