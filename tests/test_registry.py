"""Which variants there are: found by being in the folder, or given with ``--loader``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import pytest

from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.kind import KINDS, require_kind_of_a_loader
from loader_gate.registry.own import told_apart, user_variant
from loader_gate.registry.variant import BASELINE, RegistryError, Variant
from loader_gate.workloads.known import known_workloads

WORKLOADS = tuple(known_workloads())
ARTICLE = ("keras_image_data_generator", "tfdata_file_cache", "tfdata_memory_cache", "tfdata_no_cache")
LOAD = "def load(tree, spec): return []\n"
PREDICTED_BYTES = "def predicted_bytes(images, spec): return 0\n"
DUMP_PROBLEM = "def dump_problem(images, spec): return ''\n"
TESTS = str(Path(__file__).resolve().parent)


def test_the_articles_four_the_baseline_first() -> None:
    """The suite brings the article's four pipelines, the baseline before all others."""
    found = built_in_variants()
    assert found[0].name == BASELINE
    assert {*ARTICLE} <= {
        variant.name
        for variant in found
        if variant.default == WORKLOADS and {*variant.requires} <= {"tensorflow"}
    }
    assert all(variant.is_built_in for variant in found)
    assert [variant.floor_key for variant in found] == [variant.name for variant in found]


def test_a_variant_is_found_by_being_there(drop_in: Callable[[str, str], Path]) -> None:
    """A file in the folder is all it takes; its name is the variant's, and the baseline stays first."""
    before = [variant.name for variant in built_in_variants()]
    drop_in("a_new_one", f"KIND = 'rival'\n{LOAD}")
    found = [variant.name for variant in built_in_variants()]
    assert found == [before[0], "a_new_one", *before[1:]]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_known(kind: str, drop_in: Callable[[str, str], Path]) -> None:
    """A variant may say that it is of any of the kinds of the design, and is known as that."""
    bounds = "BOUNDS = ('dump',)\n" if KINDS[kind].is_limit else ""
    drop_in("of_a_kind", f"KIND = {kind!r}\n{bounds}{LOAD}{PREDICTED_BYTES}{DUMP_PROBLEM}")
    assert {variant.name: variant.kind for variant in built_in_variants()}["of_a_kind"] == kind


@pytest.mark.parametrize(
    ("kind", "code", "missing"),
    [
        ("memory", "", "predicted_bytes"),
        ("dump", DUMP_PROBLEM, "predicted_bytes"),
        ("dump", PREDICTED_BYTES, "dump_problem"),
    ],
)
def test_what_a_kind_needs(kind: str, code: str, missing: str, drop_in: Callable[[str, str], Path]) -> None:
    """A cache or dump that cannot tell its size or whether it is whole says so at once."""
    module = drop_in("half_a_kind", f"KIND = {kind!r}\n{LOAD}{code}")
    with pytest.raises(RegistryError, match=f"no function {missing}: kind {kind} needs one") as raised:
        built_in_variants()
    assert str(module) in str(raised.value)


def declared(name: str) -> Variant:
    """Return a variant as the registry knows it."""
    return {variant.name: variant for variant in built_in_variants()}[name]


def test_what_is_declared(drop_in: Callable[[str, str], Path]) -> None:
    """What a variant needs, whether it takes part by itself, and which kinds a limit bounds."""
    drop_in("plain", LOAD)
    drop_in("rival", f"REQUIRES = 'torch a.b'\nINSTALL = 'pip install x'\nDEFAULT = False\n{LOAD}")
    drop_in("loads_only", f"DEFAULT = ('loading', 'dump')\n{LOAD}")
    drop_in("limit", f"KIND = 'limit'\nBOUNDS = ('streaming', 'rival')\n{LOAD}")
    plain, rival, limit = map(declared, ("plain", "rival", "limit"))
    assert (plain.requires, plain.install, plain.default, plain.bounds) == (
        (),
        "",
        WORKLOADS,
        (),
    )
    assert (rival.requires, rival.install, rival.default) == (("torch", "a.b"), "pip install x", ())
    assert declared("loads_only").default == ("loading", "dump")
    assert limit.bounds == ("streaming", "rival")


