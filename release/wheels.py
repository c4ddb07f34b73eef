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
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    left = {name: data for name, data in files.items() if not is_dropped(name)}
    if len(left) == len(files):
        raise ReleaseError(f"{wheel.name} has none of the files that dsops.pyz does without: change release/pyz.py")
    if any(name.endswith(".so") for name in left):
        raise ReleaseError(f"{wheel.name} has a compiled file: dsops.pyz could not run on another platform")
    info = next(name.partition("/")[0] for name in left if name.endswith(".dist-info/WHEEL"))
    marked = re.sub(rb"(?m)^Tag: .*\n", b"", left[f"{info}/WHEEL"]).replace(b"Purelib: false", b"Purelib: true")
    left[f"{info}/WHEEL"] = marked.rstrip() + b"\nTag: py3-none-any\n"
    left[f"{info}/RECORD"] = _record(left, f"{info}/RECORD")
    wheel.unlink()
    target = wheel.parent / f"{'-'.join(wheel.name.split('-')[:2])}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(left):
            archive.writestr(zipfile.ZipInfo(name), left[name], zipfile.ZIP_DEFLATED)
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
