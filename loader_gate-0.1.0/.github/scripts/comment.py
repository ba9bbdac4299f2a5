"""What the action ``comment`` runs: puts a gate's summary under its pull request, or updates the one there.

It runs with the right to write, after a job that ran a stranger's code without it. Of that job it takes a
saved run, from which it makes the summary itself, and the number of the pull request, which counts only if
GitHub says that the pull request's head is the commit that the job ran for.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from loader_gate.report.summary import MARKER, summary_of_file

#: Whose comments are updated: those of the token that a workflow gets.
OURS = "github-actions[bot]"
PAGE = 100
MOST_PAGES = 30
#: Of a number: a file of gigabytes is not read.
_MOST_CHARACTERS = 20


class Repository:
    """GitHub's API, of one repository."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read where it is, and with which token, from a job's environment."""
        self._name = environment["GITHUB_REPOSITORY"]
        self._top = f"{environment['GITHUB_API_URL']}/repos/{self._name}"
        self._token = environment["GITHUB_TOKEN"]

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request, and return the JSON of the answer."""
        request = Request(  # noqa: S310 (the address comes from the runner)
            f"{self._top}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        with urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def comment_of_ours(self, number: int) -> int | None:
        """Return the id of the summary that is there already, if there is one."""
        for page in range(1, MOST_PAGES + 1):
            comments = self.ask("GET", f"issues/{number}/comments?per_page={PAGE}&page={page}")
            for comment in comments:
                ours = comment["user"] is not None and comment["user"]["login"] == OURS
                if ours and (comment["body"] or "").startswith(MARKER):
                    return int(comment["id"])
            if len(comments) < PAGE:
                break
        return None


def comment(folder: Path, run: Mapping[str, Any], repository: Repository) -> str:
    """Write the comment; return what was done, in a sentence.

    Args:
        folder: What the gate has left.
        run: Of the workflow that has ended, as GitHub's event describes it.
        repository: Where the pull request is.
    """
    for each in folder.glob("*"):
        if each.is_symlink():  # it could lead to any file of this machine
            each.unlink()
    if run["event"] != "pull_request":
        return f"Nothing to say: the gate ran for a {run['event']}."
    number = _number(folder / "pull-request.txt")
    if number is None:
        return "Nothing to say: the gate has left no number of a pull request."
    pull_request = repository.ask("GET", f"pulls/{number}")
    if pull_request["head"]["sha"] != run["head_sha"]:
        return f"Nothing to say: pull request {number} is at another commit than the gate."
    said = summary_of_file(folder / "run.json", exit_code=_number(folder / "exit-code.txt") or 0)
    body = f"{said}\n\n[Log and saved run]({run['html_url']})"
    there = repository.comment_of_ours(number)
    if there is None:
        repository.ask("POST", f"issues/{number}/comments", {"body": body})
        return f"Commented on pull request {number}."
    repository.ask("PATCH", f"issues/comments/{there}", {"body": body})
    return f"Updated the comment on pull request {number}."


def _number(file: Path) -> int | None:
    """Return the number above 0 that a file holds; None if it holds anything else."""
    try:
        with file.open(encoding="ascii") as text:
            said = text.read(_MOST_CHARACTERS).strip()
    except (OSError, ValueError):
        return None
    return int(said) if re.fullmatch("[1-9][0-9]{0,9}", said) else None


def main() -> int:
    """Comment on the pull request whose gate has ended."""
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    print(comment(Path(os.environ["GATE_FOLDER"]), event["workflow_run"], Repository(os.environ)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
