"""The wheels for Linux with musl (Alpine), which do without pycurl (docs/decisions/0041-musl.md)."""

from __future__ import annotations

import re
from pathlib import Path

from release.errors import ReleaseError
from release.wheels import contents, info_of, write

TAGS = ("py3-none-musllinux_1_2_x86_64", "py3-none-musllinux_1_2_aarch64")
"""An installer on musl takes a wheel with such a tag rather than the wheel for every platform."""


def build(wheel: Path) -> list[Path]:
    """Write the wheels for musl beside the wheel for every platform: the same files, but no dependency on pycurl."""
    files = contents(wheel)
    metadata = f"{info_of(files)}/METADATA"
    files[metadata], number = re.subn(rb"(?m)^Requires-Dist: pycurl\b.*\n", b"", files[metadata])
    if number != 1:
        raise ReleaseError(f"{wheel.name} depends on pycurl in {number} lines, not in one: change release/musl.py")
    return [write(files, wheel, tag) for tag in TAGS]
