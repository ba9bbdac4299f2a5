"""The options of the plugin, as data, and how they are registered beside those of other plugins.

Each has a name of its own, ``--loader-gate-NAME``, and the short ``--NAME`` where nobody else has taken that.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

#: What kind of value an option takes; ``names`` is a list, to which each use of the option adds one.
Kind = Literal["text", "names", "switch", "count", "number", "path", "size", "percent"]


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: Without dashes before it.
        kind: What kind of value it takes.
        metavar: What stands for the value in the help text.
        help: What it does.
        choices: The values that are allowed, if not all are.
        default: Its value if it is not given.
        least: The smallest number allowed.
        in_file: Whether pyproject.toml may have it, too.
    """

    name: str
    kind: Kind
    metavar: str | None
    help: str
    choices: tuple[str, ...] | None = None
    default: Any = None
    least: int = 1
    in_file: bool = True

    @property
    def plain(self) -> str:
        """Return the name as Python writes it."""
        return self.name.replace("-", "_")

    @property
    def dest(self) -> str:
        """Return the name of its value among those of all plugins."""
        return f"loader_gate_{self.plain}"

    @property
    def argparse_arguments(self) -> dict[str, Any]:
        """Return what argparse wants to know of it; what is not given is always None."""
        if self.kind == "switch":
            return {"dest": self.dest, "action": "store_true", "default": None}
        shared = {"dest": self.dest, "metavar": self.metavar, "default": None, "choices": self.choices}
        if self.kind == "names":
            return {**shared, "action": "append"}
        return {**shared, "type": _TYPES[self.kind]}


def _size(text: str) -> int:
    from loader_gate.sizes import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _percent(text: str) -> float:
    from loader_gate.runs.comparison import parse_tolerance

    return parse_tolerance(text)


_TYPES: dict[str, Callable[[str], Any]] = {
    "text": str,
    "count": int,
    "number": float,
    "path": Path,
    "size": _size,
    "percent": _percent,
}

#: The names of synthetic trees, and what they are. Looked up where they are made, they would cost an import.
TREES = {
    "small": "256 images of 640x480, 153 KB each, 8 classes",
    "dogs-vs-cats": "10,000 images of about 400x360, 22 KB each, 2 classes",
    "coco2017": "117,266 images of 640x480, 153 KB each, 80 classes",
}
_TREES_HELP = "; ".join(f"{name}: {about}" for name, about in TREES.items())

