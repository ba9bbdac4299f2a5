"""What one run says on which variant to use: the map, and a recommendation for each size of tree."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from loader_gate import variants
from loader_gate.advice.map_table import map_table
from loader_gate.advice.need import Need, need_of
from loader_gate.advice.pareto import Placed, map_as_json, offers_a_choice, placed, points_of
from loader_gate.advice.recommendation import Recommendation, Situation, recommend
from loader_gate.advice.space import free_disk
from loader_gate.machine.memory import free_memory
from loader_gate.text import wrapped
from loader_gate.trees.tree import TreeError

if TYPE_CHECKING:
    from loader_gate.trees.request import TreeRequest
    from loader_gate.trees.tree import Tree


@dataclass(frozen=True)
class Advice:
    """What a run says on which variant to use.

    Attributes:
        placed: The map: each variant, and whether it is on the front.
        recommendations: Which one to use, for each size of tree.
        need: What the model takes on its device, if that was measured.
    """

    placed: tuple[Placed, ...]
    recommendations: tuple[Recommendation, ...]
    need: Need | None = None

    def lines(self, colour: bool) -> list[str]:
        """Return it in lines for people; none if there is no choice to show.

        Args:
            colour: Whether colours may be used.
        """
        if not offers_a_choice([each.point for each in self.placed]):
            return []
        lines = map_table(self.placed, colour)
        by_loading = [] if self.need is None else self.need.by_loading()
        lines += [line for text in (*_remarks(self.placed), *by_loading) for line in _wrapped(text)]
        for each in self.recommendations:
            first, *others = each.sentences
            lines += ["", *_wrapped(first), *(line for text in others for line in _wrapped(text, "  "))]
        return [*lines, "", *_wrapped(self._where())]

    def as_json(self) -> dict[str, Any]:
        """Return what the JSON says of the run as a whole."""
        return {
            "map": map_as_json(self.placed),
            "recommendation": [asdict(each) for each in self.recommendations],
            **({} if self.need is None else {"need": self.need.as_json()}),
        }

    def _where(self) -> str:
        """Return a sentence on where the code is."""
        named = [name for each in self.recommendations for name in (each.variant, each.next_best) if name]
        files = [
            f"loader_gate/variants/{name}.py"
            for name in dict.fromkeys(named)
            if find_spec(f"{variants.__name__}.{name}") is not None
        ]
        code = f"Code: {', '.join(files)}. " if files else ""
        return f"{code}To use it in your training script, see docs/using-a-variant.md."


def advice_of(
    extra_infos: Iterable[Mapping[str, Any]],
    situations: Sequence[Situation],
    cold_infos: Iterable[Mapping[str, Any]] = (),
) -> Advice:
    """Return the map and the recommendation.

    Args:
        extra_infos: The ``extra_info`` of each benchmark of one run.
        situations: What a variant is to be used for.
        cold_infos: Those of a run whose passes began cold, if there is one; see `points_of`.
    """
    infos = [*extra_infos]
    points, need = points_of(infos, cold_infos), need_of(infos)
    recommendations = tuple(recommend(points, each, need) for each in situations) if points else ()
    return Advice(tuple(placed(points)), recommendations, need)


def advice_of_session(
    extra_infos: Iterable[Mapping[str, Any]], tree: Tree, request: TreeRequest, options: argparse.Namespace
) -> Advice:
    """Return the map and the recommendation for the tree of a session, and for what it is a sample of.

    Args:
        extra_infos: The ``extra_info`` of each of its benchmarks.
        tree: The images.
        request: The options about the tree.
        options: pytest's parsed options.
    """
    from loader_gate.trees.whole import whole_of

    memory, disk = free_memory(), free_disk(options.keep_dumps)
    this = Situation(
        tree="This tree",
        images=len(tree),
        file_bytes=tree.mean_bytes(),
        free_memory=min(memory, options.memory_limit or memory),
        free_disk=min(disk, options.disk_limit or disk),
    )
    situations = [this]
    with contextlib.suppress(TreeError, OSError):  # the folder has changed meanwhile
        whole = whole_of(request)
        if whole is not None and whole.images > len(tree):
            situations.append(replace(this, tree=whole.name, images=whole.images))
    return advice_of(extra_infos, situations)


def _wrapped(text: str, first: str = "") -> list[str]:
    return wrapped(text, first, "  ")


def _remarks(found: Sequence[Placed]) -> list[str]:
    undecided = [f"{each.point.variant} ({each.others[0]})" for each in found if each.front == "undecided"]
    beaten = [each.point.variant for each in found if each.front == "no"]
    texts = []
    if undecided:
        texts.append("Undecided, as one that takes no more may be as fast: " + ", ".join(undecided) + ".")
    if beaten:
        texts.append(f"Not Pareto-optimal, as another one is faster and takes no more: {', '.join(beaten)}.")
    return texts
