"""The packages for Debian, Ubuntu and Fedora, written by nfpm (docs/decisions/0042-packages.md).

/usr/lib/dsops is a virtual environment without a Python of its own: bin/python is a link to the system's, and there is
one link to the modules for each version of Python that the system may have.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from release.tools import start
from release.wheels import licences_of

KINDS = ("deb", "rpm")
NFPM = Path(sys.prefix) / "bin" / "nfpm"
"""nfpm, which `make dist` builds of release/nfpm/ if there is a Go."""
HOME = "/usr/lib/dsops"
VERSIONS = range(11, 20)
"""The versions of Python 3 that find the modules: those that exist, and as many as a distribution may get later."""
LINKS = {
    "bin/python": "/usr/bin/python3",
    **{f"lib/python3.{number}/site-packages": "../../packages" for number in VERSIONS},
}
"""The target of each link in the virtual environment."""
NO_CACHES = f"if [ -d {HOME} ]; then find {HOME} -name __pycache__ -prune -exec rm -rf {{}} +; fi\n"
SCRIPTS = {
    # An update of rpm runs this before it removes the older version, whose folders must be empty by then.
    "preinstall": NO_CACHES,
    # Without bytecode, which only root can write there, each start would compile its modules again.
    "postinstall": f"/usr/bin/python3 -I -m compileall -q {HOME}/packages >/dev/null 2>&1 || true\n",
    # `1` is what rpm passes when a newer version is already there.
    "preremove": f'if [ "${{1:-}}" != 1 ]; then\n    {NO_CACHES}fi\n',
}
PROGRAM = f"""\
#!{HOME}/bin/python -I
import sys

from dsops.__main__ import main

sys.exit(main())
"""
TEXTS = """\
import json, sys
sys.path.insert(0, sys.argv[1])
from dsops.cli.framework.commands import COMMANDS
from dsops.cli.framework.completion import SCRIPTS
from dsops.cli.look.man import page
names = [name for name, entry in COMMANDS.items() if entry.summary]
pages = {"dsops": page([])} | {f"dsops-{name}": page([name]) for name in names}
print(json.dumps({"manual": pages, "completion": SCRIPTS}))
"""
"""Prints the manual pages and the completion scripts of the dsops in a folder, as JSON."""
COMPLETIONS = {
    "bash": "/usr/share/bash-completion/completions/dsops",
    "zsh": "/usr/share/zsh/{zsh}/_dsops",
    "fish": "/usr/share/fish/vendor_completions.d/dsops.fish",
}
ZSH = {"deb": "vendor-completions", "rpm": "site-functions"}
"""The folder in which each distribution's zsh looks for the completions of packages."""


def build(wheels: list[Path], version: str, folder: Path, out: Path, epoch: str) -> list[Path]:
    """Write one package of each kind with the contents of the pure wheels; return their paths."""
    return [_package(kind, wheels, version, folder / kind, out, epoch) for kind in KINDS]


def _package(kind: str, wheels: list[Path], version: str, folder: Path, out: Path, epoch: str) -> Path:
    home, files = folder / "home", folder / "files"
    _environment(home, wheels, kind)
    files.mkdir()
    contents: list[dict[str, object]] = [
        {"src": str(home), "dst": HOME, "type": "tree"},
        {"dst": "/usr/share/doc/dsops", "type": "dir"},
    ]
    # Without a mode, nfpm takes the one of whatever has the target's path here: of a folder, perhaps.
    contents += [
        {"src": target, "dst": f"{HOME}/{name}", "type": "symlink", "file_info": {"mode": 0o777}}
        for name, target in LINKS.items()
    ]
    for target, data in _files(kind, home / "packages", wheels, epoch).items():
        source = files / target.strip("/").replace("/", "-")
        source.write_bytes(data)
        source.chmod(0o755 if target.startswith("/usr/bin/") else 0o644)
        contents.append({"src": str(source), "dst": target})
    config = folder / "nfpm.json"
    scripts = {name: str(_script(files / name, text)) for name, text in SCRIPTS.items()}
    settings = _settings(version, int(epoch)) | {"contents": contents, "scripts": scripts}
    config.write_text(json.dumps(settings), encoding="utf-8")
    before = set(out.iterdir())
    words = ["package", "--config", str(config), "--packager", kind, "--target", f"{out}/"]
    start([str(NFPM), *words], folder=folder, epoch=epoch)
    (made,) = set(out.iterdir()) - before
    return made


def _environment(home: Path, wheels: list[Path], kind: str) -> None:
    """Make the virtual environment with the wheels' modules, and with the mark that dsops.extras reads."""
    packages = home / "packages"
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages, [name for name in archive.namelist() if ".data/" not in name])
    (info,) = packages.glob("dsops-*.dist-info")
    (info / "INSTALLER").write_text(f"{kind}\n", encoding="utf-8")
    (home / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n", encoding="utf-8")
    for name in LINKS:
        (home / name).parent.mkdir(parents=True)
    for path in (home, *home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _files(kind: str, packages: Path, wheels: list[Path], epoch: str) -> dict[str, bytes]:
    """Return what lies outside of the environment: the program, its manual pages, completions and licences."""
    texts = texts_of(packages, epoch)
    found = {"/usr/bin/dsops": PROGRAM.encode(), "/usr/share/doc/dsops/copyright": licences_of(wheels).encode()}
    for shell, path in COMPLETIONS.items():
        found[path.format(zsh=ZSH[kind])] = texts["completion"][shell].lstrip().encode()
    for name, page in texts["manual"].items():
        found[f"/usr/share/man/man1/{name}.1.gz"] = gzip.compress(f"{page}\n".encode(), mtime=0)
    return found


def texts_of(packages: Path, epoch: str) -> dict[str, dict[str, str]]:
    """Return the manual pages by name and the completion scripts by shell, of the dsops in a folder or wheel."""
    found = json.loads(
        start([sys.executable, "-I", "-B", "-c", TEXTS, str(packages)], folder=packages.parent, epoch=epoch)
    )
    return dict(found)


def _script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\nset -e\n{text}", encoding="utf-8")
    return path


def _settings(version: str, epoch: int) -> dict[str, object]:
    return {
        "name": "dsops",
        "arch": "all",
        "platform": "linux",
        # Both managers sort what follows `~` before the version itself.
        "version": re.sub(r"\.?(a|b|rc|dev)(\d+)", r"~\1\2", version),
        "version_schema": "none",
        "release": "1",
        "section": "utils",
        "priority": "optional",
        "maintainer": "the maintainers of dsops <maintainers@dsops.invalid>",
        "description": "short-lived AWS credentials, and commands that run with an environment's secrets",
        "license": "MIT",
        "mtime": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
        "rpm": {"buildhost": "dsops", "group": "Applications/System"},
        "deb": {"triggers": {"interest_noawait": ["/usr/bin/python3"]}},
        "overrides": {"deb": {"depends": ["python3 (>= 3.11)"]}, "rpm": {"depends": ["python3 >= 3.11"]}},
    }


def available() -> bool:
    """Return whether nfpm is there."""
    return NFPM.is_file()
