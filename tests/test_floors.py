"""Floors: read, picked, and written back."""

from __future__ import annotations

import dataclasses
import datetime
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loader_gate.machine.machine import Machine
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.statistics.estimate import Estimate
from loader_gate.verdict.floors import (
    Conditions,
    Floors,
    FloorsError,
    OwnFloor,
    Profile,
    checked_floor,
    differ,
    joined,
    pick_profile,
    supported_floor,
    unknown,
)
from loader_gate.verdict.floors_file import load_floors, write_floors

if TYPE_CHECKING:
    from collections.abc import Callable

KNOWN = ("keras_image_data_generator", "tfdata_no_cache", "tfdata_memory_cache", "tfdata_file_cache")
TODAY = datetime.date(2026, 11, 23)
MACHINE = Machine(
    "A CPU", 2, 8 * 2**30, "Linux", "x86_64", None, {"python": "3.11.7", "tensorflow-cpu": "2.21.0"}
)

GOOD = """\
# Ours.
[profiles.ci-2core]
min_cores = 2  # GitHub's runner
gpu = false

[profiles.ci-2core.loading]
tfdata_no_cache = 1.5  # generous
"my_package.loaders:photos" = 2

[profiles.article.loading]
tfdata_memory_cache = 5.0
"""


@pytest.fixture
def toml(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a floors file."""

    def write(text: str) -> Path:
        path = tmp_path / "floors.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_file_we_ship_is_good() -> None:
    """Our own floors load against our own variants, and the article's are the article's."""
    path = Path(__file__).parents[1] / "benchmarks" / "floors.toml"
    floors = load_floors(path, [variant.name for variant in built_in_variants()])
    article = floors.profiles["article"]
    assert article.min_cores is None
    assert article.floors == {
        "loading": {"tfdata_memory_cache": 5.0},
        "training": {"tfdata_no_cache": 2.5, "tfdata_file_cache": 4.14},
    }
    assert floors.profiles["ci-2core"].min_cores == 2


def test_floors_hold_for_like_work_only() -> None:
    """Floors measured on photographs say nothing about small pictures, or about another size."""
    profile = Profile("ci", 2, measured_on={"loading": Conditions(150_000, 224)})
    assert profile.misfit("loading", Conditions(100_000, 224)) == ""
    assert profile.misfit("loading", Conditions(290_000, 224)) == ""
    assert profile.misfit("training", Conditions(22_000, 96)) == ""
    assert "150 KB loaded at 224x224" in profile.misfit("loading", Conditions(22_000, 224))
    assert "100 KB loaded at 96x96" in profile.misfit("loading", Conditions(100_000, 96))


@pytest.mark.parametrize(
    ("work", "differences"),
    [
        (Conditions(150_000, 224, 256, 32), []),
        (Conditions(150_000, 224, 128, 32), []),
        (Conditions(150_000, 224, 100_000, 32), []),
        (Conditions(150_000, 224, 127, 32), ["the number of images"]),
        (Conditions(150_000, 224, 256, 16), ["the batch size"]),
        (Conditions(300_000, 224, 256, 32), []),
        (Conditions(300_001, 224, 256, 32), ["the size of an image file"]),
        (Conditions(75_000, 224, 256, 32), []),
        (Conditions(74_999, 224, 256, 32), ["the size of an image file"]),
        (Conditions(150_000, 224, None, 32), []),
        (Conditions(150_000, 224, 256, None), []),
        (Conditions(150_000, 224, 256, 32, "crop-flip"), ["what is done to images (--augment)"]),
        (
            Conditions(74_000, 96, 12, 8),
            ["the size of an image file", "the image size", "the number of images", "the batch size"],
        ),
    ],
)
def test_what_work_has_to_have_in_common(work: Conditions, differences: list[str]) -> None:
    """Short epochs and other batches have other speedups; a longer epoch is no other work."""
    measured = Conditions(150_000, 224, 256, 32)
    assert measured.differences(work) == differences
    misfit = Profile("ci", 2, measured_on={"loading": measured}).misfit("loading", work)
    assert bool(misfit) == bool(differences)
    assert all(each in misfit for each in differences)
    assert ("256 images of 150 KB loaded at 224x224, 32 a batch" in misfit) == bool(differences)


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (Conditions(150_000, 224), "images of 150 KB loaded at 224x224"),
        (
            Conditions(12_340_000, 96, 10_000, 32, "crop-flip"),
            "10,000 images of 12,340 KB loaded at 96x96, 32 a batch, crop-flip",
        ),
    ],
)
def test_work_in_words(work: Conditions, words: str) -> None:
    """All that is known of it is said, and whole pictures go without saying."""
    assert str(work) == words


def test_why_floors_do_not_hold() -> None:
    """Whose they are, both works, what differs, what to do; those of unknown work are of whole pictures."""
    whole, parts = Conditions(150_000, 224), Conditions(150_000, 224, augment="crop-flip")
    silent = Profile("ci")
    assert silent.misfit("loading", whole) == ""
    assert silent.misfit("loading", parts) == (
        f"No floors: those of profile ci, loading, were measured on {whole}, and these are {parts}: what is "
        "done to images (--augment) differs. Write some with --profile NAME --update-floors, give --floor "
        "VARIANT=X, or use them all the same with --profile ci."
    )
    assert Profile("ci", measured_on={"loading": parts}).misfit("loading", parts) == ""


def test_a_stamp_that_does_not_say_all() -> None:
    """One of an earlier version has neither number of images nor batch size: they are not held against it."""
    short, whole = Conditions(150_000, 224), Conditions(150_000, 224, 5, 5)
    assert short.differences(whole) == whole.differences(short) == []


def test_what_floors_were_measured_on_is_written_and_read(tmp_path: Path) -> None:
    """The stamp says on what; half of it is an error."""
    path = tmp_path / "floors.toml"
    estimates = {"tfdata_no_cache": Estimate(2.2, 2.0, 2.4, 9)}
    write_floors(path, "mine", "loading", estimates, MACHINE, TODAY, conditions=Conditions(150_000, 224))
    assert load_floors(path, KNOWN).profiles["mine"].measured_on == {"loading": Conditions(150_000, 224)}
    write_floors(
        path, "mine", "dump", estimates, MACHINE, TODAY, conditions=Conditions(150_000, 224, 256, 32)
    )
    assert load_floors(path, KNOWN).profiles["mine"].measured_on["dump"] == Conditions(150_000, 224, 256, 32)
    path.write_text(path.read_text().replace("image_size = 224\n", ""))
    half = "profiles.mine.measured.{} has {} only: expected image_bytes and image_size too, or none of them."
    with pytest.raises(FloorsError) as error:
        load_floors(path, KNOWN)
    assert str(error.value) == f"{path}: {half.format('loading', 'image_bytes')}"
    with pytest.raises(FloorsError) as error:
        write_floors(path, "mine", "dump", estimates, MACHINE, TODAY, conditions=Conditions(150_000, 224))
    assert str(error.value) == f"{path}: {half.format('dump', 'image_bytes, images and batch_size')}"


@pytest.mark.parametrize("size", ["0", "-1", "1.5", "true", "'32'"])
@pytest.mark.parametrize("key", ["image_bytes", "images", "batch_size"])
def test_a_stamp_with_a_wrong_number(toml: Callable[[str], Path], key: str, size: str) -> None:
    """The key is named, and what was expected."""
    numbers = {"image_bytes": "1", "image_size": "1", key: size}
    stamp = "\n".join(f"{name} = {number}" for name, number in numbers.items())
    with pytest.raises(
        FloorsError, match=rf"x.measured.loading.{key} is .*, expected a whole number above 0"
    ):
        load_floors(toml(f"[profiles.x.measured.loading]\n{stamp}\n"), KNOWN)


ESTIMATE = Estimate(2.2, 2.0, 2.4, 9)
WORK = Conditions(150_000, 224, 256, 32)


@pytest.mark.parametrize(
    ("work", "difference"),
    [
        (Conditions(50_000, 224, 256, 32), "the size of an image file differs"),
        (Conditions(150_000, 96, 256, 32), "the image size differs"),
        (Conditions(150_000, 224, 64, 32), "the number of images differs"),
        (Conditions(150_000, 224, 1024, 32), "the number of images differs"),
        (Conditions(150_000, 224, 256, 8), "the batch size differs"),
        (Conditions(150_000, 96, 256, 8), "the image size and the batch size differ"),
    ],
)
def test_one_stamp_is_of_one_work(tmp_path: Path, work: Conditions, difference: str) -> None:
    """Floors of other variants would be said to be of work they were never measured on: that is refused."""
    path = tmp_path / "floors.toml"
    both = dict.fromkeys(("tfdata_no_cache", "tfdata_memory_cache"), ESTIMATE)
    write_floors(path, "mine", "loading", both, MACHINE, TODAY, conditions=WORK)
    before = path.read_bytes()
    with pytest.raises(FloorsError) as error:
        write_floors(path, "mine", "loading", {"tfdata_no_cache": ESTIMATE}, MACHINE, TODAY, conditions=work)
    assert str(error.value) == (
        f"{path}: profiles.mine.loading: no floors were written. Those of tfdata_memory_cache would stay, "
        f"and were measured on {WORK}, but these are {work}: {difference}. Measure all of them in one "
        "session, take the others out, or write into another profile with --profile NAME."
    )
    assert path.read_bytes() == before
    # Nothing else stands in the way: all at once, another workload, or another profile.
    one = {"tfdata_no_cache": ESTIMATE}
    write_floors(path, "mine", "dump", one, MACHINE, TODAY, conditions=work)
    write_floors(path, "other", "loading", one, MACHINE, TODAY, conditions=work)
    write_floors(path, "mine", "loading", both, MACHINE, TODAY, conditions=work)
    assert load_floors(path, KNOWN).profiles["mine"].measured_on["loading"] == work


def test_like_work_may_share_a_stamp(tmp_path: Path) -> None:
    """A single variant can be measured again on the same work."""
    path = tmp_path / "floors.toml"
    both = dict.fromkeys(("tfdata_no_cache", "tfdata_memory_cache"), ESTIMATE)
    write_floors(path, "mine", "loading", both, MACHINE, TODAY, conditions=WORK)
    one = {"tfdata_no_cache": Estimate(3.3, 3.0, 3.6, 9)}
    write_floors(path, "mine", "loading", one, MACHINE, TODAY, conditions=Conditions(140_000, 224, 300, 32))
    floors = load_floors(path, KNOWN).profiles["mine"].floors["loading"]
    assert floors == {"tfdata_no_cache": 2.7, "tfdata_memory_cache": 1.8}


def test_load(toml: Callable[[str], Path]) -> None:
    """Floors are found by profile, workload and key; a user's loader may have one."""
    floors = load_floors(toml(GOOD), KNOWN)
    profile = floors.profiles["ci-2core"]
    assert profile.floor("loading", "tfdata_no_cache") == 1.5
    assert profile.floor("loading", "my_package.loaders:photos") == 2.0
    assert profile.floor("loading", "tfdata_file_cache") is None
    assert profile.floor("dump", "tfdata_no_cache") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[profile.x]", r"floors.toml: profile: no such key; nearest: profiles"),
        ("profiles = 1", "profiles is 1, expected a table"),
        ("[profiles]\nx = 1", "profiles.x is 1, expected a table"),
        ("[profiles.x]\nloading = 1", "profiles.x.loading is 1, expected a table"),
        ("[profiles.x]\nmeasured = 1", "profiles.x.measured is 1, expected a table"),
        ("[profiles.x.measured]\nloading = 1", "profiles.x.measured.loading is 1, expected a table"),
        (
            "[profiles.x]\nmin_core = 1",
            r"profiles.x.min_core: no such key or workload; nearest: min_cores",
        ),
        ("[profiles.x]\nmin_cores = 0", "profiles.x.min_cores is 0, expected a whole number above 0"),
        ("[profiles.x]\nmin_cores = true", "profiles.x.min_cores is True"),
        ("[profiles.x]\ngpu = 1", "profiles.x.gpu is 1, expected true or false"),
        ("[profiles.x.load]", r"profiles.x.load: no such key or workload; nearest: loading"),
        (
            "[profiles.x.loading]\ntfdata_nocache = 1",
            r"profiles.x.loading.tfdata_nocache: no such variant; nearest: tfdata_no_cache",
        ),
        (
            "[profiles.x.loading]\nzzz = 1",
            f'no such variant; known: {", ".join(KNOWN)}; a loader of your own goes by "MODULE:FUNCTION".$',
        ),
        (f"[profiles.x.loading]\n{BASELINE} = 1", "is the baseline, whose speedup is 1 by definition"),
        (
            "[profiles.x.loading]\ntfdata_no_cache = 0",
            "loading.tfdata_no_cache: the floor is 0, expected a number",
        ),
        ("[profiles.x.loading]\ntfdata_no_cache = -1.5", "the floor is -1.5"),
        ("[profiles.x.loading]\ntfdata_no_cache = nan", "the floor is nan"),
        ("[profiles.x.loading]\ntfdata_no_cache = inf", "the floor is inf"),
        ("[profiles.x.loading]\ntfdata_no_cache = true", "the floor is True"),
        ("[profiles.x.loading]\ntfdata_no_cache = '2'", "the floor is '2'"),
        ("[profiles.x.measured.loading]\nday = 1", "measured.loading.day: no such key; known: date, machine"),
        ("[profiles.x.measured.loadin]", "measured.loadin: no such workload"),
        (
            "[profiles.w]\n[profiles.x]\nmin_cores = 2\n[profiles.y]\nmin_cores = 2\ngpu = false",
            "profiles.x and profiles.y are for the same machines: give one another min_cores or gpu, or take "
            "min_cores out of one to use it by --profile only.$",
        ),
        ("[profiles.x", "floors.toml is not TOML: "),
    ],
)
def test_bad_files_are_named(toml: Callable[[str], Path], text: str, message: str) -> None:
    """Each error names the file and the key, and the nearest known names."""
    path = toml(text)
    with pytest.raises(FloorsError, match=message) as error:
        load_floors(path, KNOWN)
    assert str(error.value).startswith((f"{path}: ", f"{path} is not TOML: "))


