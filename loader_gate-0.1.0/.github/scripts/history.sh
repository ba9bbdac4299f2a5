#!/usr/bin/env bash
# Saved runs live on a branch of their own, one commit a run, where no cache's end and no artifact's age reaches them.
#   history.sh restore   puts them where pytest-benchmark keeps runs
#   history.sh page      writes the page of the newest run and of all before it
#   history.sh keep      adds runs to the branch, and takes none away
set -euo pipefail

branch=${HISTORY_BRANCH:-loader-gate-history}
storage=${HISTORY_STORAGE:-.benchmarks}

restore() {
    mkdir -p "$storage"
    if git rev-parse --quiet --verify "refs/remotes/origin/$branch" >/dev/null; then
        git archive "refs/remotes/origin/$branch" | tar --extract --directory "$storage"
    else
        echo "There is no branch $branch yet: the history begins with this run."
    fi
}

page() {
    mkdir -p page
    python -m loader_gate.report --storage "$storage" --output page/index.html
}

keep() {
    if [ -z "$(find "$storage" -name '*.json' -print -quit)" ]; then
        echo "No run was saved, so there is nothing to keep."
        return
    fi
    if [ -n "${GITHUB_TOKEN:-}" ]; then
        # In the environment, as a command line can be read by every process.
        export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="http.$GITHUB_SERVER_URL/.extraheader" GIT_CONFIG_VALUE_0
        GIT_CONFIG_VALUE_0="Authorization: Basic $(printf 'x-access-token:%s' "$GITHUB_TOKEN" | base64 --wrap=0)"
    fi
    export GIT_AUTHOR_NAME='github-actions[bot]' GIT_COMMITTER_NAME='github-actions[bot]'
    export GIT_AUTHOR_EMAIL='41898282+github-actions[bot]@users.noreply.github.com'
    export GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
    local attempt
    for attempt in 1 2 3; do
        if push_once; then
            return
        fi
        echo "Attempt $attempt has failed; somebody else may have pushed meanwhile."
        sleep "${HISTORY_PAUSE:-5}"
    done
    return 1
}

# Without a checkout: the files of the branch are not needed to add some.
push_once() {
    local index parent='' repository tree commit
    repository=$(git rev-parse --absolute-git-dir)
    if git ls-remote --exit-code --heads origin "$branch" >/dev/null; then
        git fetch --quiet --depth=1 origin "+refs/heads/$branch:refs/remotes/origin/$branch" || return 1
        parent=$(git rev-parse --verify "refs/remotes/origin/$branch") || return 1
    fi
    index=$(mktemp --directory)
    export GIT_INDEX_FILE=$index/index
    if [ -n "$parent" ]; then
        git read-tree "$parent" || return 1
    else
        git read-tree --empty || return 1
    fi
    (cd "$storage" && git --git-dir="$repository" --work-tree=. add --force --ignore-removal .) || return 1
    tree=$(git write-tree) || return 1
    unset GIT_INDEX_FILE
    rm -r "$index"
    if [ -n "$parent" ] && [ "$tree" = "$(git rev-parse "$parent^{tree}")" ]; then
        echo "The branch $branch has these runs already."
        return
    fi
    commit=$(git commit-tree "$tree" ${parent:+-p "$parent"} -m "Run of ${GITHUB_SHA:-$(git rev-parse HEAD)}") || return 1
    git push --quiet origin "$commit:refs/heads/$branch"
}

case ${1:-} in
restore | page | keep) "$1" ;;
*)
    echo "expected restore, page or keep" >&2
    exit 2
    ;;
esac
