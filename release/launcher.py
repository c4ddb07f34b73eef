"""Compiles the native launcher (docs/decisions/0046-launcher.md), for a wheel or for an environment of developers.

python -m release.launcher FOLDER    install the launcher of this checkout into FOLDER, such as .venv/bin
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from release.errors import ReleaseError, exit_code_of
from release.wheels import contents, info_of, write

ROOT = Path(__file__).parent.parent
SCRIPT = "dsops-python"
"""The Python script beside the launcher, whose first line installers replace by the path of their Python."""

TAG = "py3-none-manylinux_2_17_x86_64"
"""The tag of the wheel that carries the launcher. A static program needs no C library, so every glibc is new enough."""

OPTIONS = ("-C", "opt-level=2", "-C", "panic=abort", "-C", "lto=fat", "-C", "codegen-units=1", "-C", "strip=symbols")
STATIC = ("-C", "target-feature=+crt-static")
"""Without a shared C library, one file runs with every glibc and with musl, and starts in half the time."""


def is_available() -> bool:
    """Whether this is Linux on x86-64, and a Rust compiler is on the PATH."""
    return (sys.platform, platform.machine()) == ("linux", "x86_64") and shutil.which("rustc") is not None


def compile_launcher(
    source: Path,
    out: Path,
    *,
    version: str,
    package: Path | None = None,
    options: tuple[str, ...] = OPTIONS + STATIC,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Compile `source`/launcher/main.rs into the file `out`. Raises ReleaseError.

    `package` is the folder of an editable installation.
    """
    constants = {"DSOPS_VERSION": version} | ({} if package is None else {"DSOPS_PACKAGE": str(package.resolve())})
    environ = {name: value for name, value in environ.items() if name != "DSOPS_PACKAGE"}
    command = ["rustc", "--edition", "2021", *options, "--remap-path-prefix", f"{source}=."]
    command += ["-o", str(out.resolve()), str(source / "launcher" / "main.rs")]
    done = subprocess.run(
        command, env={**environ, **constants}, capture_output=True, text=True, check=False, cwd=out.parent
    )
    if done.returncode:
        raise ReleaseError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")


def build(source: Path, wheel: Path, work: Path, *, version: str) -> Path:
    """Write the wheel with the launcher beside the wheel for every platform, and return its path.

    It has the launcher and its Python script in the place of the script that installers make.
    """
    program = work / "dsops"
    compile_launcher(source, program, version=version)
    if is_dynamic(program.read_bytes()):
        raise ReleaseError("the launcher is linked dynamically: change the options in release/launcher.py")
    files = contents(wheel)
    info = info_of(files)
    points = f"{info}/entry_points.txt"
    files[points], number = re.subn(rb"(?m)^\[console_scripts\]\n(?:\w.*\n)+\n?", b"", files[points])
    if number != 1:
        raise ReleaseError(f"{wheel.name} has no list of its scripts: change release/launcher.py")
    scripts = f"{info.removesuffix('.dist-info')}.data/scripts"
    files[f"{scripts}/dsops"] = program.read_bytes()
    files[f"{scripts}/{SCRIPT}"] = (source / "launcher" / SCRIPT).read_bytes()
    return write(files, wheel, TAG)


def is_dynamic(program: bytes) -> bool:
    """Whether an ELF program for 64 bits needs a dynamic loader (the segment PT_INTERP, elf(5))."""
    start, size, count = (
        int.from_bytes(program[at : at + length], "little") for at, length in ((32, 8), (54, 2), (56, 2))
    )
    kinds = [program[start + size * number :][:4] for number in range(count)]
    return program[:5] != b"\x7fELF\2" or b"\3\0\0\0" in kinds


def install(folder: Path) -> None:
    """Install the launcher of this checkout, and its script for the Python that runs here."""
    from dsops.version import __version__

    script = (ROOT / "launcher" / SCRIPT).read_text(encoding="utf-8")
    (folder / SCRIPT).write_text(script.replace("#!python", f"#!{sys.executable}", 1), encoding="utf-8")
    (folder / SCRIPT).chmod(0o755)
    fresh = folder / "dsops.new"
    compile_launcher(ROOT, fresh, version=__version__, package=ROOT / "src" / "dsops")
    fresh.replace(folder / "dsops")


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: install(Path(sys.argv[1]))))
