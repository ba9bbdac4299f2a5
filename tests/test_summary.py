"""A saved run as Markdown: what fails is said first, names stay text, and GitHub's limits are kept."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from loader_gate.registry.variant import BASELINE
from loader_gate.report.markdown import MOST_CHARACTERS, escaped
from loader_gate.report.summary import MARKER, main, summary, summary_of_file

ROOT = Path(__file__).resolve().parents[1]

#: Names that would be markup, a mention, a link or the end of a table's cell.
NASTY = (
    "<script>alert(1)</script>",
    "|x",
    "a\\|b",
    "@team",
    "`@team` ``@other``",
    "**bold** _slanted_ ~~gone~~",
    "[evil](https://example.org)",
    "![image](https://example.org/1.png)",
    "https://example.org and www.example.org",
    "#1 GH-1 owner/repo#1",
    ":x: &lt;b&gt; &#64;team",
    "$x$ \\( x \\)",
    "--> <!-- loader-gate -->",
    "two\n\n# lines",
    "</code></details><b>",
)


def benchmark(variant: str = "tfdata_no_cache", workload: str = "loading", **info: Any) -> dict[str, Any]:
    """Return a benchmark as a saved run holds it."""
    about: dict[str, Any] = {
        "variant": variant,
        "workload": workload,
        "verdict": "pass",
        "reason": "which clears its floor",
        "floor": 1.5,
        "speedup": 2.0,
        "speedup_low": 1.9,
        "speedup_high": 2.1,
        "images_per_second": 1021.4,
        "cpu_seconds_per_image": 0.00186,
        "first_batch_seconds": 0.11,
        "teardown_seconds": 0.02,
        "peak_rss_bytes": 803_000_000,
        **info,
    }
    return {"fullname": f"test.py::test[{variant}]", "stats": {}, "extra_info": about}


def of_base(outcome: str = "regression", ratio: float = 1.071) -> dict[str, Any]:
    """Return what a benchmark says of a base."""
    change = {
        "outcome": outcome,
        "change": ratio,
        "low": ratio - 0.03,
        "high": ratio + 0.03,
        "tolerance": 0.03,
    }
    same = {**change, "outcome": "same", "change": 1.01}
    return {
        "change": ratio,
        "change_low": ratio - 0.03,
        "change_high": ratio + 0.03,
        "changes": {"seconds": change, "CPU seconds": same},
    }


def about_loading(workload: str = "loading", **words: Any) -> dict[str, Any]:
    """Return what a run says of a workload as a whole."""
    return {
        workload: {
            "noise": "load 1.3 at the start",
            "base": None,
            "notes": [],
            "floors": "Of a profile.",
            **words,
        }
    }


def run(*benchmarks: dict[str, Any], **about: Any) -> dict[str, Any]:
    """Return the JSON of a saved run."""
    return {
        "machine_info": {"description": "a CPU, 2 cores"},
        "benchmarks": list(benchmarks),
        "loader_gate": {"gate": "lenient", "about": about_loading(), **about},
    }


class _Shown(HTMLParser):
    """Collects the elements of a page, and the text of its cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells:
            self.cells[-1] += data


def shown(markdown: str) -> _Shown:
    """Return what a reader of Markdown sees, with tables and the HTML in it."""
    return _Shown(
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)
    )


def test_what_holds_a_variant_back() -> None:
    """The word has a column where one is known, and is text."""
    page = shown(summary(run(benchmark(BASELINE, bottleneck="wait-bound"), benchmark(bottleneck=NASTY[0]))))
    assert {"bottleneck", "wait-bound"} <= {each.strip() for each in page.cells}
    assert NASTY[0] in page.text
    assert "script" not in page.tags
    assert "bottleneck" not in shown(summary(run(benchmark()))).text


def test_all_pass() -> None:
    """A calm run is one line and one table; the rest is folded."""
    lines = summary(
        run(benchmark(BASELINE, floor=None, speedup_low=2.0, speedup_high=2.0), benchmark())
    ).splitlines()
    assert lines[:2] == [MARKER, "### ✅ loader-gate: all 2 pass"]
    assert lines[3] == "| variant | images/s | speedup (95 % CI) | floor | verdict |"
    assert lines[5] == f"| <code>{BASELINE}</code> | 1,021 | 2.00 | – | ✅ pass |"
    assert lines[6] == "| <code>tfdata_no_cache</code> | 1,021 | 2.00 (1.90–2.10) | 1.50 | ✅ pass |"
    assert lines[8] == "<sub>Machine: a CPU, 2 cores. Noise: load 1.3 at the start.</sub>"
    assert lines[10].startswith("<details><summary>CPU")


def test_the_seed() -> None:
    """It is below the table of a run that says it."""
    found = run(benchmark(BASELINE), benchmark())
    found["loader_gate"]["seed"] = 48213
    assert "start. Order: drawn from --session-seed 48213.</sub>" in summary(found)


