"""pip chooses the packages of dsops for musl, where pycurl has no wheel; nothing of musl runs here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.installed import OUTSIDE
from tests.release.places import TOOLS


def chosen(folder: Path, platform: str, requirement: str, work: Path) -> tuple[set[str], str]:
    """The names of the wheels that pip downloads for a platform, and pip's error."""
    words = ["-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--only-binary", ":all:"]
    words += ["--platform", platform, "--python-version", "3.12", "--find-links", str(folder), "--dest", str(work)]
    done = subprocess.run(
        [str(TOOLS / "python"), *words, requirement],
        env=dict(OUTSIDE),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return {file.name.partition("-")[0].lower() for file in work.glob("*.whl")}, done.stderr


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("extra", ["", "[sandbox,policy,keyring]"])
def test_every_package_has_a_wheel_for_musl(dist: Path, tmp_path: Path, machine: str, extra: str) -> None:
    """On musl, pip finds a wheel for every package of dsops, so that nothing has to be compiled."""
    names, error = chosen(dist, f"musllinux_1_2_{machine}", f"dsops{extra}", tmp_path / "got")
    assert {"dsops", "urllib3", "pyyaml"} <= names, error
    assert "pycurl" not in names


def test_the_wheel_for_every_platform_needs_pycurl(dist: Path, tmp_path: Path) -> None:
    """(counter-example) Without the wheels for musl, pip finds no wheel for pycurl there."""
    folder = tmp_path / "only"
    folder.mkdir()
    (wheel,) = dist.glob("dsops-*-none-any.whl")
    (folder / wheel.name).write_bytes(wheel.read_bytes())
    names, error = chosen(folder, "musllinux_1_2_x86_64", "dsops", tmp_path / "got")
    assert names == set()
    assert "pycurl" in error
