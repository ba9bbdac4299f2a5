"""The settings of a session: which variants there are, and what they are held to."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loader_gate.machine.machine import Machine
from loader_gate.machine.noise import read_noise
from loader_gate.plugin.options import OPTIONS
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE, RegistryError, Variant
from loader_gate.rotation.measurement import Measurement
from loader_gate.rotation.pace import Pace
from loader_gate.session.gating import Gating
from loader_gate.session.guard import Allowance
from loader_gate.session.result import Result
from loader_gate.session.settings import Place, Settings
from loader_gate.statistics.session_error import SESSION_ERROR
from loader_gate.trees.tree import Tree
from loader_gate.verdict.change import CHANGES, TOLERANCE
from loader_gate.verdict.floors import Choice, OwnFloor, Profile
from loader_gate.verdict.floors_file import load_floors
from loader_gate.worker.limits import WorkerLimits
from loader_gate.workloads.device import Device
from loader_gate.workloads.known import known_workloads, workload
from loader_gate.workloads.workload import WorkloadOptions

STREAMING = Variant("tfdata_no_cache", "loader_gate.variants.tfdata_no_cache")
OWN = Variant("photos", "my_loaders", "photos", file="my_loaders.py")
LOADING, TRAINING = known_workloads()["loading"], known_workloads()["training"]
PROFILE = Profile("mine", floors={"loading": {STREAMING.name: 1.5, OWN.floor_key: 1.1}})
SETTINGS = Settings(
    (STREAMING,),
    WorkloadOptions(Device("cpu")),
    Pace(60.0),
    Allowance(WorkerLimits(60.0)),
    Gating(Path("floors.toml"), Choice(PROFILE, "picked")),
    Place(Machine("a CPU", 2, 10**9, "Linux", "x86_64", None, {})),
)


def test_where_a_floor_comes_from(tiny_tree: Tree) -> None:
    """From the option, else from the loader's own declaration, else from the profile of that workload."""
    of_file = SETTINGS.gating
    assert of_file.rules(LOADING, tiny_tree, [STREAMING, OWN], 2).floors == {
        STREAMING.name: 1.5,
        OWN.name: 1.1,
    }
    assert of_file.floor(TRAINING, tiny_tree, STREAMING) is None
    declared = SETTINGS.with_loaders([OWN], {("loading", OWN.floor_key): 1.2}).gating
    assert declared.floor(LOADING, tiny_tree, OWN) == 1.2
    assert declared.floor(TRAINING, tiny_tree, OWN) is None
    given = replace(declared, own=[OwnFloor("", OWN.name, 1.3)])
    assert [given.floor(each, tiny_tree, OWN) for each in (LOADING, TRAINING)] == [1.3, 1.3]


@pytest.mark.parametrize("key", [OWN.name, OWN.floor_key])
def test_a_floor_of_one_workload(key: str, tiny_tree: Tree) -> None:
    """It comes before one for all, whichever was given first; of two for the same, the last holds."""
    options = [f"loading/{key}=1.2", f"{key}=9", f"{key}=1.4"]
    gating = replace(SETTINGS.gating, own=[OwnFloor.parse(each) for each in options])
    assert [gating.floor(each, tiny_tree, OWN) for each in (LOADING, TRAINING)] == [1.2, 1.4]
    only = replace(gating, own=gating.own[:1])
    assert [only.floor(each, tiny_tree, OWN) for each in (LOADING, TRAINING)] == [1.2, None]
    assert only.floor(LOADING, tiny_tree, STREAMING) == 1.5


def options(**given: object) -> argparse.Namespace:
    """Return the options of a session, by their plain names."""
    values = {option.plain: option.default for option in OPTIONS}
    return argparse.Namespace(**{**values, "variants": [], "fail_if_slower": False, **given})


def test_the_seed() -> None:
    """Each session draws its own, unless it is given; each workload derives another from it."""

    def settings(**given: object) -> Settings:
        return Settings.from_options(options(**given), Path.cwd(), "")

    drawn = {settings().seed for _ in range(4)}
    assert len(drawn) > 1
    assert all(0 <= each < 100_000 for each in drawn)
    given = settings(session_seed=48213)
    assert given.seed == 48213
    seeds = [given.seed_of(each) for each in known_workloads().values()]
    assert len({*seeds}) == len(seeds)
    assert seeds == [settings(session_seed=48213).seed_of(each) for each in known_workloads().values()]
    assert seeds != [settings(session_seed=48214).seed_of(each) for each in known_workloads().values()]


