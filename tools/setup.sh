#!/bin/sh
# Makes .venv from uv.lock. Uses uv where it is installed; otherwise puts it into .venv-uv with the system's Python.
set -eu
cd "$(dirname "$0")/.."

stop() {
    printf 'set-up: %s\n' "$1" >&2
    exit 1
}

find_python() {
    for name in python3 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$name"
            return
        fi
    done
}

find_uv() {
    if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
        command -v uv
    elif [ -x .venv-uv/bin/uv ]; then
        printf '%s' .venv-uv/bin/uv
    fi
}

python=$(find_python)
[ -n "$python" ] || stop "no Python 3.11 or newer was found. Install one (Debian 12 and newer: apt-get install python3 python3-venv), then run make again."

uv=$(find_uv)
if [ -z "$uv" ]; then
    echo "set-up: installing uv into .venv-uv"
    rm -rf .venv-uv
    if "$python" -m venv .venv-uv >/dev/null 2>&1; then
        .venv-uv/bin/python -m pip install --quiet --disable-pip-version-check uv || stop "uv could not be installed (message of pip above)."
    elif "$python" -m pip --version >/dev/null 2>&1; then
        # No venv module, but a pip: a folder of its own leaves the system's Python as it is.
        rm -rf .venv-uv
        "$python" -m pip install --quiet --disable-pip-version-check --target .venv-uv uv || stop "uv could not be installed (message of pip above)."
    else
        rm -rf .venv-uv
        stop "this Python has neither venv nor pip. Install them (Debian: apt-get install python3-venv) or install uv, then run make again."
    fi
    uv=.venv-uv/bin/uv
fi

echo "set-up: installing ketasim and its dependencies into .venv"
UV_PYTHON_DOWNLOADS=never "$uv" sync --frozen --compile-bytecode --quiet --all-extras --python "$(command -v "$python")" || stop "the dependencies could not be installed (message of uv above)."
# uv compiles what it installs; the package itself stays where it is and would be compiled at its first start.
.venv/bin/python -m compileall -q src || echo "set-up: src could not be compiled; the first start will take a little longer."
touch .venv/.complete
