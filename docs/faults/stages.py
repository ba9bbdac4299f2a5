"""The stages of a session, and how each is known from inside."""

from __future__ import annotations

#: The environment variable that tells what is to happen.
VARIABLE = "LOADER_GATE_FAULT"
#: The name of the file that is there as soon as it has happened.
HAPPENED = "happened"
#: How a stage is known by what is said of it: while it goes on, the main thread waits for others.
SAID = {
    "drawing": r"Drawing images",
    "checking": r"Checking images",
    "reference": r"Decoding the reference",
    "starting": r"checking that",
    "warming up": r"warming up",
    "passes": r", timing ",
    "fresh processes": r"starting .* anew",
    "diagnosis": r"looking what holds",
    "writing dumps": r"Writing dumps",
}
#: How one is known by the file that is moved to its place then.
MOVED = {
    "saving": r"storage/.*\.json$",
    "accepting": r"storage/.*\.json$",
    "floors": r"floors\.toml$",
    "report": r"report\.html$",
}
#: The same by the file that is written first, for what may fail then.
WRITTEN = {
    "saving": r"storage/.*\.tmp$",
    "accepting": r"storage/.*\.tmp$",
    "floors": r"/\.floors\.toml\..*\.tmp$",
    "report": r"/\.report\.html\..*\.tmp$",
}
#: The first time unless it is another one: a run is saved, and written anew when it is accepted.
TIMES = {"accepting": 2}
#: How one is known by the command that is started then.
STARTED = {"removing base": r"worktree remove"}
STAGES = (*SAID, *MOVED, *STARTED)
