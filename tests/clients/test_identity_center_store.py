"""Stores of IAM Identity Center as real processes: logins, the agent, and the token file shared with the AWS CLI."""

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
from tests.children import Child
from tests.clients.sdks import aws_cli_2
from tests.desk import Desk
from tests.installed import OUTSIDE, ToolMissingError
from tests.stubs.amazon import amazon
from tests.stubs.slow_link import slow_link
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
    """The sandbox's seed in these tests."""
    return SEED


class Login(Desk):
    """A user's machine with an sso-session in the AWS config, and no keys."""

    def __init__(self, sandbox: LocalAws, folder: Path) -> None:
        super().__init__(sandbox, folder, CONFIG, DSOPS_SANDBOX_PORT=sandbox.url.rpartition(":")[2])
        (folder / ".aws").mkdir()
        (folder / ".aws" / "config").write_text(AWS_CONFIG)
        self.file = folder / ".aws" / "sso" / "cache" / f"{hashed('corp')}.json"

    def log_in(self, user: str = "alice") -> str:
        """Log in by browser and return stdout; `dsops sandbox approve` stands in for browser and user."""
        done = self.dsops("login", "dev", BROWSER=f"dsops sandbox approve --user {user} %s")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def caller(self, store: str = "dev", *words: str) -> str:
        """The ARN of a store's session without the random suffix of its role; stderr if `whoami` fails."""
        done = self.dsops("whoami", store, *words)
        return re.sub(r"_[0-9a-f]{16}", "", done.stdout.split()[1]) if not done.returncode else done.stderr

    def token(self) -> str:
        """The secret that `dsops exec` hands to a command; its stderr if it fails."""
        done = self.dsops("exec", "--env", "production", "--", "printenv", "TOKEN")
        return done.stdout.strip() if not done.returncode else done.stderr

    def calls(self, name: str) -> int:
        """The number of calls of this operation in the sandbox."""
        return sum(event["eventName"] == name for event in self.sandbox.events())

    def end_token(self) -> dict[str, str]:
        """Set the token file's expiry to the past; return its former content."""
        members: dict[str, str] = json.loads(self.file.read_text())
        over = f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
        self.file.write_text(json.dumps({**members, "expiresAt": over}))
        return members


@pytest.fixture
def desk(sandbox: LocalAws, tmp_path: Path) -> Iterator[Login]:
    """A machine with a login configured; its agent is stopped when the test ends."""
    with Login(sandbox, tmp_path) as made:
        yield made


def arn(user: str = "alice", account: str = DEV, name: str = "Developer") -> str:
    """The ARN of a user's session in a permission set, without the random suffix of the role."""
    return f"arn:aws:sts::{account}:assumed-role/AWSReservedSSO_{name}/{user}"


