#!/usr/bin/env bash
# Installs dsops from this checkout, from pinned lists with hashes, into a folder of the job; once a job.
set -euo pipefail

fail() {
    # Only texts of our own: a runner obeys what stands behind `::`.
    printf '::error title=dsops::%s\n' "$1"
    exit 1
}

[[ ${RUNNER_OS-} != Windows ]] || fail "dsops does not run on Windows: take a Linux or macOS runner"

# The job's own settings for pip are for its own packages; a mirror of its stays in force.
unset PIP_CONSTRAINT PIP_PREFIX PIP_REQUIRE_VIRTUALENV PIP_TARGET PIP_USER

# `-I`: the repository that was checked out may hold a venv.py of its own.
is_usable() {
    "$1" -I -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

root=$GITHUB_ACTION_PATH
home=$RUNNER_TEMP/dsops-$(printf %s "$root" | cksum | cut -d ' ' -f 1)

if [[ ! -e $home/installed ]]; then
    # A Python that was named is the only one that is tried.
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
    # Wheels only: nothing that was downloaded runs while it is installed.
    "${pip[@]}" install --only-binary :all: --require-hashes --requirement "$root/requirements/install.txt"
    "${pip[@]}" install --only-binary :all: --require-hashes --requirement "$root/requirements/pycurl.txt" 2>/dev/null ||
        echo "pycurl has no wheel for this Python: dsops sends its requests with urllib3"
    "${pip[@]}" install --no-deps --no-build-isolation "$root"
    # A folder with nothing else: the job's own python and pip stay first on its PATH.
    mkdir -p "$home/bin"
    ln -sf ../venv/bin/dsops "$home/bin/dsops"
    touch "$home/installed"
fi

"$home/bin/dsops" --version
printf '%s\n' "$home/bin" >>"$GITHUB_PATH"
