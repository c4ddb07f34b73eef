"""`dsops exec --credentials` as a real process: boto3 and the AWS CLI in the command keep working past expiry.

Here dsops uses the sandbox's clock (`CLOCKED`), which a test moves on; everything else is as on a command line.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Self

import pytest

from dsops.runtime import empty_file
from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from tests.children import SECONDS, Child
from tests.clients.conversation import Conversation
from tests.clients.sdks import SDKS
from tests.installed import OUTSIDE, ToolMissingError
from tests.permission import allow_found
from tests.stubs.server import Answer, Seen, StubServer

BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 90
TARGET = "arn:aws:sts::222222222222:assumed-role/Target/test"

SEED = """
accounts:
  "111111111111":
    users:
      alice:
        mfa: {name: alice, seed: JBSWY3DPEHPK3PXP}
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}
      mallory: {}
  "222222222222":
    oidc_providers:
    - {url: "https://oidc.example.com", client_ids: [sts.amazonaws.com], issued_by_sandbox: true}
    roles:
      Target: &role
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "111111111111"}, Action: sts:AssumeRole}
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}}
      Pod:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {Federated: "arn:aws:iam::222222222222:oidc-provider/oidc.example.com"}
            Action: sts:AssumeRoleWithWebIdentity
            Condition: {StringEquals: {"oidc.example.com:sub": "system:serviceaccount:shop:app"}}
      Sensitive:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {AWS: "111111111111"}
            Action: sts:AssumeRole
            Condition: {Bool: {"aws:MultiFactorAuthPresent": "true"}}
    secrets: {prod/token: invented-token}
"""

CONFIG = """
version: 1
secretStores:
  target: {type: aws.sts, region: eu-west-1, role_arn: "arn:aws:iam::222222222222:role/Target",
           role_session_name: test, duration_seconds: 900}
  sensitive: {type: aws.sts, region: eu-west-1, role_arn: "arn:aws:iam::222222222222:role/Sensitive",
              role_session_name: test, duration_seconds: 900,
              serial_number: "arn:aws:iam::111111111111:mfa/alice", token_code: "${MFA_TOKEN}"}
  pod: {type: aws.sts, region: eu-west-1, role_arn: "arn:aws:iam::222222222222:role/Pod", role_session_name: test,
        duration_seconds: 900, web_identity_token_file: token}
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: target}
envs:
  production:
    TOKEN: {from: "secrets:prod/token"}
  itself:
    AWS_ACCESS_KEY_ID: {from: "target:access_key_id"}
"""

CLOCKED = """
import datetime, json, os, sys, urllib.request
from dsops.cli.framework.parser import parse
from dsops.cli.run.exec import COMMAND, FAILURE_CODE
from dsops.cli.framework.output import error_text, tell
from dsops.cli.framework.process_runtime import real_runtime
from dsops.errors import CommandFailed, DsopsError

def now():
    with urllib.request.urlopen(os.environ["TEST_CLOCK"]) as answer:
        return datetime.datetime.fromisoformat(json.load(answer)["now"])

arguments = parse(COMMAND, sys.argv[1:], os.environ)
try:
    code = COMMAND.run(arguments, real_runtime(arguments)._replace(now=now))
except DsopsError as error:
    tell(error_text(error))
    code = error.exit_code if isinstance(error, CommandFailed) else FAILURE_CODE
sys.exit(code)
"""

ASKING = """
import boto3, datetime, json, os, sys, urllib.request

def now():
    with urllib.request.urlopen(os.environ["TEST_CLOCK"]) as answer:
        return datetime.datetime.fromisoformat(json.load(answer)["now"])

session = boto3.Session()
credentials = session.get_credentials()
if hasattr(credentials, "_time_fetcher"):
    credentials._time_fetcher = now
client = session.client("sts")
for line in sys.stdin:
    try:
        print(client.get_caller_identity()["Arn"], client._request_signer._credentials.access_key, flush=True)
    except Exception as error:
        print(type(error).__name__, str(error).replace("\\n", " "), flush=True)
"""
"""A program that works for hours with one client: for each input line it calls GetCallerIdentity.

