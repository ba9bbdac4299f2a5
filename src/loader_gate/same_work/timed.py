"""A cheap look at every batch of a timed epoch: some pixels of every image, against those that were checked.

Some pixels of every image are read while the clock is paused, see ``fingerprints.py``; the rest is done
between epochs.

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

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.same_work.batch import Batches
from loader_gate.same_work.fingerprints import FAR, LEAST_NOISE, MOST_NOISE
from loader_gate.same_work.order import in_turn
from loader_gate.same_work.recognition import Miscount
from loader_gate.same_work.thresholds import ENOUGH
from loader_gate.same_work.words import FILES_NAMED, DifferenceError, file_name, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from loader_gate.same_work.fingerprints import Fingerprints, KnownFiles
    from loader_gate.same_work.reference import Bytes, Floats, Ints
    from loader_gate.trees.tree import Tree

#: The furthest that luma may be off: of one image, and the median of many.
FAR_LUMA, FAR_LUMA_MEDIAN = 25.0, 7.5
#: Nine of ten images, changed or not, may be off by so much at most.
FAR_LUMA_NINTH = 10.0
_ENOUGH_FOR_A_TENTH = 20
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)


class TimedEpoch:
    """One timed epoch, looked at cheaply while it runs and judged when the clock has stopped."""

    #: How many arrays a batch has.
    arrays = 2

    def __init__(self, fingerprints: Fingerprints, images: int | None = None, *, whole: bool = True) -> None:
        """Begin with no image.

        Args:
            fingerprints: What images look like.
            images: One of the first so many is looked at as a whole; of all if None.
            whole: Whether one is at all.
        """
        self.fingerprints = fingerprints
        self._tree = fingerprints.tree
        self._batches = Batches(fingerprints.tree, fingerprints.spec, fingerprints.declared)
        self._samples: list[npt.NDArray[Any]] = []
        self._drawn = fingerprints.drawn_image(images) if whole else -1
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
            image = self.fingerprints.declared.channels_last(images)[self._drawn - before]
            self._whole = self.fingerprints.copy_of(image)
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
            return _label_problem(self._tree, self._labels)
        slots, distances = self._closest(known)
        if (slots >= 0).all() and not self._luma_problem(known, slots, distances):
            if np.array_equal(np.sort(slots), np.sort(known.slots)):
                return self._whole_problem(slots)
            self._allow_for_noise(slots, distances)
            groups = self.fingerprints.groups
            if np.array_equal(np.sort(groups[slots]), np.sort(groups)):
                return self._whole_problem(slots)
        return self._difference(known, slots, distances)

    def part_problem(self, images: int) -> str | None:
        """Return one sentence that says what is wrong with a part of an epoch, None if nothing is.

        Each of its images has to be a file of the tree under its label, and none may come more than once.

        Args:
            images: How many have come.
        """
        came, wanted = self._batches.images, len(self._tree)
        if came != images:
            return f"{came} images were seen of a part of an epoch, expected the {images} that were counted."
        known = self.fingerprints.known()
        if known is None:
            return _label_problem(self._tree, self._labels, is_part=True)
        slots, distances = self._closest(known)
        if (slots < 0).any() or self._luma_problem(known, slots, distances):
            return self._difference(known, slots, distances)
        if (np.bincount(slots, minlength=wanted) <= known.sizes).all():
            return self._whole_problem(slots)
        self._allow_for_noise(slots, distances)
        groups = self.fingerprints.groups
        extra = np.bincount(groups[slots], minlength=wanted) - np.bincount(groups, minlength=wanted)
        if (extra <= 0).all():
            return self._whole_problem(slots)
        return (
            f"{np.maximum(extra, 0).sum()} images of a part of an epoch came too often, such as "
            f"{file_name(self._tree, int(np.argmax(extra)))}: each should come once."
        )

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
            return np.full(self._batches.images, -1)
        slots, _ = self._closest(known)
        groups = self.fingerprints.groups
        return in_turn(np.where(slots >= 0, groups[slots], -1), groups)

    @cached_property
    def _pixels(self) -> Bytes:
        return np.concatenate([self.fingerprints.levels(each) for each in self._samples])

    def _closest(self, known: KnownFiles) -> tuple[Ints, Floats]:
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
        noise = float(np.quantile(strange, 0.95)) if len(strange) else 0.0
        self.fingerprints.blur(max(2 * noise, LEAST_NOISE))

    def _difference(self, known: KnownFiles, slots: Ints, distances: Floats) -> str:
        """Say how an epoch differs that does."""
        suspects = np.flatnonzero(distances > MOST_NOISE)[:ENOUGH]
        pixels, classes = self._pixels, np.concatenate(self._labels)
        files, gaps = known.closest_of_all(pixels[suspects])
        relabelled = (gaps <= FAR) & (gaps < distances[suspects] / 2)
        if relabelled.any():
            names, tree = self._tree.class_names, self._tree
            told = [
                f"{file_name(tree, files[one])} came as {names[classes[suspects[one]]]!r}, "
                f"expected {names[tree.labels[files[one]]]!r}"
                for one in np.flatnonzero(relabelled).tolist()
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
        return _miscount(self.fingerprints, slots)

    def _luma_problem(self, known: KnownFiles, slots: Ints, distances: Floats) -> str:
        """Say whether the images that are not exactly what they were have lost too much; "" if not."""
        changed = np.flatnonzero((distances > 0) & (slots >= 0))
        if not len(changed):
            return ""
        gaps = np.subtract(self._pixels[changed], known.pixels[slots[changed]], dtype=np.float32)
        luma = gaps.reshape(len(changed), len(self.fingerprints.places), 3) @ _LUMA
        off = np.zeros(len(slots))
        off[changed] = np.sqrt(np.mean(luma**2, axis=1))
        median = float(np.median(off[changed]))
        # Of few images, chance counts.
        limit = FAR_LUMA_MEDIAN + (FAR_LUMA - FAR_LUMA_MEDIAN) / len(changed)
        if median > limit:
            return (
                f"{len(changed)} images of a timed epoch are not what they were when they were checked: at "
                f"the {luma.shape[1]} pixels looked at they are a median of {median:.1f} grey levels off, "
                f"expected {limit:.1f} or less. Are they kept smaller, or compressed more?"
            )
        ninth = float(np.quantile(off, 0.9))
        if len(off) >= _ENOUGH_FOR_A_TENTH and ninth > FAR_LUMA_NINTH:
            return (
                f"A tenth of the images of a timed epoch are {ninth:.1f} grey levels or more off what they "
                f"were when they were checked, at the {luma.shape[1]} pixels looked at, expected "
                f"{FAR_LUMA_NINTH:.0f} or less: are some kept smaller, or compressed more?"
            )
        return ""


def _label_problem(tree: Tree, labels: Sequence[Ints], *, is_part: bool = False) -> str | None:
    """Say which class came too often, or not often enough in a whole epoch."""
    names = tree.class_names
    found = np.bincount(np.concatenate(labels), minlength=len(names))
    expected = np.bincount(tree.labels, minlength=len(names))
    wrong = np.flatnonzero(found > expected if is_part else found != expected)
    if not len(wrong):
        return None
    one = wrong[0]
    return f"{found[one]} images of class {names[one]!r} came in a timed epoch, expected {expected[one]}."


def _miscount(fingerprints: Fingerprints, slots: Ints) -> str:
    """Say which files did not come as often as they should, in a whole epoch of these slots."""
    groups = fingerprints.groups
    size = len(groups)
    found, expected = np.bincount(groups[slots], minlength=size), np.bincount(groups, minlength=size)
    missing, extra = (
        [Miscount(int(file), int(found[file]), int(expected[file])) for file in np.flatnonzero(wrong)]
        for wrong in (found < expected, found > expected)
    )
    repeated = len(np.unique(slots)) <= fingerprints.spec.batch_size < len(slots)
    hint = ": is one batch given again and again?" if repeated else "."
    number = sum(one.expected - one.found for one in missing)
    return (
        f"{number} of {size} images are missing from a timed epoch "
        f"({listed(fingerprints.tree, missing)}) and others came too often "
        f"({listed(fingerprints.tree, extra)}){hint}"
    )
