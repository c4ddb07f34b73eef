"""dsops.pyz: dsops, its base and its pure extra in one file, made by pex (docs/decisions/0040-single-file.md)."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

from release.errors import ReleaseError
from release.tools import run
from release.wheels import PURE, download, split, without

SERVICES = ("signin", "sso", "sso-oidc", "sts")
"""The services that botocore calls while it looks for credentials; dsops reads no other of its 400 descriptions."""
CACHE = "~/.cache/dsops/pyz"
"""Where dsops.pyz unpacks itself at its first run."""
TOO_OLD = "dsops.pyz needs Python 3.11 or newer"

BOOT = f"""
for python in python3 python3.14 python3.13 python3.12 python3.11 python; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" "$0" "$@"
    fi
done
echo "error: {TOO_OLD}, and PATH has none" >&2
exit 1
"""
"""Takes the place of the part of pex's shell script that looks for a Python, which fails with 40 lines."""

CHECK = f"""\
import sys
if sys.version_info < (3, 11):
    sys.exit("error: {TOO_OLD}; this is Python %d.%d" % sys.version_info[:2])
"""


def wheels(requirements: Path, dsops: Path, folder: Path, epoch: str) -> list[Path]:
    """Fill the folder with the wheels that dsops.pyz is made of, dsops' own among them; return their paths."""
    yaml, others = split(requirements.read_text(encoding="utf-8"), "pyyaml")
    download(yaml, folder, epoch)
    download(others, folder, epoch, *PURE)
    for wheel in sorted(folder.glob("*.whl")):
        if wheel.name.lower().startswith("pyyaml-"):
            without(wheel, lambda name: name.endswith(".so"))
        elif wheel.name.startswith("botocore-"):
            without(wheel, _is_unused_service)
    shutil.copy(dsops, folder)
    found = sorted(folder.glob("*.whl"))
    compiled = [wheel.name for wheel in found if not wheel.name.endswith("-none-any.whl")]
    if compiled:
        raise ReleaseError(f"dsops.pyz can't carry a wheel of one platform: {', '.join(compiled)}")
    return found


def _is_unused_service(name: str) -> bool:
    words = name.split("/")
    return words[:2] == ["botocore", "data"] and len(words) > 3 and words[2] not in SERVICES


def build(folder: Path, version: str, target: Path, epoch: str) -> None:
    """Make dsops.pyz of the wheels in the folder."""
    made = folder / "made.pex"
    words = ["pex", f"dsops[policy]=={version}", "--exclude", "pycurl", "--no-pypi", "--find-links", str(folder)]
    words += ["--console-script", "dsops", "--interpreter-constraint", ">=3.11", "--no-compile", "--no-build"]
    words += ["--venv", "--sh-boot", "--runtime-pex-root", CACHE, "--pex-root", str(folder / "root")]
    run(*words, "--output-file", str(made), folder=folder, epoch=epoch)
    head, is_split, _ = made.read_bytes().partition(b"\nfind_python() {")
    if not is_split:
        raise ReleaseError("pex writes another shell script than before: compare BOOT in release/pyz.py with it")
    with target.open("wb") as file:
        file.write(head + BOOT.encode())
        _copy(made, file)
    target.chmod(0o755)


def _copy(made: Path, file: object) -> None:
    """Append pex's zip to the file, with the check of Python's version before everything else that it runs."""
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as new:  # type: ignore[call-overload]
        for member in old.infolist():
            data = old.read(member)
            if member.filename == "__main__.py":
                data = re.sub(rb"\A(#!.*\n)?", lambda line: line[0] + CHECK.encode(), data, count=1)
            new.writestr(member, data, zipfile.ZIP_DEFLATED)
