"""Keras' settings of whoever runs pytest, which must not change what the suite itself measures.

Keras reads ``keras.json`` and some environment variables when it is imported. Loaders of the user's own are
measured with them, as they run with them elsewhere; variants of the suite, and models, are not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from loader_gate.trees.cache import cache_root

#: What Keras and TensorFlow read when they are imported.
VARIABLES = (
    "KERAS_BACKEND",
    "KERAS_HOME",
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
    "KERAS_NNX_ENABLED",
    "KERAS_TORCH_DEVICE",
    "TF_USE_LEGACY_KERAS",
)


def by_default(environment: Mapping[str, str], backend: str = "tensorflow") -> dict[str, str]:
    """Return environment variables in which Keras 3 runs on a backend, as if nobody had set it up."""
    others = {name: value for name, value in environment.items() if name not in VARIABLES}
    return {**others, "KERAS_BACKEND": backend, "KERAS_HOME": str(_home(environment))}


def _home(environment: Mapping[str, str]) -> Path:
    """Return a folder without the user's ``keras.json``, but with what Keras has downloaded for the user."""
    home = cache_root() / "keras"
    # As Keras does without a folder that cannot be made, so do we.
    with contextlib.suppress(OSError, RuntimeError):
        theirs = Path(environment.get("KERAS_HOME") or "~/.keras").expanduser().absolute() / "models"
        theirs.mkdir(parents=True, exist_ok=True)
        home.mkdir(parents=True, exist_ok=True)
        (home / "models").symlink_to(theirs)
    return home


@contextlib.contextmanager
def default_numbers(policy: str = "float32") -> Iterator[None]:
    """Build with float32 and channels last, whatever a loader has told Keras; it may rely on that later.

    Args:
        policy: Keras' policy of dtypes, where it is to be another one.
    """
    from keras import config

    floats, layout, theirs = config.floatx(), config.image_data_format(), config.dtype_policy()
    config.set_floatx("float32")
    config.set_image_data_format("channels_last")
    config.set_dtype_policy(policy)
    try:
        yield
    finally:
        config.set_floatx(floats)
        config.set_image_data_format(layout)
        config.set_dtype_policy(theirs)
