"""A saved run as Markdown, for a job's summary on GitHub and for a comment on a pull request.

``python -m loader_gate.report.summary RUN.json`` prints it. What fails comes first, then one table, and the
rest is folded. It needs nothing but the standard library, so that a job with the right to comment need not
install anything; and the file may come from a stranger's pull request: all of its text is shown as text, and
nothing in it can notify anybody.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loader_gate.report.reading import Row, about_run, as_figure, as_list, as_mapping, as_mappings, rows_of
from loader_gate.runs.saved import printable
from loader_gate.verdict.sentence import number

#: Hidden at the top, by which an earlier comment is found again.
MARKER = "<!-- loader-gate -->"
#: GitHub takes 65,536 characters in a comment, and 1 MiB in a summary.
MOST_CHARACTERS = 60_000
#: What may be spent on the table, and on each folded part.
_OF_A_TABLE = 16_000
#: So many failures are told above the table.
_TOLD = 10
#: The most characters of a name, of a reason above the table, and of any other sentence.
_NAME, _BRIEF, _SENTENCE = 80, 240, 2000
#: Nobody has a run as large as this.
_MOST_BYTES = 64 * 2**20

#: Columns that are no figures.
_OF_WORDS = {"variant", "workload", "verdict", "row", "why"}
_SIGNS = {"pass": "✅", "fail": "❌", "undecided": "⚠️", "unmeasured": "🚫"}
#: Where to break what would be turned into a mention or a link even where no Markdown is left.
_LINKS = re.compile(r"(?<=[@#])|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=GH)(?=-)", re.IGNORECASE)
_ZERO_WIDTH_SPACE = "\u200b"


def summary(data: object, title: str = "loader-gate", exit_code: int = 0) -> str:
    """Return a saved run as Markdown, at most `MOST_CHARACTERS` long.

    Args:
        data: The JSON of the run; whatever it lacks is left out.
        title: Of the heading.
        exit_code: What pytest ended with: a session may fail for more than its verdicts.
    """
    run = as_mapping(data)
    about, benchmarks = about_run(run), [*rows_of(run)]
    measured = [each for each in benchmarks if each.verdict != "unmeasured"]
    unmeasured = [each for each in benchmarks if each.verdict == "unmeasured"]
    if not measured:
        return _fitting([_heading(title, "🚫", "nothing was measured"), *_told(unmeasured)])
    failing = {"fail", "unmeasured"} | ({"undecided"} if about.get("gate") == "strict" else set())
    failed = [each for each in benchmarks if each.verdict in failing]
    undecided = [each for each in benchmarks if each.verdict == "undecided" and each.verdict not in failing]
    many = len(benchmarks)
    if failed:
        outcome = f"{len(failed)} of {many} fail{'s' if len(failed) == 1 else ''}"
    elif exit_code:
        outcome = "the session fails, though no verdict does"
    elif undecided:
        outcome = f"nothing fails, {len(undecided)} of {many} undecided"
    else:
        outcome = "the one benchmark passes" if many == 1 else f"all {many} pass"
    sign = _SIGNS["fail" if failed or exit_code else "undecided" if undecided else "pass"]
    return _fitting(
        [
            _heading(title, sign, outcome),
            *_told(failed),
            f"pytest ended with exit code {exit_code}; its log says why." if exit_code and not failed else "",
            f"{_SIGNS['undecided']} Undecided: {_names(undecided)}." if undecided else "",
            _verdicts(benchmarks),
            _circumstances(run, about),
            _folded("Why undecided", _bullets(undecided, _reason)),
            _folded("Why unmeasured", _bullets(unmeasured, _reason)),
            _folded("CPU, memory, first batch and dump", _figures(measured)),
            _folded("Changes of other figures against base, head / base", _changes(measured)),
            _folded("The article, measured here", _article(about)),
            _folded("Notes", _notes(about)),
        ]
    )


def text(foreign: object, most: int = _SENTENCE) -> str:
    """Return any text so that Markdown and HTML show it as it is, in one line, and nobody is notified."""
    line = printable(" ".join(str(foreign).split()))
    if len(line) > most:
        line = line[: most - 1] + "…"
    line = _LINKS.sub(_ZERO_WIDTH_SPACE, line)
    # What means nothing here stays, such as an underscore inside a word: most names have one.
    return re.sub(
        r"(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9])|:(?! )|[!#$&*<>@\[\\\]^`{|}~]",
        lambda found: f"&#{ord(found[0])};",
        line,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a run as Markdown; one that cannot be read is said to have measured nothing."""
    parser = argparse.ArgumentParser(
        prog="python -m loader_gate.report.summary", description="A saved run as Markdown."
    )
    parser.add_argument("run", type=Path, metavar="RUN.json", help="what --benchmark-json has written")
    parser.add_argument("--title", default="loader-gate", help="of the heading (default: %(default)s)")
    parser.add_argument("--exit-code", type=int, default=0, metavar="N", help="what pytest ended with")
    options = parser.parse_args(arguments)
    print(summary_of_file(options.run, options.title, options.exit_code))
    return 0


