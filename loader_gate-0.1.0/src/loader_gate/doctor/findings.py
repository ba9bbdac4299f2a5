"""What an examination found, as lines for people and as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from loader_gate.doctor.prospects import FOUND, SLOWDOWNS, advised, spread
from loader_gate.progress import minutes_and_seconds
from loader_gate.statistics.session_error import SESSION_ERROR
from loader_gate.text import text_table, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate.doctor.disturbances import Disturbance
    from loader_gate.doctor.prospects import Prospect
    from loader_gate.doctor.recording import Recorded

SCHEMA = 1
#: From fewer blocks, of a pair of processes each, hardly anything is known of how they differ.
FEW_BLOCKS = 20


@dataclass(frozen=True)
class Findings:
    """What an examination found.

    Attributes:
        machine: The machine, in words.
        images: Of the tree.
        recorded: What was recorded.
        comparisons: How many a session of these variants makes that may fail.
        prospects: What can be decided with each setting that was tried.
        disturbances: What disturbs, the worst first.
    """

    machine: str
    images: int
    recorded: Recorded
    comparisons: int
    prospects: tuple[Prospect, ...]
    disturbances: tuple[Disturbance, ...]

    @property
    def advised(self) -> Prospect:
        """Return the setting to take."""
        return advised(self.prospects)

    def lines(self, colour: bool) -> list[str]:
        """Return it for people: a table, what stands behind it, what disturbs, and what to paste.

        Args:
            colour: Whether colours may be used.
        """
        names = [*self.recorded.recording.variants]
        table = text_table(
            ["tolerance", "budget", "nothing changed", "takes", *(f"finds in {name}" for name in names)],
            [self._row(each) for each in self.prospects],
            colour,
        )
        lines = [*table, ""]
        for text in self._remarks():
            lines += wrapped(text)
        for each in self.disturbances:
            lines += wrapped(f"{each.what}: {each.remedy}.", "- ", "  ")
        return [*lines, "", *wrapped(self._why()), f"  {self.advised.setting.options}"]

    def data(self) -> dict[str, Any]:
        """Return the same for programs; shares are of 1, times are in seconds."""
        recording, durations = self.recorded.recording, self.recorded.durations
        return {
            "schema": SCHEMA,
            "machine": self.machine,
            "noise": recording.noise,
            "images": self.images,
            "blocks": recording.blocks,
            "comparisons": self.comparisons,
            "session_error": SESSION_ERROR,
            "spread": {name: spread(pair) for name, pair in recording.variants.items()},
            "durations": asdict(durations),
            "prospects": [
                {
                    "tolerance": each.setting.tolerance,
                    "budget": each.setting.budget,
                    "sessions": each.unchanged.sessions,
                    "failed": each.unchanged.failed,
                    "undecided": each.unchanged.undecided,
                    "median_seconds": each.unchanged.median_seconds,
                    "most_seconds": each.unchanged.most_seconds,
                    "smallest_found": dict(each.found),
                }
                for each in self.prospects
            ],
            "disturbances": [asdict(each) for each in self.disturbances],
            "options": self.advised.setting.options,
            "will_do": self.advised.unchanged.will_do,
        }

    def _row(self, prospect: Prospect) -> list[str]:
        unchanged = prospect.unchanged
        counts = ((unchanged.failed, "fail"), (unchanged.undecided, "undecided"))
        others = ", ".join(f"{count} {word}" for count, word in counts if count)
        return [
            f"{100 * prospect.setting.tolerance:g} %",
            f"{prospect.setting.budget:g} s",
            f"{others} of {unchanged.sessions}" if others else f"all {unchanged.sessions} pass",
            minutes_and_seconds(unchanged.median_seconds),
            *map(_percent, prospect.found.values()),
        ]

    def _remarks(self) -> Iterator[str]:
        recording, durations = self.recorded.recording, self.recorded.durations
        strays = [f"{100 * spread(pair):.1f} % of {name}" for name, pair in recording.variants.items()]
        yield f"{self.machine}; {recording.noise}."
        yield (
            "Noise: with the same code on both sides, head / base of a block strays by "
            f"{', '.join(strays)} ({self.images} images a pass)."
        )
        yield (
            'The table is of virtual sessions with --against: "nothing changed" says what becomes of those, '
            '"takes" how long they are (median, in all; to start and warm up '
            f'{durations.workers} processes took {durations.start:.0f} s), "finds" is the smallest slowdown '
            f"that fails in {100 * FOUND:.0f} % of them."
        )
        yield self._warning()
        yield "What disturbs:" if self.disturbances else "Nothing disturbs, of what this system shows."

    def _warning(self) -> str:
        """Return what so short a recording cannot tell."""
        blocks = self.recorded.recording.blocks
        few = "" if blocks >= FEW_BLOCKS else ", too few to know how they differ: give it more --minutes"
        return (
            f"They are drawn from {blocks} recorded block{'' if blocks == 1 else 's'}, each of a pair of "
            f"processes of its own{few}. That tells nothing of other hours, and little of rare false alarms: "
            f"that at most {100 * SESSION_ERROR:g} % of sessions fail is how the gate is made, not what was "
            "measured here."
        )

    def _why(self) -> str:
        best = self.advised
        sessions, missed = best.unchanged.sessions, best.unchanged.failed + best.unchanged.undecided
        if not best.unchanged.will_do:
            return (
                f"Not even this will do, as {missed} of {sessions} sessions with nothing changed do not "
                "pass: mend what disturbs, or take another machine, and ask again. Until then:"
            )
        finer = "" if best is self.prospects[0] else ", as with a smaller tolerance too many stay undecided"
        found = ", ".join(f"{_percent(slowdown)} of {name}" for name, slowdown in best.found.items())
        return (
            f"Take this{finer}: {sessions - missed} of {sessions} sessions with nothing changed pass, and "
            f"these slowdowns are found: {found}."
        )


def _percent(slowdown: float | None) -> str:
    return f"over {100 * SLOWDOWNS[-1]:g} %" if slowdown is None else f"{100 * slowdown:g} %"
