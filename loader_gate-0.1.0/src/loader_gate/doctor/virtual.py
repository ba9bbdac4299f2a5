"""A virtual session: the real loop of blocks and the real decisions, over recorded passes.

Each block is of another pair of processes, in a session as in a recording, so that blocks are drawn one by
one. Which of the two processes is head is drawn too. A slowdown multiplies the seconds, CPU seconds and first
batch of head.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.rotation.contestant import Arm, Contestant
from loader_gate.rotation.rotation import Watch, run_blocks
from loader_gate.statistics.counts import MOST_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loader_gate.doctor.recording import Recording
    from loader_gate.rotation.measurement import Measurement
    from loader_gate.rotation.pace import Pace
    from loader_gate.rotation.schedule import Turn
    from loader_gate.verdict.rules import Rules
    from loader_gate.worker.timing import PassTiming

#: A recorded block: the number of its recording, its own, and whether base's passes are to be head's.
Block: TypeAlias = tuple[int, int, bool]

_SLOWED = ("seconds", "cpu_seconds", "first_batch_seconds")


@dataclass(frozen=True)
class Played:
    """What came out of a virtual session: a measurement a variant, and how many pairs were started anew."""

    measurements: tuple[Measurement, ...]
    renewed: int


class Player:
    """Plays recorded passes in the place of a runner; there is no process to open, warm up or renew."""

    def __init__(self, played: Mapping[Arm, Iterable[PassTiming]]) -> None:
        """Play these passes of each arm: the first and second of a block, whichever turn it has in there."""
        self._left = {arm: iter(passes) for arm, passes in played.items()}
        #: How many pairs of processes would have been started anew.
        self.renewed = 0

    def run_pass(self, contestant: Contestant, arm: Arm) -> PassTiming:  # noqa: ARG002 (as the loop asks)
        """Return the next pass of an arm."""
        return next(self._left[arm])

    def check(self, turns: Iterable[Turn]) -> None:
        """Go on; recorded passes have been checked."""

    def renew(self, due: Sequence[Contestant]) -> None:
        """Go on; fresh processes are in what was drawn."""
        self.renewed += len(due)


class Stage:
    """Where virtual sessions are held over some recordings."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        """Prepare; what sessions have in common is computed once."""
        self._recordings = recordings
        self._slowed: dict[tuple[int, str, str, float], list[PassTiming]] = {}

    def drawn_processes(self, chance: random.Random) -> list[Block]:
        """Return blocks, each of a pair of processes of which either may have been head."""
        drawn: list[Block] = []
        while len(drawn) < MOST_BLOCKS:
            number = chance.randrange(len(self._recordings))
            drawn.append((number, chance.randrange(self._recordings[number].blocks), chance.random() < 0.5))
        return drawn

    def play(
        self,
        drawn: Sequence[Block],
        slowdowns: Mapping[str, float],
        rules: Rules,
        pace: Pace,
        *,
        against_base: bool = True,
        others: float | None = None,
    ) -> Played:
        """Hold one session.

        Args:
            drawn: The blocks that it sees.
            slowdowns: By how much head is slower, as a share, by the name of each variant that takes part.
            rules: Judge the estimates.
            pace: How long it may take, and how finely to compare.
            against_base: Whether head is compared with base.
            others: How many cores other programs kept busy, if the system shows it.
        """
        baseline, *contestants = (
            Contestant(Variant(each, f"loader_gate.variants.{each}")) for each in (BASELINE, *slowdowns)
        )
        played = {baseline.head: self._passes(drawn, BASELINE, "", 0.0)}
        for contestant in contestants:
            name = contestant.variant.name
            played[contestant.head] = self._passes(drawn, name, "head", slowdowns[name])
            if against_base:
                contestant.base = Arm(at_base=True)
                played[contestant.base] = self._passes(drawn, name, "base", 0.0)
        player = Player(played)
        run_blocks(
            [baseline, *contestants],
            player,
            rules,
            pace,
            Watch(others=lambda: others),
            random.Random(0),  # noqa: S311
        )
        return Played(tuple(each.measurement(share=None) for each in contestants), player.renewed)

    def _passes(self, drawn: Sequence[Block], name: str, arm: str, slowdown: float) -> list[PassTiming]:
        """Return the passes of one side of the drawn blocks."""
        other = {"head": "base", "base": "head", "": ""}[arm]
        found: list[PassTiming] = []
        for number, block, swapped in drawn:
            passes = self._recorded(number, name, other if swapped else arm, slowdown)
            found += passes[2 * block : 2 * block + 2]
        return found

    def _recorded(self, number: int, name: str, arm: str, slowdown: float) -> list[PassTiming]:
        key = (number, name, arm, slowdown)
        if key not in self._slowed:
            recording = self._recordings[number]
            passes = recording.baseline if name == BASELINE else getattr(recording.variants[name], arm)
            self._slowed[key] = [slowed(timing, slowdown) for timing in passes]
        return self._slowed[key]


def slowed(timing: PassTiming, slowdown: float) -> PassTiming:
    """Return the same pass of a loader that is slower by this share."""
    return replace(timing, **{name: getattr(timing, name) * (1 + slowdown) for name in _SLOWED})
