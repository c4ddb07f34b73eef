"""The wheel with the native launcher: installed as users do, used with a warm agent, and removed."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from release.launcher import is_dynamic
from tests.release.places import WAYS, CleanPlace

PLATFORM = "manylinux_2_17_x86_64"


@pytest.fixture
def wheel(dist: Path) -> Path:
    """The wheel with the launcher."""
    wheels = list(dist.glob(f"*-{PLATFORM}.whl"))
    if not wheels:
        pytest.skip("`make dist` leaves this wheel out without Rust")
    return wheels[0]


def test_the_launcher_needs_no_library(wheel: Path) -> None:
    """The launcher is a static program, so the tag's promise of an old glibc holds; Python's program is not."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".data/scripts/dsops")]
        assert not is_dynamic(archive.read(name))
    assert is_dynamic(Path(sys.executable).resolve().read_bytes())


def test_the_wheels_have_the_same_modules(wheel: Path, dist: Path) -> None:
    """Only the scripts and the metadata about them differ between the two wheels."""
    (pure,) = dist.glob("dsops-*-none-any.whl")
    with zipfile.ZipFile(pure) as of_pure, zipfile.ZipFile(wheel) as of_wheel:
        names = set(of_pure.namelist())
        added = {name.rpartition("/")[2] for name in set(of_wheel.namelist()) - names}
        changed = {name.rpartition("/")[2] for name in names if of_pure.read(name) != of_wheel.read(name)}
    assert (added, changed) == ({"dsops", "dsops-python"}, {"RECORD", "WHEEL", "entry_points.txt"})


@pytest.mark.parametrize("way", ["pip", "uv", "pipx"])
def test_it_is_installed_warm_and_removed(way: str, dist: Path, wheel: Path, wheels: Path, tmp_path: Path) -> None:
    """pip, uv and pipx install the launcher, a warm run starts no Python, and removing it leaves no file of it."""
    assert wheel.is_file()
    with tempfile.TemporaryDirectory(prefix="dsops-run-") as runtime:
        place = CleanPlace(
            home=tmp_path, dist=dist, wheels=wheels, platform=PLATFORM, variables={"XDG_RUNTIME_DIR": runtime}
        )
        WAYS[way].install(place)
        program = (place.bin / "dsops").resolve()
        assert program.read_bytes()[:4] == b"\x7fELF"
        words = ("exec", "--config", "tests/release/literal.yaml", "--env", "plain", "--", "env")
        on = {"DSOPS_AGENT": "on"}
        try:
            assert "PLAIN=info\n" in place.dsops(*words, variables=on).stdout
            assert place.dsops("agent", "status", variables=on).stdout.startswith("agent ")
            script = program.with_name("dsops-python")
            script.rename(tmp_path / "hidden")
            assert "PLAIN=info\n" in place.dsops(*words, variables=on).stdout
            assert "dsops-python does not start" in place.dsops("--version", code=2).stderr
            (tmp_path / "hidden").rename(script)
        finally:
            place.dsops("agent", "stop", variables=on)
        WAYS[way].remove(place)
        assert place.left == [".local/state/dsops"], "only the user's audit trail"