def test_what_need_not_be_said(toml: Callable[[str], Path]) -> None:
    """One core is enough, machines differ in their GPUs, too, and a stamp need not say what was measured."""
    path = toml(
        "[profiles.a]\nmin_cores = 1\n[profiles.b]\nmin_cores = 1\ngpu = true\n"
        "[profiles.b.measured.loading]\n[profiles.b.measured.dump]\nimage_bytes = 1\nimage_size = 1\n"
    )
    b = Profile("b", 1, gpu=True, measured_on={"dump": Conditions(1, 1)})
    assert load_floors(path, KNOWN) == Floors(path, {"a": Profile("a", 1), "b": b})
    assert load_floors(path, KNOWN, may_be_new=True) == load_floors(path, KNOWN)


def test_a_file_that_is_to_be_created(tmp_path: Path) -> None:
    """It has no profiles yet, and is not created by reading it."""
    path = tmp_path / "floors.toml"
    assert load_floors(path, KNOWN, may_be_new=True) == Floors(path, {})
    assert not path.exists()


def test_missing_and_binary_files(tmp_path: Path) -> None:
    """A file that is not there or not text is named too."""
    with pytest.raises(FloorsError, match=r"floors.toml cannot be read: No such file"):
        load_floors(tmp_path / "floors.toml", KNOWN)
    (tmp_path / "floors.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(FloorsError, match="is not TOML"):
        load_floors(tmp_path / "floors.toml", KNOWN)


@pytest.mark.parametrize(
    ("cores", "gpu", "expected", "machine"),
    [
        (1, False, None, "1 core without a GPU"),
        (2, False, "small", "2 cores without a GPU"),
        (7, False, "small", "7 cores without a GPU"),
        (8, False, "large", "8 cores without a GPU"),
        (1, True, None, "1 core and a GPU"),
        (2, True, "small", "2 cores and a GPU"),
        (64, True, "gpu", "64 cores and a GPU"),
    ],
)
def test_pick_by_machine(tmp_path: Path, cores: int, gpu: bool, expected: str | None, machine: str) -> None:
    """The most demanding profile that fits is picked, the first of two; one without min_cores never is."""
    same = Profile("small too", 2)
    profiles = (Profile("named"), Profile("small", 2), same, Profile("gpu", 4, True), Profile("large", 8))
    floors = Floors(tmp_path / "floors.toml", {profile.name: profile for profile in profiles})
    choice = pick_profile(floors, None, cores, gpu)
    assert (choice.profile and choice.profile.name) == expected
    assert choice.reason == (
        f"No floors: no profile in {floors.path} is for a machine with {machine}; choose one with --profile, "
        "or create one with --profile NAME --update-floors."
        if expected is None
        else f"Profile {expected}: picked for {machine}."
    )


def test_pick_by_name(toml: Callable[[str], Path]) -> None:
    """A requested profile is taken on any machine; an unknown one only in order to be written."""
    floors = load_floors(toml(GOOD), KNOWN)
    choice = pick_profile(floors, "article", 1, False)
    assert choice.profile is floors.profiles["article"]
    assert choice.reason == "Profile article: asked for with --profile."
    with pytest.raises(FloorsError) as error:
        pick_profile(floors, "ci-2cores", 2, False)
    assert str(error.value) == (
        f"--profile ci-2cores: no such profile; nearest: ci-2core in {floors.path}; or create it with "
        "--update-floors."
    )
    new = pick_profile(floors, "mine", 2, False, may_be_new=True)
    assert new.profile == Profile("mine")
    assert new.reason == "Profile mine: new, without floors yet."


PHOTOS = Variant("photos", "my_package.loaders", "photos")
VARIANTS = (*built_in_variants(), PHOTOS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tfdata_no_cache=1.5", OwnFloor("", "tfdata_no_cache", 1.5)),
        ("photos=2", OwnFloor("", "photos", 2.0)),
        ("my_package.loaders:photos = 2", OwnFloor("", "my_package.loaders:photos", 2.0)),
        ("loading/photos=1.2", OwnFloor("loading", "photos", 1.2)),
        ("training / my_package.loaders:photos=1", OwnFloor("training", "my_package.loaders:photos", 1.0)),
    ],
)
def test_a_floor_of_one_run(text: str, expected: OwnFloor) -> None:
    """The option takes the keys that a file of floors does, one workload if need be, and a number above 0."""
    found = OwnFloor.parse(text)
    found.check(VARIANTS)
    assert found == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tfdata_no_cache", "--floor tfdata_no_cache: expected VARIANT=X"),
        ("=1.5", "expected VARIANT=X"),
        ("loading/=1.5", "expected VARIANT=X.*or WORKLOAD/VARIANT=X"),
        ("/photos=1.5", "expected VARIANT=X"),
        ("my-loader=1.5", "expected VARIANT=X"),
        ("my_package.loaders:=1.5", "expected VARIANT=X"),
        ("lading/photos=1.5", "^--floor lading/photos=1.5: no such workload; nearest: loading"),
        ("a/loading/photos=1.5", "no such workload; nearest: loading"),
        ("my_package.loader:photos=2", "no such variant; nearest: my_package.loaders:photos"),
        ("dump/foto=2", "--floor dump/foto=2: no such variant; nearest: photos"),
        ("a=b=1.5", "expected VARIANT=X"),
        ("a:b:c=1.5", "expected VARIANT=X"),
        ("tfdata_no_cache=", "the floor is '', expected a number above 0"),
        ("tfdata_no_cache=fast", "the floor is 'fast', expected a number"),
        ("tfdata_no_cache=0", r"^--floor tfdata_no_cache=0: the floor is 0\.0, expected a number above 0\.$"),
        ("tfdata_no_cache=nan", "the floor is nan, expected a number"),
        ("tfdata_nocache=1", "^--floor tfdata_nocache=1: no such variant; nearest: tfdata_no_cache"),
        (f"{BASELINE}=1", "is the baseline"),
        (f"loading/{BASELINE}=1", "is the baseline"),
    ],
)
def test_a_wrong_floor_of_one_run(text: str, message: str) -> None:
    """The option is quoted with what was expected, or what is known."""
    with pytest.raises(FloorsError, match=message):
        OwnFloor.parse(text).check(VARIANTS)


