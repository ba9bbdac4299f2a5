"""Text that comes from files, on a terminal."""

from __future__ import annotations

from loader_gate.text import printable


def test_printable() -> None:
    """What would steer a terminal is spelled out; letters and brackets stay."""
    assert printable("[bold]é\x1b[31m\r\n\u202e\ud800") == "[bold]é\\x1b[31m\\r\\n\\u202e\\ud800"
