"""A session that is cancelled as a job is, while its workers start."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.test_end_to_end import check_its_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sessions import Sessions


@pytest.mark.usefixtures("signals_heeded")
def test_sigterm_while_workers_start(new_sessions: Callable[[], Sessions]) -> None:
    """Nothing runs on, and nothing stays in TMPDIR."""
    check_its_end(signal.SIGTERM, b"checking that ", new_sessions())
