"""Measure the tf.data service on this machine, count what its policies deliver, and write the table."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.service import counted, measured, network, shared
from loader_gate.machine.machine import read_machine
from loader_gate.registry.spec import Spec
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.variants.tfdata_service import PROMISED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loader_gate.trees.tree import Tree

FOLDER = Path(__file__).resolve().parent
FOUND = FOLDER / "found.json"
PARTS = ("workers", "policies", "trainers", "network", "faults")
#: A second, of each link, where something is killed: slow enough for that to be in the middle of an epoch.
FAULT_MEGABITS = 2
WORKERS = (1, 2, 3)
POLICY_HEADS = ("policy", "promised of each image", "killed", "once", "more often", "missing", "as promised")
#: Where images are counted and not timed: small ones, in so many batches that a fault comes in between.
COUNTED_SIZE, COUNTED_BATCH = 64, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all of it, or some parts, and write the table; return 1 if a policy broke its promise."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    tree = prepare_tree(TreeRequest(tree="small", tree_images=options.images))
    found = json.loads(FOUND.read_text(encoding="utf-8")) if FOUND.exists() else {}
    with tempfile.TemporaryDirectory(prefix="loader-gate-", ignore_cleanup_errors=True) as name:
        for part in options.part or PARTS:
            found[part] = _part(part, tree, Path(name), options.epochs)
            FOUND.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    found["about"] = _about(options)
    FOUND.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (FOLDER / "table.md").write_text(table(found), encoding="utf-8")
    rows = [*policy_rows(found.get("policies", {})), *fault_rows(found.get("faults", {}))]
    return int(any(row[-1] == "no" for row in rows))


def _about(options: argparse.Namespace) -> str:
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return f"{today}: {options.images} images, {options.epochs} epochs, {read_machine().describe()}"


def _part(part: str, tree: Tree, folder: Path, epochs: int) -> Any:
    spec = Spec((224, 224), 32, shuffle=True, seed=0, cache_dir=folder)
    if part == "workers":
        return measured.throughput(tree, spec, WORKERS, epochs)
    if part == "policies":
        size = (COUNTED_SIZE, COUNTED_SIZE)
        return counted.policies(tree, replace(spec, image_size=size, batch_size=COUNTED_BATCH))
    if part == "trainers":
        return shared.trainers(tree, spec, epochs)
    problem = network.unavailable()
    if problem:
        return {"problem": problem}
    if part == "faults":
        small = [f"--image-size={COUNTED_SIZE}", f"--batch-size={COUNTED_BATCH}"]
        return network.isolated(tree.root, folder, ["--faults", *small, f"--megabits={FAULT_MEGABITS}"])
    return network.isolated(tree.root, folder, [f"--epochs={epochs}"])


def table(found: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        found: What each part has found.
    """
    lines = [
        "# The tf.data service, measured",
        "",
        f"Written by `python -m docs.service` on {found['about']}.",
    ]
    if rates := found.get("workers"):
        lines += ["", "## Throughput against workers", ""]
        long = "times as long as"
        heads = ["workers", "images/s", f"{long} in one process (95 % CI)", f"{long} `{measured.TUNED}`"]
        lines += _rows(heads, rate_rows(rates))
    if policies := found.get("policies"):
        lines += ["", "## What each policy delivers", ""]
        lines += _rows(POLICY_HEADS, policy_rows(policies))
    if trainers := found.get("trainers"):
        lines += ["", "## Two trainers", ""]
        heads = ["they share", "images of each", "in both", "first batch", "images/s then", "CPU an image"]
        lines += _rows(heads, trainer_rows(trainers))
    if hosts := found.get("network"):
        lines += ["", "## Across hosts", ""]
        if hosts.get("problem"):
            lines += [f"Not measured: {hosts['problem']}"]
        else:
            heads = ["link of each of two workers", "images/s", "Mbit/s that came", "each image once"]
            lines += _rows(heads, link_rows(hosts))
    if faults := found.get("faults"):
        lines += ["", "## Killed across hosts", ""]
        if faults.get("problem"):
            lines += [f"Not counted: {faults['problem']}"]
        else:
            lines += _rows(POLICY_HEADS, fault_rows(faults))
    return "\n".join(lines) + "\n"


def _rows(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(each)} |" for each in (heads, [":--"] * len(heads), *rows)]


def rate_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each number of workers."""
    alone = 1.0, 1.0, 1.0
    tuned, *_ = found.get(measured.TUNED, {}).get("times_as_long", alone)
    rows = []
    for name, each in found.items():
        ratio, low, high = each.get("times_as_long", alone)
        said = f"{ratio:.2f} ({low:.2f}–{high:.2f})" if "times_as_long" in each else "1"
        than_tuned = "1" if name == measured.TUNED else f"{ratio / tuned:.2f}"
        shown = f"`{name}`" if name == measured.TUNED else name
        rows.append([shown, f"{each['images_per_second']:,.0f}", said, than_tuned])
    return rows


def fault_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each fault across hosts; none if there could be no hosts."""
    return [] if "problem" in found else policy_rows(found)


def policy_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each policy and fault."""
    rows = []
    for name, each in found.items():
        policy, fault = name.split()
        kept = counted.as_promised(policy, fault, each)
        said = f"{kept}: {each['problem']}" if kept in ("refused", "as far as it came") else kept
        counts = [str(each[key]) for key in ("once", "more", "missing")]
        names = {"none": "nothing", "worker": "a worker", "host": "a worker's host, for good"}
        killed = names.get(fault, f"the {fault}")
        rows.append([f"`{policy}`", PROMISED[policy], killed, *counts, said])
    return rows


def trainer_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each way in which two trainers share."""
    return [
        [name, each["problem"], *[""] * 4]
        if each["problem"]
        else [
            name,
            " and ".join(f"{count:,}" for count in each["images"]),
            f"{each['in_both']:,}",
            f"{each['first_batch_seconds']:.1f} s",
            f"{each['images_per_second']:,.0f}",
            f"{each['service_cpu_ms_per_image']:.2f} ms",
        ]
        for name, each in found.items()
    ]


def link_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each link."""
    rows = [
        [f"{rate} Mbit/s" if float(rate) else "no limit", *_link(each)]
        for rate, each in found["bandwidth"].items()
    ]
    latency = found["latency"]
    name = f"{latency['milliseconds']:g} ms to a worker"
    return [*rows, [name, latency["problem"], "", ""] if latency["problem"] else [name, *_link(latency)]]


def _link(each: Mapping[str, Any]) -> list[str]:
    is_whole = "yes" if each["every_image_once"] else "no"
    return [f"{each['images_per_second']:,.0f}", f"{each['megabits_per_second']:,.0f}", is_whole]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m docs.service", description=__doc__)
    parser.add_argument(
        "--images", type=int, default=256, metavar="N", help="images of the tree (default: %(default)s)"
    )
    parser.add_argument(
        "--epochs", type=int, default=8, metavar="N", help="epochs of each row (default: %(default)s)"
    )
    parser.add_argument(
        "--part", nargs="+", choices=PARTS, help="only these parts of the table; the others stay as they are"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
