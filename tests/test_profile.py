"""Stages, functions and differences of profiles, on stacks that are made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loader_gate.profile.collapsed import Code, Delivered, NoSamplesError, parse
from loader_gate.profile.flame import flame
from loader_gate.profile.functions import functions_of, gains, named
from loader_gate.profile.operations import Event, profile_of, stacks_of
from loader_gate.profile.stacks import Frame, Function, Profile
from loader_gate.profile.stages import shares_of, stage_of, waits_for_others

#: What comes before the loader in the main thread of a worker.
MAIN = (
    "<module> (<string>:1);main (/ours/loader_gate/worker/serve.py:9);"
    "Passes.run (/ours/loader_gate/worker/passes.py:9);"
    "Drain.use_up (/ours/loader_gate/worker/consumers/drain.py:9);"
    "take_each (/ours/loader_gate/worker/epoch.py:9)"
)
THREAD = (
    "0x7f00 (libc.so.6);Thread.run (/usr/lib/python3.12/threading.py:9);_worker "
    "(/usr/lib/python3.12/concurrent/futures/thread.py:9)"
)
PACKAGES = "/env/lib/python3.12/site-packages"
FUTURE = "Future.result (/usr/lib/python3.12/concurrent/futures/_base.py:4)"
FINGERPRINTS = "sample (/ours/loader_gate/same_work/fingerprints.py:9)"
CODE = Code(("/repo", "/ours"), "loaders")


def line(stack: str, count: int, thread: str = "MainThread") -> str:
    """Return a line of py-spy, whose command line has what divides frames in it."""
    return f'process 7:"python -c import sys; main() (a.py:3)";thread (7): {thread};{stack} {count}'


def own(function: str, line_number: int = 1) -> Frame:
    """Return a frame of the loader's own."""
    return Frame(function, "loaders.py", line_number, is_own=True)


def profile(*stacks: tuple[tuple[Frame, ...], float], sample: float = 1e-5) -> Profile:
    """Return a profile of stacks with their milliseconds an image."""
    return Profile({frames: milliseconds / 1000 for frames, milliseconds in stacks}, sample, "made up")


SLEEPS = (
    own("read_image", 12),
    Frame("time_sleep", "libpython3.12.so"),
    Frame("clock_nanosleep", "libc.so.6"),
)
DECODES = (own("load"), own("decode", 20), Frame("?", "simplejpeg/_jpeg.so"))
BY_PILLOW = (own("load"), own("decode", 20), Frame("ImageFile.load", "PIL/ImageFile.py", 5))
WAITS = (
    own("load"),
    Frame("Future.result", "concurrent/futures/_base.py", 5),
    Frame("Condition.wait", "threading.py"),
)


@pytest.mark.parametrize(
    ("stack", "stage"),
    [
        (SLEEPS, "wait"),
        (DECODES, "decode"),
        (BY_PILLOW, "decode"),
        (WAITS, "wait"),
        (
            (
                own("work"),
                Frame("take_gil", "libpython3.12.so"),
                Frame("pthread_cond_timedwait", "libc.so.6"),
            ),
            "wait",
        ),
        (
            (own("load"), Frame("Image.resize", "PIL/Image.py"), Frame("ImagingResample", "Resample.c")),
            "resize",
        ),
        # Nearest the leaf: Pillow decodes when it is asked to resize.
        (
            (own("load"), Frame("Image.resize", "PIL/Image.py"), Frame("ImageFile.load", "PIL/ImageFile.py")),
            "decode",
        ),
        ((own("load"), Frame("array_astype", "numpy/_core/_multiarray_umath.so")), "convert"),
        ((own("load"), Frame("stack", "numpy/_core/shape_base.py"), Frame("memcpy", "libc.so.6")), "batch"),
        ((own("load"), Frame("read", "libc.so.6")), "read"),
        # The same call, of a pipe.
        (
            (
                own("load"),
                Frame("Connection._recv", "multiprocessing/connection.py"),
                Frame("read", "libc.so.6"),
            ),
            "wait",
        ),
        (
            (
                Frame("Connection._recv", "multiprocessing/connection.py"),
                Frame("os_read", "libpython3.12.so"),
                Frame("read", "libc.so.6"),
            ),
            "wait",
        ),
        ((own("load"), Frame("_ForkingPickler.dumps", "multiprocessing/reduction.py")), "hand over"),
        ((own("decode"), Frame("?", "cv2/cv2.abi3.so")), "other"),  # which of its functions is not known
        (
            (Frame("resize_all", "PIL/ImageOps.py"), own("decode")),
            "decode",
        ),  # who calls the loader is not asked
        ((own("shuffled"),), "other"),
        (
            (
                Frame("TorchLoop.fit", "loader_gate/worker/torch_loop.py"),
                Frame("Layer.__call__", "keras/src/layers/layer.py"),
            ),
            "train",
        ),
        ((Frame("ExecutorState::Process"), Frame("ReadFile")), "read"),
        ((Frame("ExecutorState::Process"), Frame("DecodeImage")), "decode"),
        ((Frame("IteratorGetNext"), Frame("Iterator::Prefetch")), "wait"),
        ((Frame("Iterator::BatchV2"),), "batch"),
    ],
)
def test_the_stage_of_a_stack(stack: tuple[Frame, ...], stage: str) -> None:
    """Each by the rule in `stages.py`."""
    assert stage_of(stack) == stage