def summary_of_file(path: Path, title: str = "loader-gate", exit_code: int = 0) -> str:
    """Return a saved run as Markdown, or why there is none.

    Args:
        path: The file.
        title: Of the heading.
        exit_code: What pytest ended with.
    """
    problem = "the run was stopped before it could save anything; its log says why"
    try:
        if path.stat().st_size > _MOST_BYTES:
            problem = "its file is too large to be a run"
        elif path.stat().st_size:  # pytest-benchmark leaves an empty file when nothing was measured
            return summary(json.loads(path.read_text(encoding="utf-8")), title, exit_code)
    except OSError:
        pass
    except (ValueError, RecursionError) as error:
        problem = f"its file is damaged: {error}"
    return "\n\n".join([_heading(title, "🚫", "nothing was measured"), f"{_capital(text(problem))}."])


def _heading(title: str, sign: str, outcome: str) -> str:
    return f"{MARKER}\n### {sign} {text(title, _NAME)}: {outcome}"


def _told(failed: Sequence[Row]) -> list[str]:
    """Return a list of what fails and why, a line each."""
    worst_first = sorted(failed, key=lambda each: ["fail", "undecided", "unmeasured"].index(each.verdict))
    more = [f"- and {len(failed) - _TOLD} more"] if len(failed) > _TOLD else []
    return ["\n".join([_bullets(worst_first[:_TOLD], _why), *more])] if failed else []


def _bullets(benchmarks: Iterable[Row], words: Callable[[Row], str]) -> str:
    return "\n".join(
        f"- {_SIGNS[each.verdict]} {_code(each.variant)} ({text(each.workload, _NAME)}): {words(each)}"
        for each in benchmarks
    )


def _why(benchmark: Row) -> str:
    """Return why a benchmark fails, in few words."""
    if benchmark.verdict != "fail":
        return _reason(benchmark, _BRIEF)
    found = [
        f"{text(figure, _NAME)} {_above(change)} base's, beyond {_percent(change.get('tolerance'))}"
        for figure, change in benchmark.changes.items()
        if change.get("outcome") == "regression"
    ]
    speedup, high, floor = (benchmark.figure(name) for name in ("speedup", "speedup_high", "floor"))
    if speedup is not None and high is not None and floor is not None and high < floor:
        known = _interval(benchmark, "speedup", number)
        found.append(f"speedup {known} is below its floor of {number(floor)}")
    return "; ".join(found) or _reason(benchmark, _BRIEF)


def _reason(benchmark: Row, most: int = _SENTENCE) -> str:
    return text(benchmark.reason or "no reason was given", most)


def _above(change: Mapping[str, Any]) -> str:
    ratio, low, high = (
        None if (each := as_figure(change.get(name))) is None else 100 * each - 100
        for name in ("change", "low", "high")
    )
    return "above" if ratio is None else f"{_spread(ratio, low, high, '{:.1f} %'.format)} above"


def _verdicts(benchmarks: Sequence[Row]) -> str:
    several = len({each.workload for each in benchmarks}) > 1
    compared = any(each.figure("change") is not None for each in benchmarks)
    columns = ["variant", *(["workload"] if several else []), "images/s", "speedup (95 % CI)", "floor"]
    columns += [*(["change (95 % CI)"] if compared else []), "verdict"]
    rows = [
        [
            _code(each.variant),
            *([text(each.workload, _NAME)] if several else []),
            _shown(each.figure("images_per_second"), "{:,.0f}"),
            _interval(each, "speedup", number),
            "–" if (floor := each.figure("floor")) is None else number(floor),
            *([_interval(each, "change", "{:.3f}".format)] if compared else []),
            f"{_SIGNS[each.verdict]} {each.verdict}",
        ]
        for each in benchmarks
    ]
    return _table(columns, rows)


