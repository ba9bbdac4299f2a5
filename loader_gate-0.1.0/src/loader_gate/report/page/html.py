"""From content to the page: one file of HTML that holds all it needs, and may ask for nothing else."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from loader_gate.report.benchmarks import SIGNS
from loader_gate.report.page.content import Page

FOLDER = Path(__file__).parent
#: What the page is made with, by the name it is imported by.
NEEDED = ("jinja2", "plotly", "ruptures")


class ReportError(Exception):
    """The report cannot be made; the message says why and what to do."""


def check_can_write(path: Path, option: str) -> None:
    """Check, before anything is measured, that a report can be written.

    Args:
        path: The file to write.
        option: What asked for it, to be named in messages.

    Raises:
        ReportError: A package is missing, or there is no such folder.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ReportError(
            f"{option} {path}: the report needs {' and '.join(missing)}, which are not installed; run "
            '`pip install -e ".[report]"` in the checkout.'
        )
    if path.is_dir():
        raise ReportError(
            f"{option} {path}: it is a folder; name a file in it, such as {path / 'report.html'}."
        )
    if not os.access(path.resolve().parent, os.W_OK):
        raise ReportError(f"{option} {path}: there is no folder {path.parent} to write to; make it first.")


def render(page: Page, runs: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the page as HTML.

    Args:
        page: What it says.
        runs: The runs that charts of the history refer to by number.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from jinja2.utils import htmlsafe_json_dumps
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs, get_plotlyjs_version

    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    script, style = (FOLDER / "page.js").read_text("utf-8"), (FOLDER / "page.css").read_text("utf-8")
    plotly = get_plotlyjs()
    charts = {chart.key: chart.spec for section in page.sections for chart in section.charts}
    data = {"charts": charts, "runs": list(runs)}
    return environment.get_template("page.html.j2").render(
        page=page,
        signs=SIGNS,
        policy=_policy(plotly, script),
        style=Markup(style),  # noqa: S704 (our own file)
        data=htmlsafe_json_dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")),
        plotly=Markup(plotly),  # noqa: S704 (the library's own file)
        plotly_version=get_plotlyjs_version(),
        script=Markup(script),  # noqa: S704 (our own file)
    )


def _policy(*scripts: str) -> str:
    """Return a content security policy that lets these scripts run and nothing be loaded."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    # plotly.js sets styles on what it draws.
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
