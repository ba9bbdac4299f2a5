"""A saved run as Markdown, for a job's summary on GitHub and for a comment on a pull request.

``python -m loader_gate.report.summary RUN.json`` prints it. What fails comes first, then one table, and the
rest is folded. It needs nothing but the standard library, so that a job with the right to comment need not
install anything; and the file may come from a stranger's pull request: all of its text is shown as text, and
nothing in it can notify anybody.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loader_gate.report.benchmarks import BenchmarkRow, about_run, benchmark_rows
from loader_gate.report.json_values import as_figure, as_list, as_mapping
from loader_gate.report.markdown import (
    LONGEST_NAME,
    LONGEST_SENTENCE,
    code,
    escaped,
    figure_with_interval,
    fitting,
    folded,
)
from loader_gate.report.markdown_tables import (
    EMOJI,
    article_table,
    changes_table,
    cores_markdown,
    figures_table,
    verdicts_table,
)
from loader_gate.report.profiles import gained_words
from loader_gate.verdict.sentence import number

#: Hidden at the top, by which an earlier comment is found again.
MARKER = "<!-- loader-gate -->"
#: So many failures are told above the table.
_MOST_TOLD = 10
#: The most characters of a reason above the table.
_LONGEST_REASON = 240
#: Nobody has a run as large as this.
_MOST_BYTES = 64 * 2**20


def summary(data: object, title: str = "loader-gate", exit_code: int = 0) -> str:
    """Return a saved run as Markdown, no longer than GitHub takes.

    Args:
        data: The JSON of the run; whatever it lacks is left out.
        title: Of the heading.
        exit_code: What pytest ended with: a session may fail for more than its verdicts.
    """
    run = as_mapping(data)
    about, benchmarks = about_run(run), [*benchmark_rows(run)]
    measured = [each for each in benchmarks if each.verdict != "unmeasured"]
    unmeasured = [each for each in benchmarks if each.verdict == "unmeasured"]
    if not measured:
        return fitting([_heading(title, "🚫", "nothing was measured"), *_told(unmeasured)])
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
    sign = EMOJI["fail" if failed or exit_code else "undecided" if undecided else "pass"]
    return fitting(
        [
            _heading(title, sign, outcome),
            *_told(failed),
            f"pytest ended with exit code {exit_code}; its log says why." if exit_code and not failed else "",
            f"{EMOJI['undecided']} Undecided: {_names(undecided)}." if undecided else "",
            verdicts_table(benchmarks),
            _circumstances(run, about),
            folded("Why undecided", _bullets(undecided, _reason)),
            folded("Why unmeasured", _bullets(unmeasured, _reason)),
            folded("CPU, memory, batches and dump", figures_table(measured)),
            folded("Throughput against cores", cores_markdown(about)),
            folded("Changes of other figures against base, head / base", changes_table(measured)),
            folded("The article, measured here", article_table(about)),
            folded("Notes", _notes(about)),
        ]
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
    problem = "the run was stopped before it could save anything, or had nothing to measure; its log says why"
    try:
        if path.stat().st_size > _MOST_BYTES:
            problem = "its file is too large to be a run"
        elif path.stat().st_size:  # pytest-benchmark leaves an empty file when nothing was measured
            return summary(json.loads(path.read_text(encoding="utf-8")), title, exit_code)
    except OSError:
        pass
    except (ValueError, RecursionError) as error:
        problem = f"its file is damaged: {error}"
    return "\n\n".join([_heading(title, "🚫", "nothing was measured"), f"{_capital(escaped(problem))}."])


def _heading(title: str, sign: str, outcome: str) -> str:
    return f"{MARKER}\n### {sign} {escaped(title, LONGEST_NAME)}: {outcome}"


def _told(failed: Sequence[BenchmarkRow]) -> list[str]:
    """Return a list of what fails and why, a line each."""
    worst_first = sorted(failed, key=lambda each: ["fail", "undecided", "unmeasured"].index(each.verdict))
    more = [f"- and {len(failed) - _MOST_TOLD} more"] if len(failed) > _MOST_TOLD else []
    return ["\n".join([_bullets(worst_first[:_MOST_TOLD], _why), *more])] if failed else []


def _bullets(benchmarks: Iterable[BenchmarkRow], words: Callable[[BenchmarkRow], str]) -> str:
    return "\n".join(f"- {EMOJI[each.verdict]} {_name(each)}: {words(each)}" for each in benchmarks)


def _why(benchmark: BenchmarkRow) -> str:
    """Return why a benchmark fails, in few words."""
    if benchmark.verdict != "fail":
        return _reason(benchmark, _LONGEST_REASON)
    found = [
        f"{escaped(figure, LONGEST_NAME)} {_above(change)} base's, beyond {_percent(change.get('tolerance'))}"
        for figure, change in benchmark.changes.items()
        if change.get("outcome") == "regression"
    ]
    speedup, low, high, floor = (
        benchmark.figure(name) for name in ("speedup", "speedup_low", "speedup_high", "floor")
    )
    if speedup is not None and high is not None and floor is not None and high < floor:
        known = figure_with_interval(speedup, low, high, number)
        found.append(f"speedup {known} is below its floor of {number(floor)}")
    if gained := gained_words(benchmark.info):
        found.append(escaped(gained))
    return "; ".join(found) or _reason(benchmark, _LONGEST_REASON)


def _reason(benchmark: BenchmarkRow, most: int = LONGEST_SENTENCE) -> str:
    return escaped(benchmark.reason or "no reason was given", most)


def _above(change: Mapping[str, Any]) -> str:
    ratio, low, high = (
        None if (each := as_figure(change.get(name))) is None else 100 * each - 100
        for name in ("change", "low", "high")
    )
    return "above" if ratio is None else f"{figure_with_interval(ratio, low, high, '{:.1f} %'.format)} above"


def _circumstances(run: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Return against what, on which machine, and how noisy it was."""
    workloads = {name: as_mapping(words) for name, words in as_mapping(about.get("about")).items()}
    bases = dict.fromkeys(str(words["base"]) for words in workloads.values() if words.get("base"))
    lines = [f"Change is head / base, below 1 is better; base is {escaped(base)}." for base in bases]
    parts = [f"Machine: {escaped(as_mapping(run.get('machine_info')).get('description', 'unknown'))}."]
    for workload, words in workloads.items():
        of = f" of {escaped(workload, LONGEST_NAME)}" if len(workloads) > 1 else ""
        parts.append(f"Noise{of}: {escaped(words.get('noise', 'unknown'))}.")
    if isinstance(about.get("seed"), int):
        parts.append(f"Order: drawn from --session-seed {about['seed']}.")
    return "\n\n".join([*lines, f"<sub>{' '.join(parts)}</sub>"])


def _notes(about: Mapping[str, Any]) -> str:
    notes = [escaped(note) for note in as_list(about.get("notes"))]
    for workload, words in as_mapping(about.get("about")).items():
        said = [*as_list(as_mapping(words).get("notes")), *filter(None, [as_mapping(words).get("floors")])]
        notes += [f"{escaped(workload, LONGEST_NAME)}: {escaped(note)}" for note in said]
    return "\n".join(f"- {note}" for note in notes)


def _names(benchmarks: Sequence[BenchmarkRow]) -> str:
    names = [_name(each) for each in benchmarks[:_MOST_TOLD]]
    more = [f"{len(benchmarks) - _MOST_TOLD} more"] if len(benchmarks) > _MOST_TOLD else []
    return ", ".join([*names, *more])


def _name(benchmark: BenchmarkRow) -> str:
    return f"{code(benchmark.variant)} ({escaped(benchmark.workload, LONGEST_NAME)})"


def _percent(share: object) -> str:
    return f"{100 * (as_figure(share) or 0):.3g} %"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


if __name__ == "__main__":
    sys.exit(main())