#: Every option, in the order of the help text.
OPTIONS = (
    Option(
        "image-root",
        "path",
        "DIR",
        "measure on a real tree: DIR/<class>/<image> or DIR/cat.0.jpg, with or without train/",
    ),
    Option(
        "coco-annotations",
        "path",
        "JSON",
        "with --image-root a flat folder of images: classes from a COCO instances file",
    ),
    Option("tree", "text", None, f"a synthetic tree ({_TREES_HELP}); default small", choices=tuple(TREES)),
    Option("tree-images", "count", "N", "how many images: of the synthetic tree, or a stratified subset"),
    Option("classes", "count", "N", "how many classes", least=2),
    Option("images-per-class", "count", "N", "how many images a class; of a real tree, at most"),
    Option("tree-seed", "count", "N", "seed of drawing and choosing images; default 0", default=0, least=0),
    Option(
        "skip-bad-images",
        "switch",
        None,
        "leave images out that cannot be decoded, instead of refusing the tree",
        default=False,
    ),
    Option(
        "most-pixels",
        "size",
        "N",
        "the most pixels of one image, such as 200M; an image of more may be made to fill the memory "
        "(default: what Pillow decodes without a warning, 89M)",
    ),
    Option(
        "variant",
        "names",
        "NAME",
        "measure only this variant, or loader of --loader, and the baseline (may be given again); all takes "
        "every one that is installed, rivals too (default: the article's, the fast ones and the limits); "
        "beside your decorated loaders: measure this variant too",
        default=[],
        in_file=False,
    ),
    Option(
        "loader",
        "names",
        "MODULE:FUNCTION",
        "measure your own loader too: takes (tree, spec), returns batches (may be given again)",
        default=[],
        in_file=False,
    ),
    Option(
        "image-size",
        "count",
        "PIXELS",
        "height and width of images (default: 224; training on a CPU 96, on a GPU 256)",
    ),
    Option("batch-size", "count", "N", "images a batch (default: 32; training on a GPU 256)"),
    Option(
        "augment",
        "text",
        None,
        "what is done to images: crop-flip, a random part of 8 to 100 %% of the picture that is resized and "
        "mirrored half of the time, anew in each epoch (default: none, whole pictures)",
        choices=("none", "crop-flip"),  # as in registry/spec.py, which would cost an import
        default="none",
    ),
    Option(
        "device",
        "text",
        "DEVICE",
        "where training runs: auto (a GPU if the backend sees one, else the CPU), cpu, gpu, emulated (an "
        "accelerator that only waits, 4.14 times as fast as the baseline can feed it), or "
        "emulated:IMAGES_A_SECOND (default: auto)",
        default="auto",
    ),
    Option(
        "backend",
        "text",
        None,
        "what Keras runs on, where a model trains and in the suite's own variants (default: the "
        "first that is installed of KERAS_BACKEND, tensorflow, jax and torch)",
        choices=("tensorflow", "jax", "torch"),  # as in workloads/backend.py, which would cost an import
    ),
    Option(
        "precision",
        "text",
        None,
        "what the training workload's model computes with, as Keras calls it (default: float32)",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),  # as in workloads/workload.py
        default="float32",
    ),
    Option(
        "xla",
        "switch",
        None,
        "let XLA compile the training step on TensorFlow; JAX does so in any case",
        default=False,
    ),
    Option(
        "weights",
        "text",
        "FILE",
        "weights of the training workload's MobileNetV2: a file, or imagenet (default: random ones)",
    ),
    Option(
        "memory-limit",
        "size",
        "SIZE",
        "the most memory a worker may hold, such as 1.5G: a smaller machine to live in",
    ),
    Option("disk-limit", "size", "SIZE", "the most a dump may take on disk, such as 800M"),
    Option(
        "no-guard",
        "switch",
        None,
        "start variants even if their cache or dump is predicted not to fit",
        default=False,
        in_file=False,
    ),
    Option(
        "keep-dumps",
        "path",
        "DIR",
        "keep the dumps of the dump workload there, and use those that are (default: remove them)",
    ),
    Option("profile", "text", "NAME", "which floors (default: picked for this machine)"),
    Option(
        "floor",
        "names",
        "[WORKLOAD/]VARIANT=X",
        "the smallest speedup allowed for a variant, or for MODULE:FUNCTION of a loader, in this run: in "
        "every workload, or in one, which comes first (may be given again)",
        default=[],
        in_file=False,
    ),
    Option(
        "floors",
        "path",
        "FILE",
        "the file that holds the floors (default: what pyproject.toml says, or none)",
    ),
    Option(
        "update-floors",
        "switch",
        None,
        "write the floors this machine supports into the file of floors, instead of gating",
        default=False,
        in_file=False,
    ),
    Option(
        "against",
        "text",
        "REV",
        "compare this checkout with a git revision, variant by variant: a slower one fails",
        in_file=False,
    ),
    Option(
        "against-python",
        "path",
        "PATH",
        "let the other side of the comparison run on this Python interpreter, such as one with another "
        "TensorFlow",
        in_file=False,
    ),
    Option(
        "compare-unchanged",
        "switch",
        "",
        "with --against: time against base what runs the same code there, too",
        in_file=False,
    ),
    Option(
        "confirm",
        "path",
        "RUN.json",
        "with --against: go on with what the session of this file left undecided or failed, and judge by the "
        "passes of both",
        in_file=False,
    ),
    Option(
        "service",
        "text",
        "ADDRESS",
        "let tfdata_service use the tf.data service whose dispatcher is at this address, such as "
        "grpc://host:5050, instead of starting one",
        in_file=False,
    ),
    Option(
        "cores",
        "text",
        "N,N",
        "measure the throughput of loading against cores: on so many, such as 1,2, and on all of them",
        in_file=False,
    ),
    Option(
        "cold",
        "switch",
        None,
        "evict the tree's files and the dump from the page cache before every pass of loading and dump, as "
        "for data that does not fit into memory (Linux)",
        default=False,
        in_file=False,
    ),
    Option(
        "tolerance",
        "percent",
        "PERCENT",
        "the slowdown that is allowed, in percent: what is proven to be beyond it fails (default: 1)",
        default=0.01,  # as in verdict/change.py, which would cost an import
    ),
    Option(
        "fail-if-slower",
        "switch",
        None,
        "with --benchmark-compare: fail what is slower than the saved run, beyond --tolerance, or missing",
        default=False,
        in_file=False,
    ),
    Option(
        "gate",
        "text",
        None,
        "whether an undecided variant fails (strict) or warns (lenient, the default)",
        choices=("strict", "lenient"),
        default="lenient",
    ),
    Option(
        "budget",
        "number",
        "SECONDS",
        "the most measuring time a variant may take (default: 60; against a base 90)",
    ),
    Option(
        "session-seed",
        "count",
        "N",
        "draw the order of passes from this seed, such as an earlier session has printed (default: drawn)",
        least=0,
    ),
    Option(
        "hang-after",
        "number",
        "SECONDS",
        "how long a worker may go without a batch before it counts as hung (default: 120)",
        default=120.0,
    ),
    Option(
        "report",
        "path",
        "FILE.html",
        "write the report of this session, and of the saved runs before it, as one page",
        in_file=False,
    ),
    Option(
        "profile-variants",
        "switch",
        None,
        "profile every variant after its workload's passes: where its time goes, by stage and by function "
        "(default: only what is a regression against a base, and that base)",
        default=False,
        in_file=False,
    ),
    Option(
        "accept",
        "switch",
        None,
        "the slowdown is meant: accept this run as what later ones are compared with, though it fails",
        default=False,
        in_file=False,
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Register every option, under its short name unless another plugin has taken it."""
    group = parser.getgroup("loader-gate", "image loaders: how fast each way of loading images is")
    taken = _taken_names(parser)
    for option in OPTIONS:
        short, long = f"--{option.name}", f"--loader-gate-{option.name}"
        help_text = f"{option.help}; another plugin has {short}"
        if short not in taken:
            with suppress(ValueError, argparse.ArgumentError):
                group.addoption(short, **option.argparse_arguments, help=option.help)
                help_text = argparse.SUPPRESS
        group.addoption(long, **option.argparse_arguments, help=help_text)


def _taken_names(parser: pytest.Parser) -> set[str]:
    """Return the names of all options that are registered.

    pytest 8 says nothing when a name is registered again, and fails when it reads the command line.
    """
    groups = (*getattr(parser, "_groups", ()), getattr(parser, "_anonymous", None))
    return {
        name for group in groups if group is not None for option in group.options for name in option.names()
    }


def any_given(config: pytest.Config) -> bool:
    """Return whether any of our options is on the command line."""
    return any(getattr(config.option, option.dest, None) is not None for option in OPTIONS)
