"""The report in a browser, as people see it: drawn, silent, readable at night, on a phone and on paper."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from PIL import Image

from loader_gate.history.all_runs import load_runs
from loader_gate.history.series import series_of
from loader_gate.history.steps import Changes, Step
from loader_gate.kept_files import write_whole
from loader_gate.report.page.content import page_of
from loader_gate.report.page.html import render
from loader_gate.report.page.sections.timeline import timeline
from tests.made_up_runs import HOSTILE, made_up_run
from tests.planted_history import Planted
from tests.test_report import series_of_runs, step_at, without_changes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Where the browser tests may not be skipped, as in CI, this is ``required``.
REQUIRED = os.environ.get("LOADER_GATE_BROWSER") == "required"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
#: No sandbox, as tests may run as root; and nothing of what a browser does by itself in a network.
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-default-apps", "--disable-extensions", "--no-first-run"),
)
RUNS, STEP = 60, 40


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium."""
    missing = "" if find_spec("playwright") else "playwright, which the extra `test` has"
    missing = missing or ("" if CHROMIUM else "chromium: apt-get install chromium")
    if missing:
        absent = f"the browser tests need {missing}"
        pytest.fail(f"LOADER_GATE_BROWSER=required: {absent}") if REQUIRED else pytest.skip(absent)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report of everything, with a history of 60 runs and a step in it."""
    folder = tmp_path_factory.mktemp("report")
    Planted(
        runs=RUNS, steps={"tfdata_no_cache": {STEP: 0.88}}, tensorflow={0: "2.20.0", STEP: "2.21.0"}
    ).save(folder)
    series = series_of(load_runs(folder).runs)
    # What finds steps has tests of its own, and takes long.
    section, runs = timeline(
        series, lambda many: [Changes(each, _steps(each.variant, each), None) for each in many]
    )
    path = folder / "report.html"
    write_whole(path, render(page_of(made_up_run(), section), runs))
    return path


def _steps(variant: str, series: Any) -> list[Step]:
    return [step_at(series, STEP)] if variant == "tfdata_no_cache" else []


@dataclass
class Opened:
    """A page, and what it did that it should not have.

    Attributes:
        page: The page.
        said: What it wrote to the console, and its errors.
        asked: Requests for anything but the file itself.
    """

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def read_through(self) -> None:
        """Scroll down to the end, so that every chart is drawn."""
        self.page.evaluate("document.querySelectorAll('.chart').forEach((each) => each.scrollIntoView())")
        charts = self.page.locator(".chart")
        for index in range(charts.count()):
            charts.nth(index).scroll_into_view_if_needed()
            self.page.wait_for_function(
                "index => document.querySelectorAll('.chart')[index].dataset.drawn", arg=index
            )


@pytest.fixture(scope="module")
def open_page(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """Return a function that opens a report."""
    contexts = []

    def open_it(path: Path, **settings: Any) -> Opened:
        context = browser.new_context(viewport={"width": 1200, "height": 900}, **settings)
        contexts.append(context)
        opened = Opened(context.new_page())
        page = opened.page
        page.on("console", lambda message: opened.said.append(message.text))
        page.on("pageerror", lambda error: opened.said.append(str(error)))
        page.on("dialog", lambda dialog: opened.said.append(dialog.message))

        def look_at(route: Any) -> None:
            if route.request.url == path.as_uri():
                route.continue_()
            else:
                opened.asked.append(route.request.url)
                route.abort()

        page.route("**/*", look_at)
        page.goto(path.as_uri())
        return opened

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def opened(open_page: Callable[..., Opened], report: Path) -> Opened:
    """Return the report, opened: starting the library takes longest, so tests share a page."""
    return open_page(report)


@pytest.fixture
def page(opened: Opened) -> Iterator[Page]:
    """Return the opened page, and put back afterwards what a test may have changed."""
    yield opened.page
    opened.page.emulate_media(media="screen", color_scheme="light")
    opened.page.set_viewport_size({"width": 1200, "height": 900})
    assert opened.said == []
    assert opened.asked == []


def figure(page: Page, title: str) -> Any:
    """Return the chart below a heading, with all that belongs to it."""
    return page.locator("figure", has=page.get_by_role("heading", name=title, exact=True))


def history(page: Page, title: str = "tfdata_no_cache (loading)") -> Any:
    """Return the chart of a benchmark over time, drawn and whole."""
    found = figure(page, title)
    found.scroll_into_view_if_needed()
    found.locator(".main-svg").first.wait_for()
    found.get_by_role("button", name="All").click()
    return found.locator(".chart")


def shown(found: Any) -> list[float]:
    """Return the first and last run that a chart shows."""
    ends: list[float] = found.evaluate("each => each._fullLayout.xaxis.range.map(Number)")
    return ends


def colours(picture: bytes) -> int:
    """Return how many colours a picture has."""
    with Image.open(io.BytesIO(picture)) as image:
        return len(image.convert("RGB").getcolors(maxcolors=1 << 24) or ())


def test_charts_wait_until_they_are_near(page: Page) -> None:
    """A page with months of history opens with what is on its first screen."""
    page.wait_for_selector(".chart[data-drawn]", state="attached")
    assert 0 < page.locator(".chart[data-drawn]").count() < page.locator(".chart").count()


def test_every_chart_is_drawn_in_silence(opened: Opened, page: Page) -> None:
    """Each has marks of its own; the console stays empty, and no request leaves the page."""
    opened.read_through()
    charts = page.locator(".chart")
    assert charts.count() > 15
    for index in range(charts.count()):
        marks = charts.nth(index).locator(".points path, .slice path")
        assert marks.count() > 0, charts.nth(index).get_attribute("aria-label")


def test_names_are_text(page: Page) -> None:
    """On the page and in the charts, and no script of theirs has run."""
    assert page.get_by_role("rowheader", name=HOSTILE, exact=True).count() > 0
    labels = figure(page, "Speedup over the baseline: loading").locator(".ytick text")
    assert HOSTILE in labels.all_text_contents()
    bars = figure(page, "What changed in slower (loading)").locator(".slicetext")
    assert HOSTILE in bars.all_text_contents()
    assert HOSTILE in page.locator("header").inner_text()


def test_hover(page: Page) -> None:
    """A run says which it is, of what revision."""
    found = history(page)
    found.locator(".points path").nth(STEP).hover(force=True)
    hover = found.locator(".hoverlayer .hovertext")
    hover.wait_for()
    said = hover.text_content() or ""
    assert "Run 0041, 2026-02-14" in said
    assert "0028002800" in said


def test_zoom(page: Page) -> None:
    """By dragging, and back by a double click."""
    found = history(page)
    box = found.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 120)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 125, steps=5)
    page.mouse.up()
    page.wait_for_function("each => each._fullLayout.xaxis.range[0] > 10", arg=found.element_handle())
    first, last = shown(found)
    assert 20 < first < last < 55
    whole = figure(page, "tfdata_no_cache (loading)").get_by_role("button", name="All")
    assert whole.get_attribute("aria-pressed") == "false"
    page.wait_for_timeout(400)  # or the drag and the next two clicks would be one gesture
    found.locator(".nsewdrag").first.dblclick()
    page.wait_for_function("each => each._fullLayout.xaxis.range[0] < 0", arg=found.element_handle())
    assert shown(found)[1] > RUNS - 1
    assert whole.get_attribute("aria-pressed") == "true"


def test_zoom_with_the_keyboard(page: Page) -> None:
    """Buttons show the last runs, say which is pressed, and the dates follow."""
    found = history(page)
    button = figure(page, "tfdata_no_cache (loading)").get_by_role("button", name="Last 10")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    first, last = shown(found)
    assert (int(first), int(last)) == (RUNS - 11, RUNS - 1)
    assert "26-02-24" in found.locator(".xtick text").all_text_contents()


def test_the_first_tab_skips_to_the_verdicts(page: Page) -> None:
    """And it can be seen where the focus is."""
    page.evaluate("document.activeElement.blur()")
    page.get_by_role("link", name="Skip to the verdicts").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdicts"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") > 0
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert (
        page.evaluate("document.querySelector('a, button, [tabindex]').textContent") == "Skip to the verdicts"
    )


def test_what_is_heard(page: Page) -> None:
    """Each chart has words, headings go down by one level, and verdicts are a table on a phone as well."""
    page.set_viewport_size({"width": 390, "height": 844})
    for label in page.locator(".chart").evaluate_all(
        "all => all.map(each => each.getAttribute('aria-label'))"
    ):
        assert len(label) > 30
    levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(each => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert all(now - then <= 1 for then, now in pairwise(levels))
    table = page.get_by_role("table", name="Verdicts, the worst first")
    headings, workloads, unmeasured = 1, 3, 1
    expected = headings + workloads + len(made_up_run()["benchmarks"]) + unmeasured
    assert table.get_by_role("row").count() == expected


@pytest.mark.parametrize(("width", "scheme"), [(1200, "dark"), (970, "light"), (390, "dark")])
def test_it_fits_and_is_readable(page: Page, width: int, scheme: Literal["light", "dark"]) -> None:
    """Charts follow the window, nothing is wider, and text stands out from its ground, in charts too."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    history(page)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.chart[data-drawn]')].every("
        "  (each) => Math.abs(each.querySelector('.main-svg').clientWidth - each.clientWidth) <= 1)"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(_LEAST_CONTRAST) > 4.5
    assert colours(page.screenshot()) > 50