def _circumstances(run: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Return against what, on which machine, and how noisy it was."""
    workloads = {name: as_mapping(words) for name, words in as_mapping(about.get("about")).items()}
    bases = dict.fromkeys(str(words["base"]) for words in workloads.values() if words.get("base"))
    lines = [f"Change is head / base, below 1 is better; base is {text(base)}." for base in bases]
    parts = [f"Machine: {text(as_mapping(run.get('machine_info')).get('description', 'unknown'))}."]
    for workload, words in workloads.items():
        of = f" of {text(workload, _NAME)}" if len(workloads) > 1 else ""
        parts.append(f"Noise{of}: {text(words.get('noise', 'unknown'))}.")
    return "\n\n".join([*lines, f"<sub>{' '.join(parts)}</sub>"])


def _notes(about: Mapping[str, Any]) -> str:
    notes = [text(note) for note in as_list(about.get("notes"))]
    for workload, words in as_mapping(about.get("about")).items():
        said = [*as_list(as_mapping(words).get("notes")), *filter(None, [as_mapping(words).get("floors")])]
        notes += [f"{text(workload, _NAME)}: {text(note)}" for note in said]
    return "\n".join(f"- {note}" for note in notes)


def _figures(benchmarks: Sequence[Row]) -> str:
    columns = {
        "CPU ms/image": ("cpu_seconds_per_image", 1000, "{:.2f}"),
        "first batch ms": ("first_batch_seconds", 1000, "{:,.0f}"),
        "teardown ms": ("teardown_seconds", 1000, "{:,.0f}"),
        "peak MB": ("peak_rss_bytes", 1e-6, "{:,.0f}"),
        "cold epoch s": ("cold_seconds", 1, "{:.3g}"),
        "dump MB": ("dump_bytes", 1e-6, "{:,.1f}"),
        "accelerator busy": ("accelerator_utilisation", 1, "{:.0%}"),
        "share of limit": ("share_of_limit", 1, "{:.0%}"),
    }
    shown = {
        heading: rest
        for heading, rest in columns.items()
        if any(each.figure(rest[0]) is not None for each in benchmarks)
    }
    rows = [
        [
            _code(each.variant),
            text(each.workload, _NAME),
            *(_shown(each.figure(name), form, scale) for name, scale, form in shown.values()),
        ]
        for each in benchmarks
    ]
    return _table(["variant", "workload", *shown], rows)


def _changes(benchmarks: Sequence[Row]) -> str:
    """Return the changes of all figures but the seconds, which the first table has."""
    figures = dict.fromkeys(figure for each in benchmarks for figure in [*each.changes][1:])
    rows = [
        [
            _code(each.variant),
            text(each.workload, _NAME),
            *(_shown(as_figure(each.changes.get(figure, {}).get("change")), "{:.3f}") for figure in figures),
        ]
        for each in benchmarks
        if each.changes
    ]
    headings = [text(figure, _NAME) for figure in figures]
    return _table(["variant", "workload", *headings], rows) if figures else ""


def _article(about: Mapping[str, Any]) -> str:
    rows = []
    for row in as_mappings(about.get("article")):
        speedup, low, high = (as_figure(row.get(name)) for name in ("speedup", "speedup_low", "speedup_high"))
        rows.append(
            [
                text(row.get("row", ""), _NAME),
                _shown(as_figure(row.get("article_minutes")), "{:.0f} min"),
                _shown(as_figure(row.get("article_speedup")), "{:.2f}"),
                "–" if speedup is None else _spread(speedup, low, high, number),
                _shown(as_figure(row.get("minutes")), "{:,.3g} min"),
                text(row.get("why", "")),
            ]
        )
    headings = ["row", "article", "its speedup", "speedup here (95 % CI)", "here, at its size", "why"]
    return _table(headings, rows) if rows else ""


def _interval(benchmark: Row, name: str, form: Callable[[float], str]) -> str:
    value, low, high = (benchmark.figure(each) for each in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return "–"
    return _spread(value, low, high, form)


def _spread(value: float, low: float | None, high: float | None, form: Callable[[float], str]) -> str:
    if low is None or high is None or not low < high:
        return form(value)
    return f"{form(value)} ({form(low)}–{form(high)})"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, with as many rows as there is room for."""
    sides = [":--" if column in _OF_WORDS else "--:" for column in columns]
    lines = [f"| {' | '.join(columns)} |", f"| {' | '.join(sides)} |"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    length = 0
    for place, line in enumerate(lines):
        length += len(line) + 1
        if length > _OF_A_TABLE:
            return "\n".join([*lines[:place], "", f"… and {len(lines) - place} more."])
    return "\n".join(lines)


def _folded(title: str, inside: str) -> str:
    # Markdown inside of HTML needs empty lines around it.
    return f"<details><summary>{title}</summary>\n\n{inside}\n\n</details>" if inside else ""


def _fitting(parts: Iterable[str]) -> str:
    """Return the parts that there is room for, and say so where there is not."""
    cut = "… The rest is left out here, as GitHub takes no more; the saved run has it."
    shown: list[str] = []
    for part in filter(None, parts):
        if sum(len(each) + 2 for each in [*shown, part, cut]) > MOST_CHARACTERS:
            return "\n\n".join([*shown, cut])
        shown.append(part)
    return "\n\n".join(shown)


def _names(benchmarks: Sequence[Row]) -> str:
    names = [f"{_code(each.variant)} ({text(each.workload, _NAME)})" for each in benchmarks[:_TOLD]]
    more = [f"{len(benchmarks) - _TOLD} more"] if len(benchmarks) > _TOLD else []
    return ", ".join([*names, *more])


def _code(name: str) -> str:
    return f"<code>{text(name, _NAME)}</code>"


def _percent(share: object) -> str:
    return f"{100 * (as_figure(share) or 0):.3g} %"


def _shown(value: float | None, form: str, scale: float = 1) -> str:
    return "–" if value is None else form.format(value * scale)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


if __name__ == "__main__":
    sys.exit(main())
