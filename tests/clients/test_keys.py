"""Long-term keys in the keyring: added, used, rotated and removed by real processes, with IAM denials on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dsops.keyring import index
from dsops.keyring.items import Keyring
from dsops.keyring.keys import get_secrets, put_secrets
from dsops.secret import Secret
from dsops.testing.local_aws import LocalAws
from tests.children import Child
from tests.permission import allow_found
from tests.stubs.keyrings import StubKeyring
from tests.terminal import Terminal

BIN = Path(sys.executable).parent
ACCOUNT = "111122223333"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
DEVICE = f"arn:aws:iam::{ACCOUNT}:mfa/ada"
STEPS = ("iam:ListAccessKeys", "iam:CreateAccessKey", "iam:UpdateAccessKey", "iam:DeleteAccessKey")
SANDBOX = f"""
accounts:
  "{ACCOUNT}":
    users:
      ada:
        mfa: {{name: ada, seed: {SEED}}}
    roles:
      Reader:
        trust:
          Version: "2012-10-17"
          Statement: {{Effect: Allow, Principal: {{AWS: "arn:aws:iam::{ACCOUNT}:user/ada"}}, Action: sts:AssumeRole}}
        policies:
          - Version: "2012-10-17"
            Statement: {{Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}}
    secrets: {{prod/token: the-secret}}
"""
CONFIG = f"""
version: 1
secretStores:
  ada: {{type: aws.keys, key_name: ada}}
  reader: {{type: aws.sts, role_arn: "arn:aws:iam::{ACCOUNT}:role/Reader", credentials_from: ada}}
  secrets: {{type: aws.secretsmanager, credentials_from: reader}}
envs:
  production: {{SECRET: {{from: {{store: secrets, key: prod/token}}}}}}