Hours pass on the sandbox's clock, for botocore too, which takes the time from a function (`time_fetcher`).
"""


class World:
    """A sandbox, a folder with a configuration, and alice's keys."""

    def __init__(self, folder: Path, server: SandboxServer) -> None:
        self.folder = folder
        self.server = server
        (folder / "dsops.yaml").write_text(CONFIG)
        self.environ = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": os.environ["HOME"],
            "DSOPS_AGENT": "off",
            **identity_variables(server, "alice"),
            "TEST_CLOCK": f"{server.url}/_sandbox/clock",
        }
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            del self.environ[name]
        allow_found(folder, self.environ)

    def pass_seconds(self, seconds: float) -> None:
        """Move the sandbox's clock on."""
        self.server.sandbox.move_clock(self.server.sandbox.clock.now() + seconds)

    def calls(self, name: str) -> int:
        """The number of calls of this operation in account 111111111111."""
        records = self.server.sandbox.events.records(account="111111111111")
        return sum(record["eventName"] == name for record in records)

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run `dsops exec` and wait until it ends."""
        allow_found(self.folder, self.environ)
        return subprocess.run(
            [sys.executable, "-c", CLOCKED, *words],
            cwd=self.folder,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            start_new_session=True,
        )

    def start(self, *words: str, **environ: str) -> Talk:
        """Start `dsops exec` with these options, running ASKING."""
        command = [sys.executable, "-c", CLOCKED, *words, "--", sys.executable, "-c", ASKING]
        return Talk(command, self.folder, {**self.environ, **environ})


class Talk:
    """A running command that answers each input line with one output line."""

    def __init__(self, command: list[str], folder: Path, environ: Mapping[str, str]) -> None:
        allow_found(folder, environ)
        self.process = Child(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=SECONDS)

    def ask(self) -> str:
        """Ask the command who it is; returns the ARN and key id, or its error."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def session(self, arn: str, other_than: Collection[str] = ()) -> str:
        """Ask until the command works as `arn` with another key than these; return the key id.

        While dsops renews a session on a busy machine, the command may get an error instead.
        """
        answers: list[list[str]] = []

        def is_given() -> bool:
            answers.append(self.ask().split())
            return answers[-1][0] == arn and answers[-1][1] not in other_than

        until(is_given)
        return answers[-1][1]

    def end(self) -> tuple[int, str]:
        """End the command; return exit code and stderr."""
        _, stderr = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, stderr


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A separate sandbox and folder for each test."""
    with open_server(read_seed(SEED, "seed.yaml")) as server:
        yield World(tmp_path, server)


def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; fail after PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def shown(world: World, *words: str, **environ: str) -> dict[str, str]:
    """The environment variables of a command under `dsops exec`."""
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    done = world.run(*words, "--", sys.executable, "-c", program, **environ)
    assert done.returncode == 0, done.stderr
    variables: dict[str, str] = json.loads(done.stdout)
    return variables


# --- credentials passed once ---------------------------------------------------------------------------------------


def test_a_command_works_as_the_session_of_a_store(world: World) -> None:
    """`exec --credentials` sets session, expiry and region in the command's variables and removes the base keys."""
    variables = shown(world, "--credentials", "target")
    assert variables["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert variables["AWS_SECRET_ACCESS_KEY"] != world.environ["AWS_SECRET_ACCESS_KEY"]
    assert variables["AWS_SESSION_TOKEN"]
    assert variables["AWS_CREDENTIAL_EXPIRATION"].endswith("Z")
    assert (variables["AWS_REGION"], variables["AWS_DEFAULT_REGION"]) == ("eu-west-1", "eu-west-1")
    assert "TOKEN" not in variables
    done = world.run("--credentials", "target", "--", "aws", "sts", "get-caller-identity", "--query", "Arn")
    assert json.loads(done.stdout) == TARGET


def test_credentials_and_environment_assume_one_role_once(world: World) -> None:
    """If --env and --credentials use the same store, its role is assumed once for both secrets and command."""
    variables = shown(world, "--credentials", "target", "--env", "production")
    assert variables["TOKEN"] == "invented-token"
    assert variables["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert world.calls("AssumeRole") == 1


def test_without_serve_it_replaces_itself_with_the_command(world: World) -> None:
    """Without --serve dsops replaces itself with the command (execve): the process id stays the same."""
    talk = Talk(
        [sys.executable, "-c", CLOCKED, "--credentials", "target", "--", "sh", "-c", "echo $$"],
        world.folder,
        world.environ,
    )
    with talk:
        assert int(talk.ask()) == talk.process.pid


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--serve",), "needs a session"),
        (("--listen", "127.0.0.1"), "needs a session"),
        (("--credentials", "targets"), "did you mean `target`?"),
        (("--credentials", "target", "--env", "itself"), "both set AWS_ACCESS_KEY_ID"),
        (("--credentials", "target", "--min-ttl", "1000"), "credentials.too-little-time"),
        (("--credentials", "target", "--listen", "0.0.0.0"), "every address of this machine"),  # noqa: S104
        (("--credentials", "target", "--listen", "example"), "is not an IP address"),
        (("--credentials", "target", "--listen", "127.0.0.1:x"), "has an invalid port"),
        (("--credentials", "target", "--listen", f"127.0.0.1:{'9' * 5000}"), "has an invalid port"),
        (("--credentials", "target", "--listen", "[::1]:65536"), "has an invalid port"),
        (("--credentials", "target", "--listen", "192.0.2.1"), "can't listen on 192.0.2.1"),
    ],
)
def test_impossible_options_fail_before_the_command_runs(world: World, words: tuple[str, ...], said: str) -> None:
    """Options that exclude each other exit with 125 before the command starts."""
    done = world.run(*words, "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (125, "")
    assert said in done.stderr


# --- credentials served while the command runs -------------------------------------------------------------------


def test_boto3_goes_on_past_expiry(world: World) -> None:
    """With --serve, one boto3 client works for over an hour on 15-minute sessions; without --serve, for 15 minutes."""
    with world.start("--credentials", "target", "--serve") as served, world.start("--credentials", "target") as once:
        keys = {served.session(TARGET)}
        for _ in range(4):
            world.pass_seconds(1000)
            keys.add(served.session(TARGET, keys))
        assert "expired" in once.ask()
        assert served.end() == (0, "")


def test_a_rotated_token_file_is_read_for_each_renewal(world: World) -> None:
    """A rotated web identity token file (as on Kubernetes) is read again at each renewal."""

    def mint() -> None:
        port = world.server.url.rpartition(":")[2]
        command = [str(BIN / "dsops"), "sandbox", "token", "--port", port, "--sub", "system:serviceaccount:shop:app"]
        command += ["--expires", "1500"]
        done = subprocess.run(command, env=world.environ, capture_output=True, text=True, check=True, timeout=60)
        # Like Kubernetes: a renewal never reads a half-written file.
        (world.folder / "new-token").write_text(done.stdout)
        (world.folder / "new-token").replace(world.folder / "token")

    mint()
    with world.start("--credentials", "pod", "--serve") as served:
        pod = "arn:aws:sts::222222222222:assumed-role/Pod/test"
        keys = {served.session(pod)}
        for _ in range(3):
            world.pass_seconds(1000)
            mint()
            keys.add(served.session(pod, keys))
        (world.folder / "token").unlink()  # first: a renewal right after the hour has passed would still find it
        world.pass_seconds(1000)
        time.sleep(5)  # the command's SDK would keep a session that it gets before dsops has seen the new time
        until(lambda: "assumed-role" not in served.ask())


def test_the_aws_cli_goes_on_past_expiry(world: World) -> None:
    """With --serve the AWS CLI works past expiry, because each of its processes fetches the served credentials."""
    script = """
    while read line; do aws sts get-caller-identity --query Arn --output text; done
    """
    command = [sys.executable, "-c", CLOCKED, "--credentials", "target", "--serve", "--", "sh", "-c", script]
    with Talk(command, world.folder, world.environ) as talk:
        assert talk.ask() == TARGET
        world.pass_seconds(1000)
        assert talk.ask() == TARGET
        assert talk.end() == (0, "")


FILES = """
[default]
aws_access_key_id = {AWS_ACCESS_KEY_ID}
aws_secret_access_key = {AWS_SECRET_ACCESS_KEY}
region = ap-south-1
"""


def test_default_keys_in_home_are_hidden_from_the_command(world: World) -> None:
    """Two empty files hide HOME's `[default]` keys: botocore would prefer these keys to a container endpoint."""
    mallory = identity_variables(world.server, "mallory")
    folder = Path(os.environ["HOME"]) / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(FILES.format(**mallory))
    (folder / "config").write_text(FILES.format(**mallory))
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        del world.environ[name]
    rivals = {"AWS_PROFILE": "default", "AWS_ROLE_ARN": "arn:aws:iam::1:role/x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/x"}
    # The base identity is alice's: for dsops, keys in the environment take precedence over a profile.
    variables = shown(world, "--credentials", "target", "--serve", **rivals)
    assert variables["AWS_CONFIG_FILE"] == variables["AWS_SHARED_CREDENTIALS_FILE"] == empty_file()
    assert not {*rivals, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & variables.keys()
    assert variables["AWS_REGION"] == "eu-west-1"
    with world.start("--credentials", "target", "--serve", **rivals) as talk:
        assert talk.ask().split()[0] == TARGET
    # Without dsops the client would be mallory.
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    done = subprocess.run(
        ["aws", "sts", "get-caller-identity", "--query", "Arn"],
        env={name: value for name, value in world.environ.items() if name not in keys},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert json.loads(done.stdout).endswith("user/mallory")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [name for name in SDKS if name != "aws-cli-2"])  # ignores AWS_ENDPOINT_URL
def test_every_sdk_takes_the_session_and_goes_on_past_expiry(world: World, name: str) -> None:
    """Every SDK uses the served session past its expiry, despite keys in HOME (two empty files hide them)."""
    try:
        client = SDKS[name](OUTSIDE)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    folder = Path(os.environ["HOME"]) / ".aws"
    folder.mkdir()
    for file in ("credentials", "config"):
        (folder / file).write_text(FILES.format(**identity_variables(world.server, "mallory")))
        del world.environ["AWS_SHARED_CREDENTIALS_FILE" if file == "credentials" else "AWS_CONFIG_FILE"]
    if name == "java":
        # Java's SDK caches by the machine's clock, which the test cannot move: each request starts a new process.
        client = ["sh", "-c", 'while read -r line; do echo "$line" | "$@"; done', "sh", *client]
    command = [sys.executable, "-c", CLOCKED, "--credentials", "target", "--serve", "--", *client]
    with Conversation(command, world.environ, folder=world.folder) as served:
        # Java's SDK waits only one second, in which a JVM on a busy machine may not have started.
        until(lambda: served._ask("identity", {}) == {"arn": TARGET})
        world.pass_seconds(1000)
        until(lambda: served._ask("identity", {}) == {"arn": TARGET})


FETCH = """
import encodings.idna, os, sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Authorization": sys.argv[2]})
if len(sys.argv) > 3:
    os.setuid(int(sys.argv[3]))
try:
    with urllib.request.urlopen(request, timeout=10) as answer:
        print(answer.status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError as error:
    print("refused")
"""


def fetch(address: str, token: str, *uid: str) -> str:
    """The status of a request for the served credentials by an unrelated process; "refused" if nothing listens."""
    command = [sys.executable, "-c", FETCH, address, token, *uid]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def serving(world: World, *words: str) -> tuple[Talk, str, str]:
    """Start a command with served credentials; returns it with the server's address and token."""
    script = 'echo "$AWS_CONTAINER_CREDENTIALS_FULL_URI $AWS_CONTAINER_AUTHORIZATION_TOKEN $$"; read line; exit 7'
    command = [sys.executable, "-c", CLOCKED, "--credentials", "target", "--serve", *words, "--", "sh", "-c", script]
    talk = Talk(command, world.folder, world.environ)
    assert talk.process.stdout
    address, token, _ = talk.process.stdout.readline().split()
    return talk, address, token


def test_the_server_demands_the_token(world: World) -> None:
    """The credentials server answers 401 to no token, to another command's token and to another user's guess."""
    first, address, token = serving(world)
    second, other_address, other_token = serving(world)
    with first, second:
        assert token != other_token
        assert fetch(address, token) == "200"
        assert fetch(other_address, other_token) == "200"
        assert fetch(address, other_token) == "401"
        assert fetch(address, "") == "401"
        if os.getuid() == 0:
            assert fetch(address, "guessed", "65534") == "401"


def test_another_user_of_the_machine_can_not_read_the_token(world: World) -> None:
    """Another user cannot read the token, because Linux shows a process's environment only to its owner."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user to try it")
    talk, _, token = serving(world)
    with talk:
        children = Path(f"/proc/{talk.process.pid}/task/{talk.process.pid}/children").read_text().split()
        program = (
            "import os, sys; os.setuid(65534)\n"
            "try: print(open(sys.argv[1], 'rb').read())\nexcept PermissionError: print('not allowed')"
        )
        for pid in (str(talk.process.pid), *children):
            done = subprocess.run(
                [sys.executable, "-c", program, f"/proc/{pid}/environ"],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            assert done.stdout == "not allowed\n"
        assert token not in Path(f"/proc/{talk.process.pid}/cmdline").read_text()


def test_it_ends_with_the_command(world: World) -> None:
    """The credentials server ends with the command, and dsops exits with the command's code."""
    talk, address, token = serving(world)
    with talk:
        assert fetch(address, token) == "200"
        assert talk.process.stdin
        talk.process.stdin.write("\n")
        code, stderr = talk.end()
        assert (code, stderr) == (7, "")
    assert fetch(address, token) == "refused"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_signals_reach_the_command_while_it_is_served(world: World, name: str) -> None:
    """SIGTERM, SIGHUP and SIGINT are passed to the served command, and dsops exits with the command's status."""
    talk, address, token = serving(world)
    with talk:
        talk.process.send_signal(signal.Signals[name])
        assert talk.process.wait(PATIENCE_SECONDS) == 128 + signal.Signals[name]
    assert fetch(address, token) == "refused"


def test_a_killed_dsops_serves_no_more(world: World) -> None:
    """After SIGKILL of dsops no process serves the sessions, because they existed only in its memory."""
    talk, address, token = serving(world)
    with talk:
        talk.process.kill()
        talk.process.wait(PATIENCE_SECONDS)
        assert fetch(address, token) == "refused"


def test_the_time_limit_holds_while_it_is_served(world: World) -> None:
    """--timeout ends a served command with exit code 124, as without --serve."""
    done = world.run("--credentials", "target", "--serve", "--timeout", "0.5", "--", "sleep", "600")
    assert done.returncode == 124
    assert "exec.timed-out" in done.stderr


def test_another_address_is_warned_of_and_demands_the_token_too(world: World) -> None:
    """--listen takes an address other than loopback (for containers); dsops warns, and requires the token there too."""
    talk, address, token = serving(world, "--listen", "127.0.0.2")
    with talk:
        assert address.startswith("http://127.0.0.2:")
        assert (fetch(address, token), fetch(address, "")) == ("200", "401")
    here = _own_address()
    if not here:
        pytest.skip("this machine has no address but loopback")
    talk, address, token = serving(world, "--listen", here)
    with talk:
        assert (fetch(address, token), fetch(address, "")) == ("200", "401")
        assert talk.process.stdin
        talk.process.stdin.write("\n")
        assert f"note: credentials are served on {address}, unencrypted" in talk.end()[1]


def test_the_sdks_take_the_address_that_containers_are_given(tmp_path: Path) -> None:
    """SDKs accept the address 169.254.170.2, which ECS uses (the test assigns it in a network namespace)."""
    tools = [shutil.which(name) for name in ("unshare", "ip")]
    if os.getuid() != 0 or not all(tools):
        pytest.skip("to have a network of its own takes root, unshare and ip")
    (tmp_path / "dsops.yaml").write_text(CONFIG)
    allow_found(tmp_path)
    inside = 'echo "$AWS_CONTAINER_CREDENTIALS_FULL_URI"; aws sts get-caller-identity --query Arn --output text'
    script = f"""
    ip link set lo up && ip addr add 169.254.170.2/32 dev lo && exec {BIN}/dsops sandbox run --from dsops.yaml -- \
        {BIN}/dsops exec --no-agent --credentials target --listen 169.254.170.2 -- sh -c '{inside}'
    """
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("this root may not make networks")
    address, arn = done.stdout.split()
    assert address.startswith("http://169.254.170.2:")
    assert arn == TARGET


def _own_address() -> str:
    """An IPv4 address of this machine that is not loopback; "" if it has none."""
    done = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False, timeout=60)
    return next((part for part in done.stdout.split() if ":" not in part), "")


class Outage:
    """A proxy between dsops and the sandbox's STS that can fail or hang."""

    def __init__(self, world: World) -> None:
        self.is_cut = False
        self.is_silent = False
        self.tried = 0
        self._world = world
        self.server = StubServer(self._answer)
        through = f"duration_seconds: 900, endpoint_url: {self.server.url}}}"
        (world.folder / "dsops.yaml").write_text(CONFIG.replace("duration_seconds: 900}", through, 1))

    def _answer(self, seen: Seen) -> Answer:
        self.tried += 1
        if self.is_silent:
            return Answer(is_silent=True)
        if self.is_cut:
            return Answer(status=503, body=b"no")
        connection = HTTPConnection(self._world.server.url.removeprefix("http://"))
        connection.request(seen.method, seen.target, seen.body, dict(seen.headers))
        answer = connection.getresponse()
        headers = tuple(
            (name, value) for name, value in answer.getheaders() if name.lower() not in {"content-length", "connection"}
        )
        body = answer.read()
        connection.close()
        return Answer(status=answer.status, body=body, headers=headers)


def test_an_outage_of_sts_does_not_stop_a_command_whose_session_is_valid(world: World) -> None:
    """While STS is down, a command keeps its valid session.

    When STS is back, the command gets a new session by itself.
    """
    outage = Outage(world)
    with outage.server, world.start("--credentials", "target", "--serve") as talk:
        first = talk.ask()
        assert first.startswith(TARGET)
        outage.is_cut = True
        tried = outage.tried
        world.pass_seconds(700)
        until(lambda: talk.ask() == first and outage.tried > tried)
        assert talk.ask() == first
        world.pass_seconds(150)
        assert talk.ask() == first
        outage.is_cut = False
        talk.session(TARGET, {first.split()[1]})
        assert talk.end() == (0, "")


def test_a_renewal_that_hangs_blocks_nothing(world: World) -> None:
    """While a renewal hangs, the command still gets its valid session, and a signal ends dsops at once."""
    outage = Outage(world)
    with outage.server:
        talk, address, token = serving(world)
        with talk:
            outage.is_silent = True
            tried = outage.tried
            world.pass_seconds(700)
            until(lambda: fetch(address, token) == "200" and outage.tried > tried)
            assert fetch(address, token) == "200"
            began = time.monotonic()
            talk.process.send_signal(signal.SIGTERM)
            assert talk.process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM
            assert time.monotonic() - began < 20  # the renewal would wait for a minute


def ask_for_session(talk: Talk) -> str:
    """Ask until the command has a session.

    The sandbox checks signatures by the machine's clock, so a renewal during which the test moves the clock is refused
    for its time. The next one succeeds.
    """
    answer = ""

    def is_answered() -> bool:
        nonlocal answer
        answer = talk.ask()
        return "CredentialRetrievalError" not in answer

    until(is_answered)
    return answer


def test_a_renewed_session_is_masked_too(world: World) -> None:
    """--mask hides every renewed session in the command's output, too."""
    program = ASKING.replace('client.get_caller_identity()["Arn"]', "credentials.secret_key, credentials.token")
    flags = ("--credentials", "target", "--serve")
    for words, is_hidden in (((*flags, "--mask"), True), (flags, False)):
        command = [sys.executable, "-c", CLOCKED, *words, "--", sys.executable, "-c", program]
        with Talk(command, world.folder, world.environ) as talk:
            keys = set()
            for _ in range(3):
                secret, token, key = ask_for_session(talk).split()
                keys.add(key)
                assert ((secret, token) == ("***", "***")) is is_hidden
                world.pass_seconds(1000)
            assert len(keys) == 3


# --- MFA -------------------------------------------------------------------------------------------------------


def test_one_code_lasts_for_twelve_hours(world: World) -> None:
    """One MFA code and one GetSessionToken serve a command for 12 hours; then stderr reports the session's end."""
    code = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
        import sys
        from dsops.sandbox.sts.totp import code_at
        print(code_at("JBSWY3DPEHPK3PXP", float(sys.argv[1])))
        """),
            str(world.server.sandbox.clock.now()),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()
    with world.start("--credentials", "sensitive", "--serve", MFA_TOKEN=code) as talk:
        first = talk.ask()
        assert first.startswith("arn:aws:sts::222222222222:assumed-role/Sensitive/")
        for hours in (3, 8):
            arn, key = talk.ask().split()
            world.pass_seconds(hours * 3600)
            talk.session(arn, {key})
        assert world.calls("GetSessionToken") == 1
        world.pass_seconds(2 * 3600)
        assert "assumed-role" not in talk.ask()
        code_, stderr = talk.end()
    assert code_ == 0
    assert "one MFA session of arn:aws:iam::111111111111:mfa/alice serves `sensitive`: for 12 hours" in stderr
    assert "the command's session of `sensitive` has ended and could not be renewed" in stderr
