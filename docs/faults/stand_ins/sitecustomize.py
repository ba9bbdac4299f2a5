"""Run by each Python of a session when it starts: puts loaders of ours in the place of some variants.

It is the harness that is tried, a hundred times and more: to start TensorFlow each time would take hours.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_VARIANTS = "loader_gate.variants."
_FOLDER = os.path.dirname(__file__)  # noqa: PTH120 (each Python of a session does this first)
_STAND_INS = {
    "keras_image_data_generator": "stand_in.py",
    "tfdata_no_cache": "stand_in.py",
    "uint8_memory_map": "stand_in_dump.py",
}


class StandIns:
    """Finds the modules of stand-ins; before anybody who finds modules himself."""

    @staticmethod
    def find_spec(
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG004 (what a finder is asked)
        target: ModuleType | None = None,  # noqa: ARG004
    ) -> ModuleSpec | None:
        """Return where it is; None of a module that has none."""
        file = _STAND_INS.get(name.removeprefix(_VARIANTS)) if name.startswith(_VARIANTS) else None
        return None if file is None else spec_from_file_location(name, f"{_FOLDER}/{file}")


sys.meta_path.insert(0, StandIns)
