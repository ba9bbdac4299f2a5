"""The limits of the suite, in real workers: a whole epoch each time, and no process left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.kind import KINDS
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.trees.tree import Tree
from loader_gate.variants import limit_dump_read, limit_jpeg_decode, limit_memory_copy, limit_ready_batches
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerProcess, module_search_path

LIMITS = {variant.name: variant for variant in built_in_variants() if variant.kind == "limit"}


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Return a spec whose last batch is a smaller one."""
    return Spec((32, 48), 5, shuffle=True, seed=0, cache_dir=tmp_path)


def test_what_is_bounded() -> None:
    """Every kind of variant has a limit, and the one of decoding says so in its name."""
    loaders = {name for name, kind in KINDS.items() if not kind.is_limit}
    assert {kind for limit in LIMITS.values() for kind in limit.bounds} == loaders
    (ready,) = (each for each in built_in_variants() if each.traits.hands_over_batches)
    assert {*ready.bounds} == loaders
    assert all(name.startswith("limit_") for name in LIMITS)
    assert {"streaming", "rival"} == {*LIMITS["limit_jpeg_decode"].bounds}


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_epoch_after_epoch(limit: Variant, tiny_tree: Tree, spec: Spec) -> None:
    """The same processes deal with all images of every epoch, and end with the worker."""
    if limit.absence():
        pytest.skip(f"{limit.name} {limit.absence()}")
    before = psutil.Process().children(recursive=True)
    worker = WorkerProcess(limit, module_search_path(Path()), WorkerLimits(60.0))
    try:
        assert worker.open(tiny_tree, spec)["kind"] == "limit"
        assert worker.ask("check", reference="") == {"reason": None, "median_psnr": None}
        started = {*psutil.Process().children(recursive=True)} - {*before}
        timing = worker.ask("pass", epochs=2)
        assert timing["epochs"] == 2
        assert 0 < timing["first_batch_seconds"] <= timing["seconds"]
        assert {*psutil.Process().children(recursive=True)} - {*before} == started
    finally:
        worker.end()
    psutil.wait_procs([*started], timeout=30)
    assert not [process for process in started if process.is_running()]


def test_a_decoded_picture_may_be_small_but_not_too_small(tiny_tree: Tree) -> None:
    """Half of its size if that is enough; and what is no JPEG stops nobody."""
    pytest.importorskip("simplejpeg")
    decoded = []
    with pytest.MonkeyPatch.context() as patch:
        import simplejpeg

        decode = simplejpeg.decode_jpeg
        patch.setattr(simplejpeg, "decode_jpeg", lambda *a, **k: decoded.append(decode(*a, **k)))
        assert limit_jpeg_decode.decode(224, 224, tiny_tree.paths[:2]) == 2
        assert limit_jpeg_decode.decode(400, 400, tiny_tree.paths[:2]) == 2
    small, large = decoded[:2], decoded[2:]
    for one, other in zip(small, large, strict=True):
        assert min(one.shape[:2]) >= 224
        assert other.shape[0] == 2 * one.shape[0]
    assert limit_jpeg_decode.decode(224, 224, [__file__]) == 1


@pytest.mark.parametrize("cores", [1, 2, 64])
def test_what_is_copied_fits_into_memory(spec: Spec, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole batches of a large tree up to a limit, and at least one of a small one; and where they go."""
    monkeypatch.setattr(limit_memory_copy, "cores", lambda: cores)
    batch = 5 * 32 * 48 * 3 * 4
    assert limit_memory_copy.predicted_buffer_bytes(3, spec) == (1 + 1) * batch
    assert limit_memory_copy.predicted_buffer_bytes(12, spec) == (2 + min(cores, 3)) * batch
    most = limit_memory_copy.MOST_HELD + cores * batch
    assert limit_memory_copy.predicted_buffer_bytes(10**9, spec) <= most
    assert sum(limit_memory_copy.load(Tree(Path(), ("x",) * 12, (0,) * 12, ("a",), ""), spec)) == 12


@pytest.mark.parametrize(("side", "batch", "held"), [(224, 32, 8), (256, 64, 5), (256, 512, 1)])
def test_batches_that_are_already_there_take_little_memory(
    side: int, batch: int, held: int, tmp_path: Path
) -> None:
    """A handful, or as many as some memory holds, at least one; the smaller last one by itself."""
    spec = Spec((side, side), batch, shuffle=True, seed=0, cache_dir=tmp_path)
    of_image = side * side * 3 * 4
    predicted = limit_ready_batches.predicted_buffer_bytes
    assert predicted(1_000 * batch, spec) == held * batch * of_image
    assert predicted(1_000 * batch + 7, spec) == (held * batch + 7) * of_image
    assert predicted(3, spec) == 3 * of_image
    assert held == 1 or held * batch * of_image <= limit_ready_batches.MOST_HELD


def test_the_dump_that_is_read(tiny_tree: Tree, spec: Spec) -> None:
    """It is as large as predicted, and one that has been cut off is no faster dump."""
    reads = limit_dump_read.load(tiny_tree, spec)
    (file,) = spec.cache_dir.iterdir()
    assert file.stat().st_size == limit_dump_read.predicted_bytes(len(tiny_tree), spec)
    assert sum(reads) == len(tiny_tree)
    file.write_bytes(b"")
    with pytest.raises(OSError, match="shorter than it was written"):
        sum(reads)


def test_trees_that_a_limit_is_not_about(tiny_tree: Tree) -> None:
    """What decodes JPEGs bounds nobody who decodes other files."""
    decoding, reading = (
        next(each for each in built_in_variants() if each.name == name)
        for name in ("limit_jpeg_decode", "limit_read_files")
    )
    others = replace(tiny_tree, paths=tuple(f"{path}.png" for path in tiny_tree.paths))
    assert [each.can_bound(tiny_tree) for each in (decoding, reading)] == [True, True]
    assert [each.can_bound(others) for each in (decoding, reading)] == [False, True]