@pytest.mark.parametrize(
    ("code", "found", "expected"),
    [
        ("REQUIRES = ['torch']\nINSTALL = 'pip install torch'\n", "REQUIRES is ['torch']", "names to import"),
        ("REQUIRES = 'torch>=2'\nINSTALL = 'pip install torch'\n", "'torch>=2'", "names to import"),
        ("REQUIRES = 'torch'\n", "INSTALL is ''", "each needs the other"),
        ("INSTALL = 'pip install torch'\n", "(''", "each needs the other"),
        ("REQUIRES = 'torch'\nINSTALL = ['pip']\n", "INSTALL is ['pip']", "the command that installs"),
        ("DEFAULT = 'no'\n", "DEFAULT is 'no'", "True, False, or a tuple of workloads"),
        ("DEFAULT = ('lading',)\n", "DEFAULT is ('lading',)", "loading, training, dump"),
        ("KIND = 'limit'\n", "BOUNDS is ()", "only a limit"),
        ("BOUNDS = ('dump',)\n", "KIND is 'streaming'", "only a limit"),
        ("KIND = 'limit'\nBOUNDS = 'dump'\n", "BOUNDS is 'dump'", "a tuple of kinds: streaming, memory,"),
        ("KIND = 'limit'\nBOUNDS = ('limit',)\n", "BOUNDS is ('limit',)", "a tuple of kinds"),
        ("KIND = 'limit'\nBOUNDS = ('dumps',)\n", "'dumps'", "a tuple of kinds"),
        ("SENT_BYTES = 'uint8'\n", "SENT_BYTES is 'uint8'", "a whole number of bytes"),
        ("SENT_BYTES = 0\n", "SENT_BYTES is 0", "a whole number of bytes"),
    ],
)
def test_a_declaration_that_cannot_be_used(
    code: str, found: str, expected: str, drop_in: Callable[[str, str], Path]
) -> None:
    """The error names the file and the declaration, what it is and what was expected."""
    module = drop_in("odd", f"{code}{LOAD}")
    with pytest.raises(RegistryError) as raised:
        built_in_variants()
    for part in (str(module), found, expected):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("requires", "absent"),
    [
        ("json", ""),
        ("importlib.metadata", ""),
        ("no_such_library", "no_such_library"),
        ("json.no_such_module", "json.no_such_module"),
        ("no_such_library.inside", "no_such_library.inside"),
        ("json.decoder.no_package", "json.decoder.no_package"),
        ("json no_such_library neither", "no_such_library and neither"),
    ],
)
def test_what_is_not_installed(requires: str, absent: str, drop_in: Callable[[str, str], Path]) -> None:
    """It is named, with the command that installs it."""
    drop_in("optional", f"REQUIRES = {requires!r}\nINSTALL = 'pip install more'\n{LOAD}")
    assert declared("optional").absence() == (f"needs {absent}: pip install more" if absent else "")


def test_looking_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drop_in: Callable[[str, str], Path]
) -> None:
    """Whether torch is there is seen without loading it, nor a package that something lies in."""
    package = tmp_path / "installed" / "a_heavy_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    (package / "inside.py").touch()
    monkeypatch.syspath_prepend(str(package.parent))
    drop_in("optional", f"REQUIRES = 'a_heavy_package.inside'\nINSTALL = 'pip install more'\n{LOAD}")
    assert declared("optional").absence() == ""
    assert "a_heavy_package" not in sys.modules


@pytest.mark.parametrize("code", ["", "load = 3\n", "def loads(tree, spec): return []\n"])
def test_a_module_without_load_is_loud(code: str, drop_in: Callable[[str, str], Path]) -> None:
    """The error names the file and the function that it lacks."""
    module = drop_in("no_load", code)
    with pytest.raises(RegistryError, match=r"no function load\(tree, spec\)") as raised:
        built_in_variants()
    assert str(module) in str(raised.value)


def test_an_unknown_kind_is_loud(drop_in: Callable[[str, str], Path]) -> None:
    """The error names the file, the kind found and the kinds there are."""
    module = drop_in("odd_kind", f"KIND = 'turbo'\n{LOAD}")
    with pytest.raises(RegistryError) as raised:
        built_in_variants()
    for part in (str(module), "'turbo'", *KINDS):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import no_such_library\n", ImportError),
        ("raise ImportError('libdali.so is missing')\n", ImportError),
        ("def load(tree, spec) return []\n", SyntaxError),
    ],
)
def test_a_module_that_cannot_be_imported_is_loud(
    code: str, error: type[Exception], drop_in: Callable[[str, str], Path]
) -> None:
    """A broken variant never just goes missing."""
    drop_in("broken", code)
    with pytest.raises((error, RegistryError)):
        built_in_variants()


