"""Which tests run one after another on the same worker of pytest-xdist: those of a file, or of some folders."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/project/", "tests/trino/")
"""Folders whose files share what takes long: the syntax trees of the whole source, or a Trino."""

READERS = {f"tests/unit/test_{name}.py": TOGETHER[0] for name in ("hints", "public_names", "variables_page")}
"""Other files that read these trees, and the folder whose worker runs them."""


def group_of(node_id: str) -> str:
    """The group of a test: its file, or its folder."""
    file = node_id.partition("::")[0]
    return READERS.get(file) or next((folder for folder in TOGETHER if file.startswith(folder)), file)


class FileScheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist exports no types
    """Gives each worker whole groups of tests."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def mark_test_complete(self, node: object, item_index: int, duration: float = 0) -> None:
        """Note that a test has run, and forget its group after the last one.

        xdist counts the tests of all groups of a worker after each test, which took 5 s of CPU time in a whole run.
        """
        super().mark_test_complete(node, item_index, duration)
        group = self._split_scope(self.registered_collections[node][item_index])
        groups = self.assigned_work[node]
        if all(groups[group].values()):
            del groups[group]
