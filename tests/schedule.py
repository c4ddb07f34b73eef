"""Which tests run one after another on the same worker of pytest-xdist: those of a file, and all of tests/project."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/project/",)
"""Folders whose files all read the syntax trees of the whole source, which a worker parses once."""


def group_of(node_id: str) -> str:
    """The group of a test: its file, or its folder."""
    file = node_id.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


class FileScheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist exports no types
    """Gives each worker whole groups of tests."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