@pytest.mark.parametrize(
    ("loader", "expected"),
    [
        ("sample_loaders:photos", Variant("photos", "sample_loaders", "photos")),
        ("sample_loaders:no_such", Variant("no_such", "sample_loaders", "no_such")),
    ],
)
def test_a_users_loader(loader: str, expected: Variant) -> None:
    """Its name is the function's, and floors know it by MODULE:FUNCTION; nothing is imported yet."""
    found = user_variant(loader, [TESTS])
    assert found == expected
    assert not found.is_built_in
    assert found.floor_key == loader


def test_a_loader_in_a_package_is_not_imported(tmp_path: Path) -> None:
    """A user's package may import TensorFlow or torch, or fail: that is the worker's to find out."""
    package = tmp_path / "a_users_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    found = user_variant("a_users_package.loaders:fast", [str(tmp_path)])
    assert found == Variant("fast", "a_users_package.loaders", "fast")
    assert "a_users_package" not in sys.modules


def test_loaders_of_one_name() -> None:
    """Each is named by its module and function then; nobody else's changes, nor does it back."""
    found = [
        user_variant(each, [TESTS]) for each in ("sample_loaders:photos", "conftest:photos", "conftest:x")
    ]
    assert [each.name for each in told_apart(found)] == ["sample_loaders:photos", "conftest:photos", "x"]
    assert told_apart(told_apart(found)) == told_apart(found)
    assert told_apart(told_apart(found)[:1])[0].name == "sample_loaders:photos"
    assert [each.floor_key for each in told_apart(found)] == [each.floor_key for each in found]


@pytest.mark.parametrize(
    "loader",
    [
        "",
        ":",
        "sample_loaders",
        "sample_loaders:",
        ":photos",
        "sample_loaders:photos:fast",
        "sample_loaders.py:photos()",
        "sample-loaders:photos",
        "sample_loaders/photos",
        ".sample_loaders:photos",
        "sample_loaders:Photos.load",
    ],
)
def test_a_loader_of_another_form(loader: str) -> None:
    """The error quotes what was given and shows the form expected."""
    with pytest.raises(RegistryError, match="expected MODULE:FUNCTION, such as") as raised:
        user_variant(loader, [TESTS])
    # What a runner might take for a command is spelled out.
    assert str(raised.value).startswith(f"--loader {loader}: ".replace(" ::", " \\x3a:"))


def test_a_loader_in_no_module(tmp_path: Path) -> None:
    """A module that is nowhere on the path is an error at once, which says where it was looked for."""
    with pytest.raises(RegistryError, match=r"no module 'no_such_module'.*PYTHONPATH"):
        user_variant("no_such_module.loaders:photos", [str(tmp_path)])


def test_a_loader_of_an_editable_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``pip install -e`` may put a finder in place of a folder on the path; such a package is found too."""
    (tmp_path / "installed_editable.py").write_text("def fast(tree, spec): return []\n", encoding="utf-8")

    class EditableFinder:
        @classmethod
        def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            del path, target
            return (
                PathFinder.find_spec(name, [str(tmp_path)])
                if name.partition(".")[0] == "installed_editable"
                else None
            )

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, EditableFinder])
    assert user_variant("installed_editable:fast", [TESTS]).module == "installed_editable"


@pytest.mark.parametrize("declared", ["limit", "ready", "turbo", "", None, ["streaming"], 3])
def test_a_kind_that_no_loader_has(declared: object) -> None:
    """Any text was accepted once, and a limit is held against nothing."""
    with pytest.raises(ValueError, match="one of the kinds streaming, memory, dump, rival") as raised:
        require_kind_of_a_loader(declared)
    assert repr(declared) in str(raised.value)


def test_kinds_of_loaders() -> None:
    """All but the limits."""
    for kind in {*KINDS} - {"limit", "ready"}:
        require_kind_of_a_loader(kind)