def test_a_floor_of_a_name_that_two_have() -> None:
    """Which of them is meant has to be said."""
    both = [Variant(f"{module}:photos", module, "photos") for module in ("a.loaders", "b.loaders")]
    with pytest.raises(FloorsError, match=r"nearest: a\.loaders:photos or b\.loaders:photos"):
        OwnFloor.parse("photos=2").check(both)


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("b", ("tree", "house"), "no such kind; known: tree, house"),
        ("b", (), "no such kind; known: none"),
        ("tre", ("house", "tree"), "no such kind; nearest: tree"),
        ("tree", ("tree1", "tree2", "tree3", "tree4"), "no such kind; nearest: tree4 or tree3 or tree2"),
        ("tree", ("tree1", "a:trees", "a:tree", "b:tree"), "no such kind; nearest: a:tree or b:tree"),
    ],
)
def test_what_was_meant(name: str, known: tuple[str, ...], expected: str) -> None:
    """Loaders of that name, or else the three names most like it, or else all there are."""
    assert unknown(name, known, "kind") == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["one"], "one differs"), (["one", "two"], "one and two differ"), (list("abc"), "a, b and c differ")],
)
def test_what_differs(words: list[str], sentence: str) -> None:
    """There are commas, but before the last one, and one thing alone is one."""
    assert differ(words) == sentence
    assert sentence.startswith(f"{joined(words)} differ")


