"""`dsops sandbox env`: lines that a shell runs unread."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsops.cli import main
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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["env", "--as", "alice", "--container-role", "CI"], "--as and --container-role exclude each other"),
        (["env", "--container-role", "CI", "--github-repository", "org/app"], "exclude each other"),
        (["env", "--github-repository", "org"], "it is OWNER/NAME, such as org/app"),
        (["env", "--github-repository", "/app"], "`--github-repository` can't be `/app`"),
        (["clock", "--now", "yesterday"], "it is a moment such as 2026-07-13T10:00:00Z"),
    ],
)
def test_what_a_flag_can_not_mean_is_told_before_anything_is_asked(
    words: list[str], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the words of the command line, with what would fit; that there is no sandbox on the port does not matter."""
    assert main(["sandbox", *words, "--port", "9"]) == 2
    assert told in capfd.readouterr().err


def test_a_day_is_a_moment_too(capfd: pytest.CaptureFixture[str]) -> None:
    """Its midnight, in UTC."""
    with open_server(Seed()) as server:
        assert main(["sandbox", "clock", "--now", "2031-02-03", "--port", str(server.port)]) == 0
    assert capfd.readouterr().out == "2031-02-03T00:00:00Z\n"