def test_failures_come_first() -> None:
    """Each failure says why in a line of its own, before the table; a regression says by how much."""
    regression = benchmark(verdict="fail", **of_base())
    below = benchmark("slow", verdict="fail", speedup=1.2, speedup_low=1.1, speedup_high=1.3)
    lost = {"variant": "lost", "workload": "loading", "reason": "it crashed"}
    found = summary(
        run(
            benchmark(BASELINE),
            below,
            regression,
            unmeasured=[lost],
            about=about_loading(base="main (1234 Words)"),
        )
    )
    lines = found.splitlines()
    assert lines[1] == "### ❌ loader-gate: 3 of 4 fail"
    assert lines[3:6] == [
        "- ❌ <code>slow</code> (loading): speedup 1.20 (1.10–1.30) is below its floor of 1.50",
        "- ❌ <code>tfdata_no_cache</code> (loading): seconds 7.1 % (4.1 %–10.1 %) above base's, beyond 3 %",
        "- 🚫 <code>lost</code> (loading): it crashed",
    ]
    assert "| 1.071 (1.041–1.101) | ❌ fail |" in found
    assert "base is main (1234 Words)." in found
    assert "| <code>tfdata_no_cache</code> | loading | 1.010 |" in found
    assert found.index("7.1 %") < found.index("| variant")


def test_what_a_regression_has_gained_in() -> None:
    """The functions of its profile stand beside it, as text."""
    gained = [
        {"function": name, "file": "loaders.py", "line": 12, "milliseconds_an_image": milliseconds}
        for name, milliseconds in (("read_image", 20.08), ("@here", 0.5), ("third", 0.25), ("fourth", 0.1))
    ]
    found = summary(run(benchmark(verdict="fail", **of_base(), profile_gained=gained)))
    told = found.splitlines()[3]
    assert "beyond 3 %; gained most: 20.1 ms an image in read_image (loaders.py&#58;12), 0.5 ms" in told
    assert "third" in told
    assert "fourth" not in told
    assert "@here" not in told


def test_another_failure_gives_its_reason() -> None:
    """What is neither a floor nor a change is told in the run's own words."""
    found = summary(run(benchmark(verdict="fail", reason="but its dump takes 700 KB an image")))
    assert "(loading): but its dump takes 700 KB an image" in found


def test_slower_than_a_saved_run() -> None:
    """--fail-if-slower fails a test whose floor is cleared: it is a failure here as well."""
    slower = {"workload": "loading", "variant": "tfdata_no_cache", "reason": "it has become slower"}
    found = summary(run(benchmark(), slower=[slower]), exit_code=1)
    assert "loader-gate: 1 of 1 fails" in found
    assert "- ❌ <code>tfdata_no_cache</code> (loading): it has become slower" in found


def test_undecided() -> None:
    """It is a warning, with its reason folded; with a strict gate it is a failure."""
    undecided = benchmark(verdict="undecided", reason="too near its floor")
    lenient, strict = summary(run(undecided)), summary(run(undecided, gate="strict"))
    assert "### ⚠️ loader-gate: nothing fails, 1 of 1 undecided" in lenient
    assert (
        "Why undecided</summary>\n\n- ⚠️ <code>tfdata_no_cache</code> (loading): too near its floor" in lenient
    )
    assert "### ❌ loader-gate: 1 of 1 fails\n\n- ⚠️ <code>tfdata_no_cache</code>" in strict


def test_a_session_that_fails_for_another_reason() -> None:
    """Such as a benchmark that is missing: a failed job never has a green summary."""
    found = summary(run(benchmark()), exit_code=1)
    assert (
        "### ❌ loader-gate: the session fails, though no verdict does\n\npytest ended with exit code 1;"
        in found
    )
    assert "pytest ended" not in summary(run(benchmark(verdict="fail")), exit_code=1)


def test_several_workloads() -> None:
    """They share the table, which then says which is which."""
    found = summary(run(benchmark(), benchmark(workload="training")))
    assert "| variant | workload | images/s |" in found
    assert "| <code>tfdata_no_cache</code> | training |" in found


def test_the_articles_table() -> None:
    """It is folded, with what was not measured left open."""
    row = {"row": "loading alone", "article_speedup": 5.0, "speedup": 11.2, "speedup_low": 8.3}
    found = summary(
        run(benchmark(), article=[{**row, "speedup_high": 15.2, "minutes": 1.549, "why": "memory"}])
    )
    assert "| loading alone | – | 5.00 | 11.2 (8.30–15.2) | 1.55 min | memory |" in found


