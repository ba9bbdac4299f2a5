"""Lets TensorFlow record what tf.data's threads do: which operation, in which thread, for how long."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate.profile.operations import Event, stacks_of

if TYPE_CHECKING:
    from collections.abc import Callable

_PICOSECONDS = 1e12
#: The plane of a recording that has the threads of this machine.
_HOST = "/host:CPU"


def is_of_tfdata(batches: object) -> bool:
    """Return whether batches come from tf.data itself; imports nothing."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(batches, tensorflow.data.Dataset)


def recorded(batches: Iterable[Any], seconds: float, alive: Callable[[], None]) -> dict[str, Any]:
    """Deliver batches for so many seconds; return how many images came, and what threads did for them.

    Args:
        batches: A dataset, of which each iteration is an epoch.
        seconds: For how long.
        alive: Called after each batch.

    Raises:
        ImportError: This TensorFlow keeps the form of its recordings elsewhere.
    """
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

    images, until = 0, time.monotonic() + seconds
    options = tf.profiler.experimental.ProfilerOptions(
        host_tracer_level=2, python_tracer_level=0, device_tracer_level=0
    )
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, options=options)
        try:
            while time.monotonic() < until:
                for batch in batches:
                    images += len(batch[1])
                    alive()
                    if time.monotonic() >= until:
                        break
        finally:
            tf.profiler.experimental.stop()
        space = XSpace()
        for file in Path(folder).rglob("*.xplane.pb"):
            space.MergeFromString(file.read_bytes())
    stacks = stacks_of(_threads(space))
    return {
        "images": images,
        "stacks": [[names, spent / _PICOSECONDS] for names, spent in stacks.items()],
    }


def _threads(space: Any) -> Iterator[list[Event]]:
    """Yield the events of each thread, in picoseconds."""
    for plane in space.planes:
        if plane.name != _HOST:
            continue
        names = {number: each.name for number, each in plane.event_metadata.items()}
        for line in plane.lines:
            yield [
                Event(names.get(event.metadata_id, ""), event.offset_ps, event.duration_ps)
                for event in line.events
            ]
