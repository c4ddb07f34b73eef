"""The config file variables in a child's environment name an empty regular file, not /dev/null."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dsops import runtime
from dsops.runtime import empty_file
from dsops.testing import allow, trust

if TYPE_CHECKING:
    from dsops.testing import LocalAws

DSOPS = str(Path(sys.executable).parent / "dsops")
LOOK = """
import json, os
print(json.dumps({name: [value, os.path.isfile(value), os.path.getsize(value)] for name, value in os.environ.items()
                  if value == os.devnull or name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}))
"""
CONFIG = """
version: 1
secretStores:
  reader: {type: aws.sts, region: us-east-1, role_arn: "ROLE", role_session_name: child}
"""


def looked(words: list[str], environ: dict[str, str], folder: Path) -> dict[str, tuple[str, bool, int]]:
    """Run a child process with this command line, and return which files its AWS file variables name."""
    done = subprocess.run(
        [*words, sys.executable, "-c", LOOK],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    document: dict[str, tuple[str, bool, int]] = json.loads(done.stdout)
    return document


def own_environment(folder: Path) -> dict[str, str]:
    """A user's environment without AWS variables."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "DSOPS_AGENT": "off", "DSOPS_AUDIT": "off"}


def both_are_regular(found: dict[str, tuple[str, bool, int]]) -> bool:
    """Whether exactly the two AWS file variables name an empty regular file."""
    return sorted(found) == ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] and all(
        is_file and not size and path != os.devnull for path, is_file, size in found.values()
    )


def test_a_command_of_the_sandbox_finds_regular_files(tmp_path: Path) -> None:
    """In `dsops sandbox run`, both AWS file variables name regular files, because dvc rejects the null device."""
    assert both_are_regular(looked([DSOPS, "sandbox", "run", "--"], own_environment(tmp_path), tmp_path))


def test_a_shell_in_the_sandbox_finds_regular_files(sandbox: LocalAws, tmp_path: Path) -> None:
    """In a shell after `dsops sandbox env`, both AWS file variables name regular files."""
    port = sandbox.url.rpartition(":")[2]
    shell = ["sh", "-c", f'eval "$({DSOPS} sandbox env --port {port})"; exec "$@"', "sh"]
    assert both_are_regular(looked(shell, own_environment(tmp_path), tmp_path))


def test_a_command_that_is_served_finds_regular_files(sandbox: LocalAws, tmp_path: Path) -> None:
    """Under `dsops exec --serve`, both AWS file variables name regular files, never the null device."""
    account = sandbox.account()
    role = account.add_role("Reader", trust=trust(account.root_arn), policies=[allow("s3:*")])
    (tmp_path / "dsops.yaml").write_text(CONFIG.replace("ROLE", role))
    environ = sandbox.environment(environ=own_environment(tmp_path))
    environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    words = [DSOPS, "--config", "dsops.yaml", "exec", "--credentials", "reader", "--serve", "--"]
    assert both_are_regular(looked(words, environ, tmp_path))


def test_a_test_suites_child_finds_regular_files(sandbox: LocalAws, tmp_path: Path) -> None:
    """With the pytest fixture's `sandbox.environment()`, a child's AWS file variables both name regular files."""
    assert both_are_regular(looked([], sandbox.environment(environ=own_environment(tmp_path)), tmp_path))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty file in an installation of this test's own, as pip writes it."""
    (tmp_path / "dsops").mkdir()
    file = tmp_path / "dsops" / "empty_file"
    shutil.copyfile(empty_file(), file)
    file.chmod(0o664)
    monkeypatch.setattr(runtime, "__file__", str(tmp_path / "dsops" / "runtime.py"))
    return file


def test_the_empty_file_is_closed_to_writing(installed: Path) -> None:
    """The empty AWS file is read-only, so `aws configure` in one child process cannot change the identity of others."""
    assert empty_file() == str(installed)
    assert stat.S_IMODE(installed.stat().st_mode) == 0o444


def test_a_file_that_holds_something_is_not_handed_out(installed: Path) -> None:
    """If dsops' empty AWS file is missing, not empty or a link, child processes get the null device instead."""
    installed.write_text("[default]\naws_access_key_id = of-another\n")
    assert empty_file() == os.devnull
    installed.unlink()
    assert empty_file() == os.devnull
    target = installed.with_name("target")
    target.touch(0o644)
    installed.symlink_to(target)
    assert empty_file() == os.devnull
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
