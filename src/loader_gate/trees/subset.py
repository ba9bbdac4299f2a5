"""Chooses some images of many: seeded, and each class keeps its share.

Choice is by the hash of seed and name and not by a generator's state: it is the same on every machine and
Python, and of one class more images include fewer (the first 100 are among the first 200).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from loader_gate.trees.request import TreeRequest
from loader_gate.trees.source import SourceImage
from loader_gate.trees.tree import TreeError


def choose(images: Sequence[SourceImage], request: TreeRequest) -> tuple[SourceImage, ...]:
    """Apply ``--classes``, ``--images-per-class`` and ``--tree-images``.

    Args:
        images: All images.
        request: The options.

    Returns:
        The chosen images, by class name, then by file name.

    Raises:
        TreeError: There are not as many classes or images as asked for.
    """
    classes: dict[str, list[SourceImage]] = {}
    for image in images:
        classes.setdefault(image.class_name, []).append(image)
    seed = request.tree_seed
    if request.classes is not None:
        if request.classes > len(classes):
            raise TreeError(
                f"--classes is {request.classes}, but {request.image_root} has {len(classes)} classes; ask "
                "for no more than that."
            )
        chosen = sorted(classes, key=lambda name: _rank(seed, name))[: request.classes]
        classes = {name: classes[name] for name in chosen}
    counts = {name: len(members) for name, members in classes.items()}
    if request.images_per_class is not None:
        counts = {name: min(count, request.images_per_class) for name, count in counts.items()}
    if request.tree_images is not None:
        counts = _shares(counts, request.tree_images, request)
    return tuple(
        image
        for name in sorted(classes)
        for image in sorted(
            sorted(classes[name], key=lambda member: _rank(seed, member.class_name, member.name))[
                : counts[name]
            ]
        )
    )


def _shares(counts: dict[str, int], wanted: int, request: TreeRequest) -> dict[str, int]:
    """Divide ``wanted`` images in proportion to ``counts``, at least one to each."""
    total = sum(counts.values())
    if wanted > total:
        raise TreeError(
            f"--tree-images is {wanted:,}, but there are {total:,} images to choose from in "
            f"{request.image_root}; ask for no more than that."
        )
    if wanted < len(counts):
        raise TreeError(
            f"--tree-images is {wanted:,}, fewer than the {len(counts)} classes of {request.image_root}; ask "
            "for at least one image a class, or add --classes."
        )
    shares = {name: max(1, wanted * count // total) for name, count in counts.items()}

    def owed(name: str) -> tuple[float, str]:
        return wanted * counts[name] / total - shares[name], name

    while sum(shares.values()) < wanted:
        shares[max((name for name in shares if shares[name] < counts[name]), key=owed)] += 1
    while sum(shares.values()) > wanted:
        shares[min((name for name in shares if shares[name] > 1), key=owed)] -= 1
    return shares


def _rank(seed: int, *names: str) -> bytes:
    text = "\0".join((str(seed), *names))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()
