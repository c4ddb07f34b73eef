"""Build the pip command that installs an extra into the environment of this dsops installation.

The command names this interpreter and the source that dsops was installed from. On a package index, the name dsops
may belong to another project.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys


def install_command(extra: str) -> str:
    """Return the command line that installs the extra into this interpreter's environment, quoted for a shell."""
    origin = _origin(extra)
    return pip_install(*origin) if origin else pip_install(*_requirements(extra))


def pip_install(*words: str) -> str:
    """Return a `pip install` command line for this interpreter's environment."""
    return shlex.join([sys.executable or "python", "-m", "pip", "install", *words])


def _origin(extra: str) -> list[str]:
    """Return the requirement from which pip installs this dsops with the extra; [] if the source is unknown or gone.

    PEP 610: an installation from a folder, file or URL records its source in direct_url.json.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution("dsops").read_text("direct_url.json")
    except PackageNotFoundError:
        # dsops runs from a clone if the path of this file ends in `src/dsops/extras.py`.
        clone = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        return ["-e", f"{clone}[{extra}]"] if os.path.isfile(os.path.join(clone, "pyproject.toml")) else []
    try:
        direct_url = json.loads(text or "")
    except ValueError:
        return []
    return (
        _of_address(direct_url, extra)
        if isinstance(direct_url, dict) and isinstance(direct_url.get("url"), str)
        else []
    )


def _of_address(direct_url: dict[str, object], extra: str) -> list[str]:
    url = str(direct_url["url"])
    folder, revision = direct_url.get("dir_info"), direct_url.get("vcs_info")
    if url.startswith("file:") and not isinstance(revision, dict):
        from urllib.request import url2pathname

        path = url2pathname(url.removeprefix("file://"))
        is_editable = isinstance(folder, dict) and folder.get("editable") is True
        return [*(["-e"] if is_editable else []), f"{path}[{extra}]"] if os.path.exists(path) else []
    if isinstance(revision, dict):
        url = f"{revision.get('vcs')}+{url}@{revision.get('commit_id')}"
    return [f"dsops[{extra}] @ {url}"]


def _requirements(extra: str) -> list[str]:
    """Return the extra's requirements, as listed in dsops' package metadata."""
    from importlib.metadata import distribution

    requirements = []
    for requirement in distribution("dsops").requires or ():
        needed, _, marker = requirement.partition(";")
        if re.search(rf"""extra\s*==\s*["']{re.escape(extra)}["']""", marker):
            requirements.append(needed.strip())
    return requirements
