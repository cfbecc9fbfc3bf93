#!/bin/sh
# Makes .venv hold exactly what requirements-dev.lock names, and this project, and compiles its code.
# PYTHON=/path/to/python chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "error: $*" >&2
    exit 1
}

# A process that is started again answers half a second sooner, also where PYTHONDONTWRITEBYTECODE is set.
compiled() {
    .venv/bin/python -m compileall -q admin channels gateway leaderboard payments sandbox
}

wanted=$(cat requirements-dev.lock pyproject.toml | cksum)
if [ "$(cat .venv/.installed 2>/dev/null)" = "$wanted" ] && [ -x .venv/bin/python ]; then
    compiled
    exit 0
fi

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
python=""
for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null && "$candidate" -c "$new_enough" 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "Python 3.11 or newer was not found; install it, or set PYTHON=/path/to/python."

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    echo "making .venv with $python"
    rm -rf .venv
    if ! "$python" -m venv .venv; then
        rm -rf .venv
        fail "Python's venv module is missing or the disk is full; on Debian and Ubuntu: apt install python3-venv."
    fi
fi

pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }
with_uv() {
    pip install -q 'uv==0.13.8' &&
        .venv/bin/uv pip install -q --system-certs --compile-bytecode --python .venv/bin/python \
            --require-hashes -r requirements-dev.lock
}

echo "installing what requirements-dev.lock names"
if ! with_uv; then
    echo "uv could not; trying pip, which takes about a minute"
    pip install -q --require-hashes -r requirements-dev.lock ||
        fail "the packages could not be installed; see the lines above (no network, no room, or a proxy that needs setting)."
fi
pip install -q --no-deps --no-build-isolation -e . || fail "this project could not be installed into .venv; see the lines above."
echo "$wanted" > .venv/.installed
compiled
