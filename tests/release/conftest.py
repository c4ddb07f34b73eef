"""The artifacts under test and the wheels that they need. `make verify-dist` says where the artifacts are."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsops.sandbox.control.launch import open_server, read_seed_file
from dsops.sandbox.control.server import SandboxServer
from tests.installed import OUTSIDE
from tests.release.places import ROOT, TOOLS, WAYS, CleanPlace

NEEDED = ("install.txt", "pycurl.txt")
"""The pinned lists of what the base of dsops needs."""


@pytest.fixture(scope="session")
def dist() -> Path:
    """The folder with the artifacts."""
    folder = OUTSIDE.get("RELEASE_DIST")
    if not folder:
        pytest.skip("`make verify-dist` tries the artifacts that `make dist` built")
    assert (Path(folder) / "SHA256SUMS").is_file(), "run `make dist` first"
    return Path(folder)


@pytest.fixture(scope="session")
def wheels(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 - not without artifacts
    """The wheels of dsops' pinned dependencies, downloaded once."""
    folder = tmp_path_factory.mktemp("wheels")
    lists = [word for name in NEEDED for word in ("--requirement", str(ROOT / "requirements" / name))]
    words = [str(TOOLS / "python"), "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", *lists]
    subprocess.run([*words, "--dest", str(folder)], check=True, env=dict(OUTSIDE), timeout=300)
    (folder / "uv.toml").write_text(f'no-index = true\nfind-links = ["{folder}"]\n', encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def places() -> dict[str, CleanPlace]:
    """The places in which dsops is installed now, by the way of installation."""
    return {}


@pytest.fixture(scope="session")
def installed_by(
    places: dict[str, CleanPlace], dist: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], CleanPlace]:
    """A place in which dsops is installed in that way; made once for each way."""

    def installed(way: str) -> CleanPlace:
        if way not in places:
            place = CleanPlace(home=tmp_path_factory.mktemp(way), dist=dist, wheels=wheels)
            WAYS[way].install(place)
            places[way] = place
        return places[way]

    return installed


@pytest.fixture
def removed(places: dict[str, CleanPlace]) -> Callable[[str], None]:
    """Removes dsops from the place in which it is installed in that way."""
    return lambda way: WAYS[way].remove(places.pop(way))


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """The name of a way to install dsops."""
    return str(request.param)


@pytest.fixture
def place(way: str, installed_by: Callable[[str], CleanPlace]) -> CleanPlace:
    """The place in which dsops is installed in the way of this test."""
    return installed_by(way)


@pytest.fixture(scope="session")
def server() -> Iterator[SandboxServer]:
    """The sandbox of the demo."""
    with open_server(read_seed_file(str(ROOT / "examples" / "demo" / "seed.yaml"))) as server:
        yield server


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a small Debian with Python 3.11, which debootstrap makes; skips the test where it can't."""
    program = shutil.which("debootstrap", path=f"{os.defpath}:/usr/sbin:/sbin")
    if not program or os.geteuid():
        pytest.skip("a clean Debian needs root and debootstrap")
    folder = tmp_path_factory.mktemp("debian")
    folder.chmod(0o755)
    words = [program, "--variant=minbase", "--include=python3,python3-venv,bash-completion", "bookworm", str(folder)]
    done = subprocess.run(words, env=dict(OUTSIDE), capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        pytest.skip(f"debootstrap failed: {(done.stdout + done.stderr).strip().splitlines()[-1]}")
    return folder
