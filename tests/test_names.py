"""What users' loaders are called over many runs."""

from __future__ import annotations

from dataclasses import replace

from loader_gate.history.series import series_of
from loader_gate.runs.names import named_alike
from loader_gate.runs.saved import SavedRun
from tests.test_comparison import saved_run


def run_of(number: int, **loaders: str) -> SavedRun:
    """Return a run of loaders: the name of each, and which function of which module it was, if it said so."""
    run = saved_run(*((name.replace("__", ":"), 2.0) for name in loaders), number=number)
    told = zip(run.entries, loaders.values(), strict=True)
    return replace(run, entries=tuple(replace(entry, loader=loader) for entry, loader in told))


def names(runs: list[SavedRun]) -> list[list[str]]:
    """Return the names in each run."""
    return [[entry.variant for entry in run.entries] for run in runs]


#: Alone, then beside another of its name, which was alone last.
ALONE = run_of(1, photos="a:photos")
BOTH = run_of(2, a__photos="a:photos", b__photos="b:photos")
OTHER = run_of(3, photos="b:photos")
OLD = run_of(0, photos="", tfdata_no_cache="")


def test_a_loader_has_the_name_that_it_has_last() -> None:
    """In every run; another one that was called so goes by its module."""
    assert names(named_alike([BOTH, ALONE])) == [["a:photos", "b:photos"], ["a:photos"]]
    assert names(named_alike([OTHER, BOTH, ALONE])) == [["photos"], ["a:photos", "photos"], ["a:photos"]]
    assert names(named_alike([OTHER, ALONE])) == [["photos"], ["a:photos"]]
    assert names(named_alike([OTHER, ALONE], {"a:photos": "photos"})) == [["b:photos"], ["photos"]]


def test_runs_that_do_not_say() -> None:
    """They are taken by the name, as variants of the suite are."""
    assert named_alike([ALONE, OLD]) == [ALONE, OLD]


def test_what_was_doubtful_is_so_by_its_new_name() -> None:
    """Or the next run would be held against it."""
    doubtful = replace(ALONE, doubtful=frozenset({("loading", "photos"), ("loading", "gone")}))
    found = named_alike([doubtful], {"a:photos": "a:photos"})[0]
    assert found.doubtful == {("loading", "a:photos"), ("loading", "gone")}


def test_series_follow_the_loader() -> None:
    """And not its name, where runs say more than that."""
    found = {each.variant: [point.run for point in each.points] for each in series_of([ALONE, BOTH, OTHER])}
    assert found == {"a:photos": ["0001", "0002"], "photos": ["0002", "0003"]}
