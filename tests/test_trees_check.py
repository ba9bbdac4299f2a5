"""The check before the clock starts: every bad file is named or left out, and good ones are read once."""

from __future__ import annotations

import io
import os
import re
import struct
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from fixtures.trees import NewTree
from loader_gate.progress import Display
from loader_gate.trees import check, pool
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.trees.tree import TreeError


def jpeg(shade: int = 0, size: int = 64) -> bytes:
    """Return a JPEG that has something to truncate."""
    stream = io.BytesIO()
    Image.radial_gradient("L").resize((size, size)).point(lambda value: value ^ shade).save(stream, "JPEG")
    return stream.getvalue()


def bomb(side: int) -> bytes:
    """Return a PNG that says it has a lot of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def encoded(kind: str) -> bytes:
    """Return an image in another format."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, kind)
    return stream.getvalue()


def animation() -> bytes:
    """Return a GIF of three frames."""
    frames = [Image.radial_gradient("L").rotate(angle) for angle in (0, 90, 45)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue()


BAD = {
    "empty.jpg": (b"", "is empty"),
    "short.jpg": (jpeg()[:-300], "cannot be decoded: image file is truncated"),
    "header.jpg": (jpeg()[:40], "cannot be decoded|is not a BMP"),
    "text.jpg": (b"<html>404 Not Found</html>", "is HTML, named .jpg: it was saved in the place"),
    "notes.jpg": (b"nothing of the kind", "is not a BMP, GIF, JPEG or PNG image"),
    "web.png": (encoded("TIFF"), "is TIFF, named .png: convert it"),
    "large.png": (bomb(10_000), "has too many pixels"),
    "huge.png": (bomb(60_000), "has too many pixels"),
    "film.gif": (animation()[:4000], "cannot be decoded"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree of two classes with three good images each."""
    for name, first in (("x", 0), ("y", 3)):
        (tmp_path / "root" / name).mkdir(parents=True)
        for number in range(first, first + 3):
            (tmp_path / "root" / name / f"{number}.jpg").write_bytes(jpeg(number))
    return tmp_path / "root"


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_named_with_its_reason(root: Path, name: str, new_subset: NewTree) -> None:
    """Every kind of bad file; the message has path, reason and the way out."""
    data, reason = BAD[name]
    (root / "x" / name).write_bytes(data)
    with pytest.raises(TreeError, match="--skip-bad-images") as caught:
        new_subset(root)
    assert str(caught.value).startswith("1 file is not a usable image.")
    assert re.search(f"{re.escape(str(root / 'x' / name))} ({reason})", str(caught.value))


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")
def test_what_is_no_file(root: Path, new_subset: NewTree) -> None:
    """A broken link and a named pipe are named, and not waited for."""
    (root / "x" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    os.mkfifo(root / "y" / "pipe.jpg")
    with pytest.raises(TreeError, match="2 files are not usable images") as caught:
        new_subset(root)
    assert "gone.jpg is a link to nothing" in str(caught.value)
    assert "pipe.jpg is not a regular file" in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable(root: Path, new_subset: NewTree) -> None:
    """No permission to read is a bad file, not a crash."""
    (root / "x" / "0.jpg").chmod(0)
    with pytest.raises(TreeError, match="cannot be read: Permission denied"):
        new_subset(root)


def test_first_twenty_and_the_count(root: Path, new_subset: NewTree) -> None:
    """Of 25 bad files, 20 are named."""
    for number in range(25):
        (root / "x" / f"bad{number:02}.jpg").write_bytes(b"")
    with pytest.raises(TreeError, match="25 files are not usable images") as caught:
        new_subset(root)
    assert str(caught.value).count("is empty") == 20
    assert "and 5 more" in str(caught.value)


def test_skip_bad_images(root: Path, new_subset: NewTree) -> None:
    """They are left out by links, their number is said and kept, and nothing in the folder is touched."""
    good = new_subset(root)
    for name, (data, _) in BAD.items():
        (root / "y" / name).write_bytes(data)
    stream = io.StringIO()
    display = Display(stream)
    request = TreeRequest(image_root=root, skip_bad_images=True)
    tree = prepare_tree(request, display, cache=root.parent / "cache")
    assert tree.digest == good.digest
    assert [Path(path).resolve() for path in tree.paths] == [Path(path) for path in good.paths]
    assert f"left out {len(BAD)} of {6 + len(BAD)} images" in stream.getvalue()
    assert len(display.notices) == 1
    assert len(list(root.rglob("*.*"))) == 6 + len(BAD)


def test_skip_bad_images_without_any(root: Path) -> None:
    """Then the tree is used in place and nothing is said."""
    display = Display(io.StringIO())
    tree = prepare_tree(TreeRequest(image_root=root, skip_bad_images=True), display, cache=root.parent / "c")
    assert tree.root == root
    assert not display.notices


def test_skipping_a_whole_class(root: Path, new_subset: NewTree) -> None:
    """A class that would vanish is an error: the tree would not be the one asked for."""
    for path in (root / "y").iterdir():
        path.write_bytes(b"")
    with pytest.raises(TreeError, match=r"would leave no image of these classes(.|\n)*y$"):
        new_subset(root, skip_bad_images=True)


def test_good_files_are_decoded_once(
    root: Path, monkeypatch: pytest.MonkeyPatch, new_subset: NewTree
) -> None:
    """The second session decodes nothing; a file that changed, or was bad, is decoded again, alone."""
    asked: list[str] = []
    genuine = pool.results

    def counted(function: str, items: list[tuple[str, None]]) -> object:
        asked.extend(path for path, _ in items)
        return genuine(function, items)

    monkeypatch.setattr(check, "results", counted)
    first = new_subset(root)
    assert len(asked) == 6
    asked.clear()
    assert new_subset(root) == first
    assert not asked
    (root / "x" / "0.jpg").write_bytes(b"")
    for _ in range(2):
        asked.clear()
        with pytest.raises(TreeError, match="is empty"):
            new_subset(root)
        assert asked == [str(root / "x" / "0.jpg")]
    (root / "x" / "0.jpg").write_bytes(jpeg(0))
    assert new_subset(root).digest == first.digest


def test_hard_links_are_decoded_once(
    root: Path, monkeypatch: pytest.MonkeyPatch, new_subset: NewTree
) -> None:
    """Many names of one file cost one decode."""
    for number in range(10):
        (root / "y" / f"link{number}.jpg").hardlink_to(root / "x" / "0.jpg")
    asked: list[str] = []
    genuine = pool.results

    def counted(function: str, items: list[tuple[str, None]]) -> object:
        asked.extend(path for path, _ in items)
        return genuine(function, items)

    monkeypatch.setattr(check, "results", counted)
    assert len(new_subset(root)) == 16
    assert len(asked) == 6


def test_broken_record_is_no_obstacle(root: Path, new_subset: NewTree) -> None:
    """A record that cannot be read only costs a new check."""
    first = new_subset(root)
    for record in (root.parent / "cache" / "checks").glob("*.json"):
        record.write_text("{")
    assert new_subset(root) == first


def test_odd_metadata_is_no_fault(root: Path, new_subset: NewTree) -> None:
    """A truncated Exif block makes Pillow warn; loaders do not care, so neither does the check."""
    exif = b"\xff\xe1\x00\x10Exif\x00\x00II*\x00\x08\x00\x00\x00"
    data = jpeg(9)
    (root / "x" / "odd.jpg").write_bytes(data[:2] + exif + data[2:])
    assert len(new_subset(root)) == 7
