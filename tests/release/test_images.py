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

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not OUTSIDE.get("RELEASE_DIST"), reason="`make verify-system` builds the images"),
]
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


def inside(buildah: Buildah, image: str, script: str) -> list[str]:
    """Run a shell script in a container of the image, as the image's user; return the lines of its output."""
    container = buildah("from", "--pull-never", image)
    # buildah loses the last output of a program that ends at once.
    said = buildah("run", "--isolation", "chroot", container, "--", "sh", "-c", f"{script}\nsleep 2")
    buildah("rm", container)
    return said.splitlines()


def test_an_image_has_dsops_for_a_user_without_rights(image: str, buildah: Buildah) -> None:
    """In the image, dsops runs as an unprivileged user who can't write to its folder; no build tool is left."""
    script = f"""
        dsops --version
        id -u
        touch /opt/{image}/new 2>/dev/null || echo "can't write"
        ls /opt
        ls /build 2>/dev/null || echo "no build"
        /opt/{image}/bin/python -c 'import pycurl' && echo pycurl
    """
    expected = [f"dsops {__version__}", "10001", "can't write", image, "no build", "pycurl"]
    assert inside(buildah, image, script) == expected


@pytest.mark.parametrize("image", ["sandbox"], indirect=True)
def test_the_sandbox_of_its_image_serves_and_is_healthy(image: str, buildah: Buildah) -> None:
    """The image's health check succeeds only while its sandbox serves; SIGTERM ends the sandbox with code 0."""
    script = """
        dsops sandbox serve --port 0 >/tmp/address & server=$!
        for _ in $(seq 100); do [ -s /tmp/address ] && break; sleep 0.2; done
        port=$(grep -o '[0-9]*$' /tmp/address)
        dsops sandbox clock --port "$port" >/dev/null; echo "healthy $?"
        kill "$server"; wait "$server"; echo "ended $?"
        dsops sandbox clock --port "$port" >/dev/null 2>&1 || echo unhealthy
    """
    assert inside(buildah, image, script) == ["healthy 0", "ended 0", "unhealthy"]
