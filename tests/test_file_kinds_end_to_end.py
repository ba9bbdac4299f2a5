"""What the libraries that are installed do with every kind of file is what is said of it before timing."""

from __future__ import annotations

from pathlib import Path

from docs.file_kinds import pictures
from docs.file_kinds.decoders import given, installed, same
from docs.file_kinds.samples import SAMPLES
from fixtures.trees import NewFolder
from loader_gate.trees.kinds import ODD
from loader_gate.trees.look import look
from tests.sessions import Sessions


def test_what_libraries_do_is_what_is_said(tmp_path: Path) -> None:
    """What the check accepts is one picture to all libraries, and what it calls odd is not."""
    others = [each for each in installed() if each not in ("Pillow", "OpenCV")]
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


def test_a_session_names_what_its_variants_read_otherwise(
    tmp_path: Path, tree_cache: Path, new_folder: NewFolder
) -> None:
    """Before it times anything; and the name of a file breaks no line."""
    root = new_folder("photos", x=3, y=3)
    odd = root / "x" / "odd\n::stop-commands::.bmp"
    odd.write_bytes(pictures.bmp(1))
    folder = tmp_path / "session"
    folder.mkdir()
    sessions = Sessions(folder, tree_cache, "benchmarks/test_loading.py", f"--image-root={root}")
    run = sessions.run("--variant=tfdata_no_cache", "-k", "throughput")
    assert run.code == 1
    assert "is a BMP of 1, 4 or 16 bits a pixel: TensorFlow refuses it; Pillow reads it" in run.text
    assert "--skip-bad-images" in run.text
    assert not [line for line in run.out.splitlines() if line.lstrip().startswith("::")]
    assert run.saved == {}
