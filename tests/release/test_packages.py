"""The packages for Debian and Fedora, installed in a Debian that debootstrap makes, and removed from it."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from dsops.sandbox.control.launch import identity_variables
from dsops.sandbox.control.server import SandboxServer
from dsops.version import __version__
from tests.release.places import ROOT
from tests.release.test_artifacts import COMMAND, DEMO, SAID

SYSTEM = f"{os.defpath}:/usr/sbin:/sbin"
"""The PATH of root, also where the tests have another."""
CHROOT = shutil.which("chroot", path=SYSTEM) or "chroot"
NOTHING: Mapping[str, str] = {}

pytestmark = pytest.mark.timeout(900)
"""debootstrap downloads 90 packages and unpacks them."""


class Package(NamedTuple):
    """How the system's package manager installs and removes a package in another root."""

    pattern: str
    zsh: str
    install: Callable[[Path, Path], list[str]]
    remove: Callable[[Path], list[str]]


PACKAGES = {
    "deb": Package(
        "dsops_*_all.deb",
        "usr/share/zsh/vendor-completions/_dsops",
        lambda root, _file: [CHROOT, str(root), "dpkg", "--install", "/tmp/package"],  # noqa: S108 - of the root
        lambda root: [CHROOT, str(root), "dpkg", "--purge", "dsops"],
    ),
    # rpm of Debian knows no package of the root, so it can't find the Python on which dsops depends.
    "rpm": Package(
        "dsops-*.noarch.rpm",
        "usr/share/zsh/site-functions/_dsops",
        lambda root, file: ["rpm", "--root", str(root), "--nodeps", "--install", str(file)],
        lambda root: ["rpm", "--root", str(root), "--erase", "dsops"],
    ),
}


def inside(root: Path, *words: str, variables: Mapping[str, str] = NOTHING) -> str:
    """Run a program in the root, as root but with no variables of this process; return its output."""
    environment = {"HOME": "/root", "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **variables}
    command = [CHROOT, str(root), *words]
    done = subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
        check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def files(root: Path) -> set[str]:
    """Every file and folder of the root, but what the package managers write about themselves."""
    found = set()
    for folder, folders, names in os.walk(root):
        here = os.path.relpath(folder, root)
        if here in ("proc", "sys", "dev", "tmp", "root", "var/lib/dpkg", "var/lib/rpm", "var/log", "var/cache"):
            folders.clear()
            continue
        found |= {os.path.join(here, name) for name in (*folders, *names)}
    return found - {"./var/lib/rpm"}


@pytest.fixture(params=PACKAGES)
def kind(request: pytest.FixtureRequest) -> str:
    """The name of a kind of package."""
    return str(request.param)


@pytest.fixture
def file(kind: str, dist: Path) -> Path:
    """The package among the artifacts."""
    found = list(dist.glob(PACKAGES[kind].pattern))
    if not found:
        pytest.skip(f"`make dist` left the .{kind} out, because it needs Go")
    return found[0]


@pytest.fixture
def installed(kind: str, file: Path, debian: Path) -> Iterator[Path]:
    """The root in which the package is installed; nothing of it is left there afterwards."""
    if not shutil.which(kind.replace("deb", "dpkg")):
        pytest.skip(f"there is no program to install a .{kind}")
    if kind == "rpm":
        # Folders that Fedora's package `filesystem` has; rpm removes none that dsops does not own.
        for name in ("fish/vendor_completions.d", "zsh/site-functions"):
            (debian / "usr" / "share" / name).mkdir(parents=True, exist_ok=True)
    before = files(debian)
    shutil.copy(file, debian / "tmp" / "package")
    shutil.copytree(ROOT / "examples" / "demo", debian / "tmp" / "demo", dirs_exist_ok=True)
    run(PACKAGES[kind].install(debian, file))
    yield debian
    run(PACKAGES[kind].remove(debian))
    assert files(debian) == before


def run(command: list[str]) -> None:
    """Run a package manager; its output is part of the error."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_package_does_the_main_job_and_leaves_nothing(kind: str, installed: Path, server: SandboxServer) -> None:
    """The installed dsops starts, does the demo's job, is complete, and is removed without a trace."""
    assert inside(installed, "dsops", "--version") == f"dsops {__version__}\n"

    words = [word.replace("examples/demo/", "/tmp/demo/") for word in DEMO]  # noqa: S108 - of the root
    variables = identity_variables(server, "alice") | {"DSOPS_AGENT": "off"}
    assert inside(installed, "dsops", *words, "sh", "-c", COMMAND, variables=variables) == SAID
    # The demo's job used the bytecode of the installation, in which no user could write.
    assert list((installed / "usr/lib/dsops/packages/dsops").glob("__pycache__/__main__.*.pyc"))

    loaded = "source /usr/share/bash-completion/bash_completion; _completion_loader dsops; complete -p dsops"
    assert "complete -F _dsops dsops" in inside(installed, "bash", "-c", loaded)
    assert (installed / PACKAGES[kind].zsh).read_text(encoding="utf-8").startswith("#compdef dsops\n")
    assert "complete -c dsops" in (installed / "usr/share/fish/vendor_completions.d/dsops.fish").read_text("utf-8")
    pages = installed / "usr/share/man/man1"
    assert b".TH DSOPS\\-EXEC 1" in gzip.decompress((pages / "dsops-exec.1.gz").read_bytes())
    assert {"dsops.1.gz", "dsops-login.1.gz", "dsops-policy.1.gz"} <= {path.name for path in pages.iterdir()}
    assert "Apache License" in (installed / "usr/share/doc/dsops/copyright").read_text(encoding="utf-8")

    said = inside(installed, "dsops", "sandbox", "serve")
    assert f"python3 -m venv ~/.venvs/dsops && ~/.venvs/dsops/bin/python -m pip install ~/'dsops-{__version__}" in said


def test_a_package_depends_on_a_new_enough_python(kind: str, file: Path) -> None:
    """A package manager refuses the package where Python is older than 3.11."""
    query = {"deb": ["dpkg-deb", "--field", str(file), "Depends"], "rpm": ["rpm", "-qp", "--requires", str(file)]}[kind]
    if not shutil.which(query[0]):
        pytest.skip(f"there is no {query[0]}")
    done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=60)
    assert {"deb": "python3 (>= 3.11)", "rpm": "python3 >= 3.11"}[kind] in done.stdout.splitlines()
