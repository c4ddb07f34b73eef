#!/usr/bin/env bash
# Installs dsops from this checkout, with pinned dependencies and hashes, into a folder of the job; once per job.
set -euo pipefail

fail() {
    # Print only our own text: the runner executes lines that begin with `::`.
    printf '::error title=dsops::%s\n' "$1"
    exit 1
}

[[ ${RUNNER_OS-} != Windows ]] || fail "dsops does not run on Windows: take a Linux or macOS runner"

# Ignore the job's own pip settings, which are for its own packages, except a package mirror.
unset PIP_CONSTRAINT PIP_PREFIX PIP_REQUIRE_VIRTUALENV PIP_TARGET PIP_USER

# `-I`: the checked-out repository could contain its own venv.py.
is_usable() {
    "$1" -I -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

root=$GITHUB_ACTION_PATH
home=$RUNNER_TEMP/dsops-$(printf %s "$root" | cksum | cut -d ' ' -f 1)

if [[ ! -e $home/installed ]]; then
    # If the input names a Python, try no other.
    candidates=(python3 python3.14 python3.13 python3.12 python3.11 python)
    [[ -z ${INPUT_PYTHON-} ]] || candidates=("$INPUT_PYTHON")
    python=
    for candidate in "${candidates[@]}"; do
        if is_usable "$candidate"; then
            python=$candidate
            break
        fi
    done
    [[ -n $python ]] || fail "there is no Python 3.11 or newer with its venv module: put actions/setup-python before this step"
    "$python" -I -m venv --clear "$home/venv"
    pip=("$home/venv/bin/python" -I -m pip --quiet --disable-pip-version-check --no-input)
    # Wheels only, so that no downloaded code runs during the installation.
    "${pip[@]}" install --only-binary :all: --require-hashes --requirement "$root/requirements/install.txt"
    "${pip[@]}" install --only-binary :all: --require-hashes --requirement "$root/requirements/pycurl.txt" 2>/dev/null ||
        echo "pycurl has no wheel for this Python: dsops sends its requests with urllib3"
    "${pip[@]}" install --no-deps --no-build-isolation "$root"
    # A folder with only dsops in it, so that the job's own python and pip stay first on its PATH.
    mkdir -p "$home/bin"
    ln -sf ../venv/bin/dsops "$home/bin/dsops"
    touch "$home/installed"
fi

"$home/bin/dsops" --version
printf '%s\n' "$home/bin" >>"$GITHUB_PATH"
