"""What a GPU shows when a pass of a model on it has ended: asked aside, when the clock has stopped."""

from __future__ import annotations

from loader_gate.machine.gpu import GpuReading, read_gpu
from loader_gate.worker.timing import GpuUse


def gpu_use(backend: str) -> GpuUse:
    """Return what the GPU shows now, and the most memory that this process' tensors have taken of it.

    Args:
        backend: What Keras runs on, which counts the memory.
    """
    peak = _PEAKS[backend]()
    reading = read_gpu()
    if isinstance(reading, GpuReading):
        return GpuUse(peak, reading.busy, reading.clock, reading.watts)
    return GpuUse(peak)


def _of_tensorflow() -> int | None:
    import tensorflow as tf

    try:
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    except ValueError:  # there is none
        return None


def _of_jax() -> int | None:
    import jax

    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def _of_torch() -> int | None:
    import torch

    return int(torch.cuda.max_memory_allocated()) or None


_PEAKS = {"tensorflow": _of_tensorflow, "jax": _of_jax, "torch": _of_torch}