@pytest.mark.parametrize(
    ("loaders", "variants", "expected"),
    [
        ("a:photos b:other", "", ["photos", "other"]),
        ("a.loaders:photos b.loaders:photos c:x", "", ["a.loaders:photos", "b.loaders:photos", "x"]),
        ("a:photos a:other", "photos", ["photos"]),
        ("a:photos a:other", "a:other", ["other"]),
        ("a:photos b:photos", "b:photos", ["b:photos"]),
        ("a:photos a:other", STREAMING.name, [STREAMING.name, "photos", "other"]),
        ("a:photos a:other", f"{STREAMING.name} other", [STREAMING.name, "other"]),
    ],
)
def test_loaders_by_name(
    loaders: str, variants: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of one function's name go by their modules, whoever is left; ``--variant`` knows each of them."""
    for module in "abc":
        (tmp_path / module).mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    given = options(loader=loaders.split(), variant=variants.split() or [BASELINE])
    found = Settings.from_options(given, tmp_path, "")
    assert [each.name for each in found.variants] == [BASELINE, *expected]
    assert [each.name for each in found.with_loaders([], {}).variants] == [BASELINE, *expected]


def test_declared_floors_are_not_written(
    make_measurement: Callable[..., Measurement], tiny_tree: Tree, tmp_path: Path
) -> None:
    """They stand with the loader; a file that held them, too, would never be asked."""
    other = replace(OWN, name="others", function="others")
    found = {each.name: replace(make_measurement(), variant=each) for each in (OWN, other)}
    result = Result(
        workload("loading", SETTINGS.workload_options), tiny_tree, found, {}, (read_noise(), read_noise()), ()
    )
    file = tmp_path / "floors.toml"
    gating = replace(
        SETTINGS.gating, file=file, declared={("loading", OWN.floor_key): 1.2}, updates_floors=True
    )
    written, kept = gating.write_floors([result], SETTINGS.place.machine)
    assert written.startswith("Wrote 1 floor of profile mine")
    assert kept == "photos declares its own floor in loading, which you change there."
    assert load_floors(file, []).profiles["mine"].floors == {"loading": {other.floor_key: 1.62}}


def test_one_error_for_the_session() -> None:
    """All floors, and six figures of what is compared with base, share it; the more, the less each has."""
    limit = next(each for each in built_in_variants() if each.traits.is_limit)
    baseline = Variant(BASELINE, f"loader_gate.variants.{BASELINE}")
    settings = replace(SETTINGS, variants=(baseline, STREAMING, OWN, limit))
    selected = [("loading", each.name) for each in settings.variants] + [("training", OWN.name)]
    floors_alone = settings.sharing_error(selected, ())
    assert floors_alone.pace.comparisons == 3
    against = settings.sharing_error(selected, {BASELINE, OWN.name, limit.name})
    assert against.pace.comparisons == 3 + 3 * CHANGES
    for pace in (floors_alone.pace, against.pace):
        assert pace.comparisons * pace.failing_error / 2 == pytest.approx(SESSION_ERROR)
    assert settings.sharing_error([], ()).pace.comparisons == 1


def test_the_tolerance() -> None:
    """The option says it itself: what is known beside it would have to be imported for ``--help``."""
    assert next(option.default for option in OPTIONS if option.name == "tolerance") == TOLERANCE


def test_loaders_join() -> None:
    """They come last, under a name of their own; what is measured beside them has no floor to keep."""
    limit = next(each for each in built_in_variants() if each.traits.is_limit)
    joined = SETTINGS.with_loaders([OWN], {}, [STREAMING, limit])
    assert joined.variants == (STREAMING, OWN)
    assert joined.ungated_in(LOADING) == [STREAMING, limit]
    assert joined.ungated_in(TRAINING) == [STREAMING]
    with pytest.raises(RegistryError, match=r"my_loaders.py: a variant is named tfdata_no_cache already"):
        SETTINGS.with_loaders([replace(OWN, function=STREAMING.name)], {})


def test_training_is_measured_beside_batches_that_are_already_there() -> None:
    """In any session: nobody has to ask, and pyproject.toml need not. Where nothing is timed, it is not."""
    settings = Settings.from_options(options(), Path.cwd(), "")
    assert [each.name for each in settings.ungated_in(TRAINING)] == ["limit_ready_batches"]
    assert settings.ungated_in(LOADING) == []
    assert not [each for each in settings.variants if each.traits.hands_over_batches]
    untimed = replace(settings, place=replace(settings.place, not_timed="side by side"))
    assert untimed.ungated_in(TRAINING) == []


def test_loaders_of_one_name_join() -> None:
    """All of them go by their modules then, also one of the command line; one loader joins once."""
    given = Variant("photos", "given.loaders", "photos")
    other = replace(OWN, module="others", file="others.py")
    joined = replace(SETTINGS, variants=(STREAMING, given)).with_loaders([OWN, other], {})
    assert [each.name for each in joined.variants[1:]] == [
        "given.loaders:photos",
        "my_loaders:photos",
        "others:photos",
    ]
    assert [each.file for each in joined.variants[1:]] == ["", "my_loaders.py", "others.py"]
    with pytest.raises(
        RegistryError, match=r"more.py: a loader is my_loaders:photos already, in my_loaders.py"
    ):
        SETTINGS.with_loaders([OWN, replace(OWN, file="more.py")], {})
    both = replace(SETTINGS, variants=(STREAMING, replace(OWN, file="")))
    with pytest.raises(
        RegistryError, match=r"--loader my_loaders:photos: .*, and my_loaders.py has it; leave"
    ):
        both.with_loaders([OWN], {})


def test_a_loader_says_what_decodes_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its module, which is not imported for that; what says nothing adds nothing to the baseline's."""
    (tmp_path / "own.py").write_text(
        'raise SystemExit\ndef plain(tree, spec): ...\nplain.DECODERS = "TensorFlow simplejpeg"\n', "utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    given = options(loader=["own:plain", "own:other"], variant=[BASELINE])
    settings = Settings.from_options(given, tmp_path, "")
    assert settings.decoders({"other"}) == ("Pillow",)
    assert settings.decoders({"plain", "other"}) == ("Pillow", "TensorFlow", "simplejpeg")
    in_a_test = Variant("plain", "test_own", "plain", file=str(tmp_path / "own.py"))
    decorated = SETTINGS.with_loaders([in_a_test], {})
    assert decorated.decoders({"plain"}) == ("TensorFlow", "simplejpeg")
