"""Roles of AWS profiles behind one MFA device: one code a day, checked by the sandbox, with the real agent."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.testing.local_aws import LocalAws
from tests.desk import Desk
from tests.terminal import Terminal

ACCOUNT = "111122223333"
ADA, BEN = (f"arn:aws:iam::{ACCOUNT}:mfa/{name}" for name in ("ada", "ben"))
SEED = f"""
accounts:
  "{ACCOUNT}":
    users:
      ada: {{mfa: {{name: ada}}}}
      ben: {{mfa: {{name: ben}}}}
    roles:
      Deploy: &guarded
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{AWS: ["arn:aws:iam::{ACCOUNT}:user/ada", "arn:aws:iam::{ACCOUNT}:user/ben"]}}
            Action: sts:AssumeRole
            Condition: {{Bool: {{"aws:MultiFactorAuthPresent": "true"}}}}
      Audit: *guarded
      Billing: *guarded
      Bens:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{AWS: "arn:aws:iam::{ACCOUNT}:user/ben"}}
            Action: sts:AssumeRole
      Long: {{<<: *guarded, max_session_duration: 7200}}
      Fresh:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{AWS: "arn:aws:iam::{ACCOUNT}:user/ada"}}
            Action: sts:AssumeRole
            Condition: {{NumericLessThan: {{"aws:MultiFactorAuthAge": "600"}}}}
"""
PROFILES = (
    ("deploy", "Deploy", "ada", ADA, ""),
    ("audit", "Audit", "ada", ADA, "region = us-west-2\n"),
    ("billing", "Billing", "ada", ADA, "duration_seconds = 900\n"),
    ("fresh", "Fresh", "ada", ADA, ""),
    ("long", "Long", "ada", ADA, "duration_seconds = 3601\n"),
    ("bens", "Audit", "ben", BEN, ""),
    ("denied", "Bens", "ada", ADA, ""),
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no terminal of that kind on Windows")


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


class Machine(Desk):
    """A machine with profiles of two users and no dsops.yaml."""

    def __init__(self, sandbox: LocalAws, folder: Path) -> None:
        super().__init__(sandbox, folder, "", AWS_DEFAULT_REGION="us-east-1")
        (folder / "dsops.yaml").unlink()
        (folder / ".aws").mkdir()
        keys = ""
        for name in ("ada", "ben"):
            environ = sandbox.user(name).environment()
            keys += f"[{name}]\naws_access_key_id = {environ['AWS_ACCESS_KEY_ID']}\n"
            keys += f"aws_secret_access_key = {environ['AWS_SECRET_ACCESS_KEY']}\n"
        (folder / ".aws" / "credentials").write_text(keys)
        roles = "".join(
            f"[profile {name}]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/{role}\nsource_profile = {source}\n"
            f"mfa_serial = {device}\n{more}"
            for name, role, source, device, more in PROFILES
        )
        (folder / ".aws" / "config").write_text(f"{roles}[profile ada]\nmfa_serial = {ADA}\n")

    def typed(self, store: str, device: str) -> str:
        """Run a command as the store on a terminal where the code has to be typed; return what the terminal shows."""
        words = ("dsops", "exec", store, "--", "true")
        with Terminal(list(words), environ=self.environ, folder=self.folder) as terminal:
            shown = terminal.expect(f"MFA code of {device} for ") + terminal.expect(": ").replace("`", "")
            terminal.type(f"{self.sandbox.totp(device)}\n")
            assert terminal.code() == 0, terminal.text
        assert shown.endswith(f" for {store}: ")
        return shown

    def works(self, *stores: str) -> bool:
        """Whether each store gives a session to a command that can't ask for a code."""
        done = [self.run("setsid", "--wait", "dsops", "exec", store, "--", "true") for store in stores]
        assert all("mfa.required" in each.stderr for each in done if each.returncode), done
        return not any(each.returncode for each in done)

    def calls(self) -> list[str]:
        """The names of the successful calls that issued a session."""
        names = ("AssumeRole", "GetSessionToken")
        events = [each for each in self.sandbox.events() if not each.get("errorCode")]
        return [each["eventName"] for each in events if each["eventName"] in names]


@pytest.fixture
def machine(sandbox: LocalAws, tmp_path: Path) -> Iterator[Machine]:
    """A machine with profiles, whose agent is stopped at the end."""
    with Machine(sandbox, tmp_path) as made:
        yield made


def test_three_profiles_of_one_device_need_one_code(machine: Machine) -> None:
    """After one MFA code, three profiles of one device and the user's own profile work without another code."""
    assert not machine.works("audit")
    assert machine.typed("deploy", ADA).count("note") == 0
    assert machine.works("audit", "billing", "ada")
    assert sorted(machine.calls()) == ["AssumeRole"] * 3 + ["GetSessionToken"]
    session = json.loads(machine.run("dsops", "credentials", "ada", "--format", "process").stdout)
    files = [path.read_text(errors="replace") for path in machine.folder.rglob("*") if path.is_file()]
    assert len(files) > 2
    assert not any(session[part] in text for part in ("SecretAccessKey", "SessionToken") for text in files)


