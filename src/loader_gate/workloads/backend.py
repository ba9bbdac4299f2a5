"""What Keras 3 runs on: TensorFlow, JAX or torch. One worker has one of them, for as long as it lives."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a model can train on, first what is taken where several are installed. Others of Keras' cannot train,
#: and that on NumPy needs JAX all the same.
BACKENDS = ("tensorflow", "jax", "torch")
#: How each is installed.
INSTALL = {
    "tensorflow": "pip install tensorflow",
    "jax": 'pip install "loader-gate[jax]"',
    "torch": 'pip install "loader-gate[torch]"',
}
_SEES_GPU = {
    "tensorflow": "import tensorflow as tf; seen = tf.config.list_physical_devices('GPU')",
    "jax": "import jax; seen = jax.default_backend() == 'gpu'",
    "torch": "import torch; seen = torch.cuda.is_available()",
}


def is_installed(backend: str) -> bool:
    """Return whether a backend is installed, without importing it."""
    return find_spec(backend) is not None


def backend_of(asked: str | None, environment: Mapping[str, str]) -> str:
    """Return the backend of a session.

    Args:
        asked: ``--backend``, if given.
        environment: Environment variables: without ``asked``, ``KERAS_BACKEND`` counts if it is installed.

    Returns:
        One of `BACKENDS`: what is asked for, installed or not, else the first that is installed; the first of
        all where none is.
    """
    theirs = environment.get("KERAS_BACKEND")
    if asked is None and theirs in BACKENDS and is_installed(theirs):
        return theirs
    return asked or next(filter(is_installed, BACKENDS), BACKENDS[0])


def sees_gpu(backend: str) -> bool:
    """Return whether a backend can use a GPU, as told by a process of its own."""
    program = f"import sys; {_SEES_GPU[backend]}; sys.exit(not seen)"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0