def test_nothing_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file, an empty one, a damaged one, a foreign one, and a run without figures all say so."""
    said = f"{MARKER}\n### 🚫 loader-gate: nothing was measured"
    lost = {"variant": "lost", "workload": "loading", "reason": "it crashed"}
    assert summary(run(unmeasured=[lost])) == f"{said}\n\n- 🚫 <code>lost</code> (loading): it crashed"
    foreign: tuple[object, ...] = ({}, [], None, {"benchmarks": [{"extra_info": {}}, 7]}, {"loader_gate": []})
    for each in foreign:
        assert summary(each) == said
    file = tmp_path / "run.json"
    assert "stopped before it could save anything" in summary_of_file(file)
    file.touch()
    assert "stopped before it could save anything" in summary_of_file(file)
    file.write_text("{", encoding="utf-8")
    assert "its file is damaged" in summary_of_file(file).lower()
    file.write_bytes(b"\xff\xfe")
    assert summary_of_file(file).startswith(said)
    assert main([str(file), "--title", "@team"]) == 0
    assert "### 🚫 &#64;\u200bteam: nothing was measured" in capsys.readouterr().out


@pytest.mark.parametrize("name", NASTY)
def test_text_stays_text(name: str) -> None:
    """Whatever a name holds, a reader sees it, and no markup, link or mention comes of it."""
    page, plain = (
        shown(
            summary(
                run(
                    benchmark(each, each, verdict="fail", reason=each, floor=None),
                    about=about_loading(each, base=each, notes=[each], floors=each, noise=each),
                    notes=[each],
                    gate=each,
                ),
                each,
            )
        )
        for each in (name, "x")
    )
    assert page.tags == plain.tags
    assert page.cells[5].replace("\u200b", "").strip() == " ".join(name.split())
    assert not {"a", "script", "img"} & {*page.tags}
    for link in ("@t", "@o", "#1", "://", "www.", "GH-1"):
        assert link not in page.text


def test_what_text_leaves_as_it_is() -> None:
    """Prose and common names can be read in the Markdown itself; what steers a terminal is spelled out."""
    plain = 'tfdata_no_cache is 1.21 times (95 % interval 1.15–1.28), so: it\'s "slow"; a-b + c = 1/2?'
    assert escaped(plain) == plain
    assert escaped("\x1b[31m \u202e") == "&#92;x1b&#91;31m &#92;u202e"
    assert len(escaped("x" * 1000, 80)) == 80


def test_it_fits_into_a_comment() -> None:
    """A thousand benchmarks with long names are cut, and what is left is still Markdown."""
    many = [benchmark(f"{number}" + "<" * 200, verdict="fail", reason="|" * 9000) for number in range(500)]
    lost = [{"variant": "@" * 500, "workload": "|" * 500, "reason": "<b>" * 500}] * 500
    found = summary(
        run(*many, unmeasured=lost, about=about_loading(base="x" * 9000), notes=["&" * 900] * 500)
    )
    assert len(found) <= MOST_CHARACTERS
    assert "### ❌ loader-gate: 1000 of 1000 fail" in found
    assert "- and 990 more" in found
    assert found.count("<details>") == found.count("</details>")
    assert "The rest is left out here" in found


def test_batches_and_their_order() -> None:
    """How well it shuffles is beside throughput; what batches take is folded, with the rest."""
    times = {"p50": 0.031, "p95": 0.04, "p99": 0.0554, "longest": 0.31}
    found = summary(
        run(benchmark(shuffle_quality=0.61, batch_seconds=times, cores_used=1.84), benchmark("b"))
    )
    assert "| variant | images/s | shuffle quality | speedup (95 % CI) |" in found
    assert "| <code>tfdata_no_cache</code> | 1,021 | 0.61 | 2.00 (1.90–2.10) |" in found
    assert "| <code>b</code> | 1,021 | – | 2.00 (1.90–2.10) |" in found
    assert "| 1.86 | 1.84 | 110 | 55.4 | 310 | 20 |" in found
    assert "shuffle" not in summary(run(benchmark()))


@pytest.mark.parametrize("value", [None, "1.5", True, [], {}, 1e400, float("nan"), -(10**400)])
def test_damaged_figures_are_left_out(value: object) -> None:
    """A figure that is none is a dash, not a crash."""
    names = ("speedup", "speedup_low", "floor", "images_per_second", "peak_rss_bytes", "change", "changes")
    damaged = benchmark()
    damaged["extra_info"].update(dict.fromkeys(names, value))
    assert "| <code>tfdata_no_cache</code> | – | – | – |" in summary(run(damaged))


def test_it_needs_no_package(tmp_path: Path) -> None:
    """The job that comments has nothing installed."""
    file = tmp_path / "run.json"
    file.write_text(json.dumps(run(benchmark())), encoding="utf-8")
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from loader_gate.report.summary import main; main()"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(ROOT / "src"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "the one benchmark passes" in done.stdout


def test_what_runs_the_same_code_is_unchanged() -> None:
    """It has no change, and is said not to need one; alone, too."""
    unchanged = {"outcome": "unchanged", "change": None, "low": None, "high": None, "tolerance": 0.01}
    about: dict[str, Any] = {"change": None, "change_outcome": "unchanged"}
    about["changes"] = {"seconds": unchanged}
    for others in ([], [benchmark("slow", **of_base())]):
        words = summary(run(benchmark(**about), *others))
        row = next(line for line in words.splitlines() if line.startswith("| <code>tfdata_no_cache"))
        assert "| unchanged | ✅ pass |" in row