@pytest.mark.parametrize("floor", [True, "2", None, 0, -0.5, math.nan, math.inf])
def test_what_is_no_floor(floor: object) -> None:
    """The message says where it stands, what it is and what was expected."""
    with pytest.raises(FloorsError) as error:
        checked_floor(floor, "here")
    assert str(error.value) == f"here: the floor is {floor!r}, expected a number above 0."


@pytest.mark.parametrize("floor", [1e-9, 1, 2.5])
def test_what_is_a_floor(floor: float) -> None:
    """Any number above 0 is, and is a float from then on."""
    found = checked_floor(floor, "here")
    assert found == floor
    assert isinstance(found, float)


@pytest.mark.parametrize(
    ("low", "expected"),
    [
        (1.5799, 1.57),
        (12.39, 12.3),
        (123.9, 123.0),
        (0.99999, 0.999),
        (1.5, 1.5),
        (4567.0, 4560.0),
        (0.0, 0.0),
    ],
)
def test_supported_floor(low: float, expected: float) -> None:
    """Three digits, never above what was measured; without an interval there is none."""
    assert supported_floor(Estimate(5000.0, low, math.inf, 9), margin=0.0) == expected
    assert supported_floor(Estimate(3.0, 2.0, 4.0, 9)) == 1.8


def test_write_keeps_what_is_there(toml: Callable[[str], Path]) -> None:
    """Comments and other floors stay; floors are the low end less the margin; the stamp says where from."""
    path = toml(GOOD)
    estimates = {
        "tfdata_no_cache": Estimate(2.2, 2.0, 2.4, 9),
        "other.module:photos": Estimate(3.0, 2.7777, 3.2, 9),
        "tfdata_file_cache": Estimate(3.0, 0.0, math.inf, 1),
        BASELINE: Estimate(1.0, 1.0, 1.0, 9),
    }
    written = write_floors(path, "ci-2core", "loading", estimates, MACHINE, TODAY)
    assert written == {"tfdata_no_cache": 1.8, "other.module:photos": 2.49}
    text = path.read_text(encoding="utf-8")
    assert all(comment in text for comment in ("# Ours.", "# GitHub's runner", "# generous"))
    profile = load_floors(path, KNOWN).profiles["ci-2core"]
    assert profile.floors["loading"] == {**written, "my_package.loaders:photos": 2.0}
    assert 'date = 2026-11-23\nmachine = "A CPU, 2 cores, 8.0 GiB, no GPU, Linux x86_64"' in text
    assert 'versions = {python = "3.11.7", tensorflow-cpu = "2.21.0"}' in text
    assert [entry.name for entry in path.parent.iterdir()] == ["floors.toml"]


