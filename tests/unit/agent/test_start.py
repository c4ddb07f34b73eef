"""How an agent is started: only once, and without the settings of the client that starts it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from dsops.agent.start import agent_path, locked
from tests.children import SECONDS

PATIENCE_SECONDS = 60
SITE = "/venv/lib/python3/site-packages"


@pytest.mark.parametrize(
    ("path", "variable", "root", "expected"),
    [
        (["/venv/bin", "/lib/python3", SITE], "", SITE, ["/lib/python3", SITE]),
        (["/venv/bin", "/project/src", "/lib/python3", SITE], "/project/src", SITE, ["/lib/python3", SITE]),
        # Started by `python -m dsops` in a folder, by `python -c`, or from a zip file.
        (["/evil", "/lib/python3", SITE], "", SITE, ["/lib/python3", SITE]),
        (["", "/lib/python3", SITE], "", SITE, ["/lib/python3", SITE]),
        (["/tool.pyz", "/lib/python3"], "", "/tool.pyz", ["/tool.pyz", "/lib/python3"]),
        # If dsops itself is imported from this folder, its dependencies may be, too.
        (["/bin", "/nix/a", "/nix/b", "/lib/python3"], "/nix/a:/nix/b", "/nix/a", ["/nix/a", "/nix/b", "/lib/python3"]),
    ],
)
def test_modules_come_from_where_dsops_is_installed(
    path: list[str], variable: str, root: str, expected: list[str]
) -> None:
    """The agent imports no module from the script's folder or the client's PYTHONPATH."""
    assert agent_path(path, {"PYTHONPATH": variable}, root, is_first_the_scripts=True) == expected


def test_without_a_scripts_folder_nothing_is_left_out() -> None:
    """With `python -P` or `-I` the import path has no script folder, so no entry is removed."""
    assert agent_path(["/lib/python3", SITE], {}, SITE, is_first_the_scripts=False) == ["/lib/python3", SITE]


def test_a_removed_lock_file_is_replaced(tmp_path: Path) -> None:
    """If the lock file was removed while a process waited for it, the process locks the new file.

    Another process may hold the lock on the new file.
    """
    address = str(tmp_path / "s")
    inside: list[str] = []
    entered = threading.Event()

    def enter() -> None:
        with locked(address):
            inside.append("second")
            entered.set()

    with locked(address):
        waiting = threading.Thread(target=enter, daemon=True)
        waiting.start()
        assert not entered.wait(0.05)
        inside.append("first")
        os.unlink(f"{address}.lock")
    assert entered.wait(PATIENCE_SECONDS)
    waiting.join(timeout=SECONDS)
    assert inside == ["first", "second"]
    assert os.path.exists(f"{address}.lock")
