"""Variables that steer programs are marked when shown, and are never set by a file that is not allowed.

The catalogue in data/ was written from the documentation of the programs, not from `dsops.config.steering`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsops.config.steering import is_credential, steering
from tests.unit.cli.stub_aws import Dsops

DATA = Path(__file__).parent / "data" / "steering_variables.txt"


def catalogue() -> dict[str, str]:
    """Variable -> the program that reads it."""
    collected: dict[str, str] = {}
    program = ""
    for line in DATA.read_text().splitlines():
        if line.startswith("["):
            program = line.partition("] ")[2]
        elif not line.startswith("#"):
            collected |= dict.fromkeys(line.split(), program)
    return collected


CATALOGUE = catalogue()


def test_the_catalogue_is_large() -> None:
    """The catalogue has over 500 variables of over 30 programs."""
    assert len(CATALOGUE) > 500
    assert len(set(CATALOGUE.values())) > 30


@pytest.mark.parametrize("spelling", [str, str.lower, str.upper, str.title])
def test_each_is_marked_with_its_family(spelling: object) -> None:
    """Each variable is marked with its program's name, ignoring case if the program ignores it (Windows, npm)."""
    assert callable(spelling)
    expected = {name: f"{program} (" for name, program in CATALOGUE.items()}
    marked = {name: steering(spelling(name)) for name in CATALOGUE}
    wrong = {name: family for name, family in marked.items() if not family.startswith(expected[name])}
    assert {} == wrong


@pytest.mark.parametrize("name", ["DATABASE_URL", "LOG_LEVEL", "PAGERDUTY_TOKEN", "EDITORIAL", "PATHS", "TOKEN_PATH"])
def test_what_only_looks_alike_is_not(name: str) -> None:
    """Similar but harmless names are not marked, so that a mark means something."""
    assert "" == steering(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AWS_SESSION_TOKEN", True),
        ("AWS_ACCESS_KEY_ID", True),
        ("PGPASSWORD", True),
        ("VAULT_TOKEN", True),
        ("TF_VAR_size", True),
        ("AWS_PROFILE", False),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", False),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", False),
        ("ANSIBLE_VAULT_PASSWORD_FILE", False),
        ("SSH_ASKPASS", False),
    ],
)
def test_a_credential_is_told_from_an_order(name: str, *, expected: bool) -> None:
    """Credentials (never shown, allowed in the hook) are distinguished from other steering variables.

    The path of a file that contains a credential is not a credential.
    """
    assert steering(name)
    assert expected is is_credential(name)


def test_none_reaches_a_child_of_a_file_that_is_not_allowed(tmp_path: Path) -> None:
    """The permission prompt marks every steering variable, and child processes get them only after permission."""
    lines = [f"    {name}: {{literal: steered}}\n" for name in CATALOGUE if name not in {"PATH", "HOME"}]
    dsops = Dsops(tmp_path)
    (tmp_path / "dsops.yaml").write_text(f"version: 1\nenvs:\n  dev:\n{''.join(lines)}")
    command = [sys.executable, "-c", "import sys; from dsops.__main__ import main; sys.exit(main())"]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *words],
            cwd=tmp_path,
            env=dsops.environ,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            timeout=60,
        )

    refused = run("exec", "--env", "dev", "--", "/usr/bin/env")
    assert (125, "") == (refused.returncode, refused.stdout)
    assert "error[config.not-allowed]" in refused.stderr

    stdout = run("allow").stdout
    assert len(lines) == sum(line.startswith("  steers ") for line in stdout.splitlines())

    allowed = run("exec", "--env", "dev", "--", os.path.realpath("/usr/bin/env"))
    assert len(lines) <= allowed.stdout.count("=steered\n")