def test_write_twice_is_write_once(toml: Callable[[str], Path]) -> None:
    """The same floors again change nothing in the file."""
    path = toml(GOOD)
    estimates = {"tfdata_no_cache": Estimate(2.2, 2.0, 2.4, 9)}
    write_floors(path, "ci-2core", "loading", estimates, MACHINE, TODAY)
    once = path.read_text(encoding="utf-8")
    write_floors(path, "ci-2core", "loading", estimates, MACHINE, TODAY)
    assert path.read_text(encoding="utf-8") == once


@pytest.mark.parametrize("workload", ["loading", "training", "dump"])
@pytest.mark.parametrize("text", [None, "", "# nothing yet\n", GOOD])
def test_write_a_new_profile(tmp_path: Path, text: str | None, workload: str) -> None:
    """A new profile is picked from then on by machines like this one, unless another already is."""
    path = tmp_path / "floors.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    write_floors(path, "mine", workload, {"tfdata_no_cache": Estimate(2.2, 2.0, 2.4, 9)}, MACHINE, TODAY, 0.5)
    floors = load_floors(path, KNOWN)
    assert floors.profiles["mine"].floor(workload, "tfdata_no_cache") == 1.0
    picked = pick_profile(floors, None, MACHINE.cores, gpu=False).profile
    assert picked is not None
    assert picked.name == ("ci-2core" if text == GOOD else "mine")


