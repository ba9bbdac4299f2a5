"""Finds the commit, or the changed package, that made a loader slower, by paired sessions of pytest."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.argument_types import positive
from loader_gate.commands import split_at_dashes
from loader_gate.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.base.repository import Repository
    from loader_gate.bisect.asked import Asked

#: What it ends with where nothing is searched for; see ``search.py``, too.
WRONG, INTERRUPTED = 2, 130
_EPILOG = """
Options after -- are pytest's, of every session, such as -- --tree-images 64.
Exit code: 0 found; 1 several are left, as what could not be measured was skipped; 2 a wrong argument, or
nothing could be done; 3 the bad side is not known to be slower, or by too little; 130 interrupted.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Search; return the exit code."""
    own, extra = split_at_dashes(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(own)
    # Here: --help needs none of this.
    from loader_gate.bisect.asked import BisectError
    from loader_gate.bisect.search import search_commits
    from loader_gate.bisect.search_packages import search_packages
    from loader_gate.plugin.interrupts import clean_end_when_told

    undo = clean_end_when_told()
    try:
        _check(options)
        repository, asked = _asked(options, extra, Path.cwd())
        if options.good is None:
            return search_packages(repository, asked, options.good_python, options.bad_python)
        return search_commits(repository, asked, options.good, options.bad)
    except BisectError as error:
        print(printable_lines(str(error)), file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("Interrupted: nothing is left behind.", file=sys.stderr)
        return INTERRUPTED
    finally:
        undo()


def _check(options: argparse.Namespace) -> None:
    """Refuse what does not go together.

    Raises:
        BisectError: It does not.
    """
    from loader_gate.bisect.asked import BisectError
    from loader_gate.registry.variant import BASELINE

    pythons = [options.good_python, options.bad_python]
    if (options.loader is None) == (options.variant is None):
        raise BisectError(
            "Give --loader MODULE:FUNCTION or --variant NAME: one of them is what has become slower."
        )
    if options.variant == BASELINE:
        raise BisectError(f"--variant {BASELINE}: it is the baseline of every session; give another variant.")
    if options.good is not None and any(pythons):
        raise BisectError(
            "GOOD and BAD are commits, --good-python and --bad-python two environments of one commit: search "
            "one after the other."
        )
    if any(pythons) and not all(pythons):
        raise BisectError("--good-python and --bad-python: give both.")
    if not any(pythons) and options.bad is None:
        raise BisectError(
            "Give two commits, GOOD and BAD; or two environments, --good-python and --bad-python."
        )


def _asked(options: argparse.Namespace, extra: Sequence[str], started_in: Path) -> tuple[Repository, Asked]:
    """Return where and what to measure.

    Raises:
        BisectError: There is no repository, or a setting or a name is wrong.
    """
    from loader_gate.bisect.asked import Asked, BisectError, places
    from loader_gate.bisect.commits import repository_of
    from loader_gate.bisect.project import project_settings
    from loader_gate.session.settings import BUDGET_AGAINST

    repository = repository_of(started_in)
    loader = options.loader or ""
    module, _, function = loader.partition(":")
    if loader and not all(name.isidentifier() for name in (*module.split("."), function)):
        raise BisectError(f"--loader {loader}: expected MODULE:FUNCTION, such as my_package.loaders:photos.")
    settings, budget = project_settings(started_in)
    asked = Asked(
        options.variant or function,
        loader,
        settings,
        tuple(extra),
        options.budget or budget or BUDGET_AGAINST,
        started_in.resolve().relative_to(repository.top).as_posix(),
        *places(loader, started_in, repository.top),
    )
    return repository, asked


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loader_gate.bisect",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("good", metavar="GOOD", nargs="?", help="a git revision at which the loader was fast")
    parser.add_argument("bad", metavar="BAD", nargs="?", help="a later one at which it is slow")
    parser.add_argument("--loader", metavar="MODULE:FUNCTION", help="the loader, as pytest takes it")
    parser.add_argument(
        "--variant", metavar="NAME", help="a variant of the suite, in a checkout of the suite"
    )
    parser.add_argument(
        "--budget",
        type=positive,
        metavar="SECONDS",
        help="the most measuring time of a session (default: that of pyproject.toml, or as pytest's)",
    )
    for side, other in (("good", "bad"), ("bad", "good")):
        parser.add_argument(
            f"--{side}-python",
            type=Path,
            metavar="PATH",
            help=f"the Python of the {side} environment: finds the package that differs from the {other} one",
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
