"""Real sessions of the suite's own command over loaders, and what they said of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from operator import truediv
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from docs.cheats.cases import TWIN
from loader_gate.registry.variant import BASELINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from docs.cheats.cases import Case

PROJECT = Path(__file__).resolve().parents[2]
#: Of every session: what bounds loaders that decode.
LIMITS = ("limit_jpeg_decode",)
#: Beside caches and dumps.
ALL_LIMITS = (*LIMITS, "limit_dump_read", "limit_memory_copy", "limit_read_files")
#: Images of the tree; the last batch is a small one.
IMAGES, CLASSES, BATCH_SIZE = 60, 4, 16
#: A session that takes longer is stuck.
STUCK_SECONDS = 1200.0
#: Of red, green and blue: what leaves luma as it is.
_TINT = np.array([0.6, -0.306, 0.0], np.float32)


@dataclass(frozen=True)
class Found:
    """What a session said of one loader.

    Attributes:
        verdict: The verdict; ``error`` where there is none.
        reason: Its sentence.
        images_per_second: How fast it was, if it got a figure.
        of_twin: Its seconds, of those of the twin in the same session.
    """

    verdict: str
    reason: str
    images_per_second: float | None = None
    of_twin: float | None = None


def draw_tree(folder: Path) -> None:
    """Draw photographs of the sizes that cameras and the web have, in class folders."""
    from loader_gate.trees import picture

    style = picture.Style(
        mean_bytes=80_000,
        spread=0.3,
        shapes=((500, 375), (375, 500), (640, 480), (640, 480)),
        qualities=(75, 90, 96),
        full_colour=0.3,
        busy=0.1,
        noise=1.0,
    )
    for number in range(IMAGES):
        place = folder / f"class_{number % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = _coloured(picture.draw(style, 0, number), picture.draw(style, 1, number))
        (place / f"{number:03}.jpg").write_bytes(picture.encode(style, 0, number, pixels))


def _coloured(pixels: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a picture with colours as fine as a photograph's: tinted by the texture of another one."""
    height, width = pixels.shape[:2]
    texture = np.asarray(Image.fromarray(other).convert("L").resize((width, height)), np.float32)
    tinted = pixels + (texture - texture.mean())[..., None] * _TINT
    return np.asarray(np.clip(np.rint(tinted), 0, 255), np.uint8)


@dataclass(frozen=True)
class Stage:
    """Where sessions are held.

    Attributes:
        tree: The folder of images.
        budget_seconds: Of each loader.
    """

    tree: Path
    budget_seconds: float

    def command(self, loaders: Sequence[str], variants: Sequence[str], books: Path) -> list[str]:
        """Return the command of a session."""
        return [
            *(sys.executable, "-m", "pytest", "benchmarks/test_loading.py", "benchmarks/test_limits.py"),
            *("-q", "-p", "no:cacheprovider"),
            *("--image-root", str(self.tree), "--image-size", "224", "--batch-size", str(BATCH_SIZE)),
            *("--budget", f"{self.budget_seconds:g}", "--hang-after", "60"),
            *("--benchmark-json", str(books)),
            *(option for loader in loaders for option in ("--loader", loader)),
            *(option for variant in variants for option in ("--variant", variant)),
        ]

    def hold(self, cases: Sequence[Case], twin: Case, limits: Sequence[str] = LIMITS) -> dict[str, Found]:
        """Measure loaders beside their twin, all on as many images, and return what was found, by name."""
        loaders = [case.loader for case in cases if case != twin]
        few = {case.images_per_class for case in cases if case.images_per_class is not None}
        more = [each for count in few for each in ("--images-per-class", str(count))]
        return self._hold([twin.loader, *loaders], limits, [case.name for case in cases], more)

    def hold_shipped(self, variants: Sequence[str]) -> dict[str, Found]:
        """Measure variants of the suite, and return what was found, by name."""
        return self._hold([], [*ALL_LIMITS, *variants], variants)

    def _hold(
        self,
        loaders: Sequence[str],
        variants: Sequence[str],
        names: Sequence[str],
        more: Sequence[str] = (),
    ) -> dict[str, Found]:
        with tempfile.TemporaryDirectory(prefix="loader-gate-", ignore_cleanup_errors=True) as folder:
            books = Path(folder) / "books.json"
            said = _run([*self.command(loaders, variants, books), *more], Path(folder))
            try:
                document = json.loads(books.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                document = {}
        return read(document, names, said)


def _run(command: Sequence[str], folder: Path) -> str:
    """Run a command in the project, and return the last thing that it said."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "TOX"))
    }
    # Left in a file: a process that a loader leaves behind would keep a pipe open.
    output = folder / "output"
    with output.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=stream, stderr=subprocess.STDOUT
        )
        try:
            process.wait(STUCK_SECONDS)
        except BaseException:
            process.terminate()  # pytest ends its workers
            process.wait()
            raise
    lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    return " | ".join([line for line in lines if line.strip()][-3:])


def read(document: dict[str, Any], names: Sequence[str], said: str = "") -> dict[str, Found]:
    """Return what the JSON of a session says of loaders, by name.

    Args:
        document: The JSON.
        names: The loaders.
        said: The last thing that the command said, for those that the JSON says nothing of.
    """
    infos = {each["extra_info"]["variant"]: each["extra_info"] for each in document.get("benchmarks", [])}
    unmeasured = document.get("loader_gate", {}).get("unmeasured", [])
    reasons = {each["variant"]: each["reason"] for each in unmeasured}
    twin = infos.get(TWIN, {}).get("variant_seconds")
    if BASELINE in reasons:  # then nobody could be measured, and nobody was caught by that
        return {name: Found("error", reasons[BASELINE]) for name in names}
    found = {}
    for name in names:
        if name in reasons:
            found[name] = Found("unmeasured", reasons[name])
        elif name in infos:
            info = infos[name]
            seconds = info.get("variant_seconds") or []
            # Passes of one block lie seconds apart.
            share = median(map(truediv, seconds, twin)) if seconds and twin else None
            found[name] = Found(info["verdict"], info.get("reason", ""), info.get("images_per_second"), share)
        else:
            found[name] = Found("error", said or "the session said nothing of it")
    return found