BARE = dataclasses.replace(MACHINE, versions={})
TAKEN = "# Used by --profile only: another profile is picked for such machines.\n"


def stamp_of(machine: Machine) -> str:
    """Return the lines that say where floors come from, of a machine without versions."""
    return f'date = 2026-11-23\nmachine = "{machine.describe()}"\nversions = {{}}\n'


@pytest.mark.parametrize(
    ("other", "gpu", "needs"),
    [
        ("min_cores = 2\n", None, f"{TAKEN}gpu = false\n"),
        ("min_cores = 2\n", "A GPU", "min_cores = 2\ngpu = true\n"),
        ("min_cores = 2\ngpu = true\n", None, "min_cores = 2\ngpu = false\n"),
        ("min_cores = 2\ngpu = true\n", "A GPU", f"{TAKEN}gpu = true\n"),
        ("min_cores = 3\n", None, "min_cores = 2\ngpu = false\n"),
        ("", None, "min_cores = 2\ngpu = false\n"),
        (None, None, "min_cores = 2\ngpu = false\n"),
    ],
)
def test_whom_a_new_profile_is_for(
    toml: Callable[[str], Path], other: str | None, gpu: str | None, needs: str
) -> None:
    """For machines like this one, if none is yet; the file begins with its first line."""
    before = "" if other is None else f"[profiles.other]\n{other}\n"
    path, machine = toml(before), dataclasses.replace(BARE, gpu=gpu)
    low = Estimate(0.6, 0.5, 0.7, 9)
    write_floors(path, "mine", "loading", {"tfdata_no_cache": low}, machine, TODAY)
    assert path.read_text(encoding="utf-8") == (
        f"{before}[profiles.mine]\n{needs}\n[profiles.mine.loading]\ntfdata_no_cache = 0.45\n\n"
        f"[profiles.mine.measured.loading]\n{stamp_of(machine)}"
    )


