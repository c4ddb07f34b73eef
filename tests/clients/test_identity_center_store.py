"""Stores of IAM Identity Center as real processes: logins, the agent, and the token file that others share."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dsops.aws.identity.sso_cache import hashed
from dsops.testing.local_aws import LocalAws
from tests.clients.sdks import aws_cli_2
from tests.desk import Desk
from tests.installed import OUTSIDE, ToolMissingError
from tests.stubs.amazon import amazon
from tests.terminal import Terminal
from tests.unit.cli.test_exec_modules import PROGRAM

START_URL = "https://d-1234567890.awsapps.com/start"
DEV, OPS = "012345678901", "222222222222"
SEED = f"""
accounts:
  "{DEV}":
    secrets: {{prod/token: the-token}}
  "{OPS}":
    roles:
      Next:
        trust:
          Version: "2012-10-17"
          Statement: {{Effect: Allow, Principal: {{AWS: "arn:aws:iam::{DEV}:root"}}, Action: sts:AssumeRole}}
identity_center:
  start_url: {START_URL}
  users: {{alice: {{}}, bob: {{}}}}
  permission_sets:
    Developer:
      policies:
      - Version: "2012-10-17"
        Statement: {{Effect: Allow, Action: ["secretsmanager:GetSecretValue", "sts:AssumeRole"], Resource: "*"}}
    ReadOnly: {{}}
  assignments:
  - {{account: "{DEV}", permission_set: Developer, users: [alice, bob]}}
  - {{account: "{OPS}", permission_set: ReadOnly, users: [alice]}}
"""
CONFIG = f"""
version: 1
secretStores:
  dev: {{type: aws.sso, sso_session: corp, account_id: {DEV}, role_name: Developer, region: us-east-1}}
  ops: {{type: aws.sso, sso_session: corp, account_id: {OPS}, role_name: ReadOnly, region: us-east-1}}
  next: {{type: aws.sts, role_arn: "arn:aws:iam::{OPS}:role/Next", credentials_from: dev}}
  secrets: {{type: aws.secretsmanager, credentials_from: dev}}
envs:
  production: {{TOKEN: {{from: {{store: secrets, key: prod/token}}}}}}
"""
AWS_CONFIG = f"""
[sso-session corp]
sso_start_url = {START_URL}
sso_region = us-east-1
sso_registration_scopes = sso:account:access
[profile dev]
sso_session = corp
sso_account_id = {DEV}
sso_role_name = Developer
region = us-east-1
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no agent on Windows")


@pytest.fixture
def sandbox_seed() -> str:
    """What the sandbox of these tests starts with."""
    return SEED


class Login(Desk):
    """A person's machine: no key, an sso-session in the AWS config."""

    def __init__(self, sandbox: LocalAws, folder: Path) -> None:
        super().__init__(sandbox, folder, CONFIG, DSOPS_SANDBOX_PORT=sandbox.url.rpartition(":")[2])
        (folder / ".aws").mkdir()
        (folder / ".aws" / "config").write_text(AWS_CONFIG)
        self.file = folder / ".aws" / "sso" / "cache" / f"{hashed('corp')}.json"

    def log_in(self, user: str = "alice") -> str:
        """What a login by browser says; `dsops sandbox approve` stands in for browser and person."""
        done = self.dsops("login", "dev", BROWSER=f"dsops sandbox approve --user {user} %s")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def caller(self, store: str = "dev", *words: str) -> str:
        """Who a store makes, or what is said instead."""
        done = self.dsops("whoami", store, *words)
        return re.sub(r"_[0-9a-f]{16}", "", done.stdout.split()[1]) if not done.returncode else done.stderr

    def token(self) -> str:
        """What a command gets, or what is said instead."""
        done = self.dsops("exec", "--env", "production", "--", "printenv", "TOKEN")
        return done.stdout.strip() if not done.returncode else done.stderr

    def calls(self, name: str) -> int:
        """How often the sandbox was asked for that."""
        return sum(event["eventName"] == name for event in self.sandbox.events())

    def end_token(self) -> dict[str, str]:
        """Has the token file say that its time is over; gives what it said before."""
        members: dict[str, str] = json.loads(self.file.read_text())
        over = f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
        self.file.write_text(json.dumps({**members, "expiresAt": over}))
        return members


@pytest.fixture
def desk(sandbox: LocalAws, tmp_path: Path) -> Iterator[Login]:
    """A machine, whose agent ends with the test."""
    with Login(sandbox, tmp_path) as made:
        yield made


