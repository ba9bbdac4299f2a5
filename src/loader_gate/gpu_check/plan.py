"""Which sessions a check has, with which options: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

#: What is measured, if it is installed: the generator is in any case.
VARIANTS = (
    "native_threads",
    "uint8_memory_map",
    "uint8_memory",
    "torch_pillow",
    "torch_simplejpeg",
    "torch_torchvision",
)
#: The tree: photograph-like JPEGs of 640x480 and 480x640.
TREE = "coco2017"
#: The tests of the suite that measure a workload, which no wheel has: file, test, and what it is about.
TESTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "loading": ("benchmarks/test_loading.py", "test_throughput"),
        "training": ("benchmarks/test_training.py", "test_epoch"),
    }
)
#: One of them, as the suite has it; see `suite_file`.
_TEST = """
import pytest

from loader_gate.plugin.books import passes_clock


@pytest.mark.kinds("streaming", "memory", "dump", "rival")
@pytest.mark.benchmark(group="{workload}", timer=passes_clock)
def {test}(variant, gate, benchmark):
    gate("{workload}", variant, benchmark)
"""


@dataclass(frozen=True)
class Scale:
    """How large a check is.

    Attributes:
        image_size: Height and width of images, in pixels.
        batch_size: Images a batch.
        images: Of an epoch: whole batches, so that a model is compiled for one shape.
        budget: The most measuring time of a variant in a session, in seconds.
    """

    image_size: int
    batch_size: int
    images: int
    budget: float


#: By device. On a GPU the model and its images are the article's; on a CPU it is to be seen that all works.
SCALES: Mapping[str, Scale] = MappingProxyType(
    {"gpu": Scale(256, 256, 1024, 30.0), "cpu": Scale(48, 16, 96, 1.0)}
)


@dataclass(frozen=True)
class Session:
    """One session of pytest.

    Attributes:
        name: Of its files.
        workload: What it measures.
        backend: What Keras trains on in it; None where nothing trains.
    """

    name: str
    workload: str
    backend: str | None = None

    def options(self, device: str, scale: Scale, variants: Sequence[str]) -> tuple[str, ...]:
        """Return its options of pytest, by the names that no other plugin can have taken.

        Args:
            device: Where models train.
            scale: How large the check is.
            variants: What is measured.
        """
        about = {
            "tree": TREE,
            "tree-images": scale.images,
            "image-size": scale.image_size,
            "batch-size": scale.batch_size,
            "budget": f"{scale.budget:g}",
            **({} if self.backend is None else {"device": device, "backend": self.backend}),
        }
        return (
            *(f"--loader-gate-{name}={value}" for name, value in about.items()),
            *(f"--loader-gate-variant={name}" for name in variants),
        )


#: In the order of what is wanted most, should there be no time for all.
SESSIONS = (
    Session("training-jax", "training", "jax"),
    Session("training-torch", "training", "torch"),
    Session("loading", "loading"),
)


def suite_file(workload: str) -> tuple[str, str]:
    """Return the file of the suite that measures a workload, and a text that makes the same benchmarks."""
    file, test = TESTS[workload]
    return file, _TEST.format(workload=workload, test=test)


def why_not(session: Session, is_installed: Callable[[str], bool]) -> str:
    """Return why a session cannot be held; nothing if it can.

    Args:
        session: The session.
        is_installed: Says whether there is a package of some name.
    """
    needed = [each for each in (session.backend, "keras") if each is not None]
    missing = [each for each in needed if not is_installed(each)]
    return f"not installed: {', '.join(missing)}" if missing else ""