def test_an_edit_of_another_profile_needs_no_code(machine: Machine) -> None:
    """After an edit of unrelated sections and a login of an SSO session, profiles work without another code.

    A change of the key that signs GetSessionToken needs a code.
    """
    machine.typed("deploy", ADA)
    for words in (("region", "eu-west-1", "--profile", "new"), ("region", "eu-west-1", "--profile", "ben")):
        assert machine.run("aws", "configure", "set", *words).returncode == 0
    with (machine.folder / ".aws" / "config").open("a") as file:
        file.write("[sso-session corp]\nsso_start_url = https://corp.example\nsso_region = us-east-1\n")
    cache = machine.folder / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    (cache / "0000000000000000000000000000000000000000.json").write_text("{}")
    assert machine.run("aws", "configure", "set", "role_session_name", "someone", "--profile", "audit").returncode == 0
    assert machine.works("audit", "billing", "ada")
    assert machine.calls().count("GetSessionToken") == 1
    assert machine.run("aws", "configure", "set", "region", "eu-west-1", "--profile", "ada").returncode == 0
    assert not machine.works("audit")


def test_explain_uses_the_code_of_exec(machine: Machine) -> None:
    """After `exec`, `explain` needs no code, and answers as a run that asks for a code and uses no agent."""
    alone = ["sh", "-c", "dsops explain denied --no-agent --json > alone.json"]
    with Terminal(alone, environ=machine.environ, folder=machine.folder) as terminal:
        terminal.expect(f"MFA code of {ADA} for ")
        terminal.type(f"{machine.sandbox.totp(ADA)}\n")
        assert terminal.code() == 6, terminal.text
    machine.sandbox.clock.advance(60)
    without_code = machine.run("setsid", "--wait", "dsops", "explain", "denied", "--json")
    assert json.loads(without_code.stdout)["findings"][0]["cause"] == "mfa-code"
    machine.typed("deploy", ADA)
    after_exec = machine.run("setsid", "--wait", "dsops", "explain", "denied", "--json")
    assert after_exec.returncode == 6
    answers = [json.loads(text) for text in (after_exec.stdout, (machine.folder / "alone.json").read_text())]
    for answer in answers:
        answer["findings"][0]["aws"].pop("request_id")
    assert answers[0] == answers[1]
    assert answers[0]["findings"][0]["cause"] == "trust-policy"
    assert machine.calls().count("GetSessionToken") == 2
    message = (
        f"User: arn:aws:iam::{ACCOUNT}:user/x is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/k"
    )
    (machine.folder / "message").write_text(message)
    assert machine.run("setsid", "--wait", "dsops", "explain", "audit", "--message", "message").returncode == 6


def test_another_device_asks_for_its_own_code(machine: Machine) -> None:
    """The MFA session of one user is not reused for a profile with another user's access key and MFA device."""
    machine.typed("deploy", ADA)
    assert not machine.works("bens")
    machine.typed("bens", BEN)
    assert machine.works("audit", "bens")
    arns = [machine.run("dsops", "whoami", name, "--json").stdout for name in ("audit", "bens")]
    assert all(":assumed-role/Audit/" in arn for arn in arns)
    assert machine.calls().count("GetSessionToken") == 2


def test_a_device_named_with_another_users_key_shares_nothing(machine: Machine) -> None:
    """A profile with the same MFA device but another source profile does not get the first profile's session."""
    config = machine.folder / ".aws" / "config"
    config.write_text(config.read_text().replace(BEN, ADA))
    machine.typed("deploy", ADA)
    assert not machine.works("bens")


def test_an_expired_session_asks_for_a_code_again(machine: Machine) -> None:
    """After an MFA code, roles can be assumed again for 12 hours; then a code is needed again."""
    machine.typed("deploy", ADA)
    machine.sandbox.clock.advance(11 * 3600)
    assert machine.works("audit")
    machine.sandbox.clock.advance(2 * 3600)
    assert not machine.works("billing")
    machine.typed("billing", ADA)


def test_a_role_of_over_an_hour_sends_its_own_code(machine: Machine) -> None:
    """A profile with a duration over an hour sends its own MFA code.

    A role assumed with a session lasts only an hour.
    """
    machine.typed("long", ADA)
    assert machine.calls() == ["AssumeRole"]
    assert not machine.works("audit")


def test_a_session_that_is_too_old_for_a_role_is_explained(machine: Machine) -> None:
    """If the trust policy requires a recent MFA code, the error names the setting with which each role sends a code."""
    machine.typed("deploy", ADA)
    machine.sandbox.clock.advance(700)
    done = machine.run("dsops", "exec", "fresh", "--", "true")
    assert "sts.access-denied" in done.stderr
    assert "aws:MultiFactorAuthAge, the MFA session may be too old: with `mfa_session: false`" in done.stderr
    imported = machine.run("dsops", "import", "aws-config", "--profile", "fresh").stdout
    own = machine.folder / ".config" / "dsops" / "dsops.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(imported.replace("mfa_session: true", "mfa_session: false"))
    machine.typed("fresh", ADA)
