"""What every variant is asked to deliver."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

#: What ``Spec.augment`` may be; the first one is the default.
AUGMENTS = ("none", "crop-flip")


@dataclass(frozen=True)
class Spec:
    """The epoch that a loader has to deliver.

    Attributes:
        image_size: Height and width of every image, in pixels.
        batch_size: Images a batch; only the last batch of an epoch may be smaller.
        shuffle: Whether each epoch comes in a new order.
        seed: Seed of that order.
        cache_dir: A folder of the variant's own, empty at the start, for whatever it writes to disk.
        service: The address of a tf.data service that is there, such as ``grpc://host:5050``; empty without.
        shard: The number of the rank that the epoch is for, from 0.
        shards: How many ranks share an epoch: each image is for one of them, in every epoch.
        augment: ``"none"`` of whole pictures; ``"crop-flip"`` of a part of each, drawn anew in each epoch and
            mirrored half of the time (see `random_box`): batches are then ``(images, labels, boxes)``.
    """

    image_size: tuple[int, int]
    batch_size: int
    shuffle: bool
    seed: int
    cache_dir: Path
    service: str = ""
    shard: int = 0
    shards: int = 1
    augment: str = AUGMENTS[0]

    def __post_init__(self) -> None:
        """Refuse a rank that there is not.

        Raises:
            ValueError: ``shard`` is none of ``shards``.
        """
        if not 0 <= self.shard < self.shards:
            raise ValueError(
                f"shard is {self.shard} and shards is {self.shards}: expected a rank from 0 to shards - 1."
            )

    def for_variant(self, name: str) -> Spec:
        """Return the same spec with a folder of the variant's own inside ``cache_dir``, made if need be."""
        own = self.cache_dir / name.replace(":", "-")  # a colon parts the folders of a search path
        own.mkdir(parents=True, exist_ok=True)
        return replace(self, cache_dir=own)
