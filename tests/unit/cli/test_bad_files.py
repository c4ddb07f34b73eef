"""Configurations that dsops refuses to read: unreadable files, and files of another user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.unit.cli.stub_aws import Dsops

UNPRIVILEGED = """
import os, sys
from dsops.cli import main
main(["validate", "--config", "nowhere.yaml"])  # what it imports may be out of reach afterwards
if os.geteuid() == 0:
    os.setuid(65534)
sys.exit(main(["validate"]))
"""


def test_a_file_that_may_not_be_read() -> None:
    """An unreadable configuration is an error (tested as an unprivileged user, because root can read every file)."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        dsops = Dsops(folder)
        (folder / "dsops.yaml").chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED],
            cwd=folder,
            env=dsops.environ,
            capture_output=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 2
    assert b"error[config.unreadable]: dsops.yaml can't be read: permission denied" in done.stderr
    assert b"chmod u+r dsops.yaml" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """A discovered file of another user is refused, because it could set any variable; `--config` accepts it."""
    dsops = Dsops(tmp_path)
    os.chown(tmp_path / "dsops.yaml", 65534, 65534)
    done = dsops.run("exec", "--env", "plain", "--", "touch", "ran")
    assert done.returncode == 125
    assert b"dsops.yaml belongs to another user" in done.stderr
    assert b"--config dsops.yaml" in done.stderr
    assert not (tmp_path / "ran").exists()
    assert dsops.run("exec", "--config", "dsops.yaml", "--env", "plain", "--", "touch", "ran").returncode == 0
