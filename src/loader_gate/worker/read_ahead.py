"""Reads batches in a background thread, a few ahead of whoever takes them."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

#: So many batches lie ready at most, as in ``flax.jax_utils.prefetch_to_device`` and of each worker of
#: torch's ``DataLoader``; the thread may hold one more, for which there is no room yet.
AHEAD = 2
_POLL_SECONDS = 0.01


def read_ahead(batches: Iterable[Any], own: Callable[[Any], Any]) -> Generator[Any, None, None]:
    """Yield batches as they come; the thread has ended when the iterator has ended, or is closed.

    Args:
        batches: Begins a fresh epoch when it is iterated.
        own: Returns what is handed over of a batch, which may lie in a buffer that the next one is written
            to: it has to be a copy.
    """
    queue: Queue[tuple[Any, BaseException | None]] = Queue(AHEAD)
    is_left = Event()

    def read() -> None:
        try:
            for batch in batches:
                queue.put(((own(batch),), None))
                if is_left.is_set():
                    return
        except BaseException as error:
            queue.put((None, error))
        else:
            queue.put((None, None))

    thread = Thread(target=read, name="read ahead", daemon=True)
    thread.start()
    try:
        while (found := queue.get())[0] is not None:
            yield found[0][0]
            del found
        if found[1] is not None:
            raise found[1]
    finally:
        is_left.set()
        while thread.is_alive():  # it may wait for room
            with suppress(Empty):
                queue.get(timeout=_POLL_SECONDS)
