"""The text of README.md for a package index, which has no other file of the repository: its links become absolute.

pyproject.toml names this file as a hook of hatchling, so each build of the metadata runs it, and nothing else of this
folder is there then.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(?P<image>!?)(?P<text>\[[^\]]*\])\((?!#|[a-z]+:)(?P<target>[^)\s]+)\)")
"""A link or image of Markdown whose target is a file of the repository."""


def absolute(text: str, repository: str, ref: str) -> str:
    """Return Markdown whose links lead to the files of the repository at that tag or commit; images to their bytes."""

    def link(found: re.Match[str]) -> str:
        kind = "raw" if found["image"] else "blob"
        return f"{found['image']}{found['text']}({repository}/{kind}/{ref}/{found['target']})"

    return LINK.sub(link, text)


class LongDescription(MetadataHookInterface):
    """Sets the field `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in README.md, with links to the repository of `project.urls` at the tag of the version."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = absolute(text, metadata["urls"]["Repository"], f"v{metadata['version']}")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
