"""Real processes of `dsops whoami` and `dsops doctor` report the source of the base credentials."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dsops.aws.apis.sts import assume_role
from dsops.aws.http.call import make_client
from dsops.aws.http.transport import open_driver
from dsops.credentials import Credentials
from dsops.endpoint import resolve_endpoint
from dsops.tasks import run
from dsops.testing.local_aws import LocalAws
from tests.desk import Desk
from tests.fakes import make_runtime
from tests.stubs.server import Answer, Seen, StubServer

INSTANCE = "i-0123456789abcdef0"
SEED = """
accounts:
  "123456789012":
    users:
      ada:
        policies:
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}
    roles:
      WebServer:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {AWS: "arn:aws:iam::123456789012:user/ada"}
            Action: sts:AssumeRole
        policies:
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}
      Jump:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::123456789012:root"}, Action: sts:AssumeRole}
        policies:
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}
      Target:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::123456789012:role/Jump"}, Action: sts:AssumeRole}
        policies:
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}
    secrets: {prod/token: the-token}
"""
CONFIG = """
version: 1
secretStores:
  jump: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::123456789012:role/Jump"}
  target:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::123456789012:role/Target
    role_session_name: target-session
    credentials_from: jump
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: target}
envs:
  production: {TOKEN: {from: {store: secrets, key: prod/token}}}
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no agent on Windows")


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


class Machine(Desk):
    """A machine with a home folder and without keys in the environment."""

    def __init__(self, sandbox: LocalAws, folder: Path) -> None:
        super().__init__(sandbox, folder, CONFIG, AWS_REGION="us-east-1")
        (folder / ".aws").mkdir()

    def told(self, *words: str, **environ: str) -> Mapping[str, object]:
        """The JSON answer of `dsops whoami`."""
        done = self.dsops("whoami", "--json", *words, **environ)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert isinstance(answer, dict)
        return answer

    def doctor(self, **environ: str) -> str:
        """The source of the base credentials in the output of `dsops doctor`."""
        done = self.dsops("doctor", **environ)
        assert done.returncode == 0, done.stdout
        [line] = [line for line in done.stdout.splitlines() if line.startswith("base credentials")]
        return line.split(" from ", 1)[1]

    def session(self, name: str) -> Credentials:
        """A role session such as an EC2 instance or container receives."""
        runtime = make_runtime()
        endpoint = resolve_endpoint("sts", "us-east-1", {"AWS_ENDPOINT_URL": self.sandbox.url})
        work = assume_role(
            make_client(runtime._replace(now=self.sandbox.clock.now)),
            self.sandbox.user("ada").credentials,
            endpoint,
            role_arn="arn:aws:iam::123456789012:role/WebServer",
            role_session_name=name,
        )
        return run(work, open_driver({})).credentials


@pytest.fixture
def machine(sandbox: LocalAws, tmp_path: Path) -> Iterator[Machine]:
    """A machine; its agent is stopped when the test ends."""
    with Machine(sandbox, tmp_path) as made:
        yield made


def _document(session: Credentials) -> Answer:
    """A session in the JSON form of the container and instance metadata services."""
    assert session.session_token is not None
    body = {
        "Code": "Success",
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key.reveal(),
        "Token": session.session_token.reveal(),
        "Expiration": session.expiration_text,
    }
    return Answer(body=json.dumps(body).encode())


def test_an_instance_is_named_by_its_id(machine: Machine) -> None:
    """whoami and doctor name the EC2 instance whose role is used (from the session name), with and without an agent."""
    document = _document(machine.session(INSTANCE))

    def answer(seen: Seen) -> Answer:
        if seen.method == "PUT":
            return Answer(body=b"token")
        return document if seen.target.endswith("/WebServer") else Answer(body=b"WebServer")

    with StubServer(answer) as server:
        environ = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}
        base = machine.told(**environ)
        through_agent = machine.told("target", **environ)
        assert machine.doctor(**environ).startswith(f"the instance's role {INSTANCE}, ")
    assert base["source"] == f"the instance's role {INSTANCE}"
    assert base["arn"] == f"arn:aws:sts::123456789012:assumed-role/WebServer/{INSTANCE}"
    assert (through_agent["source"], through_agent["chain"]) == ("store target", ["target", "jump"])
    assert through_agent["base_source"] == "the instance's role"


def test_a_pod_is_named_for_a_cached_session(machine: Machine) -> None:
    """The agent remembers the source of a cached session's base credentials and does not ask the EKS endpoint again."""
    folder = machine.folder / "pods.eks.amazonaws.com"
    folder.mkdir()
    (folder / "token").write_text("the-pod")
    document = _document(machine.session("pod"))
    with StubServer(lambda seen: document if seen.header("authorization") == "the-pod" else Answer(status=403)) as pod:
        environ = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{pod.url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(folder / "token"),
        }
        for _ in range(2):
            assert machine.told("jump", **environ)["base_source"] == "the container's role (EKS Pod Identity)"
        assert len(pod.seen) == 1
        text = machine.dsops("whoami", "secrets", **environ).stdout
        assert machine.doctor(**environ).startswith("the container's role (EKS Pod Identity), ")
    assert "source   store secrets, through target and jump, from the container's role (EKS Pod Identity)\n" in text


