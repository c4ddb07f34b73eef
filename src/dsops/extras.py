"""Build the command that adds an extra or a package to this installation of dsops.

The command uses the program with which dsops was installed (pip, uv or pipx). It installs dsops from a folder, file or
URL, or it installs only the additional packages. It never installs dsops by its name alone, because the name may
belong to another project on a package index.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys

from dsops.version import __version__

_PACKAGED = ("pex", "deb", "rpm", "brew", "nix")
"""The values of the file INSTALLER (PEP 627) for installations to which no package can be added.

These are `dsops.pyz` and system packages.
"""
_WHEEL = f"~/dsops-{__version__}-py3-none-any.whl"
"""The path of this release's wheel in the home folder.

The wheel is not looked up in the working folder, which may be a cloned repository.
"""


def install_command(extra: str) -> str:
    """Return the command line that adds an extra to this dsops, quoted for a shell."""
    origin = _origin(extra)
    way = _way()
    if way == "uv tool" and origin:
        return _uv_tool([], extra)
    if way in ("pip", "uv") and origin:
        return _pip(way, origin)
    return _own_venv(origin or [f"{_WHEEL}[{extra}]"]) if way == "none" else install_packages(*_requirements(extra))


def install_packages(*words: str) -> str:
    """Return a command line that installs packages beside this dsops, quoted for a shell."""
    way = _way()
    if way == "pipx":
        return shlex.join(["pipx", "inject", os.path.basename(sys.prefix), *words])
    if way == "none":
        return _own_venv([*(_origin("") or [_WHEEL]), *words])
    if way == "uv tool" and _origin("") and not any(word.startswith("-") for word in words):
        return _uv_tool(words, "")
    return _pip(way, words)


def _way() -> str:
    """Return what can install packages into this Python environment: `pip`, `uv`, `uv tool`, `pipx`, or `none`."""
    if _is_in_prefix("uv-receipt.toml"):
        return "uv tool"
    if _is_in_prefix("pipx_metadata.json"):
        return "pipx"
    installer = _metadata("INSTALLER").strip()
    if installer in _PACKAGED or not _is_changeable():
        return "none"
    return "uv" if installer == "uv" else "pip"


def _is_in_prefix(name: str) -> bool:
    return os.path.isfile(os.path.join(sys.prefix, name))


def _is_changeable() -> bool:
    """Return whether the user may install into the environment of this Python."""
    import sysconfig

    if sys.prefix == sys.base_prefix:
        # PEP 668: with this file, only the system's package manager may install packages for this Python.
        return not os.path.isfile(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
    return os.access(sysconfig.get_path("purelib"), os.W_OK)


def _pip(way: str, words: list[str] | tuple[str, ...]) -> str:
    python = sys.executable or "python"
    start = [python, "-m", "pip", "install"] if way == "pip" else ["uv", "pip", "install", "--python", python]
    return shlex.join([*start, *words])


def _own_venv(words: list[str]) -> str:
    """Return the commands that install dsops into a virtual environment of the user's own."""
    return f"python3 -m venv ~/.venvs/dsops && ~/.venvs/dsops/bin/python -m pip install {' '.join(map(_quoted, words))}"


def _quoted(word: str) -> str:
    """Quote a word for a shell, but leave `~/` at its beginning unquoted, so that the shell expands it."""
    home, rest = ("~/", word[2:]) if word.startswith("~/") else ("", word)
    return f"{home}{shlex.quote(rest)}"


def _uv_tool(words: list[str] | tuple[str, ...], extra: str) -> str:
    """Return the command that installs the tool again with more packages.

    It lists the packages that are already installed, because uv removes packages that it does not list.
    """
    present = _uv_requirements()
    had = [each for item in present if item["name"] == "dsops" for each in _extras(item)]
    extras = sorted({extra, *had} - {""})
    others = [f"{item['name']}{item.get('specifier', '')}" for item in present if item["name"] != "dsops"]
    beside = [part for word in [*others, *words] for part in ("--with", word)]
    return shlex.join(["uv", "tool", "install", *beside, *_origin(",".join(extras))])


def _extras(item: dict[str, object]) -> list[str]:
    extras = item.get("extras")
    return [str(each) for each in extras] if isinstance(extras, list) else []


def _uv_requirements() -> list[dict[str, object]]:
    """Return the requirements that `uv tool install` recorded for this tool; [] if its file can't be read."""
    import tomllib

    try:
        with open(os.path.join(sys.prefix, "uv-receipt.toml"), "rb") as file:
            found = tomllib.load(file)["tool"]["requirements"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [item for item in found if isinstance(item, dict) and isinstance(item.get("name"), str)]


def _metadata(name: str) -> str:
    """Return a file of dsops' package metadata; "" if there is none."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution("dsops").read_text(name) or ""
    except PackageNotFoundError:
        return ""


def _origin(extra: str) -> list[str]:
    """Return pip's arguments to install this dsops with the extra; [] if the source is unknown or no longer exists.

    An installation from a folder, file or URL records its source in direct_url.json (PEP 610).
    """
    from importlib.metadata import PackageNotFoundError, distribution

    wanted = f"[{extra}]" if extra else ""
    try:
        text = distribution("dsops").read_text("direct_url.json")
    except PackageNotFoundError:
        # dsops runs from a clone if the path of this file ends in `src/dsops/extras.py`.
        clone = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        return ["-e", f"{clone}{wanted}"] if os.path.isfile(os.path.join(clone, "pyproject.toml")) else []
    try:
        direct_url = json.loads(text or "")
    except ValueError:
        return []
    return (
        _of_address(direct_url, wanted)
        if isinstance(direct_url, dict) and isinstance(direct_url.get("url"), str)
        else []
    )


def _of_address(direct_url: dict[str, object], extras: str) -> list[str]:
    url = str(direct_url["url"])
    folder, revision = direct_url.get("dir_info"), direct_url.get("vcs_info")
    if url.startswith("file:") and not isinstance(revision, dict):
        from urllib.request import url2pathname

        path = url2pathname(url.removeprefix("file://"))
        is_editable = isinstance(folder, dict) and folder.get("editable") is True
        return [*(["-e"] if is_editable else []), f"{path}{extras}"] if os.path.exists(path) else []
    if isinstance(revision, dict):
        url = f"{revision.get('vcs')}+{url}@{revision.get('commit_id')}"
    return [f"dsops{extras} @ {url}"]


def _requirements(extra: str) -> list[str]:
    """Return the extra's requirements, as listed in dsops' package metadata."""
    from importlib.metadata import distribution

    requirements = []
    for requirement in distribution("dsops").requires or ():
        needed, _, marker = requirement.partition(";")
        if re.search(rf"""extra\s*==\s*["']{re.escape(extra)}["']""", marker):
            requirements.append(needed.strip())
    return requirements
