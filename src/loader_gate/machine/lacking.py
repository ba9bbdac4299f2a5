"""What to do where the system refuses something, and how many files may still be opened."""

from __future__ import annotations

import errno
import math

_REMEDIES = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT), "free some of that disk, or set TMPDIR to a folder on a larger one"
    ),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM), "make that writable, or set TMPDIR to a folder that is"
    ),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "let more files be open (`ulimit -n`)"),
    **dict.fromkeys(
        (errno.EAGAIN, errno.ENOMEM),
        "let there be more processes or memory (`ulimit -u`, `ulimit -v`), or measure fewer variants at once",
    ),
    errno.EFBIG: "let files be larger (`ulimit -f`)",
}


def remedy(error: OSError) -> str:
    """Return what to do about an error of the system, in words that follow it."""
    return _REMEDIES.get(error.errno or 0, "see what is wrong there, and start again")


def free_descriptors() -> float:
    """Return how many files this process may still open; infinity where nothing limits them."""
    import resource

    import psutil

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if limit == resource.RLIM_INFINITY else limit - psutil.Process().num_fds()
