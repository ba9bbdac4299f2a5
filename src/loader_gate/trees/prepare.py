"""Turns the options about the tree into a tree: one function, for the pytest plugin and for anyone else."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from loader_gate.progress import Display
from loader_gate.text import printable
from loader_gate.trees.cache import cache_root
from loader_gate.trees.check import check_files, refuse_bad
from loader_gate.trees.coco import coco_images
from loader_gate.trees.digests import tree_digest
from loader_gate.trees.links import link_tree
from loader_gate.trees.listing import listed
from loader_gate.trees.request import TreeRequest
from loader_gate.trees.source import Source, SourceImage, find_images, require_classes
from loader_gate.trees.subset import choose
from loader_gate.trees.synthetic import UNIQUE_IMAGES, synthetic_tree
from loader_gate.trees.tree import Tree, TreeError


def prepare_tree(
    request: TreeRequest,
    display: Display | None = None,
    *,
    cache: Path | None = None,
    unique_images: int = UNIQUE_IMAGES,
) -> Tree:
    """Return the tree that is asked for, built and checked.

    Args:
        request: The options.
        display: Where to show progress and to say what was left out; standard error if None.
        cache: Another cache folder than ``loader_gate.trees.cache.cache_root()``.
        unique_images: The most pictures to draw for a synthetic tree.

    Raises:
        TreeError: The options contradict each other, the tree is not usable, or the cache is not.
    """
    request.check()
    display = display or Display()
    cache = cache or cache_root()
    if request.image_root is None:
        return synthetic_tree(request, cache, display, unique_images)
    return _real_tree(request, request.image_root, cache, display)


def find_source(request: TreeRequest, root: Path, cache: Path) -> Source:
    """Return all images of a real tree, before any are chosen.

    Args:
        request: The options.
        root: ``--image-root``.
        cache: The cache folder.

    Raises:
        TreeError: The folder or its annotations are not usable.
    """
    if request.coco_annotations is None:
        return find_images(root)
    return coco_images(root, request.coco_annotations, cache, request.skip_bad_images)


def _real_tree(request: TreeRequest, root: Path, cache: Path, display: Display) -> Tree:
    source = find_source(request, root, cache)
    if source.passed_over:
        display.say(
            f"In {printable(str(source.home))}, these are no images of the tree:"
            f"{listed(list(source.passed_over))}",
            keep=True,
        )
    chosen = choose(source.images, request)
    checked = check_files(
        [image.path for image in chosen],
        source.home,
        cache,
        display,
        libraries=request.libraries,
        most_pixels=request.most_pixels,
    )
    if not request.skip_bad_images:
        refuse_bad(checked.bad)
    images = [image for image in chosen if image.path not in checked.bad]
    left_out = {**source.left_out, **checked.bad}
    if left_out:
        _say_left_out(left_out, len(chosen) + len(source.left_out), display)
        lost = {image.class_name for image in chosen} - {image.class_name for image in images}
        if lost:
            raise TreeError(
                "--skip-bad-images would leave no image of these classes; repair some of their images or "
                f"remove the classes:{listed(sorted(lost))}"
            )
    require_classes(images, source.home)
    digest = tree_digest(
        (f"{image.class_name}/{image.name}", checked.digests[image.path]) for image in images
    )
    root = source.home
    if not (source.in_place and len(images) == len(source.images)):
        label = root.parent.name if root.name == "train" else root.name
        root = link_tree(images, label, cache, display)
    odd = (
        f"{image.class_name}/{image.name} ({checked.odd[image.path]})"
        for image in images
        if image.path in checked.odd
    )
    return replace(_holding(images, Tree.read(root, digest)), odd=tuple(odd))


def _holding(images: Sequence[SourceImage], tree: Tree) -> Tree:
    """Return a tree, having held it against what it was made of: no image may be lost on the way.

    Raises:
        TreeError: It does not hold just these images.
    """
    expected = Counter((image.class_name, image.name) for image in images)
    found = Counter(
        (tree.class_names[label], os.path.basename(path))  # noqa: PTH119 - a Path an image is slow
        for path, label in zip(tree.paths, tree.labels, strict=True)
    )
    if expected != found:
        wrong = [f"{name}/{file} is not in it" for name, file in expected - found]
        wrong += [f"{name}/{file} is in it as well" for name, file in found - expected]
        raise TreeError(
            f"the tree in {tree.root} is not what it was made of; was its folder changed meanwhile? Run "
            f"again, and remove it if that does not help:{listed(sorted(wrong))}"
        )
    return tree


def _say_left_out(bad: dict[str, str], total: int, display: Display) -> None:
    display.say(
        f"--skip-bad-images left out {len(bad):,} of {total:,} images:"
        f"{listed([f'{path} {reason}' for path, reason in bad.items()])}",
        keep=True,
    )
