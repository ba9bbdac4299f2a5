"""What the report says, and that it says it as text."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loader_gate.history.series import Series, SeriesPoint
from loader_gate.history.steps import AnotherBottleneck, Changes, Drift, Step
from loader_gate.registry.variant import BASELINE
from loader_gate.report.__main__ import main
from loader_gate.report.make import write_session_report
from loader_gate.report.page import html as page_module
from loader_gate.report.page.content import Page, page_of
from loader_gate.report.page.html import ReportError, check_can_write, render
from loader_gate.report.page.parts import Section
from loader_gate.report.page.sections.timeline import LISTED, timeline
from loader_gate.runs.comparison import Ratio
from loader_gate.runs.saved import Checkout, WorkKey
from tests.made_up_runs import HOSTILE, benchmark, changed, made_up_run
from tests.planted_history import Planted

MEGABYTE = 1_000_000


def section_of(page: Page, key: str) -> Section:
    """Return a part of the page."""
    return next(section for section in page.sections if section.key == key)


def run_of(*benchmarks: dict[str, Any], **about: Any) -> dict[str, Any]:
    """Return a run of these benchmarks."""
    return {"machine_info": {}, "benchmarks": list(benchmarks), "loader_gate": about}


# What comes first.


def test_regressions_come_first() -> None:
    """What a person has to act on is above what is well, and the baseline below."""
    rows = page_of(made_up_run()).verdicts["loading"]
    names = [row.variant for row in rows]
    assert names[:3] == ["slower", "crashed", "near"]
    assert names[-1] == BASELINE
    assert [row.verdict for row in rows[:4]] == ["fail", "unmeasured", "undecided", "pass"]


def test_a_regression_is_before_another_failure() -> None:
    """A change that somebody has just made is more urgent than a floor."""
    run = run_of(
        benchmark("below", verdict="fail"), benchmark("changed", verdict="fail", **changed(1.2, "regression"))
    )
    assert [row.variant for row in page_of(run).verdicts["loading"]] == ["changed", "below"]


def test_the_headline() -> None:
    """It counts verdicts, worst first, and names what to look at."""
    page = page_of(made_up_run())
    assert (page.status, page.headline) == ("fail", "1 fail, 1 unmeasured, 1 undecided, 8 pass")
    assert page.lead == "Look at slower (loading) and crashed (loading)."


def test_the_headline_of_a_good_run() -> None:
    """It says so, and which is fastest."""
    page = page_of(run_of(benchmark(BASELINE), benchmark("quick", speedup=9.65)))
    assert (page.status, page.headline) == ("pass", "All pass")
    assert "quick (loading) is the fastest: 9.65 times the baseline" in page.lead


def test_nothing_was_measured() -> None:
    """A run without any benchmark is no success."""
    page = page_of(run_of())
    assert (page.status, page.headline) == ("nothing", "Nothing was measured")


def test_a_session_that_fails_for_another_reason() -> None:
    """Verdicts may all be well: under --gate strict, or if a benchmark has gone missing."""
    session = {"failed": True, "cut_short": False}
    notes = ["This run fails, as it lacks calm (loading)."]
    page = page_of(run_of(benchmark("other"), session=session, notes=notes))
    assert (page.status, page.headline) == ("fail", "Failed: pass")
    assert page.session_notes == ["This run fails, as it lacks calm (loading)."]


def test_a_session_that_was_cut_short() -> None:
    """Nobody takes a part for the whole."""
    page = page_of(run_of(benchmark("other"), session={"failed": True, "cut_short": True}))
    assert page.headline == "Cut short: pass"
    assert "missing here" in page.session_notes[0]


def test_a_saved_run_of_a_strict_gate() -> None:
    """What is undecided has failed, though a saved run does not say how its session ended."""
    page = page_of(run_of(benchmark("near", verdict="undecided"), gate="strict"))
    assert (page.status, page.headline) == ("fail", "Failed: 1 undecided")


def test_the_seed() -> None:
    """It stands at the top of a run that says it."""
    fact = ("Order drawn from", "--session-seed 48213")
    assert fact in page_of(run_of(benchmark("other"), seed=48213)).facts
    assert "Order drawn from" not in dict(page_of(run_of(benchmark("other"))).facts)


def test_a_limit_is_no_loader() -> None:
    """It is not the fastest, and has no epoch to compare; it is marked as what it is among the speedups."""
    limit = benchmark("limit_read_files", speedup=50.0, kind="limit", floor=None)
    page = page_of(run_of(benchmark(BASELINE), limit, benchmark("quick", speedup=9.65)))
    assert "quick (loading) is the fastest" in page.lead
    assert "limit_read_files" not in str(section_of(page, "phases"))
    (chart,) = section_of(page, "speedups").charts
    assert [row["as"] for row in chart.spec["rows"]] == ["limit", "pass"]


def test_slower_than_a_saved_run() -> None:
    """--fail-if-slower fails a test whose floor is cleared: it is a failure here as well."""
    slower = {"workload": "loading", "variant": "calm", "reason": "calm (loading) has become slower."}
    (row,) = page_of(run_of(benchmark("calm"), slower=[slower])).verdicts["loading"]
    assert (row.verdict, row.reason) == ("fail", "Calm (loading) has become slower.")


def test_a_reason_is_a_sentence() -> None:
    """In its cell it stands alone."""
    rows = {row.variant: row for row in page_of(made_up_run()).verdicts["loading"]}
    assert rows["calm"].reason == "Clears its floor of 1.50."
    assert rows["slower"].reason == "Below its floor of 1.50: find what slowed it."
    assert rows["slower"].change == "+12.0 %"
    assert rows[BASELINE].speedup == "1 (baseline)"


# The parts.


def test_every_part_is_there() -> None:
    """In an order of what people look for."""
    assert [section.key for section in page_of(made_up_run()).sections] == [
        *("changes", "speedups", "map", "why", "profiles", "limits", "cores", "phases", "resources"),
        "dumps",
        *("accelerator", "article", "passes", "machine"),
    ]


def test_parts_without_anything_to_show_are_left_out() -> None:
    """A plain run has no base, no dump and no accelerator."""
    page = page_of(run_of(benchmark(BASELINE), benchmark("calm")))
    assert [section.key for section in page.sections] == ["speedups", "phases", "resources", "machine"]


def test_what_holds_variants_back() -> None:
    """A word and what it was found by, of each variant that was looked at."""
    (table,) = section_of(page_of(made_up_run()), "why").tables
    assert table.title == "What holds each variant back: loading"
    assert {row[0]: row[1] for row in table.rows} == {"calm": "decode-bound", HOSTILE: "unclear"}
    assert "1.9 of 2 cores busy, 76% goes into decoding" in {row[2] for row in table.rows}


def test_profiles() -> None:
    """A variant that was compared has two flame graphs, what changed first, and names are text in both."""
    section = section_of(page_of(made_up_run()), "profiles")
    assert section.tables[0].rows == [("slower", "60 %", "30 %", "10 %")]
    changed_most, alone = section.charts
    assert "4 ms an image in decode (loaders.py:20)" in changed_most.summary
    assert changed_most.spec["nodes"]["base"] == [5.0, 2.0, 3.5, 3.5]
    assert alone.spec["nodes"]["base"] is None
    assert alone.spec["nodes"]["names"] == ["load", "decode", HOSTILE, "poll"]


@pytest.mark.parametrize(
    "nodes",
    [None, "text", [[]], [[0, "own parent", "", "read", 1.0, None]], [[-1, "f", "", "read", None, None]]],
)
def test_a_damaged_profile_has_no_picture(nodes: Any) -> None:
    """A saved run may hold anything."""
    row = benchmark("damaged", profile_stages={"read": 1.0}, profile_flame=nodes)
    assert section_of(page_of(run_of(row)), "profiles").charts == []


def test_each_chart_has_its_numbers() -> None:
    """Who cannot see a picture has a sentence and a table."""
    charts = [chart for section in page_of(made_up_run()).sections for chart in section.charts]
    assert len({chart.key for chart in charts}) == len(charts) > 10
    for chart in charts:
        assert chart.summary.endswith(".")
        assert chart.rows
        assert all(len(row) == len(chart.headings) for row in chart.rows), chart.key


def test_speedups() -> None:
    """A row a variant, the fastest on top, with its interval and floor; the baseline is the line at 1."""
    chart = section_of(page_of(made_up_run()), "speedups").charts[0]
    assert chart.spec["log"]
    assert [row["name"] for row in chart.spec["rows"]] == [
        "cached",
        "mapped",
        "calm",
        HOSTILE,
        "near",
        "slower",
    ]
    assert chart.rows[-1] == ("slower", "1.20 (1.09–1.32)", "1.50", "fail")
    assert chart.spec["rows"][-1]["mark"] == 1.5


def test_an_interval_without_an_end() -> None:
    """Two blocks have none: the point is shown alone."""
    run = run_of(benchmark("vague", speedup_low=0.0, speedup_high=None))
    (chart,) = section_of(page_of(run), "speedups").charts
    assert chart.rows[0][1] == "2.00"
    assert (chart.spec["rows"][0]["low"], chart.spec["rows"][0]["high"]) == (None, None)


def test_changes() -> None:
    """Every figure has its row, and seconds a picture."""
    section = section_of(page_of(made_up_run()), "changes")
    assert ("slower", "seconds", "1.120 (1.098–1.142)", "3 %", "regression") in section.tables[0].rows
    assert [row["as"] for row in section.charts[0].spec["rows"]] == ["regression", "same"]


def test_batch_times() -> None:
    """A table a workload: what half of batches, nearly all of them and the longest take."""
    section = section_of(page_of(made_up_run()), "phases")
    (loading, *_) = (table for table in section.tables if table.title.endswith("loading"))
    assert ("calm", "31 ms", "40 ms", "55 ms", "310 ms") in loading.rows
    assert len(loading.headings) == 5
    for value in (None, 3, {}, {"p50": 0.1}, {"p50": "x", "p95": 1, "p99": 1, "longest": 1}):
        page = page_of(run_of(benchmark("calm", batch_seconds=value)))
        assert section_of(page, "phases").tables == []


def test_shuffle_quality_stands_beside_throughput() -> None:
    """In the first table, if it is known of anybody."""
    page = page_of(run_of(benchmark("calm"), benchmark("unknown", shuffle_quality=None)))
    assert [row.shuffle for row in page.verdicts["loading"]] == ["0.98", "–"]
    assert "Shuffle quality" in render(page)
    assert "Shuffle quality" not in render(page_of(run_of(benchmark("unknown", shuffle_quality=None))))


def test_cores_stand_beside_cpu_time() -> None:
    """Whoever multiplies CPU time by images a second gets more cores than there are."""
    (chart, _) = section_of(page_of(run_of(benchmark("calm"))), "resources").charts
    assert chart.headings[-1] == "Cores busy"
    assert chart.rows[0][-1] == "1.84"


def test_the_map() -> None:
    """Bytes beside the tree, and who is on the front."""
    section = section_of(page_of(made_up_run()), "map")
    assert section.advice == [f"Use mapped. Next best: {HOSTILE}."]
    (chart,) = section.charts
    rows = {row[0]: row for row in chart.rows}
    assert rows["cached"][1:5] == ("27,136", "0 KB", "602 KB", "yes")
    assert rows["slower"][4] == "no"
    assert {point["name"]: point["where"] for point in chart.spec["points"]}["mapped"] == "disk"


def test_the_riddle_of_the_dumps() -> None:
    """What a dump would take at the article's size, and what it is predicted to."""
    (table,) = section_of(page_of(made_up_run()), "dumps").tables
    assert table.rows == [
        (
            *("dumped", "154.2 MB", "602.2 KB", "602.1 KB (+0.02 %)", "1.9 s"),
            *(table.rows[0][5], "has paid for itself after 3 epochs against tfdata_no_cache"),
        )
    ]
    assert "117,266 images would take: dumped 70.6 GB" in table.notes[0]
    assert "92.2 GB" in table.notes[1]


