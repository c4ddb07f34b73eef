"""What the shell script of dsops.pyz runs: only what this user unpacked, whatever the environment and folder say."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from release.pyz import BOOT

VENV = "venvs/1"
PYTHON = """\
#!/bin/sh
# Stands for a Python with pex: it "unpacks" a program that prints its own folder.
case "$*" in *version_info*) echo "$*" >>"$HOME/checks"; exit 0 ;; esac
env | grep ^PEX_ | sort >"$HOME/seen"
mkdir -p "$PEX_ROOT/venvs/1/bin"
printf '#!/bin/sh\\necho "ran $0"\\n' >"$PEX_ROOT/venvs/1/bin/python"
chmod +x "$PEX_ROOT/venvs/1/bin/python"
"""


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """The script, without the archive behind it."""
    text = BOOT
    for name, value in (("VERSION", "1"), ("TOO_OLD", "too old"), ("VENV", VENV)):
        text = text.replace(f"@{name}@", value)
    path = tmp_path / "dsops.pyz"
    path.write_text(text, encoding="utf-8")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text(PYTHON, encoding="utf-8")
    (tmp_path / "bin" / "python3").chmod(0o755)
    (tmp_path / "home").mkdir()
    (tmp_path / "repository").mkdir()
    return path


def _run(start: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {"HOME": str(start.parent / "home"), "PATH": f"{start.parent / 'bin'}:{os.defpath}"}
    return subprocess.run(
        ["/bin/sh", str(start)],
        cwd=start.parent / "repository",
        env=own | variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def _poison(cache: Path) -> None:
    program = cache / "dsops" / "pyz" / VENV / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho foreign\n", encoding="utf-8")
    program.chmod(0o755)


def test_a_relative_cache_is_ignored(start: Path) -> None:
    """A relative XDG_CACHE_HOME is ignored, so a folder `cache` in a repository is not used as cache."""
    _poison(start.parent / "repository" / "cache")
    assert f"ran {start.parent}/home/.cache/dsops/pyz/{VENV}/bin/python\n" == _run(start, XDG_CACHE_HOME="cache").stdout


def test_a_relative_home_is_refused(start: Path) -> None:
    """A relative HOME is refused, because the cache would be in the working folder."""
    _poison(start.parent / "repository" / ".cache")
    done = _run(start, HOME=".")
    assert (done.returncode, done.stdout) == (1, "")
    assert "HOME is the relative path ." in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_cache_of_another_user_is_refused(start: Path) -> None:
    """A cache folder of another user is refused.

    Below XDG_CACHE_HOME=/tmp, another user may have created the folder first.
    """
    shared = start.parent / "shared"
    _poison(shared)
    for folder in (shared / "dsops", shared / "dsops" / "pyz"):
        shutil.chown(folder, 65534)
    done = _run(start, XDG_CACHE_HOME=str(shared))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{shared}/dsops/pyz belongs to another user" in done.stderr


def test_pex_gets_no_settings_from_elsewhere(start: Path) -> None:
    """PEX variables and .pexrc files have no effect, because they could add packages to the unpacked ones."""
    home = start.parent / "home"
    _run(start, PEX_PATH="/foreign.pex", PEX_PYTHON="/bin/false", PEX_EXTRA_SYS_PATH="/foreign")
    seen = (home / "seen").read_text(encoding="utf-8").splitlines()
    assert ["PEX_IGNORE_RCFILES=1", "PEX_INTERPRETER=1", f"PEX_ROOT={home}/.cache/dsops/pyz"] == seen
    assert (home / "checks").read_text(encoding="utf-8").startswith("-I -c")
