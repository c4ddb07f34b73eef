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
TOO_OLD = "dsops.pyz needs Python 3.11 or newer"

BOOT = """\
#!/bin/sh
# dsops @VERSION@ in one file. A zip archive follows this script, which unpacks it once and starts dsops from there.
set -eu
case ${XDG_CACHE_HOME:-} in
/*) root=$XDG_CACHE_HOME/dsops/pyz ;;
*)  root=${HOME:?is not set: dsops.pyz needs a folder to unpack itself into}/.cache/dsops/pyz ;;
esac
case $root in
/*) ;;
*)  echo "error: HOME is the relative path $HOME: dsops.pyz would run what is in the working folder" >&2
    exit 1 ;;
esac
if [ -e "$root" ] && ! [ -O "$root" ]; then
    echo "error: $root belongs to another user: XDG_CACHE_HOME names another place for dsops.pyz" >&2
    exit 1
fi
venv="$root/@VENV@"
if [ ! -x "$venv/bin/python" ]; then
    found=
    for python in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            found=$python
            break
        fi
    done
    if [ -z "$found" ]; then
        echo "error: @TOO_OLD@, and PATH has none" >&2
        exit 1
    fi
    umask=$(umask)
    umask 077
    if ! mkdir -p "$root" 2>/dev/null || ! [ -w "$root" ]; then
        echo "error: dsops.pyz unpacks itself into $root, and can't write there: XDG_CACHE_HOME names another place" >&2
        exit 1
    fi
    for name in $(env | sed -n 's/^\\(PEX_[A-Z_]*\\)=.*/\\1/p'); do
        unset "$name"
    done
    [ -x "$venv/bin/python" ] || rm -rf "$venv"
    said=$(PEX_ROOT="$root" PEX_IGNORE_RCFILES=1 PEX_INTERPRETER=1 "$found" -I "$0" -c "" 2>&1) || true
    if [ ! -x "$venv/bin/python" ]; then
        echo "error: dsops.pyz could not unpack itself into $root: ${said##*
}" >&2
        exit 1
    fi
    umask "$umask"
fi
exec "$venv/bin/python" -I -c 'import sys
sys.argv[0] = sys.argv.pop(1)
from dsops.__main__ import main
sys.exit(main())' "$0" "$@"
"""
"""What a shell reads of dsops.pyz. pex's own script sets VIRTUAL_ENV and PEX, which the command of `exec` would get.

As the XDG base directory specification says, a relative path in XDG_CACHE_HOME is ignored: the working folder may be a
cloned repository.
"""

CHECK = """\
import os, sys
if sys.version_info < (3, 11):
    sys.exit("error: @TOO_OLD@; this is Python %d.%d" % sys.version_info[:2])
if "PEX_INTERPRETER" not in os.environ:
    os.execv("/bin/sh", ["sh", os.path.abspath(sys.argv[0])] + sys.argv[1:])
"""
"""What `python dsops.pyz` does before everything else: it leaves the work to the shell script."""


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
    broken = [wheel.name for wheel in sorted(folder.glob("*.whl")) if not zipfile.is_zipfile(wheel)]
    if broken:
        raise ReleaseError(f"these wheels are not zip files, and pex could not read them: {', '.join(broken)}")
    made = folder / "made.pex"
    # pex failed once with "File is not a zip file" on a busy machine. Its parallel jobs were all that shared files.
    words = ["pex", f"dsops[policy]=={version}", "--exclude", "pycurl", "--no-pypi", "--find-links", str(folder)]
    words += ["--jobs", "1", "--interpreter-constraint", ">=3.11", "--no-compile", "--no-build", "--no-emit-warnings"]
    words += ["--venv", "--sh-boot", "--pex-root", str(folder / "root"), "--output-file", str(made)]
    run(*words, folder=folder, epoch=epoch)
    venv = re.search(rb'INSTALLED_PEX="\$\{PEX_ROOT\}/(venvs/[\w/]+)"', made.read_bytes())
    if not venv:
        raise ReleaseError("pex's shell script does not say where it unpacks: compare it with BOOT in release/pyz.py")
    boot = _filled(BOOT, version, venv[1].decode())
    target.write_bytes(boot)
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            data = old.read(member)
            if member.filename == "__main__.py":
                data = _filled(CHECK, version, "") + data
            new.writestr(member, data, zipfile.ZIP_DEFLATED)
    target.chmod(0o755)


def _filled(text: str, version: str, venv: str) -> bytes:
    for name, value in (("VERSION", version), ("TOO_OLD", TOO_OLD), ("VENV", venv)):
        text = text.replace(f"@{name}@", value)
    return text.encode()
