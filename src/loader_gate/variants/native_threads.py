"""The fastest: threads that decode with libjpeg-turbo and resize with OpenCV, into memory that is used again.

Decoding, resizing and scaling all let go of the interpreter's lock, so threads keep every core busy, and no
pixel has to travel from one process to another.
"""

from __future__ import annotations

import mmap
import threading
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from loader_gate import cores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from loader_gate import Spec, Tree

KIND = "streaming"
DECODERS = "simplejpeg Pillow"
DEFAULT = ("loading", "training")
INTERPOLATION = "area"  # a DCT-scaled decode, where the file is large enough
SHARDS = True
REQUIRES = "simplejpeg cv2"
INSTALL = 'pip install "loader-gate[fast]"'

AHEAD = 3  # batches in the making while one is used
_SCALE = np.float32(1 / 255)
_own = threading.local()


def load(tree: Tree, spec: Spec) -> Epochs:
    """Return epochs of float32 images in [0, 1] and one-hot float32 labels."""
    return Epochs(tree, spec)


class Epochs:
    """Begins an epoch whenever it is iterated; the threads stay, and sleep between epochs."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Make the threads' pool, which starts them with the first batch."""
        import cv2

        cv2.setNumThreads(1)  # each thread resizes an image of its own
        self._paths, self._spec = tree.paths, spec
        self._one_hot = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
        self._random = np.random.default_rng(spec.seed)
        self._memory = Memory(spec.batch_size * int(np.prod(spec.image_size)) * 3)
        self._threads = cores()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="decode")

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield every batch of one epoch."""
        size, count = self._spec.batch_size, len(self._paths)
        order = self._random.permutation(count) if self._spec.shuffle else np.arange(count)
        order = order[self._spec.shard :: self._spec.shards]
        begun: deque[_Batch] = deque()
        try:
            for start in range(0, len(order), size):
                begun.append(self._begin(order[start : start + size]))
                if len(begun) > AHEAD:
                    yield begun.popleft().finished()
            while begun:
                yield begun.popleft().finished()
        finally:  # nothing is left to do unless the epoch was left early, or a file cannot be decoded
            for batch in begun:
                batch.stop()

    def _begin(self, places: Any) -> _Batch:
        images = self._memory.floats((len(places), *self._spec.image_size, 3))
        # Each thread takes the next image when it is done with one; taking one from an iterator over a list
        # is a single step to the interpreter.
        todo = iter([(self._paths[place], images[row]) for row, place in enumerate(places)])
        threads = min(self._threads, len(places))
        futures = [self._pool.submit(_decode_each, todo) for _ in range(threads)]
        return _Batch(images, self._one_hot[places], todo, futures)


class _Batch(NamedTuple):
    """A batch in the making."""

    images: Any
    labels: Any
    todo: Iterator[tuple[str, Any]]
    futures: list[Future[None]]

    def finished(self) -> tuple[Any, Any]:
        """Wait for the last image, and pass on what went wrong with any."""
        try:
            for future in self.futures:
                future.result()
        finally:
            self.stop()
        return self.images, self.labels

    def stop(self) -> None:
        """Take away the images that no thread has begun, and wait for those that are begun."""
        deque(self.todo, maxlen=0)
        wait(self.futures)


class Memory:
    """Gives memory for batches, and takes it back when nobody holds the batch or a part of it any more.

    New memory costs a page fault every 4 KB: more than the conversion to float32 that fills it.
    """

    def __init__(self, floats: int) -> None:
        """Give out pieces of so many float32."""
        self._bytes = floats * 4
        self._free: SimpleQueue[mmap.mmap] = SimpleQueue()

    def floats(self, shape: tuple[int, ...]) -> Any:
        """Return an array of unknown content."""
        try:
            piece = self._free.get_nowait()
        except Empty:
            piece = mmap.mmap(-1, self._bytes)
        # Whatever is made of an array over foreign memory, such as a part of it, holds that array.
        array = np.frombuffer(piece, np.float32, int(np.prod(shape)))
        weakref.finalize(array, self._take_back, piece).atexit = False
        return array.reshape(shape)

    def _take_back(self, piece: mmap.mmap) -> None:
        if self._free.qsize() <= AHEAD:  # if many batches were held at once, the others are given up
            self._free.put(piece)


def _decode_each(todo: Iterator[tuple[str, Any]]) -> None:
    for path, image in todo:
        decode(path, image)


def decode(path: str, image: Any) -> None:
    """Decode a file into ``image``, ``(height, width, 3)`` float32: RGB in [0, 1].

    Raises:
        ValueError: It cannot be decoded.
    """
    import cv2

    height, width = image.shape[:2]
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path an image is slow
        data = file.read()
    try:
        pixels = _decoded(data, height, width)
    except (OSError, SyntaxError) as error:  # Pillow's
        raise ValueError(f"{path} cannot be decoded: {error}") from error
    # Bilinear is as good as antialiased down to about half the size, and much faster.
    strong = pixels.shape[0] > 3 * height or pixels.shape[1] > 3 * width
    resized = cv2.resize(
        pixels, (width, height), interpolation=cv2.INTER_AREA if strong else cv2.INTER_LINEAR
    )
    np.multiply(resized, _SCALE, out=image)


def _decoded(data: bytes, height: int, width: int) -> Any:
    """Return an image of any size that is not below ``height`` and ``width`` unless the file is."""
    import simplejpeg

    try:
        rows, columns, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours in ("Gray", "YCbCr", "RGB"):
            return simplejpeg.decode_jpeg(
                data,
                fastdct=True,
                fastupsample=True,
                min_height=height,
                min_width=width,
                min_factor=2,  # decoding at 5/8 takes longer than at full size: only 1/2, 1/4, 1/8 are fast
                buffer=_buffer(rows * columns * 3),
            )
    except ValueError:  # no JPEG, or one that Pillow may still know how to read
        pass
    return _decoded_by_pillow(data, height, width)


def _decoded_by_pillow(data: bytes, height: int, width: int) -> Any:
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(data)) as file:
        return np.asarray(file.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))


def _buffer(size: int) -> Any:
    """Return memory of this thread's own, for one decoded image."""
    if getattr(_own, "buffer", None) is None or len(_own.buffer) < size:
        _own.buffer = np.empty(size, np.uint8)
    return _own.buffer
