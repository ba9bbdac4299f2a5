"""What the libraries that are installed do with every kind of file is what is said of it before timing."""

from __future__ import annotations

from pathlib import Path

from docs.file_kinds.decoders import given, installed, same
from docs.file_kinds.samples import SAMPLES
from loader_gate.trees.kinds import LIBRARIES, ODD
from loader_gate.trees.look import look


def test_what_libraries_do_is_what_is_said(tmp_path: Path) -> None:
    """What the check accepts is one picture to all libraries, and what it calls odd is not."""
    others = [each for each in installed() if each in LIBRARIES and each != "Pillow"]
    wrong = []
    for name, draw in SAMPLES.items():
        data = draw()
        file = tmp_path / "sample.jpg"
        file.write_bytes(data)
        digest, kind, _ = look((str(file), None))
        if digest is None:
            continue
        expected = given(data, "Pillow")
        assert expected is not None, name
        for library in others:
            pixels = given(data, library)
            otherwise = pixels is None or not same(pixels, expected)
            told = bool(kind) and ("Pillow" in ODD[kind].otherwise) != (library in ODD[kind].otherwise)
            # simplejpeg hands to Pillow what is no JPEG.
            told = told and library != "simplejpeg"
            if otherwise != told:
                wrong.append(f"{name}: {library}")
    assert not wrong, wrong
