"""The command that compares ways to keep images: what comes back, and which is the fastest."""

from __future__ import annotations

import math

import numpy as np
import pytest

from docs import rivals
from docs.half_the_bytes import BYTES, Found, Rows, best, table


@pytest.mark.parametrize(
    ("planes", "shape"),
    [([(6, 4, 3)], (6, 4, 3)), ([(6, 4), (3, 2), (3, 2)], (9, 4)), ([(2, 2), (1, 1), (1, 1)], (3, 2))],
)
def test_differences_of_rows(planes: list[tuple[int, ...]], shape: tuple[int, ...]) -> None:
    """Rows come back to the bit, of an image and of planes of two sizes."""
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    rows = Rows(planes, shape)
    apart = rows.apart(image)
    assert len(apart) == image.size
    np.testing.assert_array_equal(rows.together(apart), image)
    flat = np.full(shape, 7, np.uint8)
    assert rows.apart(flat).count(0) == flat.size - sum(math.prod(plane[1:]) for plane in planes)


def found(name: str, size: float, *rates: float) -> Found:
    """Return a way of so many bytes and images a second, that loses nothing."""
    return Found(name, size, (math.inf, math.inf), 1.0, 1.0, [*rates])


def test_the_fastest_at_each_disk() -> None:
    """A small one from slow disks, a fast one from fast ones; what others beat at any speed is not named."""
    ways = [found(BYTES, 150_000, 13_000), found("half", 75_000, 9_000), found("jpeg", 15_000, 4_600)]
    slow = found("slow and large", 80_000, 8_000)
    told = best([*ways, slow])
    assert [*told] == ["jpeg", "half", BYTES]
    assert told["jpeg"].startswith("up to 3")  # 4,600 images/s of 75,000 bytes are 345 MB/s
    assert told[BYTES].startswith("from 1,3")  # 9,000 images/s of 150,000 bytes
    assert ways[1].cold(75e6) == pytest.approx(1_000)
    assert ways[1].cold(math.inf) == 9_000


def test_the_table() -> None:
    """The largest comes first; speeds are told relative to bytes, round by round."""
    half = Found("half", 12.5, (40.0, 30.5), 0.99, 0.9, [50.0, 100.0])
    text = table([half, found(BYTES, 300, 100.0, 200.0)], (10, 10))
    rows = [line for line in text.splitlines() if line.startswith(("| uint8", "| half"))]
    assert [row.split(" |")[0] for row in rows] == ["| uint8", "| half"]
    assert "| 25.0% | all |" in rows[0]
    assert "| 40.0 and 30.5 dB | 0.99, 0.90 | 75 | 0.50 (0.50–0.50) |" in rows[1]


def test_rivals_are_told_by_their_seconds() -> None:
    """A rival that takes twice as long is told so, the fastest first; of one block there is no interval."""
    seconds = {
        "native_threads": [1.0, 1.0, 2.0, 2.0],
        "slow": [4.0, 4.0, 8.0, 8.0],
        "fast": [2.0] * 2 + [4.0] * 2,
    }
    rows = rivals.table(seconds).splitlines()[2:]
    assert rows == ["| `fast` | 2.00 (2.00–2.00) |", "| `slow` | 4.00 (4.00–4.00) |"]
    (row,) = rivals.table({name: seconds[name][:2] for name in ("native_threads", "slow")}).splitlines()[2:]
    assert row == "| `slow` | 4.00 (0.00–) |"
