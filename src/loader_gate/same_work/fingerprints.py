"""What some drawn pixels of every file look like, as a variant delivers them: learned in a checked epoch.

`Fingerprints.sample` reads them of every batch, which makes one real that is mapped or lazy: about 60
microseconds for 32 images of 224x224, as each pixel is somewhere else. ``timed.py`` holds epochs against
them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loader_gate.same_work.alike import Points
from loader_gate.same_work.order import in_turn
from loader_gate.same_work.pixels import Pixels
from loader_gate.same_work.recognition import Match
from loader_gate.same_work.reference import INTERPOLATIONS
from loader_gate.same_work.words import DifferenceError

if TYPE_CHECKING:
    from pathlib import Path

    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.same_work.reference import Bytes, Floats, Ints, Reference
    from loader_gate.trees.tree import Tree

#: Of how many pixels a fingerprint is.
POINTS = 16
#: The furthest that an image may be from the checked one of its file, in grey levels of 255.
FAR = 40.0
#: The most noise that is allowed for when files are told apart.
MOST_NOISE = 10.0
#: Files this near to each other are not told apart when something seems to differ, in grey levels of 255.
LEAST_NOISE = 1.0
# Up to which distance files are put into groups, and in which steps: each makes the groups anew.
_REACHES = (LEAST_NOISE, 2.0, 4.0, 8.0, 12.0, 16.0, 2 * MOST_NOISE)


class Fingerprints:
    """What a few drawn pixels of every file look like, as this variant delivers them.

    They are kept as whole grey levels: a dump of bytes has the same as the floats it was made of.

    Attributes:
        tree: The images.
        spec: The epoch that is delivered.
        declared: What the variant says it delivers.
        groups: ``(images,)`` int64, for each file of the tree the first of those that cannot be told apart
            from it, by the pixels that are looked at and the noise that has been seen in them.
        places: ``(POINTS,)`` int64, where these pixels are in an image whose rows lie one behind another;
            fewer of a smaller image.
    """

    def __init__(self, tree: Tree, spec: Spec, declared: DeclaredOutput, seed: int) -> None:
        """Draw the pixels to look at.

        Args:
            tree: The images.
            spec: The epoch that is delivered.
            declared: What the variant says it delivers.
            seed: The session's.
        """
        self.tree, self.spec, self.declared = tree, spec, declared
        height, width = spec.image_size
        drawn = np.random.default_rng(seed).choice(height * width, min(POINTS, height * width), replace=False)
        self.places: Ints = np.sort(drawn)
        self._rows, self._columns = np.divmod(self.places, width)
        self._labels = np.asarray(tree.labels, np.int64)
        self._known: KnownFiles | None = None
        self.groups: Ints = np.zeros(len(tree), np.int64)
        self._random = np.random.default_rng((seed, 1))
        self._held: tuple[Reference, Pixels] | None = None
        self._copy: npt.NDArray[Any] | None = None
        self._distinguish(np.arange(len(tree)))

    def sample(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a copy of the drawn pixels of each image, as delivered: ``(batch, POINTS, 3)``.

        Of images of another shape it is empty; `TimedEpoch.add` tells of them.
        """
        try:
            pixels: npt.NDArray[Any] = self.declared.channels_last(images)[:, self._rows, self._columns]
        except (IndexError, ValueError):
            return np.empty((0, len(self._rows), 3), images.dtype)
        return pixels

    def levels(self, sample: npt.NDArray[Any]) -> Bytes:
        """Return a sample in whole grey levels, ``(batch, POINTS * 3)`` uint8."""
        levels = self.declared.levels(sample)
        np.rint(levels, out=levels)
        np.fmax(levels, 0, out=levels)  # what is no number becomes 0
        np.fmin(levels, 255, out=levels)
        return levels.astype(np.uint8).reshape(len(sample), -1)

    def begin(self, reference: Reference) -> None:
        """Begin to learn from an epoch that is checked against a reference decode."""
        self.hold_against(reference)
        self._distinguish(reference.picture_of)

    def hold_against(self, reference: Reference) -> None:
        """Let one image of each timed pass be compared with a reference decode, too."""
        names = (self.declared.interpolation,) if self.declared.interpolation else INTERPOLATIONS
        place = float(self._random.random())
        self._held = reference, Pixels(self.tree, reference, names, place, most=len(self.tree))

    def drawn_epoch(self, epochs: int) -> int:
        """Return the number of the epoch of a pass of which an image is to be looked at as a whole."""
        return int(self._random.integers(epochs))

    def drawn_image(self, images: int | None = None) -> int:
        """Return the number of the image of an epoch that is to be looked at as a whole.

        Args:
            images: It is one of the first so many; of all if None.
        """
        return int(self._random.integers(min(images or len(self.tree), len(self.tree))))

    def copy_of(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a copy of an image, in the memory of the one before, so that none is taken in an epoch."""
        if self._copy is None or self._copy.shape != image.shape or self._copy.dtype != image.dtype:
            self._copy = np.empty(image.shape, image.dtype)
        np.copyto(self._copy, image)
        return self._copy

    def whole_problem(self, image: npt.NDArray[Any], file: int) -> str | None:
        """Return what is wrong with an image of a timed epoch, if anything is.

        Args:
            image: ``(height, width, 3)``, as delivered but channels last.
            file: The position in the tree of a file that it may be.
        """
        if self._held is None:
            return None
        reference, whole = self._held
        alike = np.flatnonzero(self.groups == self.groups[file])
        pictures = np.unique(reference.picture_of[alike])
        try:
            whole.add(self.declared.levels(image), Match(file, True, pictures))
            whole.check()
        except DifferenceError as difference:
            return f"Of timed epochs: {difference}"
        return None

    def _distinguish(self, picture_of: Ints) -> None:
        keys = self._labels * len(picture_of) + picture_of
        self._pictures: Ints = np.unique(keys, return_inverse=True)[1]
        self._learning: list[tuple[Bytes, Ints]] = []

    def learn(self, images: npt.NDArray[Any], files: Ints) -> None:
        """Take a batch of an epoch that is checked; with as many images as the tree has, the epoch ends.

        Args:
            images: As they were delivered.
            files: ``(batch,)``, the position in the tree of a file that each may be, -1 if it is none.
        """
        self._learning.append((self.levels(self.sample(images)), files.copy()))
        if sum(len(some) for _, some in self._learning) >= len(self.tree):
            pixels, found = (np.concatenate(each) for each in zip(*self._learning, strict=True))
            self._learning = []
            if len(found) == len(self.tree) and found.min() >= 0:
                self._settle(pixels, found)

    def save(self, file: Path) -> None:
        """Write what was learned to a ``.npz`` file, for a fresh process of the same code."""
        with file.open("wb") as opened:
            if self._known is None:
                np.savez(opened)
            else:
                np.savez(opened, pixels=self._known.pixels, mixed=self._known.mixed)

    def load(self, file: Path) -> None:
        """Read what `save` has written: same tree, spec, declaration and seed."""
        with np.load(file, allow_pickle=False) as saved:
            if saved.files:
                self._known = KnownFiles(saved["pixels"], saved["mixed"], self._labels)
                self.groups = self._known.groups(0.0)

    def _settle(self, pixels: Bytes, found: Ints) -> None:
        """Give every file the fingerprint of an image that may be it."""
        files = in_turn(self._pictures[found], self._pictures)
        # Of files that look alike, one may have been named for another: then it is open which is which.
        mixed = np.zeros(len(files), bool)
        left = np.flatnonzero(files < 0)
        if len(left):
            free = np.setdiff1d(np.arange(len(files)), files)
            ours, theirs = self._labels[found[left]], self._labels[free]
            if not np.array_equal(np.sort(ours), np.sort(theirs)):
                return
            files[left] = free[in_turn(ours, theirs)]
            mixed[free] = True
            mixed |= np.isin(self._pictures, self._pictures[found[left]])
        ordered = np.empty_like(pixels)
        ordered[files] = pixels
        self._known = KnownFiles(ordered, mixed, self._labels)
        self.groups = self._known.groups(0.0)

    def known(self) -> KnownFiles | None:
        """Return what was learned, None if no epoch was checked."""
        return self._known

    def blur(self, reach: float) -> None:
        """Put files into one group that are within ``reach`` of each other, from now on."""
        if self._known is not None:
            self.groups = self._known.groups(reach)


class KnownFiles:
    """The fingerprints of a tree's files, each under its label.

    A slot is a fingerprint under a label, which several files may have.
    """

    def __init__(self, pixels: Bytes, mixed: npt.NDArray[np.bool_], labels: Ints) -> None:
        self.pixels, self.mixed, self.labels = pixels, mixed, labels
        first: dict[bytes, int] = {}
        keys = _keys(pixels, labels)
        #: (images,): the first file of each file's slot stands for it.
        self.slots = np.array([first.setdefault(key, file) for file, key in enumerate(keys)], np.int64)
        #: (images,): how many files have the slot of this number.
        self.sizes = np.bincount(self.slots, minlength=len(self.slots))
        self._first = first
        self._members: dict[int, Ints] = {}
        self._points: dict[int, Points] = {}
        self._reach = -1.0
        self._groups: Ints

    def closest(self, pixels: Bytes, classes: Ints) -> tuple[Ints, Floats]:
        """Return for each image the closest slot of its label, -1 if none is near, and how far it is."""
        slots = np.array([self._first.get(key, -1) for key in _keys(pixels, classes)], np.int64)
        distances = np.where(slots >= 0, 0.0, np.inf).astype(np.float32)
        others = np.flatnonzero(slots == -1)
        for label in np.unique(classes[others]).tolist():
            members, points = self._of(label)
            some = others[classes[others] == label]
            if len(members):
                found, distances[some] = points.closest(pixels[some], FAR)
                slots[some] = np.where(found >= 0, members[found], -1)
        return slots, distances

    def closest_of_all(self, pixels: Bytes) -> tuple[Ints, Floats]:
        """Return for each image the closest file of any label, and how far it is."""
        return Points(self.pixels).closest(pixels, math.inf)

    def groups(self, reach: float) -> Ints:
        """Return for each file the first of those within ``reach``, or a step further.

        What has been put together before stays so.
        """
        reach = next((step for step in _REACHES if step >= reach), _REACHES[-1]) if reach > 0 else 0.0
        if reach > self._reach:
            self._reach = reach
            of_slot = np.arange(len(self.slots))
            for label in np.unique(self.labels).tolist():
                members, points = self._of(label)
                if reach > 0:
                    of_slot[members] = members[points.groups(reach)]
                mixed = np.unique(of_slot[self.slots[self.mixed & (self.labels == label)]])
                if len(mixed):
                    of_slot[members[np.isin(of_slot[members], mixed)]] = mixed[0]
            self._groups = of_slot[self.slots]
        return self._groups

    def _of(self, label: int) -> tuple[Ints, Points]:
        if label not in self._members:
            self._members[label] = np.unique(self.slots[self.labels == label])
            self._points[label] = Points(self.pixels[self._members[label]])
        return self._members[label], self._points[label]


def _keys(pixels: Bytes, labels: Ints) -> list[bytes]:
    """Return what a fingerprint under a label is found by."""
    rows = np.concatenate([pixels, labels.astype(np.int32)[:, np.newaxis].view(np.uint8)], axis=1)
    keys: list[bytes] = rows.view(f"V{rows.shape[1]}")[:, 0].tolist()
    return keys