def test_the_article() -> None:
    """What the article says is in the first columns, and what was measured here in the others."""
    (table,) = section_of(page_of(made_up_run()), "article").tables
    assert table.headings == ("Row", "Article", "Speedup", "Here", "Speedup (95 % CI)", "At its size")
    assert {len(row) for row in table.rows} == {6}


def test_passes_of_the_doubtful_only() -> None:
    """Of those that fail or are undecided, with base where there is one."""
    charts = section_of(page_of(made_up_run()), "passes").charts
    assert [chart.title for chart in charts] == ["Passes of slower (loading)", "Passes of near (loading)"]
    assert charts[0].headings == ("Pass", "baseline", "base", "slower")
    assert len(charts[0].rows) == 16


def test_machine_and_noise() -> None:
    """Where it ran, with which versions, and how calm it was."""
    where, noise = section_of(page_of(made_up_run()), "machine").tables
    assert ("tensorflow", "2.21.0") in where.rows
    assert noise.rows[0][0] == "loading"


@pytest.mark.parametrize("value", [None, "fast", True, float("nan"), float("inf"), [], {}])
def test_figures_that_are_none(value: object) -> None:
    """A damaged figure is left out; the page is made all the same."""
    figures = ("speedup", "speedup_low", "floor", "images_per_second", "peak_rss_bytes", "variant_seconds")
    run = made_up_run()
    for each in run["benchmarks"]:
        each["extra_info"].update(dict.fromkeys(figures, value), changes=value)
    run["commit_info"] = run["loader_gate"]["about"] = value
    assert "slower" in render(page_of(run))


