"""What the libraries that are installed do with every kind of file is what is said of it before timing."""

from __future__ import annotations

import os
from pathlib import Path

from docs.file_kinds import pictures
from docs.file_kinds.decoders import given, installed, same
from docs.file_kinds.samples import SAMPLES
from fixtures.trees import NewFolder, write_image
from loader_gate.registry.variant import BASELINE
from loader_gate.trees.kinds import ODD
from loader_gate.trees.look import look
from tests.sessions import ONLY_BASELINE, SMALL_BUDGET, Sessions
from tests.test_file_names import NAMES, only_linux


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
            # simplejpeg hands to Pillow what is no JPEG, and torchvision what it refuses.
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


LOADER = """
def plain(tree, spec):
    import tensorflow as tf

    def read(path, label):
        image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        return tf.image.resize(image, spec.image_size) / 255, tf.one_hot(label, len(tree.class_names))

    files = tf.data.Dataset.from_tensor_slices((list(tree.paths), list(tree.labels)))
    return files.map(read).batch(spec.batch_size)
"""


def test_a_loader_of_ones_own(tmp_path: Path, tree_cache: Path, new_folder: NewFolder) -> None:
    """Files are named where it fails on one that its library refuses; before timing, if it declares that."""
    root = new_folder("photos", x=3, y=3)
    (root / "x" / "odd\n::stop-commands::.bmp").write_bytes(pictures.bmp(1))
    module = tmp_path / "own_loader.py"
    module.write_text(LOADER, encoding="utf-8")
    folder = tmp_path / "session"
    folder.mkdir()
    sessions = Sessions(folder, tree_cache, "benchmarks/test_loading.py", f"--image-root={root}")
    sessions.add_to_path(tmp_path)
    options = (
        *ONLY_BASELINE,
        "--loader=own_loader:plain",
        SMALL_BUDGET,
        "--image-size=32",
        "-k",
        "throughput",
    )
    run = sessions.run(*options)
    assert "raised InvalidArgumentError" in run.unmeasured["plain"]
    assert run.unmeasured["plain"].endswith(
        ". The tree has 1 file that some libraries read otherwise, or not at all: "
        r"x/odd\n::stop-commands::.bmp (a BMP of 1, 4 or 16 bits a pixel: TensorFlow refuses it)"
    )
    assert not [line for line in run.out.splitlines() if line.lstrip().startswith("::")]
    module.write_text(f'{LOADER}\n\nplain.DECODERS = "TensorFlow"\n', encoding="utf-8")
    run = sessions.run(*options)
    assert "is a BMP of 1, 4 or 16 bits a pixel: TensorFlow refuses it; Pillow reads it" in run.text
    assert run.saved == {}


@only_linux
def test_a_session_over_odd_names(tmp_path: Path, tree_cache: Path, new_folder: NewFolder) -> None:
    """All are measured but a bad one; in the log, the XML, the JSON and the page they are text."""
    root = new_folder("photos <b>[1]", x=2, y=2)
    for number, name in enumerate((*NAMES, os.fsdecode(b"jalape\xf1o.jpg"))):
        write_image(root / "x" / name, 100 + 10 * number)
    (root / "x" / "bad\n::stop-commands::.jpg").write_bytes(b"")
    folder = tmp_path / "session"
    folder.mkdir()
    sessions = Sessions(folder, tree_cache, "benchmarks/test_loading.py", f"--image-root={root}")
    page = folder / "report.html"
    options = ("--image-size=32", f"--report={page}", SMALL_BUDGET, "--skip-bad-images", "-kthroughput")
    run = sessions.run("--variant=tfdata_no_cache", *options)
    assert run.unmeasured == {}
    assert {*run.junit} == {*run.infos} == {BASELINE, "tfdata_no_cache"}
    assert "17 images in 2 classes" in run.text
    assert r"bad\n::stop-commands::.jpg is empty" in run.text
    lines = (run.out + run.err).splitlines()
    assert not [line for line in lines if line.lstrip().startswith("::") or not line.isprintable()]
    text = page.read_text("utf-8")
    assert "tfdata_no_cache" in text
    assert not [found for found in ("photos <b>", "<b>&amp;", "\u202e", "\x1b") if found in text]
