"""Which file every image of an epoch is: recognised, held against its label, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from loader_gate.same_work.recognition import Match, Recogniser
from loader_gate.same_work.thresholds import (
    CLOSE,
    ENOUGH,
    MOST_TOLD_APART,
    SHORT_SIDE,
    TOO_CLOSE_TO_TELL,
)
from loader_gate.same_work.words import FILES_NAMED, DifferenceError, file_name, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.same_work.batch import Batches
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.same_work.recognition import Miscount
    from loader_gate.same_work.reference import Floats, Ints, Reference
    from loader_gate.trees.tree import Tree


class Identities:
    """The images of one epoch, each a file of the tree.

    Attributes:
        not_told_apart: How many images might as well be files of another label, so that theirs shows nothing.
    """

    def __init__(
        self,
        tree: Tree,
        declared: DeclaredOutput,
        reference: Reference,
        interpolations: Sequence[str],
        batches: Batches,
    ) -> None:
        """Begin with none.

        Args:
            tree: The images that should come.
            declared: What the variant says it delivers.
            reference: The reference decode of the tree.
            interpolations: Those an image may have been resized by.
            batches: What has come so far.
        """
        self._tree, self._declared, self._batches = tree, declared, batches
        shortness = max(1.0, SHORT_SIDE / min(reference.image_size))
        self._close = CLOSE * shortness
        self._recogniser = Recogniser(
            reference,
            tree.labels,
            interpolations,
            close=self._close,
            too_close_to_tell=TOO_CLOSE_TO_TELL * shortness,
            most_told_apart=MOST_TOLD_APART,
        )
        self._unknown: list[Floats] = []
        self._relabelled: list[tuple[int, int]] = []
        self.not_told_apart = 0

    def add(self, grids: Floats, classes: Ints) -> list[Match | None]:
        """Return what each image of a batch is, None where it is no file of its label."""
        matches = self._recogniser.add(grids, classes)
        for row, match in enumerate(matches):
            if match is None:
                self._unknown.append(grids[row])
            elif not match.label_fits:
                self._relabelled.append((match.file, int(classes[row])))
            else:
                self.not_told_apart += not match.alone
        return [match if match is not None and match.label_fits else None for match in matches]

    def knows(self, grids: Floats) -> bool:
        """Return whether most of some images are files of the tree."""
        return 2 * sum(len(pictures) > 0 for pictures, _ in self._recogniser.near(grids)) > len(grids)

    def check_so_far(self) -> None:
        """Check that there is a reason to go on.

        Raises:
            DifferenceError: So many images are no file of their label that nothing else matters.
        """
        if len(self._unknown) + len(self._relabelled) >= ENOUGH:
            self._check_known()

    def check(self, batch_size: int) -> None:
        """Check that every image came, exactly once and with its label.

        Args:
            batch_size: Images a batch, by which a batch that was dropped is known.

        Raises:
            DifferenceError: Not so.
        """
        miscounts = self._recogniser.miscounts()
        missing = [one for one in miscounts if one.found < one.expected]
        self._check_known(missing)
        extra = [one for one in miscounts if one.found > one.expected]
        if miscounts:
            parts = []
            if missing:
                number = sum(one.expected - one.found for one in missing)
                parts.append(
                    f"{number} of {len(self._tree)} images are missing ({listed(self._tree, missing)})"
                )
            if extra:
                number = sum(one.found - one.expected for one in extra)
                parts.append(f"{number} came too often ({listed(self._tree, extra)})")
            full = len(self._tree) // batch_size * batch_size
            dropped = not extra and self._batches.images == full
            hint = ": is the last, smaller batch dropped?" if dropped else "."
            raise DifferenceError(" and ".join(parts) + hint)

    def check_part(self) -> None:
        """Check that every image of a part of an epoch came with its label, and none more than once.

        Raises:
            DifferenceError: Not so.
        """
        self._check_known()
        if extra := self._recogniser.extra():
            number = sum(one.found - one.expected for one in extra)
            raise DifferenceError(
                f"{number} images of a part of an epoch came too often ({listed(self._tree, extra)})."
            )

    def _check_known(self, missing: Sequence[Miscount] = ()) -> None:
        """Tell of images that are no file of the tree or have another label.

        Args:
            missing: The files that have not come, once all images have.
        """
        if self._unknown:
            least = self._recogniser.least_distance(self._unknown[0])
            raise DifferenceError(
                f"{len(self._unknown)} of the first {self._batches.images} images look like no file of the "
                f"tree (one is {least:.1f} grey levels from the closest, expected {self._close:.0f}): "
                f"{self._hint()}{self._may_be(missing)}"
            )
        if self._relabelled:
            names, labels = self._tree.class_names, self._tree.labels
            told = ", ".join(
                f"{file_name(self._tree, position)} came as {names[label]!r}, "
                f"expected {names[labels[position]]!r}"
                for position, label in self._relabelled[:FILES_NAMED]
            )
            pairs = {(labels[position], label) for position, label in self._relabelled}
            many = 2 * len(self._relabelled) > self._batches.images
            renumbered = many and len(pairs) == len({wanted for wanted, _ in pairs})
            hint = ": are the classes numbered in sorted order?" if renumbered else "."
            count = len(self._relabelled)
            raise DifferenceError(
                f"{count} of the first {self._batches.images} images have a wrong label ({told}){hint}"
            )

    def _may_be(self, missing: Sequence[Miscount]) -> str:
        """Name the files that unknown images may be, if some are and most are not."""
        if not missing or len(missing) == len(self._tree):
            return ""
        return f" What has not come: {listed(self._tree, missing)}."

    def _hint(self) -> str:
        """Say what may have been done to the images that were not recognised."""
        black, white = self._declared.bounds
        if self._batches.highest <= black + (white - black) * 1.001 / 255:
            return f"no value is above {self._batches.highest:.4g}, were they scaled down twice?"
        if black < 0 and self._batches.lowest >= 0:
            return f"no value is below 0, are they not in the declared range of {black:g} to {white:g}?"
        grids = np.stack(self._unknown)
        if float(np.ptp(grids, axis=3).max()) < 1:
            return "they are grey, expected colour."
        changes = {
            "red and blue are swapped, expected RGB.": grids[..., ::-1],
            "they are mirrored, left to right.": grids[:, :, ::-1],
            "they are upside down.": grids[:, ::-1],
            "they are turned by half, was EXIF orientation applied?": grids[:, ::-1, ::-1],
        }
        if grids.shape[1] == grids.shape[2]:
            changes["height and width are transposed."] = grids.swapaxes(1, 2)
            for turns in (1, 3):
                hint = f"they are turned by {90 * turns} degrees, was EXIF orientation applied?"
                changes[hint] = np.rot90(grids, turns, (1, 2))
        for hint, changed in changes.items():
            if self.knows(changed):
                return hint
        return "are they cropped, padded, augmented or scaled in another way?"
