"""Says in about two minutes what this machine can decide, what disturbs it, and which options to take."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.argument_types import count, positive
from loader_gate.kept_files import write_whole
from loader_gate.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.doctor.examination import Asked

#: If nothing is said: one that decodes in each epoch, and one that reads what it has cached.
VARIANTS = ("tfdata_no_cache", "tfdata_file_cache")
MINUTES = 2.0
#: Fewer than pytest takes if nothing is said: more blocks in the time, and as much told a second.
IMAGES = 96


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine this machine; return the exit code: 2 for a wrong argument, 1 if nothing could be measured."""
    options = _parser().parse_args(arguments)
    # Here: TensorFlow is far away, but SciPy and NumPy are not, and --help needs neither.
    from loader_gate.doctor.examination import examine
    from loader_gate.doctor.recording import RecordingError
    from loader_gate.registry.variant import RegistryError
    from loader_gate.trees.tree import TreeError

    try:
        asked = _asked(options)
    except (RegistryError, TreeError) as error:
        print(printable_lines(str(error)), file=sys.stderr)
        return 2
    try:
        findings = examine(asked, sys.stderr)
    except RecordingError as error:
        print(printable_lines(f"{error}."), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: nothing is known.", file=sys.stderr)
        return 130
    print("\n".join(findings.lines(sys.stdout.isatty())))
    if options.json is not None:
        text = json.dumps(findings.data(), indent=2)
        try:
            write_whole(options.json, f"{text}\n")
        except OSError as error:
            print(f"--json {options.json} cannot be written: {error}.", file=sys.stderr)
            return 2
    return 0


def _asked(options: argparse.Namespace) -> Asked:
    """Check the options against what there is."""
    from loader_gate.doctor.examination import Asked
    from loader_gate.registry.built_in import built_in_variants
    from loader_gate.registry.own import told_apart, user_variant
    from loader_gate.registry.variant import BASELINE, RegistryError
    from loader_gate.trees.prepare import prepare_tree
    from loader_gate.trees.request import TreeRequest
    from loader_gate.worker.process import module_search_path

    if options.json is not None and not options.json.parent.is_dir():  # rather now than in two minutes
        raise RegistryError(f"--json {options.json}: there is no folder {options.json.parent}.")
    search_path = module_search_path(Path.cwd())
    known = {each.name: each for each in built_in_variants()}
    possible = [name for name, each in known.items() if name != BASELINE and not each.traits.is_limit]
    loaders = told_apart([user_variant(each, search_path) for each in options.loader])
    names = dict.fromkeys(options.variant or (() if loaders else VARIANTS))
    for name in names:
        if name not in possible:
            raise RegistryError(f"--variant {name}: expected one of {', '.join(possible)}.")
        if absence := known[name].absence():
            raise RegistryError(f"--variant {name}: it {absence}")
    for loader in loaders:
        if loader.name in known:
            raise RegistryError(
                f"--loader {loader.floor_key}: a variant is named {loader.name} already; rename the function."
            )
    tree = prepare_tree(TreeRequest(tree="small", tree_images=options.tree_images))
    variants = (known[BASELINE], *(known[name] for name in names), *loaders)
    sizes = (options.image_size, options.batch_size)
    return Asked(tree, variants, search_path, options.minutes, options.budget, *sizes)


def _parser() -> argparse.ArgumentParser:
    from loader_gate.session.settings import BUDGET_AGAINST

    parser = argparse.ArgumentParser(prog="python -m loader_gate.doctor", description=__doc__)
    parser.add_argument(
        "--minutes",
        type=positive,
        default=MINUTES,
        metavar="N",
        help=f"how long it may take, about (default: {MINUTES:g}); more know more",
    )
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME",
        help=f"a variant to measure (may be given again; default: {' and '.join(VARIANTS)})",
    )
    parser.add_argument(
        "--loader",
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="a loader of yours to measure (may be given again)",
    )
    parser.add_argument(
        "--budget",
        type=positive,
        default=BUDGET_AGAINST,
        metavar="SECONDS",
        help=f"the most measuring time a variant may take in a session (default: {BUDGET_AGAINST:g})",
    )
    for name, metavar, default, about in (
        ("tree-images", "N", IMAGES, f"how many images the synthetic tree has (default: {IMAGES})"),
        ("image-size", "PIXELS", None, "height and width of images (default: 224)"),
        ("batch-size", "N", None, "images a batch (default: 32)"),
    ):
        parser.add_argument(f"--{name}", type=count, default=default, metavar=metavar, help=about)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found as data, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
