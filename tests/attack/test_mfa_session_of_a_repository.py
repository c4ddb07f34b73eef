"""A cloned repository, another HOME and another endpoint, while the MFA session of the user's own profiles lasts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.testing.local_aws import LocalAws
from tests.clients.test_mfa_of_profiles import ACCOUNT, ADA, SEED, Machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no terminal of that kind on Windows")
BILLING = f"role_arn: 'arn:aws:iam::{ACCOUNT}:role/Billing'"
OF_ADA = f"{BILLING}, profile: ada, serial_number: '{ADA}'"


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


@pytest.fixture
def machine(sandbox: LocalAws, tmp_path: Path) -> Iterator[Machine]:
    """A machine whose user has typed a code for a profile; its agent is stopped at the end."""
    with Machine(sandbox, tmp_path) as made:
        made.typed("deploy", ADA)
        yield made


def _exec(machine: Machine, store: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["setsid", "--wait", "dsops", "exec", store, "--", "true"],
        cwd=folder,
        env=machine.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("settings", "power"),
    [
        (
            f"{OF_ADA}, mfa_session: true",
            f"your MFA device {ADA}, computed if the keyring has the seed, or the session",
        ),
        (f"{BILLING}, credentials_from: ada", "your own store ada"),
    ],
)
def test_a_repository_uses_the_session_only_with_permission(machine: Machine, settings: str, power: str) -> None:
    """A repository's store is refused without permission.

    `dsops allow` shows that the store may use the session.
    """
    folder = machine.folder / "repository"
    folder.mkdir()
    (folder / "dsops.yaml").write_text(f"version: 1\nsecretStores:\n  its: {{type: aws.sts, {settings}}}\nenvs: {{}}\n")
    before = machine.calls()
    assert "config.not-allowed" in _exec(machine, "its", folder).stderr
    assert machine.calls() == before
    words = ["dsops", "allow"]
    shown = subprocess.run(
        words, cwd=folder, env=machine.environ, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert power in shown
    assert _exec(machine, "its", folder).returncode == 0


def test_a_repositorys_store_without_the_setting_needs_its_own_code(machine: Machine) -> None:
    """A repository's store without `mfa_session` gets no MFA session, even with the user's device and profile."""
    folder = machine.folder / "repository"
    folder.mkdir()
    (folder / "dsops.yaml").write_text(f"version: 1\nsecretStores:\n  its: {{type: aws.sts, {OF_ADA}}}\nenvs: {{}}\n")
    subprocess.run(["dsops", "allow"], cwd=folder, env=machine.environ, capture_output=True, check=True, timeout=60)
    assert "mfa.required" in _exec(machine, "its", folder).stderr


def test_another_home_and_another_endpoint_get_no_session(machine: Machine) -> None:
    """A same-named profile in another HOME gets no session from the agent.

    The same profile at another endpoint gets none, either.
    """
    other = machine.folder / "other"
    (other / ".aws").mkdir(parents=True)
    config = (
        f"[profile deploy]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/Audit\nsource_profile = ben\nmfa_serial = {ADA}\n"
    )
    (other / ".aws" / "config").write_text(config)
    os.symlink(machine.folder / ".aws" / "credentials", other / ".aws" / "credentials")
    before = machine.calls()
    assert "mfa.required" in _exec(machine, "deploy", other, HOME=str(other)).stderr
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"):
        done = _exec(machine, "audit", machine.folder, **{variable: "http://127.0.0.1:9"})
        assert "mfa.required" in done.stderr
    assert machine.calls() == before
    assert _exec(machine, "audit", machine.folder).returncode == 0
