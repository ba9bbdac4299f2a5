"""Two sessions at once in one place."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from docs.faults.cases import Case
from docs.faults.judge import Row, judged

if TYPE_CHECKING:
    from docs.faults.sessions import Found, Place

#: What the names of these faults begin with.
AT_ONCE = "two sessions at once"
#: What the first one is ahead by, which comes first to what both would do.
HEAD_START_SECONDS = 0.5


def tried_at_once(case: Case, place: Place) -> list[Row]:
    """Hold two sessions at once; the fault, if there is any, is the first one's.

    Args:
        case: What both are, and what has to come of the first.
        place: Where both write to.
    """
    other = replace(case, do={}, codes=(0,), words=r"\d passed")
    before = place.kept()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(place.run, case, "first.json")
        time.sleep(HEAD_START_SECONDS)
        second = pool.submit(place.run, other, "second.json")
        ended = first.result(), second.result()
    found: list[Found] = [
        place.found(which, each, before, name)
        for which, each, name in zip((case, other), ended, ("first.json", "second.json"), strict=True)
    ]
    saved = len([*place.storage.rglob("*.json")])
    afterwards = place.hold(other) if case.stays and any(each.left for each in found) else None
    rows = [*judged(case, found[0], afterwards), *judged(other, found[1], afterwards)]
    expected = 1 + sum(each.code == 0 for each in found)
    wrong = "; ".join(filter(None, [row.wrong for row in rows]))
    if saved != expected:
        wrong = f"{wrong}; {saved} saved runs, not {expected}"
    happened = f"exit codes {found[0].code} and {found[1].code}, {saved - 1} runs saved"
    return [
        Row(
            case.fault,
            case.stage,
            case.expected,
            happened,
            wrong,
            max(row.lost for row in rows),
            rows[0].left,
        )
    ]