def test_one_login_serves_every_store_of_its_session(desk: Login) -> None:
    """After one browser login, both accounts, a role assumed from one of them, and a secret can be used."""
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
    """With --device, URL and code go to stderr, only the result to stdout, and no browser is opened."""
    waiting = Child(
        ["dsops", "login", "dev", "--device", "--json"],
        cwd=desk.folder,
        env={**desk.environ, "BROWSER": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    approved = desk.dsops("sandbox", "approve", "--user", "alice", "--wait", "30")
    output, stderr = waiting.communicate(timeout=30)
    assert approved.returncode == 0, approved.stderr
    typed = r"open this address in any browser, and type the code [A-Z]{4}-[A-Z]{4}:\n  \S+/_sandbox/device\n"
    assert re.search(typed, stderr)
    answer = json.loads(output)
    assert ("corp", ["dev", "ops"], True) == (answer["session"], answer["stores"], answer["is_renewed"])
    assert arn() == desk.caller()


def test_where_no_browser_can_be_opened_a_code_is_shown(desk: Login) -> None:
    """If no browser can be opened, `login` says this and uses a device code.

    A denial ends `login` with exit code 3.
    """
    waiting = Child(["dsops", "login"], cwd=desk.folder, env=desk.environ, stderr=subprocess.PIPE, text=True)
    desk.dsops("sandbox", "approve", "--deny", "--wait", "30")
    _, stderr = waiting.communicate(timeout=30)
    assert "no browser can be opened here: using a code instead" in stderr
    assert "error[login.failed]: the login was denied in the browser" in stderr
    assert waiting.returncode == 3
    assert not desk.file.exists()


def test_output_of_the_browser_goes_to_stderr(desk: Login) -> None:
    """Output of the browser process goes to stderr, so that stdout has nothing but the JSON answer."""
    done = desk.dsops("login", "--json", BROWSER="dsops sandbox approve --user bob %s")
    assert START_URL == json.loads(done.stdout)["start_url"]
    assert "logged in as bob" in done.stderr


def test_a_denial_in_the_browser_ends_the_wait(desk: Login) -> None:
    """A denial in the browser ends the wait at once with login.failed."""
    done = desk.dsops("login", BROWSER="dsops sandbox approve --deny %s")
    assert "error[login.failed]: the login was denied in the browser" in done.stderr


def test_a_browser_that_cannot_be_opened(desk: Login) -> None:
    """If no browser starts, `login` prints the URL and waits; the error of a timeout suggests --device."""
    done = desk.dsops("login", "--timeout", "1", BROWSER="/nonexistent/browser %s")
    assert "open the address above yourself" in done.stderr
    assert "the login in the browser was not completed in time" in done.stderr
    assert "log in with `--device`" in done.stderr


@pytest.mark.parametrize("way", ["--device", "--no-browser"])
def test_ctrl_c_ends_a_login_at_once(desk: Login, way: str) -> None:
    """Ctrl-C ends a login at once, whether it waits for a code's approval or the browser, and leaves no token file."""
    words = ["env", "-C", str(desk.folder), *[f"{name}={value}" for name, value in desk.environ.items()]]
    with Terminal([*words, "dsops", "login", way]) as terminal:
        terminal.expect("dsops: open ")
        started = datetime.now(UTC)
        terminal.type("\x03")
        assert terminal.code() == 128 + signal.SIGINT
        assert datetime.now(UTC) - started < timedelta(seconds=3)
    assert not desk.file.exists()


def test_the_agent_separates_logins_of_two_users(desk: Login) -> None:
    """After bob's login the agent does not use alice's session.

    Once alice's token is back, the agent uses her session again.
    """
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
    """The agent reads the login of the client's HOME, not of the HOME of the process that started the agent."""
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
    """Concurrent logins each use their own port and state; the token file of the last login is complete."""
    running = [
        Child(
            ["dsops", "login", "dev"],
            cwd=desk.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**desk.environ, "BROWSER": f"dsops sandbox approve --user {user} %s"},
        )
        for user in ("alice", "bob", "alice")
    ]
    outputs = [process.communicate(timeout=60)[0] for process in running]
    assert [0] * 3 == [process.returncode for process in running], outputs
    assert desk.caller() in (arn("alice"), arn("bob"))


def test_no_part_of_a_login_is_ever_shown(desk: Login) -> None:
    """No part of a login's tokens appears in --debug or --verbose output, errors, plans, agent replies or events."""
    desk.log_in("bob")
    members = json.loads(desk.file.read_text())
    runs = [
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
    runs.append(desk.dsops("whoami", "dev", "--no-agent", "--debug", "--verbose"))
    runs.append(desk.dsops("login", "--debug", BROWSER="dsops sandbox approve --user alice %s"))
    members |= {f"new {name}": value for name, value in json.loads(desk.file.read_text()).items()}
    runs.append(desk.dsops("logout", "--debug", "--verbose"))
    everything = "".join(done.stdout + done.stderr for done in runs) + json.dumps(desk.sandbox.events())
    secret = {name: value for name, value in members.items() if name.endswith(("Token", "Secret"))}
    assert 6 == len(secret)
    assert [] == [name for name, value in secret.items() if value in everything]


def test_a_renewal_leaves_the_agents_sessions_alone(desk: Login) -> None:
    """A session for a new account uses the renewed access token; the agent still serves the first account's session."""
    desk.log_in()
    assert arn() == desk.caller()
    before = desk.end_token()
    assert arn(account=OPS, name="ReadOnly") == desk.caller("ops")
    after = json.loads(desk.file.read_text())
    assert before["accessToken"] != after["accessToken"]
    assert 0o600 == desk.file.stat().st_mode & 0o777
    assert arn() == desk.caller()
    assert 2 == desk.calls("GetRoleCredentials")


@pytest.mark.parametrize("sandbox_seed", [SEED, f"{SEED}  rotates_refresh_tokens: true\n"])
def test_many_processes_may_renew_at_once(desk: Login, sandbox_seed: str) -> None:
    """Twenty processes that find an expired token at once all succeed with one renewal and one valid token.

    The test also runs with refresh tokens that can be used only once.
    """
    desk.log_in()
    before = desk.end_token()
    created = desk.calls("CreateToken")
    # The answer takes so long that all twenty have found the expired token before the first of them gets it.
    with slow_link(int(desk.environ["DSOPS_SANDBOX_PORT"]), 4) as address:
        running = [
            Child(
                ["dsops", "whoami", "dev", "--no-agent"],
                cwd=desk.folder,
                env={**desk.environ, "AWS_ENDPOINT_URL_SSO_OIDC": address},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for _ in range(20)
        ]
        outputs = [process.communicate(timeout=120)[0] for process in running]
    assert [0] * 20 == [process.returncode for process in running], outputs
    after = json.loads(desk.file.read_text())
    assert created + 1 == desk.calls("CreateToken")
    assert before["accessToken"] != after["accessToken"]
    assert (before["refreshToken"] != after["refreshToken"]) is ("rotates" in sandbox_seed)
    assert {".json", ".lock"} == {path.suffix for path in desk.file.parent.iterdir()}
    desk.end_token()
    assert arn() == desk.caller("dev", "--no-agent")


def test_a_logout_ends_the_login_everywhere(desk: Login) -> None:
    """`dsops logout` removes the token file and ends the token at AWS; another sso-session keeps its file."""
    desk.log_in()
    other = desk.file.with_name(f"{hashed('other')}.json")
    other.write_text(desk.file.read_text().replace("accessToken", "accesstoken"))
    token = desk.file.read_text()
    done = desk.dsops("logout", "dev")
    assert "the login of sso-session corp has ended" in done.stdout
    assert (False, True) == (desk.file.exists(), other.exists())
    assert "not logged in" in desk.caller()
    desk.file.write_text(token)
    assert "dsops login dev" in desk.caller("dev", "--no-agent")
    desk.file.unlink()
    assert "there was no login" in desk.dsops("logout").stdout


def test_login_and_logout_of_an_auto_role(desk: Login) -> None:
    """`login` and `logout` of a role with `session_policy: auto` need no environment."""
    role = 'role/Next", credentials_from: dev'
    assert role in CONFIG
    (desk.folder / "narrow.yaml").write_text(CONFIG.replace(role, f"{role}, session_policy: auto"))
    narrow = {"DSOPS_CONFIG": "narrow.yaml"}
    done = desk.dsops("login", "next", BROWSER="dsops sandbox approve --user alice %s", **narrow)
    assert done.returncode == 0, done.stderr
    assert "the login of sso-session corp has ended" in desk.dsops("logout", "next", **narrow).stdout


def test_a_logout_takes_sessions_from_the_agent(desk: Login) -> None:
    """`dsops logout` drops the agent's sessions of this login and of roles assumed with it, and no others."""
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
    assert "the agent has dropped 2 sessions of this login" in done.stderr
    (left,) = json.loads(desk.dsops("agent", "status", "--json", "--sandbox").stdout)["sessions"]
    assert "dev" == left["store"]
    assert "/bob\n" in desk.dsops("whoami", "dev", **mine).stdout


def test_a_logout_without_a_network_leaves_nothing_here(desk: Login) -> None:
    """A logout without a network removes the token file and reports that the login at AWS is still valid."""
    desk.log_in()
    done = desk.dsops("logout", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert 5 == done.returncode
    assert "the token is removed from this machine, but the login is still valid" in done.stderr
    assert not desk.file.exists()


def test_a_permission_set_that_is_not_assigned(desk: Login) -> None:
    """A permission set not assigned to the user is named in the error; doctor reports it for that store only."""
    desk.log_in("bob")
    assert f"this login has no permission set ReadOnly in account {OPS}" in desk.caller("ops")
    checked = desk.dsops("doctor")
    assert 6 == checked.returncode
    assert re.search(r"store dev +ok +GetRoleCredentials gave", checked.stdout)
    assert re.search(r"store ops +failed", checked.stdout)


def test_the_plan_shows_the_login_without_a_call(desk: Login) -> None:
    """`dsops plan` shows the login, its expiry, permission set and account without a call."""
    assert "not logged in" in desk.dsops("plan", "--env", "production").stdout
    desk.log_in()
    calls_before = len(desk.sandbox.events())
    stdout = desk.dsops("plan", "--env", "production").stdout
    assert "no base credentials: the login of sso-session corp\n" in stdout
    assert f"  dev: GetRoleCredentials {DEV}/Developer\n" in stdout
    assert re.search(r"logged in until 20\S+Z, then renewed, in us-east-1\n", stdout)
    assert calls_before == len(desk.sandbox.events())


def test_a_command_goes_on_with_a_session_that_is_served(desk: Login) -> None:
    """`exec --credentials --serve` gives a command the login's session from an endpoint, with and without an agent."""
    desk.log_in()
    program = "import boto3; print(boto3.client('sts', region_name='us-east-1').get_caller_identity()['Arn'])"
    words = ("--credentials", "dev", "--serve", "--env", "production", "--", sys.executable, "-c", program)
    for done in (desk.dsops("exec", *words), desk.dsops("exec", "--no-agent", *words)):
        assert done.stdout.strip().endswith("/alice"), done.stderr


def test_a_python_program_follows_the_login(desk: Login) -> None:
    """The Python library reads the login at every call, so a user who logs in later gets a session of their own."""
    program = (
        "import dsops, sys\nlibrary = dsops.open()\n"
        "for _ in range(3):\n    try:\n        print(library.credentials('dev').access_key_id)\n"
        "    except dsops.errors.DsopsError as error:\n        print(error.code)\n"
        "    sys.stdout.flush(); sys.stdin.readline()\n"
    )
    with Child(
        [sys.executable, "-c", program],
        cwd=desk.folder,
        env=desk.environ,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        lines = [running.stdout.readline().strip()]
        for user in ("alice", "bob"):
            desk.log_in(user)
            running.stdin.write("\n")
            running.stdin.flush()
            lines.append(running.stdout.readline().strip())
        running.stdin.close()
    assert "sso.login-required" == lines[0]
    assert 2 == len({line for line in lines[1:] if line.startswith("ASIA")})


def test_a_valid_login_needs_no_botocore(desk: Login) -> None:
    """A run with a valid login does not import botocore.

    Compared to a run with a role, it imports only a few small modules more.
    """
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
    """boto3 uses and renews a token that dsops wrote; dsops then reads the renewed token."""
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
    """The machine's AWS CLI 2. Debian's ignores AWS_ENDPOINT_URL, so AWS's host names lead to the sandbox."""
    try:
        path = aws_cli_2(OUTSIDE)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    with amazon(desk.sandbox.url, desk.folder) as ways:
        desk.environ |= {**ways, "AWS_PAGER": ""}
        yield path


def test_the_aws_cli_reads_what_dsops_has_written(desk: Login, aws: str) -> None:
    """The AWS CLI's profile for the same sso-session works after a dsops login, without `aws sso login`."""
    desk.log_in()
    done = desk.run(aws, "sts", "get-caller-identity", "--profile", "dev", "--query", "Arn", "--output", "text")
    assert done.stdout.strip().endswith("/alice"), done.stderr


def test_dsops_reads_what_the_aws_cli_has_written(desk: Login, aws: str) -> None:
    """dsops uses the token of `aws sso login` and renews the token with the AWS CLI's client registration."""
    done = desk.run(aws, "sso", "login", "--sso-session", "corp", BROWSER="dsops sandbox approve --user bob %s")
    assert done.returncode == 0, done.stderr
    assert arn("bob") == desk.caller("dev", "--no-agent")
    before = desk.end_token()
    assert arn("bob") == desk.caller("dev", "--no-agent")
    assert before.keys() == json.loads(desk.file.read_text()).keys()
