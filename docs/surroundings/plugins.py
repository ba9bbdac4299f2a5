"""Other plugins and options of pytest, and somebody's settings of it."""

from __future__ import annotations

from docs.surroundings.trial import Trial

_SIDE_BY_SIDE = "pytest-xdist runs tests side by side, which would disturb every timing: run without -n"
_NOTHING = "Nothing was measured, so this run is no success"


def _beside(module: str, *options: str, also: str = "") -> Trial:
    """Return a trial beside one plugin."""
    name = " ".join((module.replace("_", "-"), *options))
    return Trial(name, pytest=("-p", module, *options), needs=(module,), also=also)


PLUGINS = (
    _beside("pytest_timeout", "--timeout=1", also="1 s do not count for benchmarks"),
    _beside("pytest_timeout", "--timeout=1", "--timeout-method=thread", also="do not count"),
    _beside("pytest_timeout", "--session-timeout=1"),
    _beside("pytest_randomly"),
    _beside("pytest_randomly", "--randomly-seed=3"),
    _beside("pytest_rerunfailures", "--reruns=2"),
    _beside("pytest_cov", "--cov=."),
    _beside("pytest_cov", "--cov=.", "--cov-branch"),
    _beside("pytest_repeat", "--count=3"),
    _beside("xdist", "-n0"),
    Trial(
        "xdist in addopts",
        pytest=("-p", "xdist"),
        files={"pytest.ini": "[pytest]\naddopts = -n 2\n"},
        needs=("xdist",),
        said=_SIDE_BY_SIDE,
    ),
    Trial("xdist, one process", pytest=("-p", "xdist", "-n1"), needs=("xdist",), said=_SIDE_BY_SIDE),
    Trial("all that are installed", environment={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": None}, whole=True),
    # Warnings and settings.
    Trial("-W error", pytest=("-W", "error"), whole=True),
    Trial("PYTHONWARNINGS=error", environment={"PYTHONWARNINGS": "error"}),
    Trial(
        "pytest.ini",
        files={
            "pytest.ini": "[pytest]\naddopts = -ra --strict-markers --strict-config\nxfail_strict = true\n"
        },
    ),
    Trial("setup.cfg", files={"setup.cfg": "[tool:pytest]\naddopts = -q\n"}),
    Trial("tox.ini", files={"tox.ini": "[pytest]\nconsole_output_style = count\n"}),
    Trial("settings elsewhere", pytest=("-c", "ci/pytest.ini"), files={"ci/pytest.ini": "[pytest]\n"}),
    Trial("root folder elsewhere", pytest=("--rootdir=/",)),
    Trial("--import-mode=importlib", pytest=("--import-mode=importlib",)),
    Trial("--import-mode=append", pytest=("--import-mode=append",)),
    # Parts of pytest that are switched off.
    *(
        Trial(f"-p no:{name}", pytest=("-p", f"no:{name}"), silent=name == "terminal")
        for name in (
            *("cacheprovider", "faulthandler", "junitxml", "logging", "terminal", "threadexception"),
            *("tmpdir", "unraisableexception", "warnings"),
        )
    ),
    Trial(
        "-p no:benchmark",
        benchmark=False,
        said="leave out -p no:benchmark|unrecognized arguments: --benchmark",
    ),
    Trial("-s", pytest=("-s",)),
    Trial("--capture=tee-sys", pytest=("--capture=tee-sys",)),
    # pytest-benchmark's own options.
    Trial(
        "--benchmark-disable",
        pytest=("--benchmark-disable",),
        said="--benchmark-disable was given: leave it out to measure",
    ),
    Trial("--benchmark-skip", pytest=("--benchmark-skip",), said=_NOTHING),
    Trial("--benchmark-only", pytest=("--benchmark-only",)),
    # What is shown, and what is run.
    *(
        Trial(" ".join(options), pytest=options)
        for options in (
            ("-qq",),
            ("-vvv", "-rA", "--durations=0", "--color=yes"),
            ("--log-cli-level=DEBUG",),
            ("--setup-show",),
            ("--debug=../out/debug.log",),
            ("-x",),
            ("--ff", "--nf"),
            ("--stepwise",),
            ("--doctest-modules",),
            ("--assert=plain",),
            ("--junitxml=../out/junit.xml",),
        )
    ),
    Trial("--pdb", pytest=("--pdb",), said="Quitting debugger|Exit: Quitting"),
    # Python.
    *(Trial(f"python {' '.join(options)}", python=options) for options in (("-O",), ("-OO",), ("-bb",))),
    Trial("python -X dev", python=("-X", "dev"), whole=True),
    *(
        Trial(f"{name}=1", environment={name: "1"})
        for name in (
            *("PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER", "PYTHONHASHSEED", "PYTHONNOUSERSITE"),
            *("PYTHONSAFEPATH", "PYTHONUNBUFFERED"),
        )
    ),
    Trial(
        "GitHub without its files",
        environment={"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_STEP_SUMMARY": "/nowhere/summary"},
    ),
)