def test_a_run_of_another_suite() -> None:
    """Benchmarks that are not of this suite are passed over."""
    assert page_of({"benchmarks": [{"fullname": "x", "extra_info": {}}, 3]}).status == "nothing"


# The history.


def series_of_runs(count: int, variant: str = "calm") -> Series:
    """Return a series with an upgrade at its tenth run."""
    work = WorkKey("0123", "224", "32", "none", "1")
    return Series(
        "loading",
        variant,
        tuple(
            SeriesPoint(
                run=f"{number:04}",
                path=Path(f"{number:04}.json"),
                saved_on=f"2026-01-{number % 28 + 1:02}T04:30:00",
                checkout=Checkout(f"{number:04x}" * 10, HOSTILE),
                fingerprint="f00d",
                machine="Some CPU",
                versions={"tensorflow": "2.20.0" if number < 9 else "2.21.0"},
                work=work,
                speedup=2 + number % 7 / 100,
                low=1.9,
                high=2.2,
                images_per_second=1024.5,
                verdict="pass",
                accepted=True,
            )
            for number in range(count)
        ),
    )


def step_at(series: Series, index: int) -> Step:
    """Return a step down of 12 percent."""
    point = series.points[index]
    ratio = Ratio(0.88, 0.86, 0.9)
    return Step(
        index, index, index, 2.0, 1.76, ratio, 0.001, point.run, point.checkout, ("TensorFlow 2 → 3",)
    )


