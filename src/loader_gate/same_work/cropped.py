"""The same-work check of ``--augment crop-flip``: a loader says which part of which file each image is.

Its batches are ``(images, labels, boxes)``; a row of ``boxes`` is the position of the file in ``tree.paths``,
top, left, height and width of the part in pixels of that file, and 1 if it is mirrored, else 0. So the check
is exact: of each image it is known what it has to be. In the checked epoch and in every timed one, each file
has to come once, under its label; boxes have to be drawn at random and anew (``boxes.py``); and some images,
drawn by who checks, are held against a decode of their part: the file is decoded, cut, resized and mirrored,
and the usual limits of PSNR, detail and chroma hold (``pixels.py``). Drawn images of a timed epoch are copied
while the clock is paused, and looked at when it has been stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.registry.spec import AUGMENTS
from loader_gate.same_work.batch import Batches
from loader_gate.same_work.boxes import Boxes
from loader_gate.same_work.check import SameWork, same_work
from loader_gate.same_work.fingerprints import Fingerprints
from loader_gate.same_work.pixels import Pixels, psnr_of
from loader_gate.same_work.recognition import Match, Miscount
from loader_gate.same_work.reference import INTERPOLATIONS, Reference, decode_box
from loader_gate.same_work.thresholds import PSNR_FLOOR
from loader_gate.same_work.undeclared import lines_to_add
from loader_gate.same_work.words import FILES_NAMED, DifferenceError, file_name, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.same_work.reference import Floats, Ints
    from loader_gate.trees.tree import Tree

#: So many images of a checked epoch are held against a decode of their part, at most.
CHECKED = 64
#: Likewise of a timed epoch: one of so many images, and no more than so many.
ONE_OF, MOST_TIMED = 32, 8
# Of so many images it is tried what else they may be.
_FEW = 8
#: How the boxes of a batch are said to be.
FORM = (
    "boxes (batch, 6) int32: position in tree.paths; top, left, height and width in pixels of the file; 1 if "
    "mirrored, else 0"
)


def is_augmented(spec: Spec) -> bool:
    """Return whether batches have boxes; a spec of an earlier revision knows of none."""
    return getattr(spec, "augment", AUGMENTS[0]) != AUGMENTS[0]


class Crops(Fingerprints):
    """What is known of a loader that augments; of its images nothing is learned, as each is another.

    Attributes:
        boxes: The boxes of its epochs so far; None before its files' sizes are known.
        file_sizes: ``(images, 2)`` int64, height and width of each file of the tree; not there before.
    """

    file_sizes: Ints

    def __init__(self, tree: Tree, spec: Spec, declared: DeclaredOutput, seed: int) -> None:
        """Draw the pixels to look at; see `Fingerprints`."""
        super().__init__(tree, spec, declared, seed)
        self.groups = np.arange(len(tree))  # each file is told from all others, as it is said which it is
        self.boxes: Boxes | None = None
        self._seed = seed

    def begin(self, reference: Reference) -> None:
        """Take the sizes of files from a reference decode."""
        self.hold_against(reference)

    def hold_against(self, reference: Reference) -> None:
        """Likewise, once."""
        if self.boxes is None:
            self.file_sizes = reference.file_sizes[reference.picture_of]
            self.boxes = Boxes(self.file_sizes, self._seed)

    def save(self, file: Path) -> None:
        """Write nothing: nothing was learned."""

    def load(self, file: Path) -> None:
        """Read nothing."""

    def drawn(self, most: int) -> Ints:
        """Return the numbers of the images of an epoch that are to be held against their files, ascending."""
        count = len(self.tree)
        return np.sort(self._random.choice(count, min(most, count), replace=False))

    def place(self) -> float:
        """Return which rows of images are looked at for detail; see `differences`."""
        return float(self._random.random())


class CroppedEpoch:
    """One epoch of a loader that augments: its form at once, the rest when it has ended."""

    #: How many arrays a batch has.
    arrays = 3

    def __init__(self, crops: Crops, compared: int | None = None) -> None:
        """Begin with no image.

        Args:
            crops: What is known of the loader.
            compared: How many images are held against their files; left out, as many as of a timed epoch.
        """
        self.fingerprints = crops
        self.batches = Batches(crops.tree, crops.spec, crops.declared)
        few = max(1, min(MOST_TIMED, len(crops.tree) // ONE_OF))
        self._drawn = crops.drawn(few if compared is None else compared)
        self._kept: list[npt.NDArray[Any]] = []
        self._labels: list[Ints] = []
        self._boxes: list[Ints] = []
        self._samples: list[npt.NDArray[Any]] = []
        self.compared: Pixels | None = None

    def add(
        self,
        images: npt.NDArray[Any],
        labels: npt.NDArray[Any],
        sample: npt.NDArray[Any],
        boxes: npt.NDArray[Any],
    ) -> None:
        """Check the form of a batch, and keep what is needed of it.

        Args:
            images: As delivered, on the host.
            labels: Likewise.
            sample: What `Fingerprints.sample` has taken of these images: to read it made them real.
            boxes: As delivered, on the host.

        Raises:
            DifferenceError: Shape, type or size of a batch is another, or a box is none.
        """
        before = self.batches.images
        classes = self.batches.add_form(images, labels)
        if len(sample) != len(images):
            raise DifferenceError(f"A batch of shape {images.shape} came, of which no pixels can be taken.")
        self._check_boxes(boxes, len(images))
        last = self.fingerprints.declared.channels_last(images)
        for number in self._drawn[(self._drawn >= before) & (self._drawn < self.batches.images)].tolist():
            self._kept.append(np.array(last[number - before]))
        self._labels.append(classes)
        self._boxes.append(np.array(boxes, np.int64))

    def _check_boxes(self, boxes: npt.NDArray[Any], size: int) -> None:
        if boxes.shape != (size, 6) or boxes.dtype != np.int32:
            raise DifferenceError(
                f"The boxes of a batch are {boxes.dtype} of shape {boxes.shape}, expected int32 of "
                f"{(size, 6)}: {FORM}."
            )
        known = self.fingerprints.boxes
        problem = None if known is None else known.form_problem(boxes)
        if problem:
            raise DifferenceError(f"Of the images that are cut out, {problem}.")

    def keep(self, sample: npt.NDArray[Any], classes: Ints, boxes: npt.NDArray[Any]) -> None:
        """Keep what is known of images that did not come by: drawn pixels as delivered, classes, boxes.

        Raises:
            DifferenceError: A box is none.
        """
        self._check_boxes(boxes, len(sample))
        self.batches.images += len(sample)
        self._labels.append(classes)
        self._boxes.append(np.array(boxes, np.int64))
        self._samples.append(sample)

    def problem(self) -> str | None:
        """Return one sentence that says what differs, None if nothing does."""
        came, wanted = self.batches.images, len(self.fingerprints.tree)
        if came != wanted:
            return f"{came or 'No'} images came in an epoch, expected the {wanted} of the tree."
        boxes = np.concatenate(self._boxes)
        problem = self._identity_problem(boxes) or self._pixels_problem(boxes)
        known = self.fingerprints.boxes
        if problem or known is None:
            return problem
        problem = known.problem(boxes)
        return f"With spec.augment, {problem}." if problem else None

    def order(self) -> Ints:
        """Return ``(images,)``, for each image that came the position of its file in the tree."""
        return np.concatenate(self._boxes)[:, 0] if self._boxes else np.empty(0, np.int64)

    def _identity_problem(self, boxes: Ints) -> str | None:
        """Say which files did not come once, or not under their label."""
        tree, files = self.fingerprints.tree, boxes[:, 0]
        found = np.bincount(files, minlength=len(tree))
        counts = [Miscount(int(file), int(found[file]), 1) for file in np.flatnonzero(found != 1)]
        missing = [each for each in counts if not each.found]
        if missing:
            extra = [each for each in counts if each.found]
            return (
                f"By their boxes, {len(missing)} of {len(tree)} images are missing ({listed(tree, missing)}) "
                f"and others came too often ({listed(tree, extra)})."
            )
        classes, labels = np.concatenate(self._labels), np.array(tree.labels)
        wrong = np.flatnonzero(classes != labels[files])
        if not len(wrong):
            return None
        names = tree.class_names
        told = ", ".join(
            f"{file_name(tree, int(files[each]))} came as {names[classes[each]]!r}, expected "
            f"{names[labels[files[each]]]!r}"
            for each in wrong[:FILES_NAMED]
        )
        return f"{len(wrong)} images have a wrong label ({told}): is the first number of a box their file's?"

    def _pixels_problem(self, boxes: Ints) -> str | None:
        """Say how drawn images differ from the parts of their files."""
        crops = self.fingerprints
        if not self._kept:
            return self._samples_problem(boxes)
        levels = [crops.declared.levels(image) for image in self._kept]
        rows = boxes[self._drawn]
        names = (crops.declared.interpolation,) if crops.declared.interpolation else INTERPOLATIONS
        self.compared, problem = compared(crops, levels, rows, names)
        if problem is None:
            return None
        return (
            f"Of images held against the parts that their boxes name: {problem} {_hint(crops, levels, rows)}"
        ).rstrip()

    def _samples_problem(self, boxes: Ints) -> str | None:
        """Say the same of images of which only some pixels are known, as a model was trained on them."""
        crops = self.fingerprints
        sample = np.concatenate(self._samples)[self._drawn]
        own = crops.levels(sample).astype(np.float32)
        names = (crops.declared.interpolation,) if crops.declared.interpolation else INTERPOLATIONS
        errors: dict[str, list[float]] = {name: [] for name in names}
        for levels, row in zip(own, boxes[self._drawn].tolist(), strict=True):
            images = decode_box(crops.tree.paths[row[0]], row[1:], crops.spec.image_size, names)
            for name, image in images.items():
                wanted = image.reshape(-1, 3)[crops.places].reshape(-1)
                errors[name].append(float(np.mean((levels - wanted) ** 2)))
        off, name = min((float(np.sqrt(np.mean(each))), name) for name, each in errors.items())
        allowed = 255 / 10 ** (PSNR_FLOOR[name] / 20)
        if off <= allowed:
            return None
        return (
            f"Images that were trained on are {off:.0f} grey levels off the parts that their boxes name, at "
            f"the pixels looked at, expected {allowed:.0f} or less."
        )


def arrays_of(batch: Any, number: int) -> tuple[npt.NDArray[Any], ...]:
    """Return images, labels and boxes of a batch, on the host.

    Raises:
        DifferenceError: It has no boxes.
    """
    if isinstance(batch, (tuple, list)) and len(batch) == 3:
        return tuple(np.asarray(each) for each in batch)
    size = f" of {len(batch)}" if isinstance(batch, (tuple, list, dict)) else ""
    raise DifferenceError(
        f"Batch {number} is a {type(batch).__name__}{size}, expected (images, labels, boxes), as "
        "spec.augment is 'crop-flip'. If your loader cuts and mirrors as asked, add yield images, labels, "
        f"boxes to say what it did, with {FORM}; docs/augment.md has an example. If it does not, measure it "
        "without --augment."
    )


def check_crops(batches: Iterable[Any], crops: Crops) -> SameWork:
    """Check one epoch of a loader that augments, before it is timed.

    Args:
        batches: Of images, labels and boxes.
        crops: What is known of it, with `Crops.begin` behind it.

    Returns:
        What was found. Exceptions of the loader pass through.
    """
    epoch = CroppedEpoch(crops, CHECKED)
    reason, last = None, None
    try:
        for number, batch in enumerate(batches, 1):
            images, labels, boxes = last = arrays_of(batch, number)
            epoch.add(images, labels, crops.sample(images), boxes)
            epoch.batches.check_values(images)
        reason = epoch.problem()
    except DifferenceError as difference:
        reason = f"{difference}"
    if reason is not None and last is not None:
        reason = f"{reason} {_lines(crops, *last)}".rstrip()
    found = None if epoch.compared is None else epoch.compared.best()
    return same_work(reason, epoch.batches.images, found, epoch.order())


def _lines(crops: Crops, images: npt.NDArray[Any], labels: npt.NDArray[Any], boxes: npt.NDArray[Any]) -> str:
    """Say how to declare what a batch is, if that is not as declared."""
    known = crops.boxes
    if known is None or boxes.shape != (len(images), 6) or known.form_problem(boxes) is not None:
        return ""
    return lines_to_add(
        images[:_FEW],
        labels[:_FEW],
        len(crops.tree.class_names),
        crops.spec,
        crops.declared,
        lambda levels: _fits(crops, [*levels], boxes[:_FEW]),
    )


def compared(
    crops: Crops, levels: Sequence[Floats], rows: Ints, names: Sequence[str]
) -> tuple[Pixels, str | None]:
    """Hold images against decodes of their parts; return how they compare, and what is wrong if anything is.

    Args:
        crops: What is known of the loader.
        levels: The images, ``(height, width, 3)`` in grey levels of 255.
        rows: ``(images, 6)``, their boxes.
        names: The interpolations, of which the one that fits best counts.
    """
    size = crops.spec.image_size
    decoded = [decode_box(crops.tree.paths[row[0]], row[1:], size) for row in rows.tolist()]
    count = len(decoded)
    of_boxes = Reference(
        crops.tree.digest,
        size,
        picture_of=np.arange(count),
        descriptors={},
        pixels={name: np.stack([each[name] for each in decoded]) for name in INTERPOLATIONS},
        pixel_row=np.arange(count),
        file_sizes=rows[:, 3:5],
    )
    pixels = Pixels(crops.tree, of_boxes, names, crops.place())
    for number, (image, file) in enumerate(zip(levels, rows[:, 0].tolist(), strict=True)):
        pixels.add(image, Match(file, True, np.array([number])))
    try:
        pixels.check()
    except DifferenceError as difference:
        return pixels, f"{difference}"
    return pixels, None


def _hint(crops: Crops, levels: Sequence[Floats], rows: Ints) -> str:
    """Say what may have been done to images that are not what their boxes say, or nothing."""
    known = crops.boxes
    if known is None:
        return ""
    changes: dict[str, Callable[[list[int]], list[int]]] = {
        "They fit if the last number of a box is turned round: 1 is mirrored.": _flipped,
        "They fit if top and left are swapped: a box is file, top, left, height, width, mirrored.": (
            lambda row: [row[0], row[2], row[1], *row[3:]]
        ),
        "They are the whole pictures.": (
            lambda row: [row[0], 0, 0, *crops.file_sizes[row[0]].tolist(), row[5]]
        ),
    }
    for hint, change in changes.items():
        changed = np.array([change(row) for row in rows[:_FEW].tolist()])
        if known.form_problem(changed) is None and _fits(crops, levels[:_FEW], changed):
            return hint
    return ""


def _flipped(row: list[int]) -> list[int]:
    return [*row[:5], 1 - row[5]]


def _fits(crops: Crops, levels: Sequence[Floats], rows: Ints) -> bool:
    """Return whether most images are the parts that these boxes name, in some interpolation."""
    near = 0
    for image, row in zip(levels, rows.tolist(), strict=True):
        decoded = decode_box(crops.tree.paths[row[0]], row[1:], crops.spec.image_size)
        near += max(psnr_of(image, each) for each in decoded.values()) >= min(PSNR_FLOOR.values())
    return 2 * near > len(rows)
