"""Sizes as people write and read them."""

from __future__ import annotations

import pytest

from loader_gate.sizes import format_size, parse_size

GB = 10**9


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("800M", 800_000_000),
        ("1.5G", 1_500_000_000),
        ("2GB", 2_000_000_000),
        ("64k", 64_000),
        (" 1t ", 10**12),
        ("0.5K", 500),
        ("7b", 7),
    ],
)
def test_a_size(text: str, size: int) -> None:
    """Units are powers of 1000, in either case, with or without the B."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "0", "0.0G", "-1G", "G", "1.G", "1,5G", "1GiB", "1 G", "ten", "nan", "0.1"]
)
def test_no_size(text: str) -> None:
    """Anything else is named, with an example of what was expected."""
    with pytest.raises(ValueError, match=r"expected a size such as 800M or 1\.5G") as caught:
        parse_size(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (92_224_880_640, "92.2 GB"),
        (GB, "1.0 GB"),
        (1_234 * GB, "1,234.0 GB"),
        (786_432, "786 KB"),
        (1_500_000, "1.5 MB"),
        (3_000, "3 KB"),
    ],
)
def test_sizes_for_people(size: float, text: str) -> None:
    """In the largest unit that fits."""
    assert format_size(size) == text
