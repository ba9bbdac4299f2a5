"""Plant each cause in each kind of loader, look at every variant that is installed, and write the table."""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from docs.diagnosis.planted import CAUSES, LOADERS
from loader_gate.diagnosis.bottleneck import Bottleneck, bottleneck
from loader_gate.diagnosis.observed import evidence_of
from loader_gate.machine.cores import cores
from loader_gate.machine.machine import read_machine
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.trees.plain import plain
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.observing import Stages, observe
from loader_gate.worker.process import WorkerError, WorkerProcess, module_search_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from loader_gate.trees.tree import Tree

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parents[1]
#: What each cause has to be called.
EXPECTED = {
    "slow_storage": ("read-bound",),
    "slow_decoder": ("decode-bound",),
    "held_lock": ("interpreter-bound",),
    "copies": ("copy-bound", "memory-bound"),
    "one_thread": ("wait-bound",),
    "slow_model": ("compute-bound",),
}
BATCH_SIZE = 16
PARTS = ("planted", "training", "shipped")
FOUND = FOLDER / "found.json"
#: What a slow model takes, in images a second.
SLOW_MODEL = 40
NAMES = {"tfdata": "tf.data", "torch": "torch", "threads": "NumPy threads", "keras": "Keras PyDataset"}
#: What the shipped variants are by the reading of their code and profiles.
READ = json.loads((FOLDER / "shipped.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Stage:
    """Where loaders are looked at.

    Attributes:
        tree: The images.
        plain: The same files with next to no picture in them.
        folder: For what they write.
        limits: Images a second of each limit.
    """

    tree: Tree
    plain: Tree
    folder: Path
    limits: Mapping[Variant, float]

    def look_at(self, variant: Variant) -> Bottleneck:
        """Return the word for a variant, and why."""
        worker = WorkerProcess(variant, module_search_path(PROJECT), WorkerLimits(60.0))
        try:
            spec = Spec((224, 224), BATCH_SIZE, True, 0, self.folder).for_variant(variant.name)
            kind = worker.open(self.tree, spec)["kind"]
            found = observe(worker, Stages(self.tree, self.plain), spec)
        except WorkerError as error:
            return Bottleneck("unclear", str(error))
        finally:
            worker.end()
        rate = 0.0 if found.whole is None else len(self.tree) / found.whole.seconds
        shares = {each.name: rate / limit for each, limit in self.limits.items() if kind in each.bounds}
        return bottleneck(evidence_of(found, cores(), shares))


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at all of them, or at some parts, and write the table; return 1 if a word is wrong."""
    options = _parser().parse_args(arguments)
    found = json.loads(FOUND.read_text(encoding="utf-8")) if FOUND.exists() else {}
    with tempfile.TemporaryDirectory(prefix="loader-gate-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for part in options.part or PARTS:
            known = found.setdefault(part, {})
            if not options.missing:
                known.clear()
            for loader, said in _part(part, known, options.images, folder / part):
                known[loader] = said
                FOUND.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (FOLDER / "table.md").write_text(table(found, options.images), encoding="utf-8")
    every = [outcome_of(name, each["word"]) for part in found.values() for name, each in part.items()]
    print(", ".join(f"{every.count(each)} {each}" for each in ("right", "wrong", "unclear")))
    return int("wrong" in every)


def _part(
    part: str, known: Collection[str], images: int, folder: Path
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what is said of each loader of a part that is not known yet, by name."""
    folder.mkdir()
    kinds = [kind for kind in LOADERS if kind != "torch" or find_spec("torch") is not None]
    if part == "training":
        yield from _slow_model(kinds, folder)
        return
    if part == "planted":
        variants = [_planted(f"{kind}_{cause}") for cause in CAUSES for kind in kinds]
    else:
        variants = [each for each in built_in_variants() if not each.traits.is_limit and not each.absence()]
    tree = prepare_tree(TreeRequest(tree="small", tree_images=images))
    stage = Stage(tree, plain(tree, folder / "plain"), folder, dict(_limits(tree, folder)))
    for each in variants:
        if each.name not in known:
            yield each.name, _said(each.name, stage.look_at(each))


def _planted(name: str) -> Variant:
    return Variant(name, "docs.diagnosis.planted", name)


def outcome_of(name: str, word: str) -> str:
    """Return whether the word for a loader is right: ``right``, ``wrong`` or ``unclear``."""
    if word == "unclear":
        return word
    cause = name.partition("_")[2]
    expected = EXPECTED[cause] if cause in EXPECTED else READ.get(name, {}).get("words", [])
    return "right" if word in expected else "wrong"


def _said(name: str, found: Bottleneck) -> dict[str, str]:
    outcome = outcome_of(name, found.word)
    print(f"{name}: {outcome}: {found.word}: {found.sentence}", file=sys.stderr, flush=True)
    return {"word": found.word, "sentence": found.sentence}


def _limits(tree: Tree, folder: Path) -> Iterator[tuple[Variant, float]]:
    """Yield how many images a second each limit that can be measured deals with, but those of cold passes."""
    for variant in built_in_variants():
        bounds = variant.traits.is_limit and variant.cache != "cold" and variant.can_bound(tree)
        if bounds and not variant.absence():
            worker = WorkerProcess(variant, module_search_path(PROJECT), WorkerLimits(60.0))
            try:
                worker.open(tree, Spec((224, 224), BATCH_SIZE, True, 0, folder).for_variant(variant.name))
                passes = [worker.ask("pass", epochs=4)["seconds"] for _ in range(4)]
            finally:
                worker.end()
            yield variant, len(tree) / median(passes[1:])


def _slow_model(kinds: Sequence[str], folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what a session says of training on a device that is slower than any of these loaders."""
    saved = folder / "run.json"
    command = [
        *(sys.executable, "-m", "pytest", "benchmarks/test_training.py", "-q", "-p", "no:cacheprovider"),
        *("--tree-images=48", "--budget=1", "--gate=lenient", f"--benchmark-json={saved}"),
        f"--device=emulated:{SLOW_MODEL}",
        *(f"--loader=docs.diagnosis.planted:{kind}_slow_model" for kind in kinds),
    ]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if not saved.exists():
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
        return
    benchmarks: list[Any] = json.loads(saved.read_text(encoding="utf-8"))["benchmarks"]
    infos = {each["extra_info"]["variant"]: each["extra_info"] for each in benchmarks}
    for kind in kinds:
        info = infos.get(f"{kind}_slow_model", {})
        found = Bottleneck(
            info.get("bottleneck", "unclear"), info.get("bottleneck_evidence", {}).get("sentence", "")
        )
        yield f"{kind}_slow_model", _said(f"{kind}_slow_model", found)


def table(found: Mapping[str, Mapping[str, Mapping[str, str]]], images: int) -> str:
    """Return the page.

    Args:
        found: What was said of each loader, by its name, of each part.
        images: How many images there were.
    """
    planted = {**found.get("planted", {}), **found.get("training", {})}
    lines = [
        "# What is said of loaders whose cause is known",
        "",
        f"Written by `python -m docs.diagnosis` on {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}: "
        f"{images} images, {read_machine().describe()}.",
        "",
        "## Planted causes",
        "",
        "| cause | the word for it | " + " | ".join(NAMES.values()) + " |",
        "| :-- | :-- |" + " :-- |" * len(NAMES),
    ]
    for cause, words in EXPECTED.items():
        cells = [_cell(f"{kind}_{cause}", planted) for kind in NAMES]
        lines.append(f"| {cause.replace('_', ' ')} | {' or '.join(words)} | " + " | ".join(cells) + " |")
    lines += ["", "## The variants of the suite", ""]
    lines += ["| variant | said | by reading it | |", "| :-- | :-- | :-- | :-- |"]
    for name, each in found.get("shipped", {}).items():
        why = READ.get(name, {}).get("why", "not read yet")
        outcome = outcome_of(name, each["word"])
        lines.append(f"| `{name}` | {each['word']}: {each['sentence']} | {why} | {outcome} |")
    return "\n".join(lines) + "\n"


def _cell(name: str, planted: Mapping[str, Mapping[str, str]]) -> str:
    if name not in planted:
        return "not looked at"
    word = planted[name]["word"]
    outcome = outcome_of(name, word)
    return f"**wrong**: {word}" if outcome == "wrong" else outcome


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m docs.diagnosis", description=__doc__)
    parser.add_argument(
        "--images", type=int, default=96, metavar="N", help="images of the tree (default: %(default)s)"
    )
    parser.add_argument(
        "--part", nargs="+", choices=PARTS, help="only these parts of the table; the others stay as they are"
    )
    parser.add_argument("--missing", action="store_true", help="only what has not been looked at")
    return parser


if __name__ == "__main__":
    sys.exit(main())
