"""Clean places in which an artifact is installed as a user would, and run with nothing but what that user has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv-release" / "bin"
"""pipx and uv, from requirements/release.txt."""
SECONDS = 120
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class CleanPlace:
    """A HOME of its own, the programs of the system, and one dsops."""

    home: Path
    dist: Path
    wheels: Path
    """The wheels that dsops needs, so that no test waits for an index."""
    variables: Mapping[str, str] = field(default_factory=dict)
    platform: str = "any"

    @property
    def wheel(self) -> Path:
        """The wheel of dsops for the platform among the artifacts."""
        (wheel,) = self.dist.glob(f"dsops-*-none-{self.platform}.whl")
        return wheel

    @property
    def bin(self) -> Path:
        """The folder of the user's programs."""
        return self.home / ".local" / "bin"

    @property
    def environment(self) -> dict[str, str]:
        """Everything that a program finds in its environment here."""
        return {
            "HOME": str(self.home),
            "PATH": f"{self.bin}:{Path(sys.executable).resolve().parent}:{os.defpath}",
            "LANG": "C.UTF-8",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "UV_CONFIG_FILE": str(self.wheels / "uv.toml"),
            "UV_PYTHON": str(Path(sys.executable).resolve()),
            "UV_PYTHON_DOWNLOADS": "never",
            **self.variables,
        }

    def run(
        self, *words: str | Path, code: int = 0, variables: Mapping[str, str] = NOTHING
    ) -> subprocess.CompletedProcess[str]:
        """Run a program here, and compare its exit code."""
        done = subprocess.run(
            [str(word) for word in words],
            cwd=ROOT,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def dsops(
        self, *words: str | Path, code: int = 0, variables: Mapping[str, str] = NOTHING
    ) -> subprocess.CompletedProcess[str]:
        """Run the dsops that is installed here, found on PATH."""
        return self.run("dsops", *words, code=code, variables={"DSOPS_AGENT": "off", **variables})

    @property
    def left(self) -> list[str]:
        """The files and folders in HOME that are dsops', by their names; not uv's own cache and pipx's empty lock."""
        found = [str(path.relative_to(self.home)) for path in self.home.rglob("*dsops*")]
        return sorted(name for name in found if not name.startswith(".cache/uv/") and not name.endswith(".dsops.lock"))


@dataclass(frozen=True, kw_only=True)
class WayToInstall:
    """How a user installs an artifact and removes it, and how a hint then begins."""

    install: Callable[[CleanPlace], None]
    remove: Callable[[CleanPlace], None]
    hint: str
    """How the hint begins that adds an extra; `{home}` and `{wheel}` are filled in."""


def with_pip(place: CleanPlace) -> None:
    """A virtual environment, with its script linked into the folder of the user's programs."""
    place.run(sys.executable, "-m", "venv", place.home / "venv")
    place.run(place.home / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", place.wheel)
    place.bin.mkdir(parents=True)
    (place.bin / "dsops").symlink_to(place.home / "venv" / "bin" / "dsops")


def without_rights() -> list[str]:
    """What a command begins with, so that file modes count although root runs the tests."""
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root may write everywhere, and there is no setpriv to change that")
    return ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]


def without_pip(place: CleanPlace) -> None:
    """Uninstall from the virtual environment."""
    (place.bin / "dsops").unlink()
    place.run(place.home / "venv" / "bin" / "python", "-m", "pip", "uninstall", "--quiet", "--yes", "dsops")


def with_uv(place: CleanPlace) -> None:
    """`uv tool install`."""
    place.run(TOOLS / "uv", "tool", "install", "--quiet", place.wheel)


def with_pipx(place: CleanPlace) -> None:
    """`pipx install`."""
    place.run(TOOLS / "pipx", "install", place.wheel)


def with_file(place: CleanPlace) -> None:
    """The single file, under the name of the command."""
    place.bin.mkdir(parents=True)
    shutil.copy(place.dist / "dsops.pyz", place.bin / "dsops")


def without_file(place: CleanPlace) -> None:
    """Remove the file and what it unpacked, as docs/how-to/install.md says."""
    (place.bin / "dsops").unlink()
    shutil.rmtree(place.home / ".cache" / "dsops")


WAYS = {
    "pip": WayToInstall(
        install=with_pip, remove=without_pip, hint="{home}/venv/bin/python -m pip install '{wheel}[sandbox]'"
    ),
    "uv": WayToInstall(
        install=with_uv,
        remove=lambda place: _run(place, "uv", "tool", "uninstall", "--quiet", "dsops"),
        hint="uv tool install '{wheel}[sandbox]'",
    ),
    "pipx": WayToInstall(
        install=with_pipx,
        remove=lambda place: _run(place, "pipx", "uninstall", "dsops"),
        hint="pipx inject dsops 'cbor2>=",
    ),
    "pyz": WayToInstall(
        install=with_file,
        remove=without_file,
        hint="python3 -m venv ~/.venvs/dsops && ~/.venvs/dsops/bin/python -m pip install ~/'{name}[sandbox]'",
    ),
}
"""Each way of README.md to install dsops."""


def _run(place: CleanPlace, tool: str, *words: str) -> None:
    place.run(TOOLS / tool, *words)