def without_changes(many: Sequence[Series]) -> list[Changes]:
    """Return that nothing was found."""
    return [Changes(each, [], None) for each in many]


def history_of(series: Sequence[Series], steps: Sequence[int] = (), drift: bool = False) -> Section:
    """Return the history, with steps and drift in the last series."""
    drifting = Drift(0, 9, Ratio(0.9, 0.85, 0.95), 0.01) if drift else None
    last = Changes(series[-1], [step_at(series[-1], index) for index in steps], drifting)
    section, runs = timeline(series, lambda many: [*without_changes(many[:-1]), last])
    assert section is not None
    assert len(runs) == max(len(each.points) for each in series)
    return section


def test_steps_come_first() -> None:
    """They are listed with revision and cause, and their chart is above the others."""
    section = history_of([series_of_runs(30), series_of_runs(30, "slower")], [20])
    assert section.tables[0].rows == [
        (
            *("slower (loading)", "slower", "−12.0 % (−14.0 to −10.0)", "0020 (2026-01-21)"),
            *("0014001400", "TensorFlow 2 → 3"),
        )
    ]
    assert section.tables_first
    assert [chart.title for chart in section.charts] == ["slower (loading)", "calm (loading)"]
    spec = section.charts[0].spec
    assert spec["levels"] == [{"from": 0, "to": 19, "value": 2.0}, {"from": 20, "to": 29, "value": 1.76}]
    assert spec["marks"] == [{"at": 9, "said": "TensorFlow 2.20.0 → 2.21.0"}]
    assert "−12.0 % from run 0020 on (0014001400)" in section.charts[0].summary