def test_what_is_below_a_table_stays_below_it(toml: Callable[[str], Path]) -> None:
    """All comments above the next table are there afterwards, in their order, whatever is measured."""
    floors, others = "[profiles.a.loading]\ntfdata_no_cache = 1\n", "\n# One.\n\n# Two.\n[profiles.b]\n"
    path, memory = toml(f"{floors}{others}"), "tfdata_memory_cache = 1.8\n"
    for work in (None, Conditions(150_000, 224)):
        sizes = "" if work is None else "image_bytes = 150000\nimage_size = 224\n"
        one = {"tfdata_memory_cache": ESTIMATE}
        write_floors(path, "a", "loading", one, BARE, TODAY, conditions=work)
        assert path.read_text(encoding="utf-8") == (
            f"{floors}{memory}\n[profiles.a.measured.loading]\n{stamp_of(BARE)}{sizes}{others}"
        )


def test_what_is_below_a_stamp_stays_below_it(toml: Callable[[str], Path]) -> None:
    """Where stamps come first, a comment above the floors stays there; so do the first line's spaces."""
    stamp = f"  # Ours.\n[profiles.a.measured.loading]\n{stamp_of(BARE)}"
    floors = "\n# Mine.\n[profiles.a.loading]\ntfdata_no_cache = 1.8\n"
    path, one = toml(f"{stamp}{floors}"), {"tfdata_no_cache": ESTIMATE}
    write_floors(path, "a", "loading", one, BARE, TODAY, conditions=Conditions(150_000, 224))
    assert path.read_text(encoding="utf-8") == f"{stamp}image_bytes = 150000\nimage_size = 224\n{floors}"