#: The least contrast of text in cards, tables and charts, as WCAG has it.
_LEAST_CONTRAST = """() => {
  const light = (text) => {
    const [red, green, blue] = text.match(/[\\d.]+/g).slice(0, 3).map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (color !== "rgba(0, 0, 0, 0)" && color !== "transparent") return light(color);
    }
    return 1;
  };
  const words = "h1, h2, p, th, td, dd, dt, .verdict, summary, .xtick text, .ytick text, .annotation-text";
  const all = [...document.querySelectorAll(words)];
  return Math.min(...all.filter((each) => each.getClientRects().length).map((each) => {
    const style = getComputedStyle(each), back = ground(each);
    const text = light(each instanceof SVGElement ? style.fill : style.color);
    return (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
  }));
}"""


def test_paper(opened: Opened, page: Page) -> None:
    """Printing draws every chart, of black on white even at night."""
    page.emulate_media(color_scheme="dark")
    page.evaluate(
        "addEventListener('beforeprint', () => {"
        "  window.widths = [...document.querySelectorAll('.main-svg')].map((each) => each.clientWidth);"
        "})"
    )
    assert len(page.pdf(format="A4")) > 50_000
    assert max(page.evaluate("widths")) < 700
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert opened.said == []


def test_a_thousand_runs(open_page: Callable[..., Opened], tmp_path: Path) -> None:
    """They are drawn without complaint, as a line, and as marks where one zooms in."""
    series = [series_of_runs(1000, f"variant_{number}") for number in range(3)]
    section, runs = timeline(series, without_changes)
    path = tmp_path / "report.html"
    write_whole(path, render(page_of(made_up_run(), section), runs))
    opened = open_page(path)
    found = history(opened.page, "variant_2 (loading)")
    assert len(found.locator(".js-line").nth(2).get_attribute("d")) > 1000
    figure(opened.page, "variant_2 (loading)").get_by_role("button", name="Last 100").click()
    assert shown(found)[0] > 890
    assert found.locator(".points path").count() >= 100
    assert opened.page.locator(".chart[data-drawn]").count() < 20
    assert opened.said == []


def test_without_scripts(open_page: Callable[..., Opened], report: Path) -> None:
    """All numbers are there."""
    page = open_page(report, java_script_enabled=False).page
    assert page.get_by_role("rowheader", name="slower").first.is_visible()
    assert page.locator("figure summary").first.is_visible()
