"""Wheels that dsops.pyz is made of: downloaded by hash, and rewritten without the files that it does without."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from release.errors import ReleaseError
from release.tools import run

PURE = ("--implementation", "py", "--abi", "none", "--platform", "any")
"""What pip is asked for, to get the wheel that runs on every platform where there are compiled ones, too."""


def download(requirements: str, folder: Path, epoch: str, *choice: str) -> None:
    """Download the wheels of a pinned list into the folder; pip checks their hashes."""
    listed = folder / "requirements"
    listed.write_text(requirements, encoding="utf-8")
    words = ("--disable-pip-version-check", "--no-input", "download", "--quiet", "--no-deps", "--only-binary", ":all:")
    hashes = ("--require-hashes", "--dest", str(folder), "--requirement", str(listed))
    run("pip", *words, *choice, *hashes, folder=folder, epoch=epoch)


def split(requirements: str, name: str) -> tuple[str, str]:
    """Split a pinned list into one package with its hashes, and everything else."""
    own = re.search(rf"(?m)^{re.escape(name)}==.*\n(?:[ #].*\n)*", requirements)
    if not own:
        raise ReleaseError(f"{name} is not in the pinned list: run 'make lock', or change release/pyz.py")
    return own[0], requirements.replace(own[0], "")


def without(wheel: Path, is_dropped: Callable[[str], bool]) -> Path:
    """Rewrite the wheel without some of its files, and return its path.

    If none of the files that are left is compiled, the wheel is marked as one for every Python 3 and platform.
    """
    files = contents(wheel)
    left = {name: data for name, data in files.items() if not is_dropped(name)}
    if len(left) == len(files):
        raise ReleaseError(f"{wheel.name} has none of the files that dsops.pyz does without: change release/pyz.py")
    if any(name.endswith(".so") for name in left):
        raise ReleaseError(f"{wheel.name} has a compiled file: dsops.pyz could not run on another platform")
    wheel.unlink()
    return write(left, wheel, "py3-none-any")


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def info_of(files: Mapping[str, bytes]) -> str:
    """Return the name of the folder in a wheel that has its metadata."""
    return next(name.partition("/")[0] for name in files if name.endswith(".dist-info/WHEEL"))


def write(files: Mapping[str, bytes], wheel: Path, tag: str) -> Path:
    """Write the files as a wheel with this tag beside the wheel that they come from, and return its path."""
    info, made = info_of(files), dict(files)
    marked = re.sub(rb"(?m)^Tag: .*\n", b"", made[f"{info}/WHEEL"]).replace(b"Purelib: false", b"Purelib: true")
    made[f"{info}/WHEEL"] = marked.rstrip() + f"\nTag: {tag}\n".encode()
    made[f"{info}/RECORD"] = _record(made, f"{info}/RECORD")
    target = wheel.parent / f"{'-'.join(wheel.name.split('-')[:2])}-{tag}.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(made):
            entry = zipfile.ZipInfo(name)
            if ".data/scripts/" in name:
                entry.external_attr = 0o100755 << 16
            archive.writestr(entry, made[name], zipfile.ZIP_DEFLATED)
    return target


def _record(files: Mapping[str, bytes], record: str) -> bytes:
    lines = io.StringIO()
    rows = csv.writer(lines, lineterminator="\n")
    for name in sorted(set(files) - {record}):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
        rows.writerow((name, f"sha256={digest}", len(files[name])))
    rows.writerow((record, "", ""))
    return lines.getvalue().encode()


def licences_of(wheels: list[Path]) -> str:
    """Return the licence texts that the wheels carry, in one text. Raises ReleaseError for a wheel without one."""
    parts = []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            texts = [
                archive.read(name).decode("utf-8", "replace").strip()
                for name in sorted(archive.namelist())
                if re.search(r"(?i)\.dist-info/(licenses/.+|licen[cs]e[^/]*|copying[^/]*|notice[^/]*)$", name)
                and not name.endswith("/")
            ]
        if not texts:
            raise ReleaseError(f"{wheel.name} carries no licence text: add the text, or leave the package out")
        name, version = wheel.name.split("-")[:2]
        title = f"{name} {version}"
        parts.append("\n\n".join([f"{title}\n{'=' * len(title)}", *texts]))
    return "\n\n\n".join(parts) + "\n"