def test_keys_take_precedence_over_a_profile_with_a_note(machine: Machine) -> None:
    """With both AWS_PROFILE and keys set, whoami (on stderr) and doctor (beside the source) say which one is used."""
    ada = machine.sandbox.user("ada").credentials
    keys = {"AWS_ACCESS_KEY_ID": ada.access_key_id, "AWS_SECRET_ACCESS_KEY": ada.secret_access_key.reveal()}
    done = machine.dsops("whoami", AWS_PROFILE="work", **keys)
    assert "source   environment\n" in done.stdout
    note = "AWS_PROFILE=work is ignored: keys in the environment override it"
    assert done.stderr == f"dsops: note: {note}\n"
    assert machine.doctor(AWS_PROFILE="work", **keys) == f"environment; {note}"
    assert machine.dsops("whoami", **keys).stderr == ""


def test_the_profile_of_a_store_is_named(machine: Machine) -> None:
    """A store's `profile` takes precedence over keys in environment variables; doctor and whoami show the profile."""
    ada = machine.sandbox.user("ada").credentials
    (machine.folder / ".aws" / "credentials").write_text(
        f"[ada]\naws_access_key_id = {ada.access_key_id}\naws_secret_access_key = {ada.secret_access_key.reveal()}\n"
    )
    config = machine.folder / "dsops.yaml"
    config.write_text(CONFIG.replace("jump: {type: aws.sts,", "jump: {type: aws.sts, profile: ada,"))
    wrong = {"AWS_ACCESS_KEY_ID": "AKIAWRONGWRONGWRONG0", "AWS_SECRET_ACCESS_KEY": "wrong"}
    answer = machine.told("target", **wrong)
    assert answer["base_source"] == "profile ada (the credentials file)"
    done = machine.dsops("doctor", **wrong)
    assert "base credentials of profile ada  ok" in done.stdout
    assert "user/ada from profile ada (the credentials file)" in done.stdout


def test_the_endpoint_of_a_profile_is_where_calls_go(machine: Machine) -> None:
    """`endpoint_url` in ~/.aws/config applies to every call, as in the AWS CLI, even with keys in the environment."""
    ada = machine.sandbox.user("ada").credentials
    keys = {
        "AWS_ACCESS_KEY_ID": ada.access_key_id,
        "AWS_SECRET_ACCESS_KEY": ada.secret_access_key.reveal(),
        "AWS_ENDPOINT_URL": "",
    }
    config = machine.folder / ".aws" / "config"
    config.write_text(f"[default]\nendpoint_url = {machine.sandbox.url}\n")
    assert machine.told(**keys)["arn"] == "arn:aws:iam::123456789012:user/ada"
    assert machine.doctor(**keys) == "environment"
    read = ("exec", "--env", "production", "--", "printenv", "TOKEN")
    assert [machine.dsops(*read, **keys).stdout for _ in range(2)] == ["the-token\n"] * 2
    assumed = [event["eventName"] for event in machine.sandbox.events()].count("AssumeRole")
    # A different address may be a different AWS: sessions cached for the first address are not used.
    config.write_text(config.read_text().replace("127.0.0.1", "localhost"))
    assert machine.dsops(*read, **keys).stdout == "the-token\n"
    assert [event["eventName"] for event in machine.sandbox.events()].count("AssumeRole") == assumed + 2


def test_the_endpoint_of_another_profile_is_not(machine: Machine) -> None:
    """A store with a `profile` uses that profile's `services`; other calls use the default profile's endpoint."""
    ada = machine.sandbox.user("ada").credentials
    (machine.folder / ".aws" / "credentials").write_text(
        f"[ada]\naws_access_key_id = {ada.access_key_id}\naws_secret_access_key = {ada.secret_access_key.reveal()}\n"
    )
    url = machine.sandbox.url
    (machine.folder / ".aws" / "config").write_text(
        f"[default]\nendpoint_url = http://127.0.0.1:9\n[profile ada]\nservices = sandbox\n"
        f"[services sandbox]\nsts =\n  endpoint_url = {url}\nsecrets_manager =\n  endpoint_url = {url}\n"
    )
    config = machine.folder / "dsops.yaml"
    config.write_text(CONFIG.replace("jump: {type: aws.sts,", "jump: {type: aws.sts, profile: ada,"))
    done = machine.dsops("exec", "--env", "production", "--", "printenv", "TOKEN", AWS_ENDPOINT_URL="")
    assert done.stdout == "the-token\n", done.stderr
    assert machine.told("target", AWS_ENDPOINT_URL="")["base_source"] == "profile ada (the credentials file)"
    assert "profile ada  ok" in machine.dsops("doctor", AWS_ENDPOINT_URL="").stdout
