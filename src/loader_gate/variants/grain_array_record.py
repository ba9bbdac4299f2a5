"""Grain over an ArrayRecord file of the same files, with a thread a core and Pillow.

Grain would start worker processes anew for each epoch, on its clock. Threads will do: Pillow lets go of the
interpreter's lock.
"""

from __future__ import annotations

from io import BytesIO
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate import cores
from loader_gate.variants.torch_pillow import INTERPOLATION as INTERPOLATION
from loader_gate.variants.torch_pillow import decoded, decoded_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate import Spec, Tree

KIND = "rival"
DECODERS = "Pillow"
AUGMENTS = ("crop-flip",)
REQUIRES = "grain array_record"
INSTALL = 'pip install "loader-gate[grain]"'
DEFAULT = False
ARCHIVE_BYTES = 160  # the most that a record and its place in the index take beside the file


class Epochs:
    """Begins an epoch whenever it is iterated, each in another order."""

    def __init__(self, records: Any, tree: Tree, spec: Spec) -> None:
        """Read ``records``, the files of ``tree`` in its order."""
        self._records, self._spec = records, spec
        self._one_hot = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
        self._boxes = Random(spec.seed)  # noqa: S311 (it hides nothing)
        self._epoch = 0

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield every batch of one epoch."""
        import grain

        spec, one_hot = self._spec, self._one_hot
        self._epoch += 1

        def example(place: int) -> tuple[Any, ...]:
            file = BytesIO(self._records[place])
            if spec.augment != "crop-flip":
                return decoded(file, spec.image_size), one_hot[place]
            image, box = decoded_part(file, spec.image_size, self._boxes)
            return image, one_hot[place], np.array((place, *box), np.int32)

        places = grain.MapDataset.range(len(self._records))
        if spec.shuffle:
            places = places.shuffle(seed=spec.seed + self._epoch)
        options = grain.ReadOptions(num_threads=cores(), prefetch_buffer_size=2 * spec.batch_size)
        examples = places.map(example).to_iter_dataset(options)
        yield from examples.batch(spec.batch_size, drop_remainder=False)


def load(tree: Tree, spec: Spec) -> Epochs:
    """Write the files into one ArrayRecord file, and return epochs of it."""
    import grain
    from array_record.python.array_record_module import ArrayRecordWriter

    file = str(spec.cache_dir / "images.array_record")
    writer = ArrayRecordWriter(file, "group_size:1")  # what Grain needs to read records in any order
    for path in tree.paths:
        with open(path, "rb") as image:  # noqa: PTH123 - a Path an image is slow
            writer.write(image.read())
    writer.close()
    return Epochs(grain.sources.ArrayRecordDataSource(file), tree, spec)
