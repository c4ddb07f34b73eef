"""The configuration of Zensical, written for one build."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from website.navigation import Nav
from website.sources import ROOT

_TEMPLATE = Path(__file__).parent / "zensical.toml"


def write_config(work: Path, nav: Nav, *, url: str, version: str) -> Path:
    """Write zensical.toml into a folder with the pages in docs/: the template, the navigation and the version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    head = {
        "site_name": "dsops",
        "site_description": project["description"],
        "site_url": url,
        "docs_dir": "docs",
        "site_dir": "site",
    }
    lines = ["[project]", *(f"{key} = {json.dumps(value)}" for key, value in head.items() if value)]
    lines.append(f"nav = {_toml(nav)}")
    text = _TEMPLATE.read_text(encoding="utf-8").replace("SOURCE_FOLDER", str(ROOT / "src"))
    if version:
        text += '\n[project.extra.version]\nprovider = "mike"\ndefault = "latest"\n'
    file = work / "zensical.toml"
    file.write_text("\n".join([*lines, "", text.replace("THEME_FOLDER", str(Path(__file__).parent / "theme"))]))
    return file


def _toml(nav: Nav) -> str:
    entries = [
        f"{{{json.dumps(title)} = {json.dumps(value) if isinstance(value, str) else _toml(value)}}}"
        for entry in nav
        for title, value in entry.items()
    ]
    return f"[{', '.join(entries)}]"