def test_who_sleeps_waits_for_nobody() -> None:
    """It is the doing of who sleeps, as waiting for another thread is not."""
    assert not waits_for_others(SLEEPS)
    assert waits_for_others(WAITS)


def test_shares_of_stages() -> None:
    """They are those of all threads, and add up to 1."""
    shares = shares_of(profile((DECODES, 3.0), (SLEEPS, 1.0), (WAITS, 4.0)))
    assert shares == pytest.approx({"decode": 0.375, "wait": 0.625})


def test_shares_of_functions() -> None:
    """What a function does itself, with what it calls, and where; one that calls itself counts once."""
    recursive = (own("walk", 3), own("walk", 4), own("leaf", 9))
    shares = functions_of(profile((recursive, 3.0), ((own("walk", 3),), 1.0)))
    found = {each.function.name: each for each in shares}
    assert (found["leaf"].self_share, found["leaf"].total_share, found["leaf"].line) == (0.75, 0.75, 9)
    assert (found["walk"].self_share, found["walk"].total_share, found["walk"].line) == (0.25, 1.0, 4)


def test_what_has_gained() -> None:
    """A sleep in reading by its function and line, a slower decoder by the own function that calls it."""
    base = profile((DECODES, 2.0), (WAITS, 5.0))
    head = profile((BY_PILLOW, 6.1), (SLEEPS, 20.0), (WAITS, 25.0))
    assert named(gains(head, base)) == (
        "Gained most, in a profile apart from that: 20 ms an image in read_image (loaders.py:12), "
        "4.1 ms an image in decode (loaders.py:20)"
    )


def test_a_function_that_has_moved() -> None:
    """It is the same on another line of its file."""
    assert gains(profile(((own("load", 90),), 2.0)), profile(((own("load", 10),), 2.0))) == []


def test_chance_gains_nothing() -> None:
    """What a few samples more can be is not named, nor is what is much less than the largest gain."""
    base = profile((DECODES, 10.0), ((own("draw"),), 1.0), sample=0.5e-3)
    assert gains(profile((DECODES, 13.0), ((own("draw"),), 1.0), sample=0.5e-3), base) == []
    base = profile((DECODES, 10.0), ((own("draw"),), 1.0))
    found = gains(profile((DECODES, 20.0), ((own("draw"),), 1.9)), base)
    assert [each.function.name for each in found] == ["decode"]


def test_only_waiting_has_grown() -> None:
    """With a thread less nobody works longer: who waits is named as such."""
    found = gains(profile((DECODES, 2.0), (WAITS, 9.0)), profile((DECODES, 2.0), (WAITS, 5.0)))
    assert named(found).endswith("4 ms an image waiting in load (loaders.py:1)")


def test_nothing_is_named_where_nothing_has_gained() -> None:
    """There are no words for it."""
    assert named([]) == ""


def test_a_flame_graph() -> None:
    """Each node comes after the one that has called it; of two profiles, each has the time of both."""
    nodes = flame(profile((DECODES, 2.0), (SLEEPS, 1.0)), profile((DECODES, 3.0)))
    names = [node.function.name for node in nodes]
    assert names == ["load", "decode", "?", "read_image", "time_sleep", "clock_nanosleep"]
    assert [node.parent for node in nodes] == [-1, 0, 1, -1, 3, 4]
    assert [node.base_seconds for node in nodes] == pytest.approx([0.003, 0.003, 0.003, 0.0, 0.0, 0.0])
    assert (nodes[1].stage, nodes[3].stage) == ("decode", "wait")


def test_a_flame_graph_keeps_what_is_large() -> None:
    """With what has called it."""
    small = ((own("load"), own("tiny")), 0.001)
    nodes = flame(profile((DECODES, 2.0), small))
    assert [node.function for node in nodes] == [
        Function("load", "loaders.py"),
        Function("decode", "loaders.py"),
        Function("?", "simplejpeg/_jpeg.so"),
    ]
    assert nodes[0].base_seconds is None


