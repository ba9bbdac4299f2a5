"""Batches that a thread reads ahead: all of them, in order, and nothing is left when they are left early."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from loader_gate.worker.read_ahead import AHEAD, read_ahead


def test_a_buffer_that_is_used_again() -> None:
    """What is handed over is a copy: a loader may write its next batch where the last one was."""
    buffer = np.zeros(2, np.int64)

    def batches() -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
        for number in range(20):
            buffer[:] = number
            yield buffer

    found = [int(each[0]) for each in read_ahead(batches(), np.array)]
    assert found == [*range(20)]


def test_no_more_is_read_than_a_few_ahead() -> None:
    """A loader does not run away from who takes its batches, and is let go of when these are left."""
    read: list[int] = []
    is_closed = threading.Event()

    def batches() -> Iterator[int]:
        try:
            for number in range(1000):
                read.append(number)
                yield number
        finally:
            is_closed.set()

    before = threading.active_count()
    found = read_ahead(batches(), int)
    assert [next(found), next(found)] == [0, 1]
    found.close()
    assert threading.active_count() == before
    assert is_closed.is_set()
    # Those taken, in the queue, and waiting for room there; leaving it makes room for some more.
    assert 2 <= len(read) <= 2 + AHEAD + 1 + 2 * (AHEAD + 1)


def test_nothing_is_read_before_it_is_asked_for() -> None:
    """An epoch begins when the first batch is asked for, on the clock."""
    read: list[int] = []

    def batches() -> Iterator[int]:
        for number in range(3):
            read.append(number)
            yield number

    found = read_ahead(batches(), int)
    assert read == []
    assert [*found] == read == [0, 1, 2]


def test_what_a_loader_raises() -> None:
    """It reaches who takes the batches, behind those that came before."""

    def batches() -> Iterator[int]:
        yield 1
        raise OSError("no such file")

    found = read_ahead(batches(), int)
    assert next(found) == 1
    with pytest.raises(OSError, match="no such file"):
        next(found)
