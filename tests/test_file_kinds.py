"""Kinds of files: what is said of each before timing is what the libraries do, and what is on the page."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from PIL import Image

from docs.file_kinds import pictures
from docs.file_kinds.__main__ import PAGE
from docs.file_kinds.samples import SAMPLES
from fixtures.trees import NewFolder, NewTree
from loader_gate.progress import Display
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.session.result import naming_odd_files, without_passes
from loader_gate.trees.kinds import LIBRARIES, ODD
from loader_gate.trees.look import look
from loader_gate.trees.pixels import VARIABLE, allow_pixels, allow_pixels_as_told
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.trees.tree import IMAGE_SUFFIXES, TreeError

#: What is large takes seconds.
SMALL = [name for name in SAMPLES if "million" not in name]


def looked_at(name: str, folder: Path) -> tuple[str | None, str, str | None]:
    """Return what the check finds in a sample."""
    file = folder / "sample.jpg"
    file.write_bytes(SAMPLES[name]())
    return look((str(file), None))


def test_every_odd_kind_is_known_by_its_header(tmp_path: Path) -> None:
    """Just the samples that a kind names are of that kind; all others are good, or bad, to everybody."""
    found = {name: looked_at(name, tmp_path)[1] for name in SMALL}
    expected = {name: kind for kind, odd in ODD.items() for name in odd.seen}
    assert {name: kind for name, kind in found.items() if kind} == expected


def test_page() -> None:
    """It has a row of every sample, of which there are many."""
    rows = re.findall(r"^\| ([^|]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows[2:] == list(SAMPLES)
    assert len(SAMPLES) > 60


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("JPEG, 12 bits", "is a JPEG of 12 bits a sample, which no loader reads"),
        ("WebP", r"is WebP, named \.jpg: convert it"),
        ("AVIF", r"is AVIF, named \.jpg: convert it"),
        ("HTML", r"is HTML, named \.jpg"),
        ("pointer of Git LFS", r"is a pointer of Git LFS, .*`git lfs pull`"),
        ("PNG, a chunk's checksum wrong", "is PNG, but damaged"),
    ],
)
def test_what_is_no_image_is_called_what_it_is(tmp_path: Path, name: str, reason: str) -> None:
    """Whatever its name says."""
    found = looked_at(name, tmp_path)[2]
    assert found is not None
    assert re.search(reason, found)


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_what_is_renamed_is_called_what_it_is(
    new_folder: NewFolder, new_subset: NewTree, suffix: str
) -> None:
    """Under each of the names that count as images, and the error says which."""
    root = new_folder("a", x=2, y=2)
    kinds = ("WebP", "HEIC", "AVIF", "TIFF", "HTML")
    for kind in kinds:
        (root / "x" / f"{kind}{suffix}").write_bytes(SAMPLES[kind]())
    with pytest.raises(TreeError, match="5 files are not usable images") as caught:
        new_subset(root)
    said = [line.rpartition("/")[2] for line in str(caught.value).splitlines()[1:]]
    assert sorted(line.partition(":")[0] for line in said) == sorted(
        f"{kind}{suffix} is {kind}, named {suffix}" for kind in kinds
    )


@pytest.mark.parametrize(
    ("sample", "libraries", "said"),
    [
        (
            "BMP, 1 bit",
            ("Pillow", "TensorFlow"),
            "is a BMP of 1, 4 or 16 bits a pixel: TensorFlow refuses it",
        ),
        ("BMP, 1 bit", ("Pillow", "simplejpeg"), ""),
        ("PNG, 16 bits of grey", ("Pillow", "TensorFlow"), "Pillow clips it to white; TensorFlow scales it"),
        ("GIF, partial first frame", ("TensorFlow",), "TensorFlow gives that frame alone"),
        ("PNG, palette with alpha", LIBRARIES, ""),
        ("JPEG, lossless", LIBRARIES, "is a lossless JPEG: TensorFlow refuses it; Pillow reads it"),
        ("GIF", ("Pillow", "DALI"), "is a GIF: DALI refuses it; Pillow reads it"),
        ("GIF", LIBRARIES, ""),
        ("PNG, 48 bits", ("Pillow", "torchvision"), "torchvision gives numbers of 16 bits; Pillow gives 8"),
    ],
)
def test_odd_files_are_named_before_timing(
    new_folder: NewFolder, new_subset: NewTree, sample: str, libraries: tuple[str, ...], said: str
) -> None:
    """Where a library of the session does something else; and they can be left out."""
    root = new_folder("a", x=2, y=2)
    (root / "x" / "odd.png").write_bytes(SAMPLES[sample]())
    if not said:
        assert len(new_subset(root, libraries=libraries)) == 5
        return
    with pytest.raises(TreeError, match=rf"1 file is not .*(.|\n)*odd\.png .*{re.escape(said)}"):
        new_subset(root, libraries=libraries)
    assert len(new_subset(root, libraries=libraries, skip_bad_images=True)) == 4


def test_a_record_serves_sessions_of_other_libraries(
    new_folder: NewFolder, new_subset: NewTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a file is does not depend on who is going to read it: it is looked at once."""
    root = new_folder("a", x=2, y=2)
    (root / "x" / "odd.bmp").write_bytes(pictures.bmp(1))
    assert len(new_subset(root, libraries=("Pillow",))) == 5
    monkeypatch.setattr("loader_gate.trees.check.results", None)
    with pytest.raises(TreeError, match="TensorFlow refuses it"):
        new_subset(root, libraries=("TensorFlow",))


