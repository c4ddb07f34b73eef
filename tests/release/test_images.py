"""The images of the Containerfile, built by buildah on a base that debootstrap makes: no engine, and no registry."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsops.version import __version__
from tests.installed import OUTSIDE
from tests.release.places import ROOT, TOOLS

BASE = "localhost/base"
LISTS = ("install.txt", "pyz.txt", "demo.txt", "pycurl.txt")

pytestmark = pytest.mark.timeout(1200)
"""The base is made by debootstrap, and every step copies the whole image."""

Buildah = Callable[..., str]


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    """Runs buildah with a store of its own; returns its output."""
    program = shutil.which("buildah")
    if not program:
        pytest.skip("there is no buildah")
    store = tmp_path_factory.mktemp("store")
    # No overlay: a container, in which these tests may run, can't mount one.
    start = [program, "--root", str(store / "root"), "--runroot", str(store / "run"), "--storage-driver", "vfs"]

    def run(*words: str | Path) -> str:
        done = subprocess.run(
            [*start, *(str(word) for word in words)], cwd=ROOT, env=dict(OUTSIDE), capture_output=True, text=True,
            check=False, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    yield run
    run("rm", "--all")
    run("rmi", "--all", "--force")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pinned packages, and the settings with which pip takes them from there."""
    folder = tmp_path_factory.mktemp("index")
    for name in LISTS:
        words = [str(TOOLS / "python"), "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        words += ["--python-version", "3.11", "--only-binary", ":all:", "--dest", str(folder)]
        subprocess.run(
            [*words, "--requirement", str(ROOT / "requirements" / name)], check=True, env=dict(OUTSIDE), timeout=300
        )
    (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /index\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def base(buildah: Buildah, debian: Path) -> str:
    """The clean Debian as an image."""
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, debian, "/")
    buildah("commit", "--quiet", container, BASE)
    buildah("rm", container)
    return BASE


@pytest.fixture(scope="module", params=["dsops", "sandbox"])
def image(request: pytest.FixtureRequest, buildah: Buildah, base: str, index: Path) -> str:
    """The name of an image that was built."""
    words = ["build", "--isolation", "chroot", "--pull-never", "--layers=false", "--quiet", "--target", request.param]
    words += ["--volume", f"{index}:/index:ro", "--volume", f"{index}/pip.conf:/etc/pip.conf:ro"]
    buildah(*words, "--build-arg", f"BASE={base}", "--tag", request.param, "--file", "Containerfile", ".")
    return str(request.param)


def test_an_image_has_dsops_for_a_user_without_rights(image: str, buildah: Buildah) -> None:
    """dsops runs as the user of the image, who can't change it; no tool of the build is left in it."""
    container = buildah("from", "--pull-never", image)
    run = ("run", "--isolation", "chroot", container, "--")
    assert buildah(*run, "dsops", "--version") == f"dsops {__version__}"
    assert buildah(*run, "id", "-u") == "10001"
    assert buildah(*run, "sh", "-c", f"touch /opt/{image}/new 2>&1 || true").endswith("Permission denied")
    assert buildah(*run, "sh", "-c", "ls /opt; ls /build 2>/dev/null || true") == image
    assert buildah(*run, f"/opt/{image}/bin/python", "-c", "import pycurl") == ""
    buildah("rm", container)


def test_the_sandbox_of_its_image_serves_and_is_healthy(image: str, buildah: Buildah) -> None:
    """The image's health check succeeds while its sandbox serves, fails afterwards, and SIGTERM ends it with 0."""
    if image != "sandbox":
        pytest.skip("the image of dsops has no server")
    container = buildah("from", "--pull-never", image)
    script = """
        dsops sandbox serve --port 0 >/tmp/address & server=$!
        for _ in $(seq 100); do [ -s /tmp/address ] && break; sleep 0.2; done
        port=$(grep -o '[0-9]*$' /tmp/address)
        dsops sandbox clock --port "$port" >/dev/null; echo "healthy $?"
        kill "$server"; wait "$server"; echo "ended $?"
        dsops sandbox clock --port "$port" >/dev/null 2>&1 || echo unhealthy
    """
    said = buildah("run", "--isolation", "chroot", container, "--", "sh", "-c", script)
    buildah("rm", container)
    assert said.splitlines() == ["healthy 0", "ended 0", "unhealthy"]
