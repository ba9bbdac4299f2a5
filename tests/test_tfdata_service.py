"""The address of a tf.data service: what is none is refused before anything is started."""

from __future__ import annotations

import argparse
import socket

import pytest

from loader_gate.registry.variant import RegistryError
from loader_gate.session.settings import _check_numbers
from loader_gate.variants.tfdata_service import require_answer


def test_nobody_answers() -> None:
    """TensorFlow would ask for an hour."""
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
        require_answer(f"grpc://localhost:{port}")
    with pytest.raises(
        ConnectionError, match=rf"^--service grpc://localhost:{port}: nobody answers there \("
    ):
        require_answer(f"grpc://localhost:{port}")


@pytest.mark.parametrize("address", ["localhost:5050", "grpc://localhost", "http://localhost:5050", ""])
def test_no_address(address: str) -> None:
    """What was expected is said."""
    options = argparse.Namespace(
        image_size=None, batch_size=None, budget=None, hang_after=None, session_seed=None, service=address
    )
    with pytest.raises(RegistryError, match=r"--service .*: expected grpc://HOST:PORT"):
        _check_numbers(options)
