"""The command that installs an extra beside this dsops: with its own interpreter, from where it came.

The name dsops alone would not do: on a package index it may be another project's.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys


def install_command(extra: str) -> str:
    """The command line, quoted for a shell, that installs what the extra needs into this interpreter's environment."""
    origin = _origin(extra)
    return pip_install(*origin) if origin else pip_install(*_requirements(extra))


def pip_install(*words: str) -> str:
    """`pip install` of this interpreter's environment, with these words."""
    return shlex.join([sys.executable or "python", "-m", "pip", "install", *words])


def _origin(extra: str) -> list[str]:
    """What pip installs this dsops from, with the extra; nothing where that is not known or is gone.

    PEP 610: an installation from a folder, a file or an address writes down which one.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution("dsops").read_text("direct_url.json")
    except PackageNotFoundError:
        # Run from its sources: `src/dsops/extras.py` in a clone.
        clone = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        return ["-e", f"{clone}[{extra}]"] if os.path.isfile(os.path.join(clone, "pyproject.toml")) else []
    try:
        found = json.loads(text or "")
    except ValueError:
        return []
    return _of_address(found, extra) if isinstance(found, dict) and isinstance(found.get("url"), str) else []


def _of_address(found: dict[str, object], extra: str) -> list[str]:
    url = str(found["url"])
    folder, revision = found.get("dir_info"), found.get("vcs_info")
    if url.startswith("file:") and not isinstance(revision, dict):
        from urllib.request import url2pathname

        path = url2pathname(url.removeprefix("file://"))
        is_editable = isinstance(folder, dict) and folder.get("editable") is True
        return [*(["-e"] if is_editable else []), f"{path}[{extra}]"] if os.path.exists(path) else []
    if isinstance(revision, dict):
        url = f"{revision.get('vcs')}+{url}@{revision.get('commit_id')}"
    return [f"dsops[{extra}] @ {url}"]


def _requirements(extra: str) -> list[str]:
    """The packages of the extra, as this dsops asks for them."""
    from importlib.metadata import distribution

    found = []
    for requirement in distribution("dsops").requires or ():
        needed, _, marker = requirement.partition(";")
        if re.search(rf"""extra\s*==\s*["']{re.escape(extra)}["']""", marker):
            found.append(needed.strip())
    return found