def test_collapsed_stacks() -> None:
    """The main thread is in its epochs for as long as they take: by that, samples become time."""
    text = "\n".join(
        [
            line(
                f"{MAIN};load (/repo/loaders.py:3);{FUTURE}",
                80,
            ),
            line(f"{MAIN};load (/repo/loaders.py:3);stack ({PACKAGES}/numpy/_core/shape_base.py:4)", 20),
            line(
                f"{THREAD};read_image (/repo/loaders.py:12);clock_nanosleep (libc.so.6)", 50, "pool_1; drop"
            ),
            line("0x7f00 (libc.so.6);_worker (thread.py:3)", 100, "harness_0"),
            line("main (/ours/loader_gate/worker/serve.py:9);get (x.py)", 900),
            "nonsense",
            line("count (a.py:3)", 1).replace(" 1", " one"),
        ]
    )
    found = parse(text, CODE, Delivered(seconds=0.5, images=5))
    assert found.sample == pytest.approx(0.001)
    milliseconds = {
        "/".join(frame.function for frame in stack): 1000 * seconds
        for stack, seconds in found.seconds.items()
    }
    assert milliseconds == pytest.approx(
        {"load/Future.result": 80, "load/stack": 20, "read_image/clock_nanosleep": 50}
    )
    frames = {frame.function: frame for stack in found.seconds for frame in stack}
    assert frames["read_image"] == Frame("read_image", "loaders.py", 12, is_own=True)
    assert frames["stack"] == Frame("stack", "numpy/_core/shape_base.py", 4)


def test_what_the_harness_does_is_left_out() -> None:
    """But for making a batch real, which is work of the loader that was put off."""
    take = f"{MAIN};Epoch.take (/ours/loader_gate/worker/epoch.py:9)"
    text = "\n".join(
        [
            line(
                f"{take};{FINGERPRINTS};take ({PACKAGES}/numpy/a.py:1)",
                70,
            ),
            line(f"{take};_real (/ours/loader_gate/worker/epoch.py:9);asarray ({PACKAGES}/numpy/a.py:1)", 10),
        ]
    )
    found = parse(text, CODE, Delivered(seconds=1.0, images=1))
    ((stack, seconds),) = found.seconds.items()
    assert [frame.function for frame in stack] == ["_real", "asarray"]
    assert seconds == pytest.approx(1.0)


def test_variants_are_loaders() -> None:
    """The suite's own are own code, as a user's loader is, even where the suite is installed."""
    for place in ("/ours", PACKAGES):
        text = line(f"{MAIN};decode ({place}/loader_gate/variants/native_threads.py:9)", 1)
        code = replace(CODE, package="loader_gate")
        (stack,) = parse(text, code, Delivered(1.0, 1)).seconds
        assert stack == (Frame("decode", "loader_gate/variants/native_threads.py", 9, is_own=True),)


def test_an_installed_loader() -> None:
    """It is own code, and what it calls of other packages is not."""
    text = line(
        f"{MAIN};load ({PACKAGES}/theirs/a.py:1);decode ({PACKAGES}/loaders/b.py:2);f ({PACKAGES}/c.py:3)", 1
    )
    (stack,) = parse(text, CODE, Delivered(1.0, 1)).seconds
    assert [frame.is_own for frame in stack] == [True, False]
    assert stack[0].file == "loaders/b.py"


def test_a_process_that_a_loader_has_forked() -> None:
    """It has the stack of its parent, and is no main thread."""
    forked = f"{MAIN};load (/repo/loaders.py:3);_bootstrap (/usr/lib/python3.12/multiprocessing/process.py:3)"
    text = "\n".join(
        [line(f"{MAIN};load (/repo/loaders.py:3)", 10), line(f"{forked};work (/repo/loaders.py:7)", 30)]
    )
    found = parse(text, CODE, Delivered(seconds=1.0, images=1))
    assert {stack[0].function: seconds for stack, seconds in found.seconds.items()} == pytest.approx(
        {"load": 1.0, "work": 3.0}
    )


def test_no_epoch_was_seen() -> None:
    """Nothing says how much time a sample is."""
    with pytest.raises(NoSamplesError):
        parse(line(f"{THREAD};work (/repo/loaders.py:3)", 10), CODE, Delivered(1.0, 1))


def test_operations_of_tensorflow() -> None:
    """What lies in the time of another was begun by that one; names are those of operations."""
    threads = [
        [
            Event("ExecutorState::Process#id=3#", 0, 100),
            Event("decode/DecodeImage:DecodeImage", 10, 60),
            Event("DecodeImageV2Op::JPEG", 20, 40),
            Event("ReadFile:ReadFile", 80, 5),
        ],
        [Event("Iterator::Root::Prefetch[0]", 0, 50)],
    ]
    found = stacks_of(threads)
    process = "ExecutorState::Process"
    assert found == {
        (process,): 35,
        (process, "DecodeImage"): 60,
        (process, "ReadFile"): 5,
        ("Iterator::Prefetch",): 50,
    }
    head = profile_of([(names, 2.0 * spent) for names, spent in found.items()], images=10)
    base = profile_of([(names, 1.0 * spent) for names, spent in found.items()], images=10)
    assert (gains(head, base)[0].function, gains(head, base)[0].seconds) == (Function("DecodeImage"), 6.0)