def test_the_limit_of_pixels_can_be_moved(new_folder: NewFolder) -> None:
    """An image of more pixels is refused, with the option that raises that."""
    root = new_folder("a", x=2, y=2)
    cache, display = root.parent / "cache", Display(io.StringIO())
    with pytest.raises(TreeError, match=r"4 files are not .*(.|\n)*too many pixels.*--most-pixels"):
        prepare_tree(TreeRequest(root, most_pixels=20), display, cache=cache)
    assert len(prepare_tree(TreeRequest(root, most_pixels=100), display, cache=cache)) == 4


def test_workers_may_decode_what_the_check_lets_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would refuse it in every process otherwise; where nothing was asked for, nothing is imported."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    allow_pixels(None)
    allow_pixels_as_told()
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setenv(VARIABLE, "200")
    allow_pixels_as_told()
    assert Image.MAX_IMAGE_PIXELS == 200
    allow_pixels(300)
    assert (Image.MAX_IMAGE_PIXELS, os.environ[VARIABLE]) == (300, "300")


def test_variants_say_what_decodes_their_files() -> None:
    """The baseline by Pillow; limits decode nothing, or JPEGs alone; what says nothing counts as all."""
    said = {each.name: {*each.decoders} for each in built_in_variants()}
    assert said[BASELINE] == {"Pillow"}
    assert said["tfdata_no_cache"] == {"TensorFlow"}
    assert said["native_threads"] == {"simplejpeg", "Pillow"}
    assert said["limit_read_files"] == said["limit_disk_read"] == set()
    assert said["uint8_memory_map"] == {*LIBRARIES}
    assert said["torch_torchvision"] == {"torchvision", "Pillow"}
    assert {*said["spdl_pipeline"], *said["litdata_streaming"], *said["mosaicml_streaming"]} == {"Pillow"}
    assert set().union(*said.values()) == {*LIBRARIES, "torchvision", "DALI"}


@pytest.mark.parametrize("reason", ["its worker raised X: y.", "it does other work than asked: z"])
def test_a_loader_that_fails_is_told_of_odd_files(
    new_folder: NewFolder, new_subset: NewTree, reason: str
) -> None:
    """As nobody knows its library, no check has named them; where there are none, nothing is said."""
    root = new_folder("a", x=2, y=2)
    (root / "x" / "plain.gif").write_bytes(SAMPLES["GIF"]())  # only DALI refuses it
    own = without_passes(Variant("plain", "own", "plain"), reason)
    assert naming_odd_files(own, new_subset(root, libraries=("Pillow",))) == own
    for number in range(4):
        (root / "x" / f"odd\n{number}.bmp").write_bytes(pictures.bmp(1))
    tree = new_subset(root, libraries=("Pillow",))
    does = "(a BMP of 1, 4 or 16 bits a pixel: TensorFlow refuses it)"
    named = ", ".join(rf"x/odd\n{number}.bmp {does}" for number in range(3))
    assert naming_odd_files(own, tree).verdict.reason == (
        f"{reason.rstrip('.')}. The tree has 4 files that some libraries read otherwise, or not at all: "
        f"{named}, ..."
    )
    built_in = without_passes(Variant("a", "loader_gate.variants.a"), reason)
    hung = without_passes(own.variant, "its worker hung")
    assert [naming_odd_files(each, tree) for each in (built_in, hung)] == [built_in, hung]