def test_drift() -> None:
    """It has a row of its own."""
    section = history_of([series_of_runs(30)], drift=True)
    assert section.tables[0].rows[0][1:3] == ("drifts down", "−10.0 % (−15.0 to −5.0)")


def test_another_bottleneck() -> None:
    """It has a row of its own, too."""
    series = series_of_runs(30)
    found = Changes(series, [], None, [AnotherBottleneck(20, "decode-bound", "read-bound")])
    section, _ = timeline([series], lambda _: [found])
    assert section is not None
    assert section.tables[0].rows[0][1:4] == (
        *("another bottleneck", "decode-bound → read-bound"),
        "0020 (2026-01-21)",
    )


def test_a_calm_history() -> None:
    """It says that there is nothing to see."""
    section = history_of([series_of_runs(30)])
    assert section.tables == []
    assert "no step and no drift" in section.about
    assert len(section.charts[0].rows) == LISTED


def test_a_series_that_skips_runs() -> None:
    """It refers to the runs that it has."""
    whole = series_of_runs(6)
    part = Series("loading", "part", tuple(whole.points[index] for index in (0, 2, 5)))
    charts = {chart.title: chart for chart in history_of([whole, part]).charts}
    assert charts["calm (loading)"].spec["runs"] == 0
    assert charts["part (loading)"].spec["runs"] == [0, 2, 5]


def test_no_history() -> None:
    """One run is none, and the baseline is 1 for ever."""
    for series in ([], [series_of_runs(1)], [series_of_runs(9, BASELINE)]):
        assert timeline(series, without_changes) == (None, [])


def test_a_thousand_runs_of_thirty_benchmarks_are_below_six_megabytes() -> None:
    """The library takes most of that."""
    series = [series_of_runs(1000, f"variant_with_a_long_name_{number}") for number in range(30)]
    section, runs = timeline(
        series, lambda many: [Changes(each, [step_at(each, 500)], None) for each in many]
    )
    html = render(page_of(made_up_run(), section), runs)
    assert len(html.encode()) < 6 * MEGABYTE


# The page as a file.


class Parsed(HTMLParser):
    """The page as a browser understands it, roughly."""

    def __init__(self, html: str) -> None:
        """Parse a page."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember a tag."""
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        """Remember text."""
        self.texts.append((self._open, data))


@pytest.fixture(scope="module")
def html() -> str:
    """Return the page of a run in which everything has happened."""
    section, runs = timeline([series_of_runs(12)], without_changes)
    return render(page_of(made_up_run(), section), runs)


