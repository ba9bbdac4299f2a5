"""A trace: the passes of several recorded sessions of one machine, and the file that keeps them.

The file is gzipped JSON without any path, user or host name: it can be kept in the repository, and replayed
by anyone.
"""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from docs.study.errors import StudyError
from loader_gate.doctor.recording import Pair, Recording
from loader_gate.worker.timing import PassTiming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SCHEMA = 1
FILE = "trace.json.gz"

#: What is kept of a pass, and to how many decimals.
COLUMNS = {
    "seconds": 6,
    "first_batch_seconds": 6,
    "teardown_seconds": 6,
    "cpu_seconds": 6,
    "peak_rss_bytes": 0,
    "epochs": 0,
}


@dataclass(frozen=True)
class About:
    """What was recorded where; sessions of one trace have all of it in common.

    Attributes:
        machine: The machine in words.
        fingerprint: Equal where seconds may be compared; see ``src/loader_gate/machine/machine.py``.
        versions: Of Python and the packages that matter, by name.
        tree: The digest of the images.
        images: How many there are.
        image_size: Height and width that are delivered.
        batch_size: Images a batch.
        variants: Names of the recorded variants, without the baseline.
        blocks_a_process: After so many blocks head and base went on in fresh processes.
    """

    machine: str
    fingerprint: str
    versions: Mapping[str, str]
    tree: str
    images: int
    image_size: int
    batch_size: int
    variants: tuple[str, ...]
    blocks_a_process: int = 6  # where it does not say


@dataclass(frozen=True)
class Trace:
    """Recorded sessions, and what they have in common."""

    about: About
    recordings: tuple[Recording, ...]


def save_trace(trace: Trace, path: Path) -> None:
    """Write a trace, so that a reader finds either the old file or all of the new one."""
    document = {
        "schema": SCHEMA,
        "about": asdict(trace.about),
        "recordings": [
            {
                "date": recording.date,
                "noise": recording.noise,
                "others": None if recording.others is None else round(recording.others, 3),
                "neighbour": recording.neighbour,
                "baseline": _columns(recording.baseline),
                "variants": {
                    name: {"head": _columns(pair.head), "base": _columns(pair.base)}
                    for name, pair in recording.variants.items()
                },
            }
            for recording in trace.recordings
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_bytes(gzip.compress(json.dumps(document).encode(), mtime=0))
    os.replace(unfinished, path)  # noqa: PTH105 (as one step)


def load_trace(path: Path) -> Trace:
    """Read a trace.

    Raises:
        StudyError: There is none, or it is damaged.
    """
    try:
        document = json.loads(gzip.decompress(path.read_bytes()))
        if document["schema"] != SCHEMA:
            raise ValueError(f"its schema is {document['schema']}, expected {SCHEMA}")
        about = {**document["about"], "variants": tuple(document["about"]["variants"])}
        recordings = tuple(_recording(each, about["variants"]) for each in document["recordings"])
        return Trace(About(**about), recordings)
    except FileNotFoundError:
        raise StudyError(f"{path}: there is no trace; make one with `python -m docs.study record`.") from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(
            f"{path} is not a trace of passes, or is damaged ({type(error).__name__}: {error}); remove it "
            "and make a new one with `python -m docs.study record`."
        ) from error


def _recording(document: Mapping[str, Any], variants: Sequence[str]) -> Recording:
    pairs = {
        name: Pair(_passes(document["variants"][name]["head"]), _passes(document["variants"][name]["base"]))
        for name in variants
    }
    baseline = _passes(document["baseline"])
    lengths = {len(baseline), *(len(passes) for pair in pairs.values() for passes in (pair.head, pair.base))}
    if len(lengths) != 1 or len(baseline) % 2 or not baseline:
        raise ValueError(f"passes of {sorted(lengths)} in one session, expected two a block of each")
    # Older files say nothing of others.
    others, neighbour = document.get("others"), document.get("neighbour", "")
    return Recording(document["date"], document["noise"], baseline, pairs, others, neighbour)


def _columns(passes: Sequence[PassTiming]) -> dict[str, list[float]]:
    return {
        name: [
            round(getattr(timing, name), decimals) if decimals else getattr(timing, name) for timing in passes
        ]
        for name, decimals in COLUMNS.items()
    }


def _passes(columns: Mapping[str, Sequence[Any]]) -> tuple[PassTiming, ...]:
    rows = zip(*(columns[name] for name in COLUMNS), strict=True)
    passes = tuple(PassTiming(**dict(zip(COLUMNS, row, strict=True))) for row in rows)
    for timing in passes:
        if not (timing.seconds > 0 and timing.cpu_seconds > 0 and timing.epochs > 0):
            raise ValueError(f"a pass of {timing.seconds} seconds, {timing.cpu_seconds} CPU seconds")
    return passes
