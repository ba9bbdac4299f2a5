#!/bin/sh
# Installs what lies beside this file into a folder beside it, without a network, and runs the check from there.
# Arguments are those of python -m loader_gate.gpu_check; PYTHON is the Python that has torch and JAX.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile --upgrade \
    --target "$here/site" "$here"/wheels/*.whl
PYTHONPATH="$here/site${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m loader_gate.gpu_check "$@"
