"""Machines as they are: who runs it, with what room, and where what it says goes."""

from __future__ import annotations

from functools import partial

from docs.surroundings.repository import DUMPING
from docs.surroundings.trial import Trial

#: May read whatever is there, as the Python that runs this may be in somebody's home.
_NOBODY = """
chown -R 12345 "$WORK"
reading="--inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
set -- setpriv --reuid=12345 --regid=12345 --clear-groups $reading -- "$@"
"""
_QUOTA = """
if [ -d /sys/fs/cgroup/cpu ]; then
    group=/sys/fs/cgroup/cpu/loader-gate-trial
    mkdir -p $group; echo 50000 > $group/cpu.cfs_quota_us
else
    group=/sys/fs/cgroup/loader-gate-trial
    mkdir -p $group; echo "50000 100000" > $group/cpu.max
fi
echo $$ > $group/cgroup.procs
"""
_NO_QUOTA = "rmdir /sys/fs/cgroup/cpu/loader-gate-trial /sys/fs/cgroup/loader-gate-trial 2>/dev/null || true"
_C = {"LC_ALL": "C", "LANG": "C"}
_ASCII = {**_C, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
_NO_CACHE = "the cache folder .{1,300}? cannot be used: .{1,300}?set LOADER_GATE_CACHE to another folder"
_KERAS_JSON = '{"image_data_format": "channels_first", "floatx": "float16", "backend": "theano"}'

_Whole = partial(Trial, whole=True)
_Mounted = partial(Trial, needs=("mounts",))
_MountedWhole = partial(_Mounted, whole=True)
_Rooted = partial(_Whole, needs=("root",))


def _read_only(folder: str) -> str:
    return f"mount --bind {folder} {folder}; mount -o remount,bind,ro {folder}"


def _tmpfs(folder: str, options: str = "rw") -> str:
    return f"mount -t tmpfs -o {options} none {folder}"


def _keras_json(text: str) -> str:
    return f"mkdir k; echo '{text}' > k/keras.json"


MACHINES = (
    _Whole("as it should be"),
    # Who it is.
    _Rooted("uid without passwd entry", before=_NOBODY, environment={"HOME": "/"}),
    _Rooted("uid without passwd entry, no HOME", before=_NOBODY, environment={"HOME": None}),
    _Rooted(
        "uid without passwd entry, no HOME, no cache",
        before=_NOBODY,
        environment={"HOME": None, "LOADER_GATE_CACHE": None},
        said="no home folder is known .{1,200}? set LOADER_GATE_CACHE to a folder",
    ),
    _Whole("no HOME", environment={"HOME": None}),
    Trial("HOME that is not there", environment={"HOME": "/nowhere"}),
    _MountedWhole(
        "HOME that cannot be written", before=f"mkdir h; {_tmpfs('h', 'ro')}", environment={"HOME": "h"}
    ),
    # Where it may write.
    _MountedWhole("read-only clone", before=_read_only('"$PWD"')),
    _Mounted(
        "read-only clone, run saved in it",
        before=_read_only('"$PWD"'),
        pytest=("--benchmark-autosave",),
        said=r"--benchmark-storage \S+ \S+ cannot be written to, so this run could not be saved",
    ),
    _Mounted("read-only cache", before=_read_only('"$WORK/cache"'), said=_NO_CACHE),
    _Mounted("full cache", before=_tmpfs('"$WORK/cache"', "size=4k,nr_inodes=2"), said=_NO_CACHE),
    _MountedWhole("read-only images", before=_read_only("images")),
    _Mounted("read-only TMPDIR", before=_read_only('"$TMPDIR"')),
    Trial("TMPDIR that is not there", environment={"TMPDIR": "/nowhere"}),
    _MountedWhole("TMPDIR of 3 MB", before=_tmpfs('"$TMPDIR"', "size=3m")),
    _Mounted("TMPDIR of 100 KB", before=_tmpfs('"$TMPDIR"', "size=100k"), said="set TMPDIR to a larger disk"),
    _Mounted("TMPDIR without inodes", before=_tmpfs('"$TMPDIR"', "nr_inodes=4"), said="TMPDIR"),
    _MountedWhole(
        "TMPDIR on tmpfs, dump",
        before=_tmpfs('"$TMPDIR"'),
        files={"test_loaders.py": DUMPING},
        verdicts={"quick": "pass"},
        also="Dumps are in memory: .{1,300}? is on tmpfs",
    ),
    _MountedWhole("/dev/shm of 64 MB", before=_tmpfs("/dev/shm", "size=64m")),  # noqa: S108 (a name)
    _Mounted(
        "/dev/shm that is read-only",  # noqa: S108
        before=_tmpfs("/dev/shm", "ro"),  # noqa: S108
        said="no semaphore can be made .{1,200}? /dev/shm",
    ),
    Trial(
        "results to a folder that is not there",
        pytest=("--benchmark-json=no/run.json",),
        said="--benchmark-json no/run.json: there is no folder",
    ),
    Trial(
        "files of at most 20 KB", before="ulimit -f 40", said="could not be measured: .{1,300}?File too large"
    ),
    # What it may take.
    _Whole("one core", before='set -- taskset --cpu-list 0 "$@"'),
    _Whole("quota of half a core", before=_QUOTA, after=_NO_QUOTA, needs=("cgroups",), also="quota"),
    _Whole("nofile 64", before="ulimit -n 64"),
    Trial("nofile 32", before="ulimit -n 32", said="files have to be open, .{1,100}?`ulimit -n`"),
    Trial(
        "nofile 24",
        before="ulimit -n 24",
        said="`ulimit -n`",
    ),
    _Whole("address space of 3 GB", before="ulimit -v 3000000"),
    Trial("small stack", before="ulimit -c 0; ulimit -s 1024"),
    Trial("nice 19", before='set -- nice -n 19 "$@"'),
    _Whole("one thread for OpenMP", environment={"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}),
    # Where what it says goes.
    _Whole("C locale", environment=_C),
    _Whole("C locale, ASCII only", environment=_ASCII),
    Trial("output in Latin-1", environment={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}),
    Trial("20 columns", environment={"COLUMNS": "20"}),
    Trial("no columns", environment={"COLUMNS": "0"}),
    Trial("TERM=dumb", environment={"TERM": "dumb"}),
    Trial("colours wanted", environment={"FORCE_COLOR": "1"}),
    Trial("stdout closed", before='exec "$@" >&-', silent=True),
    Trial("stderr closed", before='exec "$@" 2>&-'),
    Trial("stdin closed", before='exec "$@" <&-'),
    _Whole("all three closed", before='exec "$@" <&- >&- 2>&-', silent=True),
    Trial("SIGTERM and SIGHUP ignored", before="trap '' TERM HUP"),
    # What it does not show.
    Trial("no /proc", before="umount -l /proc", needs=("mounts", "root"), said="/proc is not mounted"),
    _Whole("no /sys", before="umount -l /sys", needs=("mounts", "root")),
    # Keras as somebody else has set it up.
    _Whole("keras.json of somebody else", before=_keras_json(_KERAS_JSON), environment={"KERAS_HOME": "k"}),
    _Whole("keras.json cut short", before=_keras_json('{"image_da'), environment={"KERAS_HOME": "k"}),
    _Whole("KERAS_BACKEND=jax", environment={"KERAS_BACKEND": "jax"}),
    _Whole("TF_USE_LEGACY_KERAS=1", environment={"TF_USE_LEGACY_KERAS": "1"}),
)
