"""What a saved run holds: one JSON file of pytest-benchmark, with the speedups of one session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeAlias

from loader_gate.registry.kind import kind_named
from loader_gate.statistics.estimate import Estimate

#: The workload and the variant: what a benchmark is known by, wherever its test has moved to.
Key: TypeAlias = tuple[str, str]

#: How pytest-benchmark numbers its files, by folders of one system and Python each.
NUMBERED = "[0-9][0-9][0-9][0-9]_"

_MANY = 5
WHOLE, PARTS = "whole epochs", "parts of epochs"


@dataclass(frozen=True)
class WorkKey:
    """What has to be equal for two speedups to be of the same work, and so to be compared; all as text.

    Attributes:
        tree: The digest of the images.
        image_size: Height and width, in pixels.
        batch_size: Images a batch.
        device: Of the training workload. An accelerator whose speed follows the baseline's is one device.
        schema: Of the figures.
        rotation: Of how many variants it was: see `rotation_of`.
        cache: Whether passes began ``cold``, with nothing of their data in the page cache, or ``warm``.
        passes: What they are, ``whole epochs`` or ``parts of epochs``, of the variant or the baseline.
        augment: What was done to images, see ``Spec.augment``.
        backend: What Keras ran on where it trained; TensorFlow in what was saved before there was a choice.
        arithmetic: What a model computed with: float32 unless something else was asked for.
        service: The address of the tf.data service that was there, of what may use one; else it was
            ``started here``.
    """

    tree: str
    image_size: str
    batch_size: str
    device: str
    schema: str
    rotation: str = "of many"
    cache: str = "warm"
    passes: str = WHOLE
    augment: str = "none"
    backend: str = "tensorflow"
    arithmetic: str = "float32"
    service: str = "started here"

    def differences(self, now: WorkKey) -> str:
        """Return what is another in `now`, in words; empty if nothing is."""
        found = [
            f"{each.name.replace('_', ' ')} {_short(then)} then, {_short(since)} now"
            for each in fields(self)
            if (then := getattr(self, each.name)) != (since := getattr(now, each.name))
        ]
        return "; ".join(found)


def rotation_of(variants: int) -> str:
    """Return what a rotation of so many variants is called, the baseline included.

    The baseline waits for all of them, and is a few percent slower when it has been idle for longer: what was
    measured among a few is not compared with what was measured among all (``docs/study/neighbours.md``). One
    variant more makes no other work of a suite.
    """
    return "of many" if variants >= _MANY else "of few"


@dataclass(frozen=True)
class Entry:
    """What a run says of one benchmark.

    Attributes:
        workload: The workload's name.
        variant: The variant's name.
        node_id: pytest's name of the test.
        estimate: Its speedup.
        images_per_second: Its throughput, if known.
        work: The key of the work that was done.
        verdict: The verdict, if known.
        kind: Of the variant, if known.
        loader: ``MODULE:FUNCTION`` of a user's loader, if known; empty for a variant of the suite.
        bottleneck: What held it up, in a word, if known.
    """

    workload: str
    variant: str
    node_id: str
    estimate: Estimate
    images_per_second: float | None
    work: WorkKey
    verdict: str = ""
    kind: str = ""
    loader: str = ""
    bottleneck: str = ""

    @property
    def key(self) -> Key:
        """Return what it is known by."""
        return self.workload, self.variant

    @property
    def is_limit(self) -> bool:
        """Return whether it is a limit: what becomes of one is the machine's doing, and nobody's fault."""
        return kind_named(self.kind).is_limit


@dataclass(frozen=True)
class Checkout:
    """What was checked out.

    Attributes:
        commit: The commit's id; empty if there was no repository.
        branch: The branch's name; empty if there was none.
        dirty: Whether files differed from that commit.
    """

    commit: str = ""
    branch: str = ""
    dirty: bool = False

    def __str__(self) -> str:
        """Return it in short for people."""
        changed = " with changes" if self.dirty and self.commit else ""
        return f"{self.commit[:10]}{changed}" if self.commit else "no known revision"


@dataclass(frozen=True)
class SavedRun:
    """One file.

    Attributes:
        path: The file.
        accepted: Whether it may be compared with unasked; None if it is from before runs were marked.
        saved_on: When, in ISO format, if known.
        fingerprint: Of its machine, if known.
        machine: The machine in words.
        entries: Its benchmarks.
        missing: Benchmarks of runs before it that were gone for good.
        doubtful: Benchmarks that seemed slower than before without it being certain.
        damaged: What could not be read, a sentence each.
        checkout: What was checked out.
        versions: Of Python and of packages, by name.
        run_id: Its own, wherever the file is copied to; empty if it is from before runs had one.
    """

    path: Path
    accepted: bool | None
    saved_on: str
    fingerprint: str | None
    machine: str
    entries: tuple[Entry, ...]
    missing: frozenset[Key] = frozenset()
    doubtful: frozenset[Key] = frozenset()
    damaged: tuple[str, ...] = ()
    checkout: Checkout = Checkout()
    versions: Mapping[str, str] = field(default_factory=dict)
    run_id: str = ""

    @property
    def label(self) -> str:
        """Return its number in pytest-benchmark's storage, or else its file's name."""
        number, underscore, _ = self.path.name.partition("_")
        return number if underscore and number.isdigit() else self.path.name


def _short(text: str) -> str:
    """Return a digest in short; an address begins as others do."""
    return text if len(text) <= 24 or "://" in text else f"{text[:12]}…"
