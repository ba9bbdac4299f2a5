"""What faults need of the machine: a small disk, a control group. Where there is none, it is said why.

`python -m docs.faults.surroundings FOLDER COMMAND` joins a control group and becomes the command.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import uuid
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL_DISK, CONTROL_GROUP = "a small disk", "a control group"
#: What a session may have where memory is to run out: more than it needs, less than a loader takes.
MEMORY_BYTES = 1_000_000_000
_LIMITS = ("memory.limit_in_bytes", "memory.max")


@cache
def missing(need: str) -> str:
    """Return why there is none of what a fault needs; nothing if there is, or if it needs nothing."""
    if need == SMALL_DISK:
        return _no_small_disk()
    if need == CONTROL_GROUP:
        with control_group() as group:
            return "" if group else "no control group can be made"
    return ""


def _no_small_disk() -> str:
    with tempfile.TemporaryDirectory() as folder:
        mount = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "faults", folder]
        try:
            done = subprocess.run(mount, capture_output=True, text=True, check=False)
        except OSError as error:
            return f"a file system of one's own cannot be mounted ({error})"
    return f"a file system of one's own cannot be mounted ({done.stderr.strip()})" if done.returncode else ""


@contextlib.contextmanager
def control_group() -> Iterator[str]:
    """Give the folder of a control group whose memory is limited, below our own; nothing if there is none."""
    folder = _own_group() / f"loader-gate-faults-{uuid.uuid4().hex[:8]}"
    made = False
    try:
        folder.mkdir()
        made = True
        (limit,) = (folder / name for name in _LIMITS if (folder / name).exists())
        limit.write_text(str(MEMORY_BYTES), encoding="ascii")
        yield str(folder)
    except (OSError, ValueError):
        if not made or not any((folder / name).exists() for name in _LIMITS):
            yield ""
        else:
            raise
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _own_group() -> Path:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "memory":
                return Path(f"/sys/fs/cgroup/memory{path}")
            if not controllers and not Path("/sys/fs/cgroup/memory").exists():
                return Path(f"/sys/fs/cgroup{path}")
    return Path("/sys/fs/cgroup/none")


def main() -> None:
    """Join the control group that the command line names first, and become the command behind it."""
    group, *command = sys.argv[1:]
    (Path(group) / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
    os.execvp(command[0], command)  # noqa: S606 (a list of our own making)


if __name__ == "__main__":
    main()
