"""The address of a tf.data service: what is none is refused before anything is started."""

from __future__ import annotations

import argparse
import socket

import pytest

from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE, RegistryError, Variant
from loader_gate.runs.parsing import work_of
from loader_gate.runs.saved import WorkKey
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


def test_it_is_part_of_what_makes_work_the_same() -> None:
    """A run of before this was said was of a service on its host; a long address is told from another."""
    address = "grpc://a-dispatcher-of-this-name:5050"
    before, here, there = (
        work_of({"tree": "t", **more}, "auto")
        for more in ({}, {"service": WorkKey.service}, {"service": address})
    )
    assert before == here
    assert here.differences(there) == f"service started here then, {address} now"


def test_only_of_what_may_use_it() -> None:
    """What loads by itself is the same work with and without; of a user's own loader nobody knows."""
    built_in = {each.name: each for each in built_in_variants()}
    own = Variant("photos", "my.loaders", "photos")
    for variant, expected in ((built_in["tfdata_service"], "a:1"), (own, "a:1"), (built_in[BASELINE], "")):
        assert variant.service_in("a:1") == expected
        assert variant.service_in("") == ""


@pytest.mark.parametrize("address", ["localhost:5050", "grpc://localhost", "http://localhost:5050", ""])
def test_no_address(address: str) -> None:
    """What was expected is said."""
    options = argparse.Namespace(
        image_size=None, batch_size=None, budget=None, hang_after=None, session_seed=None, service=address
    )
    with pytest.raises(RegistryError, match=r"--service .*: expected grpc://HOST:PORT"):
        _check_numbers(options)