def test_written_tables_look_hand_made(toml: Callable[[str], Path]) -> None:
    """A comment above the next profile stays there, and headers have one empty line above them."""
    path = toml(
        "[profiles.a]\nmin_cores = 4\n\n[profiles.a.loading]\n\n# About b.\n[profiles.b]\nmin_cores = 8\n"
    )
    estimates = {"tfdata_no_cache": Estimate(2.2, 2.0, 2.4, 9)}
    for profile, workload in (("a", "loading"), ("a", "dump"), ("new", "loading")):
        write_floors(path, profile, workload, estimates, BARE, TODAY)
    stamp = stamp_of(BARE)
    assert path.read_text(encoding="utf-8") == (
        "[profiles.a]\nmin_cores = 4\n\n"
        "[profiles.a.loading]\ntfdata_no_cache = 1.8\n\n"
        f"[profiles.a.measured.loading]\n{stamp}\n"
        f"[profiles.a.measured.dump]\n{stamp}\n"
        "[profiles.a.dump]\ntfdata_no_cache = 1.8\n\n"
        "# About b.\n[profiles.b]\nmin_cores = 8\n\n"
        "[profiles.new]\nmin_cores = 2\ngpu = false\n\n"
        "[profiles.new.loading]\ntfdata_no_cache = 1.8\n\n"
        f"[profiles.new.measured.loading]\n{stamp}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "profiles.a.loading.tfdata_no_cache = 1\nprofiles.b = {loading = {tfdata_no_cache = 1}}\n",
        "[profiles]\na = {loading = {tfdata_no_cache = 1}}\n",
    ],
)
def test_write_does_no_harm(toml: Callable[[str], Path], text: str) -> None:
    """A file whose spelling does not allow for new tables is refused, not scrambled."""
    path = toml(text)
    with pytest.raises(FloorsError) as error:
        write_floors(path, "a", "loading", {"tfdata_no_cache": Estimate(2.2, 2.0, 2.4, 9)}, MACHINE, TODAY)
    assert str(error.value) == (
        f"{path}: profiles.a.loading cannot be written without harm to the rest: write every profile and "
        "workload there under a header of its own, such as [profiles.a.loading]."
    )
    assert path.read_text(encoding="utf-8") == text


def test_write_nothing(tmp_path: Path) -> None:
    """Without a floor to write there is no file to write."""
    path = tmp_path / "floors.toml"
    assert write_floors(path, "mine", "loading", {BASELINE: Estimate(1, 1, 1, 9)}, MACHINE, TODAY) == {}
    assert not path.exists()


def test_write_errors(toml: Callable[[str], Path], tmp_path: Path) -> None:
    """A bad file is left as it is, and a folder that is not there is named."""
    estimates = {"tfdata_no_cache": Estimate(2.2, 2.0, 2.4, 9)}
    path = toml("[profiles.x")
    with pytest.raises(FloorsError) as error:
        write_floors(path, "mine", "loading", estimates, MACHINE, TODAY)
    assert str(error.value).startswith(f"{path} is not TOML: ")
    assert path.read_text(encoding="utf-8") == "[profiles.x"
    with pytest.raises(FloorsError, match=r"floors.toml cannot be written: No such file"):
        write_floors(tmp_path / "no" / "floors.toml", "mine", "loading", estimates, MACHINE, TODAY)
    with pytest.raises(FloorsError, match="no such workload; nearest: loading"):
        write_floors(path, "mine", "load", estimates, MACHINE, TODAY)


def test_write_through_a_link(toml: Callable[[str], Path], tmp_path: Path) -> None:
    """A floors file that is a link stays one."""
    path = toml(GOOD)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    write_floors(link, "ci-2core", "loading", {"tfdata_no_cache": Estimate(3, 3, 3, 9)}, MACHINE, TODAY)
    assert link.is_symlink()
    assert load_floors(path, KNOWN).profiles["ci-2core"].floor("loading", "tfdata_no_cache") == 2.7


def test_what_is_done_to_images_is_stamped(tmp_path: Path) -> None:
    """And is not left behind when whole pictures are measured again."""
    path, one = tmp_path / "floors.toml", {"tfdata_no_cache": ESTIMATE}
    for augment in ("crop-flip", "none"):
        conditions = Conditions(150_000, 224, augment=augment)
        write_floors(path, "mine", "loading", one, MACHINE, TODAY, conditions=conditions)
        assert load_floors(path, KNOWN).profiles["mine"].measured_on["loading"] == conditions
        assert ("augment" in path.read_text(encoding="utf-8")) == (augment == "crop-flip")
    path.write_text(
        path.read_text(encoding="utf-8").replace("image_size = 224", 'image_size = 224\naugment = "cutmix"'),
        encoding="utf-8",
    )
    with pytest.raises(FloorsError, match=r"augment is 'cutmix', expected one of none, crop-flip"):
        load_floors(path, KNOWN)
