"""What the user asks for: the options about the tree, as data, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loader_gate.trees.kinds import LIBRARIES
from loader_gate.trees.tree import TreeError


@dataclass(frozen=True)
class Preset:
    """A synthetic tree that has a name.

    Attributes:
        style: Name of the kind of pictures, a key of ``loader_gate.trees.picture.STYLES``.
        images: How many images it has unless ``--tree-images`` or ``--images-per-class`` says otherwise.
        classes: How many classes it has unless ``--classes`` says otherwise.
        class_names: Their names if they have any of their own; then their number is fixed.
        about: What it is, for the help text.
    """

    style: str
    images: int
    classes: int
    class_names: tuple[str, ...] = ()
    about: str = ""


PRESETS = {
    "small": Preset("coco", 256, 8, about="256 images of 640x480, 153 KB each, 8 classes"),
    "dogs-vs-cats": Preset(
        "pets", 10_000, 2, ("cats", "dogs"), about="10,000 images of about 400x360, 22 KB each, 2 classes"
    ),
    "coco2017": Preset("coco", 117_266, 80, about="117,266 images of 640x480, 153 KB each, 80 classes"),
}


@dataclass(frozen=True)
class TreeRequest:
    """The options about the tree, one field an option; None means not given.

    Attributes:
        image_root: ``--image-root``, a real tree.
        coco_annotations: ``--coco-annotations``, an instances file for the images in ``image_root``.
        tree: ``--tree``, the name of a synthetic tree.
        tree_images: ``--tree-images``.
        classes: ``--classes``.
        images_per_class: ``--images-per-class``.
        tree_seed: ``--tree-seed``, of drawing and of choosing.
        skip_bad_images: ``--skip-bad-images``.
        most_pixels: ``--most-pixels``, of one image.
        no_links: Whether each image of a synthetic tree is a file of its own, as for ``--cold``, which of two
            links to one file would read a single one.
        libraries: Those that are going to decode its images.
    """

    image_root: Path | None = None
    coco_annotations: Path | None = None
    tree: str | None = None
    tree_images: int | None = None
    classes: int | None = None
    images_per_class: int | None = None
    tree_seed: int = 0
    skip_bad_images: bool = False
    most_pixels: int | None = None
    no_links: bool = False
    libraries: tuple[str, ...] = LIBRARIES

    @property
    def preset(self) -> Preset:
        """The synthetic tree that is asked for; ``small`` if nothing else is."""
        return PRESETS[self.tree or "small"]

    def check(self) -> None:
        """Refuse options that are wrong or contradict each other; quick, looks at no image.

        Raises:
            TreeError: The message names the option.
        """
        for option, number, least in (
            ("--tree-images", self.tree_images, 1),
            ("--classes", self.classes, 2),
            ("--images-per-class", self.images_per_class, 1),
            ("--tree-seed", self.tree_seed, 0),
        ):
            if number is not None and number < least:
                raise TreeError(f"{option} is {number}; expected a whole number of at least {least}.")
        if self.tree_images is not None and self.images_per_class is not None:
            raise TreeError(
                "--tree-images and --images-per-class both say how many images there are; give one of them."
            )
        if self.image_root is None:
            self._check_synthetic()
        else:
            self._check_real(self.image_root)

    def sizes(self) -> tuple[int, int]:
        """Return the number of images and of classes of the synthetic tree."""
        classes = self.classes or self.preset.classes
        if self.images_per_class is not None:
            return classes * self.images_per_class, classes
        return self.tree_images or self.preset.images, classes

    def _check_synthetic(self) -> None:
        if self.coco_annotations is not None:
            raise TreeError(
                "--coco-annotations needs --image-root, the folder that holds the images it is about."
            )
        if self.tree is not None and self.tree not in PRESETS:
            raise TreeError(f"--tree is {self.tree!r}; expected one of {', '.join(PRESETS)}.")
        name, preset = self.tree or "small", self.preset
        if preset.class_names and self.classes not in (None, len(preset.class_names)):
            raise TreeError(
                f"--classes is {self.classes}, but --tree {name} always has {len(preset.class_names)} "
                f"classes ({', '.join(preset.class_names)}). Leave --classes out, or take another --tree."
            )
        images, classes = self.sizes()
        if images < classes:
            raise TreeError(
                f"--tree {name} with {classes} classes cannot be made of {images} images: each class needs "
                f"one. Give --tree-images of at least {classes}, or fewer --classes."
            )

    def _check_real(self, root: Path) -> None:
        if self.tree is not None:
            raise TreeError(
                f"--tree {self.tree} asks for a synthetic tree and --image-root {root} for a real one; "
                "give one of them."
            )
        if not root.expanduser().is_dir():
            found = "is not a folder" if root.expanduser().exists() else "does not exist"
            raise TreeError(f"--image-root {root} {found}; expected a folder of images.")
        annotations = self.coco_annotations
        if annotations is not None and not annotations.expanduser().is_file():
            found = "is not a file" if annotations.expanduser().exists() else "does not exist"
            raise TreeError(f"--coco-annotations {annotations} {found}; expected a COCO instances JSON file.")
        if self.tree_images is not None and self.classes is not None and self.tree_images < self.classes:
            raise TreeError(
                f"--tree-images is {self.tree_images}, fewer than --classes {self.classes}: each class needs "
                "at least one image."
            )
