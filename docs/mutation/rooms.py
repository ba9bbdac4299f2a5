"""What is mutated, and which tests have to notice it: those of pure functions, of fractions of a second."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """A room whose modules are mutated.

    Attributes:
        name: Its folder in ``src/loader_gate``.
        tests: The files of the tests that have to notice.
        without: Tests of these files that take too long to be run thousands of times: simulations of
            thousands of sessions, and those that hold one; node ids without the folder.
        modules: The modules that are mutated, without ``.py``; ``*`` for all.
    """

    name: str
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()
    modules: tuple[str, ...] = ("*",)


ROOMS = (
    Room(
        "verdict",
        (
            *("test_change.py", "test_confirmation.py", "test_dump_size.py", "test_floors.py"),
            *("test_headspace.py", "test_idle.py", "test_looks.py", "test_rules.py"),
            *("test_shares_of_limits.py", "test_verdict.py"),
        ),
        (
            "test_confirmation.py::test_a_rerun_turns_nothing_green_by_luck",
            "test_confirmation.py::test_reruns_together_have_the_error_of_a_session",
            "test_confirmation.py::test_what_is_decided_is_left_out",
            "test_confirmation.py::test_nothing_to_go_on_with",
            "test_confirmation.py::test_it_refuses_before_the_clock_starts",
            "test_confirmation.py::test_another_tree",
        ),
    ),
    Room(
        "statistics",
        ("test_amdahl.py", "test_oracle.py", "test_statistics.py"),
        (
            "test_statistics.py::test_processes_that_differ_are_in_the_interval",
            "test_statistics.py::test_no_interval_of_any_look_misses_but_with_its_error",
            "test_statistics.py::test_all_looks_together_rarely_decide_at_the_floor",
            "test_statistics.py::test_ten_percent_from_the_floor_is_decided",
            "test_statistics.py::test_the_same_code_is_hardly_ever_a_regression",
            "test_statistics.py::test_ten_percent_are_found",
            "test_statistics.py::test_naive_peeking_would_fail_the_coverage_test",
            "test_statistics.py::test_neighbours_that_resemble_each_other_tell_less",
            "test_statistics.py::test_few_decide_at_the_floor_though_neighbours_are_correlated",
            "test_statistics.py::test_no_side_is_favoured_by_what_else_ran",
            "test_statistics.py::test_the_control_hardly_ever_cries_wolf",
        ),
    ),
    Room(
        "same_work",
        (
            *("test_batch.py", "test_boxes.py", "test_cropped.py", "test_declared.py"),
            *("test_fingerprints.py", "test_identity.py", "test_look_alikes.py", "test_order.py"),
            *("test_parts.py", "test_pixels.py", "test_recognition.py", "test_reference.py"),
            *("test_resolution.py", "test_same_work.py", "test_shards.py", "test_timed.py"),
        ),
        (
            "test_boxes.py::test_tensorflow_draws_in_its_own_way",
            "test_look_alikes.py::test_blank_pictures",
            "test_look_alikes.py::test_thousands",
            "test_same_work.py::TestTensorFlow",
        ),
    ),
)
