"""What a loader delivers without saying so: declarations are tried on a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loader_gate.same_work.declared import DTYPES, DeclaredOutput

if TYPE_CHECKING:
    from collections.abc import Callable

    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.reference import Floats

#: Means and deviations that people normalise with: ImageNet's, CIFAR-10's, CLIP's.
_NORMALISATIONS = (
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
)
#: Black and white of Keras' "tf" mode comes third.
_RANGES = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
#: What Keras' "caffe" mode subtracts from blue, green and red of 0 to 255.
_CAFFE_MEANS = (103.939, 116.779, 123.68)


def lines_to_add(
    images: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    classes: int,
    spec: Spec,
    declared: DeclaredOutput,
    fits: Callable[[Floats], bool],
) -> str:
    """Return a sentence that says how to declare what this batch is.

    Args:
        images: A batch of images as delivered.
        labels: Their labels.
        classes: How many classes the tree has.
        spec: The size that was asked for.
        declared: What was declared.
        fits: Whether images ``(batch, height, width, 3)`` in grey levels of 255 are some of the tree.

    Returns:
        Nothing if no declaration would help.
    """
    dtype = str(images.dtype)
    if not images.size or images.ndim != 4 or dtype not in DTYPES:
        return ""
    form = replace(_of_type(declared, dtype), layout="NHWC" if images.shape[-1] == 3 else "NCHW")
    last = form.channels_last(images)
    if last.shape[1:] != (*spec.image_size, 3):
        return ""
    is_index = labels.shape in ((len(images),), (len(images), 1)) and np.issubdtype(labels.dtype, np.integer)
    if is_index and labels.min() >= 0 and labels.max() < classes:
        form = replace(form, labels="index")
    elif labels.shape == (len(images), classes) and labels.dtype == np.float32:
        form = replace(form, labels="one-hot")
    found = next((each for each in _candidates(form) if _is(each, last, fits)), None)
    if found is None and _is_caffe(last, fits):
        return (
            'They are blue, green and red less their means (Keras\' "caffe" mode), which cannot be declared: '
            "leave that to the model, and deliver red, green and blue."
        )
    change = _change(declared, form if found is None else found)
    return f"If that is what is meant, {change} to say so." if change else ""


def _candidates(form: DeclaredOutput) -> list[DeclaredOutput]:
    plain = replace(form, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    ranges = [replace(plain, value_range=each) for each in _RANGES]
    if form.dtype == "uint8":
        return [form, *ranges[1:2]]
    normalised = [replace(ranges[0], mean=mean, std=std) for mean, std in _NORMALISATIONS]
    return [form, *ranges, *normalised]


def _is(form: DeclaredOutput, images: npt.NDArray[Any], fits: Callable[[Floats], bool]) -> bool:
    levels = form.levels(images)
    # Of a filter that overshoots, a little more than black and white.
    return bool(levels.min() > -8 and levels.max() < 263) and fits(levels)


def _is_caffe(images: npt.NDArray[Any], fits: Callable[[Floats], bool]) -> bool:
    levels: Floats = (images + np.array(_CAFFE_MEANS, np.float32))[..., ::-1]
    return bool(levels.min() > -8 and levels.max() < 263) and fits(levels)


def _change(declared: DeclaredOutput, found: DeclaredOutput) -> str:
    """Return what to add to a declaration, and what to remove from it, to make it the other one."""
    changes = {
        "LAYOUT": (declared.layout, found.layout),
        "DTYPE": (declared.dtype, found.dtype),
        "MEAN": (declared.mean, found.mean),
        "STD": (declared.std, found.std),
        "LABELS": (declared.labels, found.labels),
    }
    added = {name: _written(after) for name, (before, after) in changes.items() if before != after}
    is_normalised = (found.mean, found.std) != (DeclaredOutput.mean, DeclaredOutput.std)
    # A mean is of images of 0 to 1: no range may be declared beside it, and it is none of bytes.
    if is_normalised:
        removed = {"VALUE_RANGE"} & declared.said
    else:
        black, white = found.value_range
        if (black, white) != _of_type(declared, found.dtype).value_range:
            added["VALUE_RANGE"] = f"({black:g}, {white:g})"
        has_other_values = {"MEAN", "STD", "VALUE_RANGE"} & {*added} or found.dtype == "uint8"
        removed = {"MEAN", "STD"} & declared.said if has_other_values else set()
    lines = [f"{declared.prefix}{name} = {value}" for name, value in added.items() if name not in removed]
    names = [f"{declared.prefix}{name}" for name in ("MEAN", "STD", "VALUE_RANGE") if name in removed]
    return " and ".join(
        f"{verb} {' and '.join(what)}" for verb, what in (("add", lines), ("remove", names)) if what
    )


def _of_type(declared: DeclaredOutput, dtype: str) -> DeclaredOutput:
    """Return what is declared once another type is: who declares no range has that of the type."""
    white = 255.0 if dtype == "uint8" else 1.0
    black_and_white = declared.value_range if "VALUE_RANGE" in declared.said else (0.0, white)
    form = replace(declared, dtype=dtype, value_range=black_and_white)
    return replace(form, mean=DeclaredOutput.mean, std=DeclaredOutput.std) if dtype == "uint8" else form


def _written(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