def arn(user: str = "alice", account: str = DEV, name: str = "Developer") -> str:
    """The caller, without the mark in the role's name."""
    return f"arn:aws:sts::{account}:assumed-role/AWSReservedSSO_{name}/{user}"


def test_one_login_serves_every_store_of_its_session(desk: Login) -> None:
    """By browser: what is opened is said before; then both accounts, a role behind one of them, and a secret."""
    before = desk.caller()
    assert "hint: dsops login dev" in before
    done = desk.dsops("login", "secrets", BROWSER="dsops sandbox approve --user alice %s")
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stderr.splitlines()
    assert first.startswith("dsops: your browser opens for the login")
    assert re.fullmatch(r"  https?://\S+", second)
    assert f"{desk.sandbox.url}/authorize?response_type=code" in done.stderr.splitlines()[1]
    assert "stores: dev, ops" in done.stdout
    assert [arn(), arn(account=OPS, name="ReadOnly")] == [desk.caller(), desk.caller("ops")]
    assert desk.caller("next").startswith(f"arn:aws:sts::{OPS}:assumed-role/Next/dsops-")
    assert "the-token" == desk.token()


def test_a_code_is_approved_on_any_device(desk: Login) -> None:
    """Page and code on stderr, nothing but the answer on stdout; no browser is needed, and none is opened."""
    waiting = subprocess.Popen(
        ["dsops", "login", "dev", "--device", "--json"],
        cwd=desk.folder,
        env={**desk.environ, "BROWSER": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    approved = desk.dsops("sandbox", "approve", "--user", "alice", "--wait", "30")
    output, said = waiting.communicate(timeout=30)
    assert approved.returncode == 0, approved.stderr
    typed = r"open this address in any browser, and type the code [A-Z]{4}-[A-Z]{4}:\n  \S+/_sandbox/device\n"
    assert re.search(typed, said)
    answer = json.loads(output)
    assert ("corp", ["dev", "ops"], True) == (answer["session"], answer["stores"], answer["is_renewed"])
    assert arn() == desk.caller()


def test_where_no_browser_can_be_opened_a_code_is_shown(desk: Login) -> None:
    """Neither BROWSER nor a display: that is said, and the code comes by itself. A denial ends it."""
    waiting = subprocess.Popen(["dsops", "login"], cwd=desk.folder, env=desk.environ, stderr=subprocess.PIPE, text=True)
    desk.dsops("sandbox", "approve", "--deny", "--wait", "30")
    _, said = waiting.communicate(timeout=30)
    assert "no browser can be opened here, so that a code is used" in said
    assert "error[login.failed]: the login was denied on the page" in said
    assert waiting.returncode == 3
    assert not desk.file.exists()


def test_what_a_browser_prints_is_no_part_of_the_answer(desk: Login) -> None:
    """`dsops sandbox approve` prints who has logged in: on our stderr, beside the JSON on stdout."""
    done = desk.dsops("login", "--json", BROWSER="dsops sandbox approve --user bob %s")
    assert START_URL == json.loads(done.stdout)["start_url"]
    assert "logged in as bob" in done.stderr


def test_a_denial_in_the_browser_ends_the_wait(desk: Login) -> None:
    """The browser brings it back."""
    done = desk.dsops("login", BROWSER="dsops sandbox approve --deny %s")
    assert "error[login.failed]: the login was denied on the page" in done.stderr


def test_a_browser_that_cannot_be_opened_is_told(desk: Login) -> None:
    """The wait goes on, for the address is on the screen; its end names the other way."""
    done = desk.dsops("login", "--timeout", "1", BROWSER="/nonexistent/browser %s")
    assert "open the address above yourself" in done.stderr
    assert "the browser brought no answer in time" in done.stderr
    assert "log in with `--device`" in done.stderr


@pytest.mark.parametrize("way", ["--device", "--no-browser"])
def test_ctrl_c_ends_a_login_at_once(desk: Login, way: str) -> None:
    """While a code waits for somebody, and while the browser's answer is awaited; nothing is left behind."""
    words = ["env", "-C", str(desk.folder), *[f"{name}={value}" for name, value in desk.environ.items()]]
    with Terminal([*words, "dsops", "login", way]) as terminal:
        terminal.expect("dsops: open ")
        started = datetime.now(UTC)
        terminal.type("\x03")
        assert terminal.code() == 128 + signal.SIGINT
        assert datetime.now(UTC) - started < timedelta(seconds=3)
    assert not desk.file.exists()


def test_another_login_is_another_person_to_the_agent(desk: Login) -> None:
    """What it holds for alice is never bob's, and is there again for alice's own token."""
    desk.log_in("alice")
    assert ["the-token"] * 2 == [desk.token(), desk.token()]
    assert 1 == desk.calls("GetRoleCredentials")
    of_alice = desk.file.read_text()
    desk.log_in("bob")
    assert arn("bob") == desk.caller()
    assert 2 == desk.calls("GetRoleCredentials")
    desk.file.write_text(of_alice)
    assert arn("alice") == desk.caller()
    assert 2 == desk.calls("GetRoleCredentials")


def test_one_agent_serves_two_homes_each_with_its_own_login(desk: Login) -> None:
    """The client's HOME counts, and not that of whoever has started the agent."""
    other = desk.folder / "other"
    (other / ".aws").mkdir(parents=True)
    (other / ".aws" / "config").write_text(AWS_CONFIG)
    desk.log_in("alice")
    assert arn("alice") == desk.caller()
    there = {"HOME": str(other)}
    assert "dsops login dev" in desk.dsops("whoami", "dev", **there).stderr
    desk.dsops("login", "dev", BROWSER="dsops sandbox approve --user bob %s", **there)
    assert "/bob\n" in desk.dsops("whoami", "dev", **there).stdout
    assert arn("alice") == desk.caller()
    assert 2 == desk.calls("GetRoleCredentials")


def test_two_logins_at_once_are_two_logins(desk: Login) -> None:
    """Each has a port and a state of its own; the last one's token is the one that stays, whole."""
    running = [
        subprocess.Popen(
            ["dsops", "login", "dev"],
            cwd=desk.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**desk.environ, "BROWSER": f"dsops sandbox approve --user {user} %s"},
        )
        for user in ("alice", "bob", "alice")
    ]
    said = [each.communicate(timeout=60)[0] for each in running]
    assert [0] * 3 == [each.returncode for each in running], said
    assert desk.caller() in (arn("alice"), arn("bob"))


def test_no_part_of_a_login_is_ever_shown(desk: Login) -> None:
    """Not with --debug and --verbose, nor in errors, the plan, the agent's own words or the sandbox's records."""
    desk.log_in("bob")
    members = json.loads(desk.file.read_text())
    told = [
        desk.dsops(*words)
        for words in (
            ("whoami", "dev", "--debug", "--verbose"),
            ("whoami", "ops", "--debug", "--verbose"),
            ("plan", "--env", "production", "--json"),
            ("doctor", "--json"),
            ("agent", "status", "--json"),
            ("exec", "--env", "production", "--debug", "--verbose", "--", "true"),
        )
    ]
    desk.end_token()
    told.append(desk.dsops("whoami", "dev", "--no-agent", "--debug", "--verbose"))
    told.append(desk.dsops("login", "--debug", BROWSER="dsops sandbox approve --user alice %s"))
    members |= {f"new {name}": value for name, value in json.loads(desk.file.read_text()).items()}
    told.append(desk.dsops("logout", "--debug", "--verbose"))
    everything = "".join(done.stdout + done.stderr for done in told) + json.dumps(desk.sandbox.events())
    secret = {name: value for name, value in members.items() if name.endswith(("Token", "Secret"))}
    assert 6 == len(secret)
    assert [] == [name for name, value in secret.items() if value in everything]


def test_a_renewal_leaves_the_agents_sessions_alone(desk: Login) -> None:
    """The access token ends after an hour: it is renewed for a new account, and the first one's session serves on."""
    desk.log_in()
    assert arn() == desk.caller()
    before = desk.end_token()
    assert arn(account=OPS, name="ReadOnly") == desk.caller("ops")
    after = json.loads(desk.file.read_text())
    assert before["accessToken"] != after["accessToken"]
    assert 0o600 == desk.file.stat().st_mode & 0o777
    assert arn() == desk.caller()
    assert 2 == desk.calls("GetRoleCredentials")


def test_many_processes_may_renew_at_once(desk: Login) -> None:
    """Without an agent each finds an ended token; all of them work, and one whole file is left."""
    desk.log_in()
    desk.end_token()
    running = [
        subprocess.Popen(
            ["dsops", "whoami", "dev", "--no-agent"],
            cwd=desk.folder,
            env=desk.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(4)
    ]
    said = [each.communicate(timeout=60)[0] for each in running]
    assert [0] * 4 == [each.returncode for each in running], said
    assert "accessToken" in json.loads(desk.file.read_text())
    assert {".json"} == {path.suffix for path in desk.file.parent.iterdir()}


def test_a_logout_ends_the_login_everywhere(desk: Login) -> None:
    """The token file goes and AWS takes the token no more; another session's file stays."""
    desk.log_in()
    other = desk.file.with_name(f"{hashed('other')}.json")
    other.write_text(desk.file.read_text().replace("accessToken", "accesstoken"))
    token = desk.file.read_text()
    done = desk.dsops("logout", "dev")
    assert "the login of sso-session corp has ended" in done.stdout
    assert (False, True) == (desk.file.exists(), other.exists())
    assert "nobody has logged in" in desk.caller()
    desk.file.write_text(token)
    assert "dsops login dev" in desk.caller("dev", "--no-agent")
    desk.file.unlink()
    assert "nobody had logged in" in desk.dsops("logout").stdout


def test_a_login_does_not_hang_on_what_a_session_may_do(desk: Login) -> None:
    """A role behind it has `session_policy: auto`, and no environment is named: the login is the same one."""
    role = 'role/Next", credentials_from: dev'
    assert role in CONFIG
    (desk.folder / "narrow.yaml").write_text(CONFIG.replace(role, f"{role}, session_policy: auto"))
    narrow = {"DSOPS_CONFIG": "narrow.yaml"}
    done = desk.dsops("login", "next", BROWSER="dsops sandbox approve --user alice %s", **narrow)
    assert done.returncode == 0, done.stderr
    assert "the login of sso-session corp has ended" in desk.dsops("logout", "next", **narrow).stdout


def test_a_logout_takes_sessions_from_the_agent(desk: Login) -> None:
    """Those of the login and of roles behind it; another login's stay."""
    other = desk.folder / "other"
    (other / ".aws").mkdir(parents=True)
    (other / ".aws" / "config").write_text(AWS_CONFIG.replace("corp", "mine"))
    (other / "dsops.yaml").write_text(CONFIG.replace("corp", "mine"))
    mine = {"HOME": str(other), "DSOPS_CONFIG": str(other / "dsops.yaml")}
    desk.log_in()
    desk.dsops("login", "dev", BROWSER="dsops sandbox approve --user bob %s", **mine)
    assert "assumed-role/Next" in desk.caller("next")
    assert "/bob\n" in desk.dsops("whoami", "dev", **mine).stdout
    assert 3 == len(json.loads(desk.dsops("agent", "status", "--json", "--sandbox").stdout)["sessions"])
    done = desk.dsops("logout", "dev")
    assert "the agent has forgotten 2 sessions of it" in done.stderr
    (left,) = json.loads(desk.dsops("agent", "status", "--json", "--sandbox").stdout)["sessions"]
    assert "dev" == left["store"]
    assert "/bob\n" in desk.dsops("whoami", "dev", **mine).stdout


def test_a_logout_without_a_network_leaves_nothing_here(desk: Login) -> None:
    """The file is removed, and it is said that the login itself goes on."""
    desk.log_in()
    done = desk.dsops("logout", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert 5 == done.returncode
    assert "the token is removed from this machine, but the login goes on" in done.stderr
    assert not desk.file.exists()


def test_what_is_not_assigned_is_named(desk: Login) -> None:
    """Bob has nothing in the other account; doctor says so for that store alone."""
    desk.log_in("bob")
    assert f"this login has no permission set ReadOnly in account {OPS}" in desk.caller("ops")
    checked = desk.dsops("doctor")
    assert 6 == checked.returncode
    assert re.search(r"store dev +ok +GetRoleCredentials gave", checked.stdout)
    assert re.search(r"store ops +failed", checked.stdout)


def test_the_plan_says_until_when_without_asking_anybody(desk: Login) -> None:
    """Where the login is, its end, and the permission set in its account."""
    assert "nobody has logged in" in desk.dsops("plan", "--env", "production").stdout
    desk.log_in()
    asked = len(desk.sandbox.events())
    said = desk.dsops("plan", "--env", "production").stdout
    assert "no base credentials: the login of sso-session corp\n" in said
    assert f"  dev: GetRoleCredentials {DEV}/Developer\n" in said
    assert re.search(r"logged in until 20\S+Z, then renewed, in us-east-1\n", said)
    assert asked == len(desk.sandbox.events())


def test_a_command_goes_on_with_a_session_that_is_served(desk: Login) -> None:
    """`exec --credentials --serve`, with and without an agent."""
    desk.log_in()
    program = "import boto3; print(boto3.client('sts', region_name='us-east-1').get_caller_identity()['Arn'])"
    words = ("--credentials", "dev", "--serve", "--env", "production", "--", sys.executable, "-c", program)
    for done in (desk.dsops("exec", *words), desk.dsops("exec", "--no-agent", *words)):
        assert done.stdout.strip().endswith("/alice"), done.stderr


def test_a_python_program_follows_the_login(desk: Login) -> None:
    """The library plans anew for each use: who logs in later is served with their own session."""
    program = (
        "import dsops, sys\nlibrary = dsops.open()\n"
        "for _ in range(3):\n    try:\n        print(library.credentials('dev').access_key_id)\n"
        "    except dsops.errors.DsopsError as error:\n        print(error.code)\n"
        "    sys.stdout.flush(); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=desk.folder,
        env=desk.environ,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        said = [running.stdout.readline().strip()]
        for user in ("alice", "bob"):
            desk.log_in(user)
            running.stdin.write("\n")
            running.stdin.flush()
            said.append(running.stdout.readline().strip())
        running.stdin.close()
    assert "sso.login-required" == said[0]
    assert 2 == len({each for each in said[1:] if each.startswith("ASIA")})


def test_a_valid_login_needs_no_botocore(desk: Login) -> None:
    """A cold run imports what one with a role does, and a few small modules of our own."""
    (desk.folder / "dsops.yaml").write_text(
        CONFIG.replace("sso_session: corp", f"start_url: '{START_URL}', sso_region: us-east-1")
    )
    desk.log_in()
    done = desk.run(sys.executable, "-I", "-c", PROGRAM, "exec", "--no-agent", "--env", "production", "--", "true")
    modules = set(done.stdout.split())
    assert modules & {"botocore", "boto3", "hashlib", "configparser", "urllib", "subprocess", "http", "socket"} == set()
    assert {name for name in modules if ".sso" in name or "aws_sso" in name} == {
        "dsops.aws.apis.sso",
        "dsops.aws.identity.sso_cache",
        "dsops.aws.identity.sso_session",
        "dsops.schema.sso",
        "dsops.stores.aws_sso",
        "dsops.stores.sso_login",
    }


def test_boto3_reads_and_renews_what_dsops_has_written(desk: Login) -> None:
    """The profile with the same sso-session; what it has renewed dsops reads."""
    program = "import boto3; print(boto3.Session(profile_name='dev').client('sts').get_caller_identity()['Arn'])"
    desk.log_in()
    done = desk.run(sys.executable, "-c", program)
    assert done.stdout.strip().endswith("/alice"), done.stderr
    before = desk.end_token()
    done = desk.run(sys.executable, "-c", program)
    assert done.stdout.strip().endswith("/alice"), done.stderr
    after = json.loads(desk.file.read_text())
    assert before["accessToken"] != after["accessToken"]
    assert before.keys() == after.keys()
    assert arn() == desk.caller("dev", "--no-agent")


@pytest.fixture
def aws(desk: Login) -> Iterator[str]:
    """The AWS CLI 2 of this machine. Debian's is older than AWS_ENDPOINT_URL: AWS's own names lead to the sandbox."""
    try:
        found = aws_cli_2(OUTSIDE)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    with amazon(desk.sandbox.url, desk.folder) as ways:
        desk.environ |= {**ways, "AWS_PAGER": ""}
        yield found


def test_the_aws_cli_reads_what_dsops_has_written(desk: Login, aws: str) -> None:
    """Its profile with the same sso-session needs no login of its own."""
    desk.log_in()
    done = desk.run(aws, "sts", "get-caller-identity", "--profile", "dev", "--query", "Arn", "--output", "text")
    assert done.stdout.strip().endswith("/alice"), done.stderr


def test_dsops_reads_what_the_aws_cli_has_written(desk: Login, aws: str) -> None:
    """After `aws sso login` no other login is needed; it is renewed with the CLI's own registration."""
    done = desk.run(aws, "sso", "login", "--sso-session", "corp", BROWSER="dsops sandbox approve --user bob %s")
    assert done.returncode == 0, done.stderr
    assert arn("bob") == desk.caller("dev", "--no-agent")
    before = desk.end_token()
    assert arn("bob") == desk.caller("dev", "--no-agent")
    assert before.keys() == json.loads(desk.file.read_text()).keys()
