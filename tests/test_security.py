"""That nothing which is read is run: what Ruff's security rules do not hold the source to."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.sessions import ROOT

FILES = [
    file
    for folder in ("src", "benchmarks", "fixtures", ".github/scripts", ".ci")
    for file in sorted((ROOT / folder).rglob("*.py"))
]
#: Modules that make programs of data, or speak to a network.
BANNED = {
    *(
        "cloudpickle",
        "code",
        "codeop",
        "dbm",
        "dill",
        "jsonpickle",
        "joblib",
        "marshal",
        "pickle",
        "runpy",
        "shelve",
    ),
    *("aiohttp", "ftplib", "http", "httpx", "imaplib", "poplib", "requests", "smtplib", "ssl", "telnetlib"),
    *("urllib.request", "urllib3", "xml", "xmlrpc", "yaml"),
}
#: What may speak to a network: it talks to GitHub's API, and to nothing else.
SPEAKS = {
    ".github/scripts/comment.py": {"urllib.request"},
    "src/loader_gate/variants/tfdata_service.py": {"runpy"},  # its own file, in the processes that it starts
}
#: Functions that run text, or unpickle what a library has pickled.
BANNED_CALLS = {
    *("__import__", "compile", "eval", "exec", "execfile", "input"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("torch.load", "torch.hub.load", "pandas.read_pickle", "pd.read_pickle"),
    *("tf.keras.models.load_model", "keras.models.load_model", "keras.saving.load_model"),
    *("tf.saved_model.load", "tf.py_function", "tf.numpy_function"),
}
SHELLS = {"sh", "bash", "dash", "ksh", "zsh", "cmd", "powershell", "/bin/sh", "/bin/bash"}


def _dotted(node: ast.AST) -> str:
    """Return a function's name as it is called, such as ``os.system``; empty if it has none."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _is_false(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def problems(source: str) -> Iterator[str]:
    """Yield what a source does that it must not, each with its line."""
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [each.name for each in node.names]
            modules = names if isinstance(node, ast.Import) else [f"{node.module}.{each}" for each in names]
            for module in modules:
                parts = module.split(".")
                found = {".".join(parts[:count]) for count in range(1, len(parts) + 1)} & BANNED
                yield from (f"{line}: imports {each}" for each in sorted(found))
        elif isinstance(node, ast.Call):
            name, keywords = _dotted(node.func), {each.arg: each.value for each in node.keywords}
            if name in BANNED_CALLS:
                yield f"{line}: calls {name}"
            if isinstance(node.func, ast.Attribute) and node.func.attr == "recv" and not node.args:
                yield f"{line}: {name}() unpickles what comes, recv_bytes() does not"
            if isinstance(node.func, ast.Attribute) and node.func.attr == "extractall":
                yield f"{line}: unpacks an archive to wherever it says"
            if name in ("np.load", "numpy.load") and not _is_false(keywords.get("allow_pickle")):
                yield f"{line}: {name} without allow_pickle=False"
            if "shell" in keywords or "executable" in keywords:
                yield f"{line}: starts a shell"
        elif isinstance(node, ast.List | ast.Tuple) and len(node.elts) > 1:
            words = [each.value for each in node.elts[:2] if isinstance(each, ast.Constant)]
            if len(words) > 1 and words[0] in SHELLS and str(words[1]).startswith(("-", "/")):
                yield f"{line}: starts a shell"


def test_nothing_that_is_read_is_run() -> None:
    """No pickle, no text that is evaluated, no shell, no archive unpacked, and no network."""
    names = {file.relative_to(ROOT).as_posix(): file for file in FILES}
    assert [
        f"{name}:{problem}"
        for name, file in names.items()
        for problem in problems(file.read_text(encoding="utf-8"))
        if problem.partition("imports ")[2] not in SPEAKS.get(name, set())
    ] == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import urllib.request",
        "from urllib import request",
        "eval(text)",
        "import os\nos.system(name)",
        "import numpy as np\nnp.load(path)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "connection.recv()",
        "archive.extractall(folder)",
        "run(command, shell=True)",
        "run(['sh', '-c', text])",
    ],
)
def test_what_is_found(source: str) -> None:
    """The test above would find it."""
    assert [*problems(source)]


@pytest.mark.parametrize(
    "source", ["connection.recv_bytes()", "np.load(path, allow_pickle=False)", "f(['a', '-c'])"]
)
def test_what_is_not(source: str) -> None:
    """It does not cry for nothing."""
    assert not [*problems(source)]