"""


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SANDBOX


class Desk:
    """Ada's machine: a keyring, no key in a file or variable, and an agent only if a test starts it."""

    def __init__(self, sandbox: LocalAws, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        (folder / "dsops.yaml").write_text(CONFIG)
        self.keyring = StubKeyring(folder)
        self.environ = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": sandbox.url,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "DSOPS_AGENT": "off",
            **self.keyring.environ,
        }
        self.ring = Keyring(self.environ, str(folder))
        ada = sandbox.user("ada").credentials
        self.first = (ada.access_key_id, ada.secret_access_key.reveal())
        self.said = ""
        """The stdout and stderr of all runs."""

    def dsops(self, *words: str, given: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run dsops and wait until it ends."""
        environ = {**self.environ, **environ}
        allow_found(self.folder, environ)
        done = subprocess.run(
            ["dsops", *words],
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            input=given,
            start_new_session=True,
        )
        self.said += done.stdout + done.stderr
        return done

    def add(self) -> None:
        """Put Ada's first key into the keyring."""
        done = self.dsops("keys", "add", "ada", given="\n".join(self.first))
        assert done.returncode == 0, done.stderr

    def allow(self, *actions: str, condition: object = None) -> None:
        """Replace Ada's IAM policy on her own keys."""
        own = f"arn:aws:iam::{ACCOUNT}:user/ada"
        statement: dict[str, object] = {"Effect": "Allow", "Action": list(actions), "Resource": own}
        if condition is not None:
            statement["Condition"] = condition
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam = self.sandbox.user("admin").boto3_session().client("iam")
        iam.put_user_policy(UserName="ada", PolicyName="own-keys", PolicyDocument=document)

    def in_aws(self) -> dict[str, str]:
        """Ada's access keys in IAM: key id -> status."""
        iam = self.sandbox.user("admin").boto3_session().client("iam")
        listed = iam.list_access_keys(UserName="ada")["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in listed}

    @property
    def entry(self) -> index.KeysEntry:
        """dsops' index entry of Ada's key."""
        return index.contents(self.environ).keys["ada"]

    def works(self) -> bool:
        """Check that a run with the stored key succeeds; returns True."""
        done = self.dsops("exec", "--env", "production", "--", "printenv", "SECRET")
        assert (done.stdout, done.stderr) == ("the-secret\n", "")
        return True


@pytest.fixture
def desk(sandbox: LocalAws, tmp_path: Path) -> Iterator[Desk]:
    """Ada's machine. After the test, no key secret may be in any output or in the keyring's index."""
    made = Desk(sandbox, tmp_path)
    yield made
    kept = json.loads(made.keyring.secrets.get("dsops keys/ada", "{}")).values()
    for secret in (made.first[1], *kept, SEED):
        assert secret not in made.said
        assert not made.keyring.list.exists() or secret not in made.keyring.list.read_text()


def test_a_key_is_kept_used_rotated_and_removed(desk: Desk) -> None:
    """The stored key works after each step (add, rotate, remove the old key), and in the end no key is left."""
    desk.add()
    assert desk.works()
    desk.allow(*STEPS)
    assert desk.dsops("keys", "rotate", "ada").returncode == 0
    first, second = desk.first[0], desk.entry.key_id
    assert desk.in_aws() == {first: "Inactive", second: "Active"}
    assert desk.works()
    assert "is inactive" in desk.dsops("keys", "list").stdout
    assert desk.dsops("keys", "remove", "ada", "--old").returncode == 0
    assert desk.in_aws() == {second: "Active"}
    assert list(get_secrets(desk.ring, "ada", "desktop")) == [second]
    assert desk.dsops("keys", "remove", "ada", "--from-aws").returncode == 0
    assert (desk.in_aws(), desk.keyring.secrets) == ({}, {})


def test_a_rotation_with_delete_old(desk: Desk) -> None:
    """`rotate --delete-old` deletes the replaced key, and an older inactive key that would block the new one."""
    desk.add()
    desk.allow(*STEPS)
    desk.dsops("keys", "rotate", "ada")
    second = desk.entry.key_id
    done = desk.dsops("keys", "rotate", "ada")
    assert done.returncode == 3
    assert f"{desk.first[0]}, inactive" in done.stderr
    assert desk.in_aws()[second] == "Active"
    done = desk.dsops("keys", "rotate", "ada", "--delete-old", "--json")
    assert json.loads(done.stdout)["old_key_id"] is None
    assert desk.in_aws() == {desk.entry.key_id: "Active"}
    assert desk.entry.key_id not in {second, desk.first[0]}
    assert desk.works()


@pytest.mark.parametrize("missing", STEPS)
def test_a_denied_step_leaves_a_working_key_and_is_completed_by_the_next_run(desk: Desk, missing: str) -> None:
    """If IAM denies a rotation step, the error names the key in use and the missing permission.

    The next run completes the rotation.
    """
    desk.add()
    desk.allow(*[step for step in STEPS if step != missing])
    done = desk.dsops("keys", "rotate", "ada", "--delete-old")
    assert done.returncode == 3, done
    assert "access-denied" in done.stderr
    assert missing in done.stderr
    assert desk.works()
    was_made = missing in {"iam:UpdateAccessKey", "iam:DeleteAccessKey"}
    assert (desk.entry.key_id == desk.first[0]) is not was_made
    assert ("was not rotated" in done.stderr) is not was_made
    assert ("continues the rotation" in done.stderr) is was_made
    desk.allow(*STEPS)
    assert desk.dsops("keys", "rotate", "ada", "--delete-old").returncode == 0
    assert desk.in_aws() == {desk.entry.key_id: "Active"}
    assert len(desk.keyring.secrets) == 1
    assert desk.works()


def test_a_key_that_cannot_be_stored_is_deleted_in_iam(desk: Desk) -> None:
    """A new key that the keyring rejects is deleted in IAM, because its secret is lost.

    Otherwise it would take one of the user's two slots for keys.
    """
    desk.add()
    desk.allow(*STEPS)
    desk.keyring.set_mood("refuses")
    done = desk.dsops("keys", "rotate", "ada")
    assert (done.returncode, "keyring.failed" in done.stderr) == (3, True)
    assert desk.in_aws() == {desk.first[0]: "Active"}
    desk.allow("iam:ListAccessKeys", "iam:CreateAccessKey")
    done = desk.dsops("keys", "rotate", "ada")
    lost = next(key for key in desk.in_aws() if key != desk.first[0])
    assert f"aws iam delete-access-key --user-name ada --access-key-id {lost}" in done.stderr
    desk.keyring.set_mood("")
    assert desk.works()
    done = desk.dsops("keys", "rotate", "ada")
    assert f"delete-access-key --user-name ada --access-key-id {lost}" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_rotation_interrupted_while_storing_the_new_key(desk: Desk, number: signal.Signals) -> None:
    """Ctrl-C during a rotation deletes the new key; after SIGKILL the next run names the key whose secret is lost."""
    desk.add()
    desk.allow(*STEPS)
    desk.keyring.set_mood("hangs at new ones")
    running = Child(
        ["dsops", "keys", "rotate", "ada"],
        cwd=desk.folder,
        env=desk.environ,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    end = time.monotonic() + 60
    while not (desk.keyring.folder / "waiting").exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(running.pid, number)
    desk.said += running.communicate(timeout=60)[0]
    desk.keyring.set_mood("")
    assert desk.works()
    if number == signal.SIGINT:
        assert (running.returncode, desk.in_aws()) == (130, {desk.first[0]: "Active"})
    else:
        (lost,) = set(desk.in_aws()) - {desk.first[0]}
        assert f"--access-key-id {lost}" in desk.dsops("keys", "rotate", "ada").stderr


def test_a_killed_rotation_is_completed_with_its_new_key(desk: Desk) -> None:
    """If a rotation is killed after it stored the new key, the next `rotate` completes it with that key."""
    desk.add()
    desk.allow(*STEPS)
    made = desk.sandbox.user("admin").boto3_session().client("iam").create_access_key(UserName="ada")["AccessKey"]
    secrets = dict([desk.first, (made["AccessKeyId"], made["SecretAccessKey"])])
    put_secrets(desk.ring, "ada", {key_id: Secret(secret) for key_id, secret in secrets.items()})
    entry = desk.entry._replace(next_key_id=made["AccessKeyId"])
    index.write(desk.environ, index.contents(desk.environ)._replace(keys={"ada": entry}))
    assert desk.works()
    assert "interrupted" in desk.dsops("keys", "list").stdout
    assert desk.dsops("keys", "rotate", "ada").returncode == 0
    assert desk.in_aws() == {desk.first[0]: "Inactive", made["AccessKeyId"]: "Active"}
    assert desk.works()


def test_a_removed_key_stays_in_aws(desk: Desk) -> None:
    """`keys remove` leaves the key in IAM unless `--from-aws` is passed; `--old` refuses an active key."""
    desk.add()
    desk.allow(*[step for step in STEPS if step != "iam:UpdateAccessKey"])
    assert desk.dsops("keys", "remove", "ada", "--old").returncode == 2
    desk.dsops("keys", "rotate", "ada")
    done = desk.dsops("keys", "remove", "ada", "--old")
    assert (done.returncode, "is still active" in done.stderr) == (2, True)
    done = desk.dsops("keys", "add", "ada", "--replace", given="\n".join(desk.first))
    assert done.returncode == 0
    assert desk.dsops("keys", "remove", "ada").returncode == 0
    assert len(desk.in_aws()) == 2
    assert desk.keyring.secrets == {}
    assert desk.dsops("keys", "remove", "ada").returncode == 3


def test_replacing_a_key_during_a_rotation_names_the_lost_secret(desk: Desk) -> None:
    """`add --replace` during a rotation reports that the secret of the rotation's other key is lost."""
    desk.add()
    desk.allow(*STEPS)
    desk.dsops("keys", "rotate", "ada")
    second = desk.entry.key_id
    key_lines = "\n".join((second, get_secrets(desk.ring, "ada", "desktop")[second].reveal()))
    done = desk.dsops("keys", "add", "ada", "--replace", given=key_lines)
    assert f"the secret of {desk.first[0]}, of a rotation, is gone" in done.stderr
    assert desk.works()


def test_a_concurrent_rotation_is_refused(desk: Desk) -> None:
    """A second rotation at the same time fails, because it would create a third key."""
    desk.add()
    desk.allow(*STEPS)
    with index.changing(desk.environ):
        done = desk.dsops("keys", "rotate", "ada")
    assert (done.returncode, desk.in_aws()) == (3, {desk.first[0]: "Active"})
    assert "another dsops" in done.stderr


def test_iam_asks_for_mfa_and_the_keyring_answers(desk: Desk) -> None:
    """If IAM demands MFA, the keyring's seed provides one code; without a seed the error names the option."""
    desk.add()
    desk.allow(*STEPS, condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
    done = desk.dsops("keys", "rotate", "ada")
    assert (done.returncode, "--serial-number" in done.stderr) == (3, True)
    done = desk.dsops("keys", "rotate", "ada", "--serial-number", DEVICE)
    assert (done.returncode, "dsops mfa add" in done.stderr) == (3, True)
    assert desk.dsops("mfa", "add", DEVICE, given=SEED).returncode == 0
    done = desk.dsops("keys", "rotate", "ada", "--serial-number", DEVICE, "--delete-old")
    assert done.returncode == 0, done.stderr
    assert desk.in_aws() == {desk.entry.key_id: "Active"}
    called = [event["eventName"] for event in desk.sandbox.events() if event["eventSource"] == "sts.amazonaws.com"]
    assert called.count("GetSessionToken") == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("AKIAEXAMPLEEXAMPLE99\nnot-the-secret-of-it-at-all-0000000000000", "does not accept the key"),
        ("{first}\nnot-the-secret-of-it-at-all-0000000000000", "signature"),
        ("ASIAEXAMPLEEXAMPLE99\nnot-the-secret-of-it-at-all-0000000000000", "the access key belongs to a session"),
        ("not-the-secret-of-it-at-all-0000000000000\nAKIAEXAMPLEEXAMPLE99", "swapped"),
        ("AKIAEXAMPLEEXAMPLE99", "it has 1 line\n"),
        ("{{}}", "it has no `AccessKey`"),
        ("a,b\n1,2", "no columns"),
    ],
)
def test_an_invalid_key_is_not_stored(desk: Desk, given: str, told: str) -> None:
    """A key that AWS rejects or that is malformed is not stored, and the error does not show the key's secret."""
    done = desk.dsops("keys", "add", "ada", given=given.format(first=desk.first[0]))
    assert (done.returncode, desk.keyring.secrets) != (0, {})
    assert told in done.stderr
    assert "not-the-secret" not in done.stderr
    assert desk.keyring.secrets == {}


@pytest.mark.parametrize("form", ["json", "csv", "profile"])
def test_a_key_is_read_in_every_format(desk: Desk, form: str) -> None:
    """`keys add` reads the AWS CLI's JSON, the console's CSV and a profile, and warns if the file still has the key."""
    key_id, secret = desk.first
    file = desk.folder / "given"
    words: Sequence[str] = ("--from-file", str(file))
    if form == "json":
        key = {"UserName": "ada", "AccessKeyId": key_id, "SecretAccessKey": secret}
        file.write_text(json.dumps({"AccessKey": key}))
    elif form == "csv":
        file.write_text(f"\ufeffAccess key ID,Secret access key\n{key_id},{secret}\n")
    else:
        (desk.folder / ".aws").mkdir()
        (desk.folder / ".aws" / "credentials").write_text(
            f"[own]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n"
        )
        words = ("--from-profile", "own")
    done = desk.dsops("keys", "add", "ada", *words)
    assert done.returncode == 0, done.stderr
    assert "still contains the secret" in done.stderr
    assert desk.works()


def test_a_typed_key_is_not_echoed(desk: Desk) -> None:
    """Typed keys are not echoed; a malformed key id is reported before the secret is asked for."""
    command = ["env", "-i", *(f"{name}={value}" for name, value in desk.environ.items()), "dsops", "keys", "add", "ada"]
    with Terminal(command) as terminal:
        terminal.expect("Access key id: ")
        terminal.type("AKIA\n")
        assert "Secret access key" not in terminal.expect("the access key id is not valid")
    with Terminal(command) as terminal:
        terminal.expect("Access key id: ")
        terminal.type(f"{desk.first[0]}\n")
        assert desk.first[0] not in terminal.expect("Secret access key: ")
        terminal.type(f"{desk.first[1]}\n")
        assert desk.first[1] not in terminal.expect("user/ada as `ada`")
        assert terminal.code() == 0
    assert desk.works()


def test_a_key_is_replaced_only_with_the_option(desk: Desk) -> None:
    """`keys add` does not replace a stored key without --replace, because the stored secret could not be recovered."""
    desk.add()
    done = desk.dsops("keys", "add", "ada", given="\n".join(desk.first))
    assert (done.returncode, "--replace" in done.stderr) == (2, True)
    assert desk.dsops("keys", "add", "ada", "--replace", given="\n".join(desk.first)).returncode == 0


def test_a_key_on_the_command_line_is_refused_and_not_repeated(desk: Desk) -> None:
    """A key on the command line is refused and not repeated, because every process can read the arguments."""
    for words in (("ada", *desk.first), desk.first, (desk.first[0],)):
        done = desk.dsops("keys", "add", *words)
        assert (done.returncode, desk.first[0] in done.stderr) == (2, False)
    assert desk.keyring.secrets == {}


def test_a_list_for_programs_has_no_whole_key_id(desk: Desk) -> None:
    """`keys list --json` has name, owner and creation time, but no complete key id."""
    desk.allow(*STEPS)
    desk.add()
    (listed,) = json.loads(desk.dsops("keys", "list", "--json").stdout)
    assert (listed["name"], listed["arn"]) == ("ada", f"arn:aws:iam::{ACCOUNT}:user/ada")
    assert (listed["key_id"], listed["rotation"]) == (f"AKIA...{desk.first[0][-4:]}", None)
    assert listed["created"].startswith("20")
    assert desk.dsops("complete", "--", "keys", "rotate", "").stdout.split("\t")[0] == "ada"


def test_the_agent_serves_sessions_of_the_key_and_does_not_hold_it(desk: Desk) -> None:
    """The agent uses the client's keyring and caches only sessions; a rotated key counts as a new identity."""
    desk.environ |= {"XDG_RUNTIME_DIR": tempfile.mkdtemp(prefix="dsops-")}
    del desk.environ["DSOPS_AGENT"]
    try:
        desk.add()
        desk.allow(*STEPS)
        run = ("exec", "--env", "production", "--", "printenv", "SECRET")
        assert desk.dsops(*run).stdout == "the-secret\n"
        desk.keyring.set_mood("locked")
        assert desk.dsops(*run).stdout == "the-secret\n"
        desk.keyring.set_mood("")
        status = json.loads(desk.dsops("agent", "status", "--json", "--sandbox").stdout)
        assert [session["store"] for session in status["sessions"]] == ["reader"]
        assert desk.dsops("keys", "rotate", "ada").returncode == 0
        assert desk.dsops(*run).stdout == "the-secret\n"
        assumed = [event for event in desk.sandbox.events() if event["eventName"] == "AssumeRole"]
        assert [each["userIdentity"]["accessKeyId"] for each in assumed] == [desk.first[0], desk.entry.key_id]
        other = StubKeyring(Path(tempfile.mkdtemp(dir=desk.folder)))
        done = desk.dsops(*run, **other.environ)
        assert "the keyring has no key named `ada`" in done.stderr
    finally:
        desk.dsops("agent", "stop")
        shutil.rmtree(desk.environ["XDG_RUNTIME_DIR"], ignore_errors=True)


def test_the_aws_cli_starts_from_the_keyring(desk: Desk) -> None:
    """The AWS CLI takes a key from the keyring by `credential_process`."""
    desk.add()
    config = desk.folder / "config"
    process = "dsops credentials ada --format process"
    config.write_text(f"[profile ada]\nregion = us-east-1\ncredential_process = {process}\n")
    done = subprocess.run(
        [str(BIN / "aws"), "sts", "get-caller-identity", "--profile", "ada", "--output", "json"],
        cwd=desk.folder,
        env={**desk.environ, "AWS_CONFIG_FILE": str(config)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ada"
