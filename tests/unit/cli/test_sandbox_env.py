"""`dsops sandbox env`: lines that a shell runs unread."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dsops.sandbox.launch import open_server
from dsops.sandbox.seed_model import Seed


def test_whatever_the_environment_holds_a_shell_runs_nothing_of_it(tmp_path: Path) -> None:
    """Names of variables are anything but a `=`; only those that a shell can unset are among the lines."""
    odd = {"AWS_PROFILE": "mine", "AWS_;touch ran;": "x", "AWS_$(touch ran)": "x", "AWS_`touch ran`": "x"}
    words = [sys.executable, "-c", "import sys; from dsops.cli import main; sys.exit(main())", "sandbox", "env"]
    with open_server(Seed()) as server:
        environ = {"PATH": os.environ["PATH"], "DSOPS_AGENT": "off", "HOME": str(tmp_path), **odd}
        answer = subprocess.run(
            [*words, "--port", str(server.port)], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
    shown = subprocess.run(
        ["sh", "-c", f"{answer}\nenv"], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert list(tmp_path.iterdir()) == []
    assert shown.stderr == ""
    assert f"AWS_ENDPOINT_URL={server.url}" in shown.stdout
    assert "AWS_PROFILE" not in shown.stdout
