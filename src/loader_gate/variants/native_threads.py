"""The fastest: threads that decode with libjpeg-turbo and resize with OpenCV, into memory that is used again.

Decoding, resizing and scaling all let go of the interpreter's lock, so threads keep every core busy, and no
pixel has to travel from one process to another.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from io import BytesIO
from queue import Empty, SimpleQueue
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from loader_gate import cores, random_box

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from loader_gate import Spec, Tree

KIND = "streaming"
DECODERS = "simplejpeg Pillow"
AUGMENTS = ("crop-flip",)
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

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
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
        boxes = None
        if self._spec.augment == "crop-flip":
            boxes = np.empty((len(places), 6), np.int32)
            boxes[:, 0] = places
            seeds = self._random.integers(2**63, size=len(places)).tolist()
            todo = iter(
                [
                    (self._paths[place], images[row], boxes[row], seeds[row])
                    for row, place in enumerate(places)
                ]
            )
        else:
            todo = iter([(self._paths[place], images[row], None, 0) for row, place in enumerate(places)])
        threads = min(self._threads, len(places))
        futures = [self._pool.submit(_decode_each, todo) for _ in range(threads)]
        return _Batch(images, self._one_hot[places], boxes, todo, futures)


class _Batch(NamedTuple):
    """A batch in the making."""

    images: Any
    labels: Any
    boxes: Any
    todo: Iterator[tuple[str, Any, Any, int]]
    futures: list[Future[None]]

    def finished(self) -> tuple[Any, ...]:
        """Wait for the last image, and pass on what went wrong with any."""
        try:
            for future in self.futures:
                future.result()
        finally:
            self.stop()
        return (self.images, self.labels) if self.boxes is None else (self.images, self.labels, self.boxes)

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
        self._free: SimpleQueue[bytearray] = SimpleQueue()

    def floats(self, shape: tuple[int, ...]) -> Any:
        """Return an array of unknown content."""
        try:
            piece = self._free.get_nowait()
        except Empty:
            piece = bytearray(self._bytes)
        # Whatever is made of an array over foreign memory, such as a part of it, holds that array.
        array = np.frombuffer(piece, np.float32, int(np.prod(shape)))
        weakref.finalize(array, self._take_back, piece).atexit = False
        return array.reshape(shape)

    def _take_back(self, piece: bytearray) -> None:
        if self._free.qsize() <= AHEAD:  # if many batches were held at once, the others are given up
            self._free.put(piece)


def _decode_each(todo: Iterator[tuple[str, Any, Any, int]]) -> None:
    for path, image, box, seed in todo:
        if box is None:
            decode(path, image)
        else:
            box[1:] = decode_part(path, image, Random(seed))  # noqa: S311 (it hides nothing)


def decode(path: str, image: Any) -> None:
    """Decode a file into ``image``, ``(height, width, 3)`` float32: RGB in [0, 1].

    Raises:
        ValueError: It cannot be decoded.
    """
    import cv2

    height, width = image.shape[:2]
    data = _read(path)
    try:
        pixels = _decoded(data, height, width)
    except (OSError, SyntaxError) as error:  # Pillow's
        raise ValueError(f"{path} cannot be decoded: {error}") from error
    np.multiply(cv2.resize(pixels, (width, height), interpolation=_filter(pixels, image)), _SCALE, out=image)


def decode_part(path: str, image: Any, random: Random) -> tuple[int, int, int, int, int]:
    """Decode a file and resize a random part of it into ``image``, as `decode` does; return its box.

    simplejpeg cannot decode a part only: the whole is decoded, at a half or less if the part is still as
    large as the image.

    Raises:
        ValueError: It cannot be decoded.
    """
    import cv2
    from PIL import Image

    height, width = image.shape[:2]
    data = _read(path)
    try:
        shape = _jpeg_shape(data)
        box = None if shape is None else random_box(*shape, random)
        pixels = None
        if shape is not None and box is not None:
            least = math.ceil(height * shape[0] / box[2]), math.ceil(width * shape[1] / box[3])
            pixels = _decoded_jpeg(data, *least, shape)
        if pixels is None or shape is None or box is None:
            pixels = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
            shape = pixels.shape[0], pixels.shape[1]
            box = random_box(*shape, random)
    except (OSError, SyntaxError) as error:  # Pillow's
        raise ValueError(f"{path} cannot be decoded: {error}") from error
    top, left, rows, columns, flipped = box
    if pixels.shape[:2] == shape:
        cut = pixels[top : top + rows, left : left + columns]
        resized = cv2.resize(cut, (width, height), interpolation=_filter(cut, image))
    else:  # it may begin and end between two pixels of what is decoded at a half
        down, across = pixels.shape[0] / shape[0], pixels.shape[1] / shape[1]
        step = columns * across / width, rows * down / height
        to_source = np.array(
            [
                [step[0], 0, left * across + step[0] / 2 - 0.5],
                [0, step[1], top * down + step[1] / 2 - 0.5],
            ]
        )
        resized = cv2.warpAffine(
            pixels,
            to_source,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    np.multiply(resized[:, ::-1] if flipped else resized, _SCALE, out=image)
    return box


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path an image is slow
        return file.read()


def _filter(pixels: Any, image: Any) -> int:
    """Return OpenCV's filter that makes an image of pixels.

    Bilinear is as good as antialiased down to about half the size, and much faster.
    """
    import cv2

    strong = pixels.shape[0] > 3 * image.shape[0] or pixels.shape[1] > 3 * image.shape[1]
    return int(cv2.INTER_AREA if strong else cv2.INTER_LINEAR)


def _decoded(data: bytes, height: int, width: int) -> Any:
    """Return an image of any size that is not below ``height`` and ``width`` unless the file is."""
    shape = _jpeg_shape(data)
    pixels = None if shape is None else _decoded_jpeg(data, height, width, shape)
    return _decoded_by_pillow(data, height, width) if pixels is None else pixels


def _jpeg_shape(data: bytes) -> tuple[int, int] | None:
    """Return rows and columns of a JPEG that simplejpeg knows how to read; None of anything else."""
    import simplejpeg

    try:
        rows, columns, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    return (rows, columns) if colours in ("Gray", "YCbCr", "RGB") else None


def _decoded_jpeg(data: bytes, height: int, width: int, shape: tuple[int, int]) -> Any:
    """Return a JPEG as small as it may be; None if it is one that Pillow may still know how to read."""
    import simplejpeg

    try:
        return simplejpeg.decode_jpeg(
            data,
            fastdct=True,
            fastupsample=True,
            min_height=height,
            min_width=width,
            min_factor=2,  # decoding at 5/8 takes longer than at full size: only 1/2, 1/4, 1/8 are fast
            buffer=_buffer(shape[0] * shape[1] * 3),
        )
    except ValueError:
        return None


def _decoded_by_pillow(data: bytes, height: int, width: int) -> Any:
    from PIL import Image

    with Image.open(BytesIO(data)) as file:
        return np.asarray(file.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))


def _buffer(size: int) -> Any:
    """Return memory of this thread's own, for one decoded image."""
    if getattr(_own, "buffer", None) is None or len(_own.buffer) < size:
        _own.buffer = np.empty(size, np.uint8)
    return _own.buffer