def test_names_are_text(html: str) -> None:
    """Whatever a class, a loader or a branch is called, the page has its own three scripts."""
    parsed = Parsed(html)
    scripts = [attributes.get("id") for tag, attributes in parsed.tags if tag == "script"]
    assert scripts == ["data", "plotly", None]
    assert HOSTILE in [text for tag, text in parsed.texts if tag == "th"]
    assert "<!-- exit" not in html


def test_parts_have_names_of_their_own(html: str) -> None:
    """A link leads to one place."""
    names = [attributes["id"] for _, attributes in Parsed(html).tags if "id" in attributes]
    assert len(set(names)) == len(names)


def test_data_is_json(html: str) -> None:
    """A name that ends a script does not end this one."""
    (data,) = [text for tag, text in Parsed(html).texts if text.startswith('{"charts"')]
    charts = json.loads(data)["charts"]
    assert HOSTILE in [row["name"] for row in charts["speedups-loading"]["rows"]]


def test_nothing_is_asked_of_a_network(html: str) -> None:
    """There is no link to load, and the policy forbids what a library may try."""
    parsed = Parsed(html)
    for tag, attributes in parsed.tags:
        assert "src" not in attributes, tag
        assert (attributes.get("href") or "#").startswith(("#", "data:"))
    (policy,) = [each["content"] for _, each in parsed.tags if each.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.partition("style-src")[0]


def test_tables_can_be_heard(html: str) -> None:
    """Each has a caption, and says what its headings are of."""
    tags = Parsed(html).tags
    names = [tag for tag, _ in tags]
    assert names.count("table") == names.count("caption") > 10
    assert all("scope" in attributes for tag, attributes in tags if tag == "th")
    assert names.count("h1") == 1


def test_a_missing_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the line that installs it."""
    monkeypatch.setattr(page_module, "NEEDED", ("jinja2", "not_there"))
    with pytest.raises(ReportError, match=r'the report needs not_there, .*pip install -e "\.\[report\]"'):
        check_can_write(tmp_path / "report.html", "--report")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It is said before anything is measured."""
    with pytest.raises(ReportError, match=r"there is no folder .*nowhere to write to"):
        check_can_write(tmp_path / "nowhere" / "report.html", "--report")
    with pytest.raises(ReportError, match="it is a folder; name a file in it"):
        check_can_write(tmp_path, "--report")


# The command, and a session.


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a storage: its newest run, and the history of all."""
    Planted(runs=8).save(tmp_path)
    output = tmp_path / "report.html"
    assert main(["--storage", f"file://{tmp_path}", "-o", str(output)]) == 0
    assert "0008_" in capsys.readouterr().out
    assert "Speedups of 8 runs" in output.read_text(encoding="utf-8")


def test_the_command_on_one_run(tmp_path: Path) -> None:
    """One file has no history."""
    run, output = tmp_path / "run.json", tmp_path / "report.html"
    run.write_text(json.dumps(made_up_run()), encoding="utf-8")
    assert main([str(run), "-o", str(output)]) == 0
    assert 'id="history"' not in output.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name a run"),
        (["--storage=nowhere"], "there is no such folder"),
        (["--storage=."], "there is no saved run in it"),
        (["missing.json"], "cannot be read"),
        (["--output=nowhere/report.html", "missing.json"], "make it first"),
    ],
)
def test_wrong_arguments(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They are named, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("saved", [True, False])
def test_a_session_is_the_last_of_its_history(tmp_path: Path, saved: bool) -> None:
    """Whether it has been saved or not, it is there once."""
    files = Planted(runs=6).save(tmp_path)
    run = json.loads(files[-1].read_text(encoding="utf-8"))
    if not saved:
        files[-1].unlink()
    write_session_report(tmp_path / "report.html", run, tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Speedups of 6 runs" in html
    assert ("this session" in html) is not saved


def test_a_session_without_a_storage(tmp_path: Path) -> None:
    """Most first sessions have none."""
    write_session_report(tmp_path / "report.html", copy.deepcopy(made_up_run()), tmp_path / "none")
    assert (tmp_path / "report.html").exists()
