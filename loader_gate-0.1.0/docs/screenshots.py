"""Takes the pictures in ``docs/report/``: of the report of a real run, and of a history that is made up.

``tox run -e screenshots`` measures, writes the report and calls this.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from loader_gate.history.all_runs import load_runs
from loader_gate.report.make import write_report
from tests.planted_history import Planted

FOLDER = Path(__file__).with_name("report")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def main(report: Path) -> None:
    """Take all pictures.

    Args:
        report: The page of a real run.
    """
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])

        def take(
            name: str, page: Path, width: int, height: int, part: str = "", scheme: str = "light"
        ) -> None:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            opened = context.new_page()
            opened.goto(page.resolve().as_uri())
            if part:
                opened.evaluate(f"document.getElementById('{part}').scrollIntoView()")
            opened.wait_for_timeout(3000)
            with Image.open(io.BytesIO(opened.screenshot())) as image:
                image.convert("RGB").save(FOLDER / f"{name}.png", optimize=True)
            context.close()

        take("desk", report, 1200, 1200)
        take("phone", report, 390, 1200)
        take("night", report, 1200, 1000, "speedups", "dark")
        take("history", _made_up_history(Path(folder)), 1200, 780, "history")
        browser.close()


def _made_up_history(folder: Path) -> Path:
    files = Planted(steps={"tfdata_no_cache": {40: 0.88}}, tensorflow={0: "2.20.0", 40: "2.21.0"}).save(
        folder
    )
    run: dict[str, Any] = json.loads(files[-1].read_text(encoding="utf-8"))
    write_report(folder / "history.html", run, load_runs(folder).runs)
    return folder / "history.html"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
