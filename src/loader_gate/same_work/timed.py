"""A cheap look at every batch of a timed epoch: some pixels of every image, against those that were checked.

What runs on the clock is `Fingerprints.sample`, about 10 microseconds for 32 images of 224x224: to read some
pixels of every image makes a batch real that is mapped or lazy. The rest is done beside it.

Most loaders give the very same pixels in every epoch: all variants of the suite that were tried do, to whole
grey levels. Others may write a dump in the epoch that is checked, decode in that one, and give later what the
dump keeps. How far that is off, at 16 pixels of 120 photographs and 256 drawn pictures at 224x224 and 96x96,
root mean square in grey levels of 255:

===========================  =============================================  ====================
what comes after the check   luma                                           three channels
===========================  =============================================  ====================
a dump of bytes              0                                              0
JPEGs, quality 90, 4:2:0     median 2.6 to 3.3, a single one 6 at most      3.4 to 5.9, at most 25
kept at 64x64, blown up      median 12 to 17 at 224x224, 9 to 16 at 96x96   about the same
kept at 28x28, blown up      median 17 to 23                                about the same
the closest other file                                                      23 or more
===========================  =============================================  ====================

So who an image is, its three channels say; whether it is what it was, its luma: of drawings in strong colours
too, whose JPEGs had 3.9 in luma and 14 in three channels.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loader_gate.same_work.alike import Points
from loader_gate.same_work.batch import Batches
from loader_gate.same_work.order import in_turn
from loader_gate.same_work.pixels import Pixels
from loader_gate.same_work.recognition import Match, Miscount
from loader_gate.same_work.reference import INTERPOLATIONS
from loader_gate.same_work.thresholds import ENOUGH
from loader_gate.same_work.words import FILES_NAMED, DifferenceError, file_name, listed

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
#: The furthest that luma may be off: of one image, and the median of many.
FAR_LUMA, FAR_LUMA_MEDIAN = 25.0, 7.5
#: Nine of ten images, changed or not, may be off by so much at most.
FAR_LUMA_NINTH = 10.0
#: The most noise that is allowed for when files are told apart.
MOST_NOISE = 10.0
#: Files this near to each other are not told apart when something seems to differ, in grey levels of 255.
LEAST_NOISE = 1.0
_ENOUGH_FOR_A_TENTH = 20
_LUMA = (0.299, 0.587, 0.114)
# Up to which distance files are put into groups, and in which steps: each makes the groups anew.
_REACHES = (LEAST_NOISE, 2.0, 4.0, 8.0, 12.0, 16.0, 2 * MOST_NOISE)


class Fingerprints:
    """What a few drawn pixels of every file look like, as this variant delivers them.

    They are kept as whole grey levels: a dump of bytes has the same as the floats it was made of.

    Attributes:
        tree: The images.
        spec: The epoch that is delivered.
        declared: What the variant says it delivers.
        groups: ``(images,)`` int64, a number for each file of the tree that it shares with those that cannot
            be told apart from it, by the pixels that are looked at and the noise that has been seen in them.
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
        self._known: _Known | None = None
        self.groups: Ints = np.zeros(len(tree), np.int64)
        self._random = np.random.default_rng((seed, 1))
        self._reference: Reference | None = None
        self._whole: Pixels | None = None
        self._distinguish(np.arange(len(tree)))

    def sample(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a copy of the drawn pixels of each image, as delivered: ``(batch, POINTS, 3)``.

        It runs on the clock. Of images of another shape it is empty; `TimedEpoch.add` tells of them.
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
        np.fmin(np.fmax(levels, 0, out=levels), 255, out=levels)  # what is no number becomes 0
        return levels.astype(np.uint8).reshape(len(sample), -1)

    def begin(self, reference: Reference) -> None:
        """Begin to learn from an epoch that is checked against a reference decode."""
        self.hold_against(reference)
        self._distinguish(reference.picture_of)

    def hold_against(self, reference: Reference) -> None:
        """Let one image of each timed epoch be compared with a reference decode, too."""
        names = (self.declared.interpolation,) if self.declared.interpolation else INTERPOLATIONS
        self._reference, self._whole = reference, Pixels(self.tree, reference, names)

    def drawn_image(self) -> int:
        """Return the number of the image of an epoch that is to be looked at as a whole."""
        return int(self._random.integers(len(self.tree)))

    def whole_problem(self, image: npt.NDArray[Any], file: int) -> str | None:
        """Return what is wrong with an image of a timed epoch, if anything is.

        Args:
            image: ``(height, width, 3)``, as delivered but channels last.
            file: The position in the tree of a file that it may be.
        """
        if self._reference is None or self._whole is None:
            return None
        alike = np.flatnonzero(self.groups == self.groups[file])
        pictures = np.unique(self._reference.picture_of[alike])
        try:
            self._whole.add(self.declared.levels(image), Match(file, True, pictures))
            self._whole.check()
        except DifferenceError as difference:
            return f"Of timed epochs: {difference}"
        return None

    def _distinguish(self, picture_of: Ints) -> None:
        keys = self._labels * (int(picture_of.max(initial=0)) + 1) + picture_of
        self._pictures: Ints = np.unique(keys, return_inverse=True)[1].astype(np.int64)
        self._learning: list[tuple[Bytes, Ints]] = []

    def learn(self, images: npt.NDArray[Any], files: Ints) -> None:
        """Take a batch of an epoch that is checked; with as many images as the tree has, the epoch ends.

        Args:
            images: As they were delivered.
            files: ``(batch,)``, the position in the tree of a file that each may be, -1 if it is none.
        """
        self._learning.append((self.levels(self.sample(images)), np.array(files, np.int64)))
        if sum(len(some) for _, some in self._learning) >= len(self.tree):
            pixels, found = (np.concatenate(each) for each in zip(*self._learning, strict=True))
            self._learning = []
            if len(found) == len(self.tree) and found.min() >= 0:
                self._settle(pixels, found)

    def save(self, file: Path) -> None:
        """Write what was learned to a ``.npz`` file, for a fresh process of the same code."""
        known = self._known
        pixels = np.empty((0, 3 * len(self._rows)), np.uint8) if known is None else known.pixels
        mixed = np.zeros(len(pixels), bool) if known is None else known.mixed
        with file.open("wb") as opened:
            np.savez(opened, pixels=pixels, mixed=mixed)

    def load(self, file: Path) -> None:
        """Read what `save` has written: same tree, spec, declaration and seed."""
        with np.load(file, allow_pickle=False) as saved:
            if len(saved["pixels"]):
                self._known = _Known(saved["pixels"], saved["mixed"], self._labels)
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
        self._known = _Known(ordered, mixed, self._labels)
        self.groups = self._known.groups(0.0)

    def known(self) -> _Known | None:
        """Return what was learned, None if no epoch was checked."""
        return self._known

    def blur(self, reach: float) -> None:
        """Put files into one group that are within ``reach`` of each other, from now on."""
        if self._known is not None:
            self.groups = self._known.groups(reach)


class _Known:
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
        self._groups: Ints = self.slots

    def closest(self, pixels: Bytes, classes: Ints) -> tuple[Ints, Floats]:
        """Return for each image the closest slot of its label, -1 if none is near, and how far it is."""
        slots = np.array([self._first.get(key, -1) for key in _keys(pixels, classes)], np.int64)
        distances = np.where(slots >= 0, 0.0, np.inf).astype(np.float32)
        others = np.flatnonzero(slots < 0)
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
        """Return a number for each file that it shares with those within ``reach``, or a step further.

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
                if len(mixed) > 1:
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


class TimedEpoch:
    """One timed epoch, looked at cheaply while it runs and judged when the clock has stopped."""

    def __init__(self, fingerprints: Fingerprints) -> None:
        """Begin with no image."""
        self.fingerprints = fingerprints
        self._tree = fingerprints.tree
        self._batches = Batches(fingerprints.tree, fingerprints.spec, fingerprints.declared)
        self._samples: list[npt.NDArray[Any]] = []
        self._drawn = fingerprints.drawn_image()
        self._whole: npt.NDArray[Any] | None = None
        self._labels: list[Ints] = []
        self._found: tuple[Ints, Floats] | None = None

    def add(self, images: npt.NDArray[Any], labels: npt.NDArray[Any], sample: npt.NDArray[Any]) -> None:
        """Check the form of a batch, and keep what is needed of it.

        Args:
            images: As delivered, on the host.
            labels: As delivered, on the host.
            sample: What `Fingerprints.sample` has taken of these images.

        Raises:
            DifferenceError: Shape, type or size of a batch is another.
        """
        before = self._batches.images
        self._labels.append(self._batches.add_form(images, labels))
        if before <= self._drawn < self._batches.images:
            self._whole = np.array(self.fingerprints.declared.channels_last(images)[self._drawn - before])
        if len(sample) != len(images):
            raise DifferenceError(f"A batch of shape {images.shape} came, of which no pixels can be taken.")
        self._samples.append(sample)

    def keep(self, sample: npt.NDArray[Any], classes: Ints) -> None:
        """Keep what is known of images that did not come by: drawn pixels, as delivered, and classes."""
        self._batches.images += len(sample)
        self._labels.append(classes)
        self._samples.append(sample)

    def problem(self) -> str | None:
        """Return one sentence that says what differs, None if nothing does."""
        came, wanted = self._batches.images, len(self._tree)
        if came != wanted:
            return f"{came or 'No'} images came in a timed epoch, expected the {wanted} of the tree."
        known = self.fingerprints.known()
        if known is None:
            return self._label_problem()
        slots, distances = self._closest(known)
        if (slots >= 0).all() and not self._luma_problem(known, slots, distances):
            if np.array_equal(np.bincount(slots, minlength=wanted), known.sizes):
                return self._whole_problem(slots)
            self._allow_for_noise(slots, distances)
            groups = self.fingerprints.groups
            expected = np.bincount(groups, minlength=wanted)
            if np.array_equal(np.bincount(groups[slots], minlength=wanted), expected):
                return self._whole_problem(slots)
        return self._difference(known, slots, distances)

    def _whole_problem(self, slots: Ints) -> str | None:
        if self._whole is None:
            return None
        return self.fingerprints.whole_problem(self._whole, int(slots[self._drawn]))

    def order(self) -> Ints:
        """Return ``(images,)``, for each image that came the position in the tree of a file that it may be.

        Of files that look alike, each is given to one image, the first in the tree to the first that came; -1
        is an image that is no file, or one too many of its look-alikes. Without a checked epoch all are -1.
        """
        known = self.fingerprints.known()
        if known is None:
            return np.full(self._batches.images, -1, np.int64)
        slots, _ = self._closest(known)
        groups = self.fingerprints.groups
        return in_turn(np.where(slots >= 0, groups[slots], -1), groups)

    @cached_property
    def _pixels(self) -> Bytes:
        return np.concatenate([self.fingerprints.levels(each) for each in self._samples])

    def _closest(self, known: _Known) -> tuple[Ints, Floats]:
        if self._found is None:
            if not self._samples:
                return np.empty(0, np.int64), np.empty(0, np.float32)
            pixels, classes = self._pixels, np.concatenate(self._labels)
            self._found = known.closest(pixels, classes)
            if not self.fingerprints.spec.shuffle:  # then a swap would be another order than the tree's
                self._allow_for_noise(*self._found)
        return self._found

    def _allow_for_noise(self, slots: Ints, distances: Floats) -> None:
        """Tell files apart no more that noise may swap: those nearer than twice as far as it reaches."""
        strange = distances[(distances > 0) & (slots >= 0)]
        noise = min(float(np.quantile(strange, 0.95)), MOST_NOISE) if len(strange) else 0.0
        self.fingerprints.blur(max(2 * noise, LEAST_NOISE))

    def _label_problem(self) -> str | None:
        names = self._tree.class_names
        found = np.bincount(np.concatenate(self._labels), minlength=len(names)).tolist()
        expected = np.bincount(self._tree.labels, minlength=len(names)).tolist()
        for name, one, other in zip(names, found, expected, strict=True):
            if one != other:
                return f"{one} images of class {name!r} came in a timed epoch, expected {other}."
        return None

    def _difference(self, known: _Known, slots: Ints, distances: Floats) -> str:
        """Say how an epoch differs that does."""
        suspects = np.flatnonzero(distances > MOST_NOISE)[:ENOUGH]
        pixels, classes = self._pixels, np.concatenate(self._labels)
        files, gaps = known.closest_of_all(pixels[suspects])
        relabelled = (gaps <= FAR) & (gaps < distances[suspects] / 2)
        if relabelled.any():
            names, tree = self._tree.class_names, self._tree
            told = [
                f"{file_name(tree, file)} came as {names[label]!r}, expected {names[tree.labels[file]]!r}"
                for file, label in zip(files[relabelled], classes[suspects][relabelled], strict=True)
            ]
            more = ", ..." if len(told) > FILES_NAMED else ""
            return f"Images of a timed epoch have a wrong label ({', '.join(told[:FILES_NAMED])}{more})."
        strange = distances[distances > 0]
        looked = f"at the {pixels.shape[1] // 3} pixels looked at"
        unknown = int((slots < 0).sum())
        if unknown and 2 * unknown >= len(strange):
            return (
                f"{unknown} images of a timed epoch look like no file of the tree (one is {gaps.max():.1f} "
                f"grey levels from the closest {looked}, expected {FAR:.0f} or less): each has to be what it "
                "was when it was checked."
            )
        luma = self._luma_problem(known, slots, distances)
        if luma:
            return luma
        if unknown:
            return (
                f"{unknown} images of a timed epoch look like no file of the tree {looked}: each has to be "
                "what it was when it was checked."
            )
        return self._miscount(slots)

    def _luma_problem(self, known: _Known, slots: Ints, distances: Floats) -> str:
        """Say whether the images that are not exactly what they were have lost too much; "" if not."""
        changed = np.flatnonzero((distances > 0) & (slots >= 0))
        if not len(changed):
            return ""
        gaps = self._pixels[changed].astype(np.float32) - known.pixels[slots[changed]]
        luma = gaps.reshape(len(changed), -1, 3) @ np.array(_LUMA, np.float32)
        median = float(np.median(np.sqrt(np.mean(luma**2, axis=1))))
        # Of few images, chance counts.
        limit = FAR_LUMA_MEDIAN + (FAR_LUMA - FAR_LUMA_MEDIAN) / len(changed)
        off = np.zeros(len(slots), np.float32)
        off[changed] = np.sqrt(np.mean(luma**2, axis=1))
        ninth = float(np.quantile(off, 0.9)) if len(off) >= _ENOUGH_FOR_A_TENTH else 0.0
        if median <= limit and ninth <= FAR_LUMA_NINTH:
            return ""
        if median <= limit:
            return (
                f"A tenth of the images of a timed epoch are {ninth:.1f} grey levels or more off what they "
                f"were when they were checked, at the {luma.shape[1]} pixels looked at, expected "
                f"{FAR_LUMA_NINTH:.0f} or less: are some kept smaller, or compressed more?"
            )
        return (
            f"{len(changed)} images of a timed epoch are not what they were when they were checked: at the "
            f"{luma.shape[1]} pixels looked at they are a median of {median:.1f} grey levels off, expected "
            f"{limit:.1f} or less. Are they kept smaller, or compressed more?"
        )

    def _miscount(self, slots: Ints) -> str:
        groups = self.fingerprints.groups
        size = len(groups)
        found, expected = np.bincount(groups[slots], minlength=size), np.bincount(groups, minlength=size)
        first = np.full(size, size)
        np.minimum.at(first, groups, np.arange(size))
        miscounts = [
            Miscount(int(first[group]), int(found[group]), int(expected[group]))
            for group in np.flatnonzero(found != expected)
        ]
        missing = [one for one in miscounts if one.found < one.expected]
        extra = [one for one in miscounts if one.found > one.expected]
        repeated = len(np.unique(slots)) <= self.fingerprints.spec.batch_size < len(slots)
        hint = ": is one batch given again and again?" if repeated else "."
        number = sum(one.expected - one.found for one in missing)
        return (
            f"{number} of {size} images are missing from a timed epoch "
            f"({listed(self._tree, missing)}) and others came too often ({listed(self._tree, extra)}){hint}"
        )
