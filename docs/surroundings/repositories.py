"""Repositories as they are: what git knows of them, and what their checkout lacks."""

from __future__ import annotations

from functools import partial

from docs.surroundings.repository import LOADERS
from docs.surroundings.trial import Trial

_GIT = "git -c user.name=n -c user.email=n@example.org -c protocol.file.allow=always"
_NO_GIT = """
mkdir "$WORK/bin"
for each in sh env; do ln -s "$(command -v $each)" "$WORK/bin"; done
export PATH="$WORK/bin"
"""
_SHALLOW = 'git clone -q --depth 1 "file://$PWD" "$WORK/shallow"; cd "$WORK/shallow"'
_WORKTREE = 'git worktree add -q --detach "$WORK/more" HEAD; cd "$WORK/more"'
_SUBMODULE = f"""
{_GIT} clone -q . "$WORK/inner"
{_GIT} submodule --quiet add "$WORK/inner" inner
{_GIT} commit -qm More
cd inner
"""
_LFS = f"""
echo '*.jpg filter=lfs diff=lfs merge=lfs -text' > .gitattributes
{_GIT} add .gitattributes
{_GIT} commit -qm 'Keep images in LFS'
{_GIT} commit -q --allow-empty -m More
for what in clean smudge; do git config filter.lfs.$what "git-lfs $what -- %f"; done
git config filter.lfs.process 'git-lfs filter-process'
git config filter.lfs.required true
"""
_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
_HOOK = "printf '#!/bin/sh\\nexit 1\\n' > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout"
_OTHERS = {"GIT_CONFIG_GLOBAL": "/dev/null"}

_Against = partial(Trial, pytest=("--against=HEAD~1", "--compare-unchanged", "--tolerance=60"))

REPOSITORIES = (
    _Against("against", whole=True),
    Trial("no git", before=_NO_GIT),
    _Against(
        "no git, against", before=_NO_GIT, said="there is no git on PATH; install it, or leave out --against"
    ),
    Trial("no repository", before="rm -rf .git"),
    _Against(
        "no repository, against",
        before="rm -rf .git",
        said="lies in no git repository; start pytest where the loader comes from a checkout",
    ),
    Trial("no commit", before="rm -rf .git; git init -q"),
    _Against("no commit, against", before="rm -rf .git; git init -q", said="--against HEAD~1: .{1,300}"),
    Trial("broken .git", before="echo nonsense > .git/HEAD"),
    _Against("broken .git, against", before="echo nonsense > .git/HEAD", said="--against HEAD~1: .{1,300}"),
    Trial("detached", before="git checkout -q --detach"),
    _Against("detached, against", before="git checkout -q --detach"),
    Trial("shallow", before=_SHALLOW),
    _Against("shallow, against", before=_SHALLOW, said="--against HEAD~1: .{1,300}?shallow.{1,200}"),
    Trial("worktree", before=_WORKTREE),
    _Against("worktree, against", before=_WORKTREE),
    Trial("submodule", before=_SUBMODULE),
    _Against("submodule, against", before=_SUBMODULE),
    Trial("LFS filter without git-lfs", before=_LFS),
    _Against("LFS filter without git-lfs, against", before=_LFS),
    Trial(
        "pointer of LFS", files={"images/class_0/00.jpg": _POINTER}, said="is a pointer of Git LFS.{1,100}"
    ),
    Trial("of another user", before="chown -R 12345 .", needs=("root",), environment=_OTHERS),
    _Against(
        "of another user, against",
        before="chown -R 12345 .",
        needs=("root",),
        environment=_OTHERS,
        said="--against: git will not look at .{1,300}?safe.directory",
    ),
    _Against("uncommitted work", files={"loaders.py": f"{LOADERS}# more\n"}),
    _Against("a hook that fails", before=_HOOK),
    _Against("a blank and a quote in its name", before='cp -r . "$WORK/it\'s here"; cd "$WORK/it\'s here"'),
    _Against("through a link", before='ln -s "$PWD" "$WORK/link"; cd "$WORK/link"'),
    Trial("started below its top", before="mkdir sub; cd sub", pytest=("..", "--image-root=../images")),
    Trial("an unknown revision", pytest=("--against=nowhere",), said="--against nowhere: .{1,300}"),
    Trial("inside another repository", before='git init -q "$WORK"'),
)
