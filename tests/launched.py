"""An environment like an installed wheel's, with the native launcher of this checkout.

Tests of the launcher are skipped if there is no Rust compiler, or rustup has no toolchain in the user's home folder.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from dsops.version import __version__
from release.launcher import OPTIONS, ROOT, SCRIPT, STATIC, compile_launcher
from tests.installed import OUTSIDE

CLIENTS = ["python", pytest.param("launcher", marks=pytest.mark.clients)]
"""The parameters of a test that runs once with each client; only the launcher needs a compiler."""

RELEASED = OPTIONS + STATIC
NO_VARIABLES: Mapping[str, str] = {}


def program(client: str) -> Path:
    """The path of a client: "python" or "launcher". Both are of the same installation, and share their agents."""
    return launcher() if client == "launcher" else installation() / "bin" / SCRIPT


def launcher(options: tuple[str, ...] = (), variables: Mapping[str, str] = NO_VARIABLES) -> Path:
    """The path of the launcher, compiled once; `options` of the first call replace those of a release."""
    path = installation() / "bin" / "dsops"
    if not path.exists():
        if reason := _missing_compiler():
            pytest.skip(reason)
        environ = {**OUTSIDE, **variables}
        compile_launcher(ROOT, path, version=__version__, environ=environ, options=options or RELEASED)
    return path


@functools.cache
def _missing_compiler() -> str:
    """Why nothing can be compiled here; "" if it can. A `rustc` of rustup only looks for a toolchain."""
    rustc = shutil.which("rustc", path=OUTSIDE.get("PATH"))
    if rustc is None:
        return "there is no rustc here"
    words = [rustc, "--version"]
    done = subprocess.run(words, env=dict(OUTSIDE), capture_output=True, text=True, check=False, timeout=60)
    return f"`rustc --version` fails: {done.stderr.strip().partition(chr(10))[0]}" if done.returncode else ""


@functools.cache
def installation() -> Path:
    """A folder like that of a virtual environment in which the wheel is installed, with this checkout's modules."""
    place = Path(tempfile.mkdtemp(prefix="dsops-installation-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    install_in(place)
    return place


def install_in(place: Path) -> None:
    """Make such an environment in the folder `place`, without the launcher."""
    (place / "bin").mkdir()
    base = Path(sys.executable).resolve()
    (place / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    for name in ("python", "python3"):
        (place / "bin" / name).symlink_to(base)
    packages = place / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "dsops").symlink_to(ROOT / "src" / "dsops")
    here = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "dependencies.pth").write_text(f"{here}\n")
    script = place / "bin" / SCRIPT
    script.write_text((ROOT / "launcher" / SCRIPT).read_text().replace("#!python", f"#!{place}/bin/python", 1))
    script.chmod(0o755)
