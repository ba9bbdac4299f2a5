"""The settings of a session: which variants there are, and what they are held to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loader_gate.machine.machine import Machine
from loader_gate.machine.noise import read_noise
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import RegistryError, Variant
from loader_gate.rotation.measurement import Measurement
from loader_gate.rotation.pace import Pace
from loader_gate.session.gating import Gating
from loader_gate.session.guard import Allowance
from loader_gate.session.result import Result
from loader_gate.session.settings import Place, Settings
from loader_gate.trees.tree import Tree
from loader_gate.verdict.floors import Choice, Profile
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
    declared = SETTINGS.with_loaders([OWN], {("loading", OWN.name): 1.2}).gating
    assert declared.floor(LOADING, tiny_tree, OWN) == 1.2
    assert declared.floor(TRAINING, tiny_tree, OWN) is None
    given = replace(declared, own={OWN.name: 1.3})
    assert [given.floor(each, tiny_tree, OWN) for each in (LOADING, TRAINING)] == [1.3, 1.3]


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
    gating = replace(SETTINGS.gating, file=file, declared={("loading", OWN.name): 1.2}, updates_floors=True)
    written, kept = gating.write_floors([result], SETTINGS.place.machine)
    assert written.startswith("Wrote 1 floor of profile mine")
    assert kept == "photos declares its own floor in loading, which you change there."
    assert load_floors(file, []).profiles["mine"].floors == {"loading": {other.floor_key: 1.62}}


def test_loaders_join() -> None:
    """They come last, under a name of their own; what is measured beside them has no floor to keep."""
    limit = next(each for each in built_in_variants() if each.traits.is_limit)
    joined = SETTINGS.with_loaders([OWN], {}, [STREAMING, limit])
    assert joined.variants == (STREAMING, OWN)
    assert joined.ungated_in(LOADING) == [STREAMING, limit]
    assert joined.ungated_in(TRAINING) == [STREAMING]
    with pytest.raises(RegistryError, match=r"my_loaders.py: a variant is named tfdata_no_cache already"):
        SETTINGS.with_loaders([replace(OWN, name=STREAMING.name)], {})
