"""`session_policy: auto`, enforced by the sandbox: the session reads what its environment reads and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

import dsops
from dsops.errors import ConfigError
from dsops.testing.local_aws import LocalAws
from tests.permission import allow_found

BIN = Path(sys.executable).parent
TRUST = """
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::123456789012:root"}, Action: [%s]}
"""
ALL = """
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "*", Resource: "*"}
"""
MANY = ", ".join(f"many/{n}: m{n}" for n in range(12))
SEED = f"""
accounts:
  "123456789012":
    users:
      ada:
        policies:{ALL}
    roles:
      Jump:
        trust:{TRUST % '"sts:AssumeRole", "sts:TagSession"'}
        policies:{ALL}
      Power:
        trust:{TRUST % '"sts:AssumeRole", "sts:TagSession"'}
        policies:{ALL}
      Other:
        trust:{TRUST % '"sts:AssumeRole", "sts:TagSession"'}
        policies:{ALL}
    regions:
      us-east-1:
        secrets: {{prod/db: the-db, prod/db-2: another, prod/d: short, staging/db: staged, {MANY}}}
        parameters: {{/prod/flag: the-flag, /prod/flag2: other}}
      eu-west-1:
        secrets: {{prod/db: far}}
"""
CONFIG = f"""
version: 1
secretStores:
  jump:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::123456789012:role/Jump
    session_policy: auto
  power:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::123456789012:role/Power
    credentials_from: jump
    tags: {{team: blue}}
    session_policy: auto
  secrets: {{type: aws.secretsmanager, region: us-east-1, credentials_from: power}}
  parameters: {{type: aws.ssm, region: us-east-1, credentials_from: power}}
envs:
  production:
    DB: {{from: {{store: secrets, key: prod/db}}}}
    FLAG: {{from: {{store: parameters, key: /prod/flag}}}}
  staging:
    DB: {{from: {{store: secrets, key: staging/db}}}}
  lacking:
    DB: {{from: {{store: secrets, key: prod/no-such}}, default: none}}
    LEFT_OUT: {{from: {{store: secrets, key: prod/none-such}}, optional: true}}
    FLAG: {{from: {{store: parameters, key: /prod/no-such}}, default: none}}
  many:
{"".join(f"    V{n}: {{from: {{store: secrets, key: many/{n}}}}}{chr(10)}" for n in range(12))}
"""


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


class Ada:
    """A user with a configuration, with or without her own agent."""

    def __init__(self, sandbox: LocalAws, folder: Path, *, has_agent: bool) -> None:
        self.sandbox = sandbox
        self.folder = folder
        (folder / "dsops.yaml").write_text(CONFIG)
        self.environ = sandbox.user("ada").environment() | {"HOME": str(folder), "DSOPS_AGENT": "off"}
        if has_agent:
            # A Unix socket's path is limited to about 100 bytes; pytest's folders are longer.
            self.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="dsops-")
            del self.environ["DSOPS_AGENT"]

    def dsops(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run dsops and wait until it ends."""
        allow_found(self.folder, self.environ)
        return subprocess.run(
            [str(BIN / "dsops"), *words],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def session(self, store: str, environment: str) -> boto3.Session:
        """The session that `dsops exec --credentials` passes to a command."""
        code = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('AWS_')}))"
        done = self.dsops("exec", "--env", environment, "--credentials", store, "--", sys.executable, "-c", code)
        assert not done.returncode, done.stderr
        document = json.loads(done.stdout)
        return boto3.Session(
            document["AWS_ACCESS_KEY_ID"], document["AWS_SECRET_ACCESS_KEY"], document["AWS_SESSION_TOKEN"], "us-east-1"
        )

    def client(self, session: boto3.Session, service: str, region: str = "us-east-1") -> Any:  # boto3 ships no types
        """A boto3 client whose endpoint is the sandbox."""
        return session.client(service, region_name=region, endpoint_url=self.sandbox.url)


@pytest.fixture(params=[False, True], ids=["alone", "agent"])
def ada(request: pytest.FixtureRequest, sandbox: LocalAws, tmp_path: Path) -> Iterator[Ada]:
    """Ada without an agent, and with an agent that is stopped when the test ends."""
    person = Ada(sandbox, tmp_path, has_agent=request.param)
    yield person
    if request.param:
        person.dsops("agent", "stop")
        shutil.rmtree(person.environ["XDG_RUNTIME_DIR"], ignore_errors=True)


def refusal(call: Any, **parameters: object) -> str:
    """The error message of a call, which must be denied."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value)


def test_an_environment_is_read_through_an_auto_session(ada: Ada) -> None:
    """An `auto` session reads its environment, which has a chain, session tags, parameters and a batch of secrets."""
    done = ada.dsops("exec", "--env", "production", "--", "sh", "-c", "echo $DB $FLAG")
    assert (done.returncode, done.stdout) == (0, "the-db the-flag\n"), done.stderr
    assert ada.dsops("get", "--env", "staging", "DB").stdout == "staged"
    assert ada.dsops("get", "--env", "many", "V11").stdout == "m11"
    done = ada.dsops("exec", "--env", "many", "--verbose", "--", "sh", "-c", "echo $V0 $V11")
    assert (done.returncode, done.stdout) == (0, "m0 m11\n"), done.stderr
    assert "BatchGetSecretValue" not in done.stderr


def test_optional_secrets_are_missing_and_not_denied(ada: Ada) -> None:
    """Optional variables and defaults whose secret does not exist are treated as missing, not as access denied."""
    done = ada.dsops("render", "--env", "lacking")
    assert (done.returncode, done.stdout) == (0, "DB=none\nFLAG=none\n"), done.stderr


def test_an_auto_session_reads_its_environment_only(ada: Ada) -> None:
    """An `auto` session cannot read similar names, other regions or versions, list secrets, or use other services."""
    session = ada.session("power", "production")
    secrets, ssm = ada.client(session, "secretsmanager"), ada.client(session, "ssm")

    assert secrets.get_secret_value(SecretId="prod/db")["SecretString"] == "the-db"
    assert ssm.get_parameters(Names=["/prod/flag"], WithDecryption=True)["Parameters"][0]["Value"] == "the-flag"
    for name in ("prod/db-2", "prod/d", "staging/db", "no/such"):
        assert "no session policy allows" in refusal(secrets.get_secret_value, SecretId=name)
    assert "no session policy" in refusal(secrets.get_secret_value, SecretId="prod/db", VersionStage="AWSPREVIOUS")
    version = secrets.get_secret_value(SecretId="prod/db")["VersionId"]
    assert "no session policy" in refusal(secrets.get_secret_value, SecretId="prod/db", VersionId=version)
    far = ada.client(session, "secretsmanager", "eu-west-1")
    assert "no session policy" in refusal(far.get_secret_value, SecretId="prod/db")
    assert "no session policy" in refusal(secrets.list_secrets)
    assert "no session policy" in refusal(secrets.describe_secret, SecretId="prod/db")
    assert "no session policy" in refusal(secrets.put_secret_value, SecretId="prod/db", SecretString="x")
    assert "no session policy" in refusal(ssm.get_parameters, Names=["/prod/flag2"])
    assert "no session policy" in refusal(ssm.get_parameters_by_path, Path="/prod")
    assert "no session policy" in refusal(ada.client(session, "s3").list_buckets)
    role = {"RoleArn": "arn:aws:iam::123456789012:role/Other", "RoleSessionName": "mallory"}
    assert "AccessDenied" in refusal(ada.client(session, "sts").assume_role, **role)


def test_a_batch_gives_no_other_secret(ada: Ada) -> None:
    """BatchGetSecretValue, which has no resource, returns the environment's secrets and denies every other secret."""
    secrets = ada.client(ada.session("power", "many"), "secretsmanager")

    answer = secrets.batch_get_secret_value(SecretIdList=["many/0", "prod/db"])
    assert [secret_value["SecretString"] for secret_value in answer["SecretValues"]] == ["m0"]
    assert [error["SecretId"] for error in answer["Errors"]] == ["prod/db"]
    assert "no session policy" in refusal(secrets.batch_get_secret_value, Filters=[{"Key": "name", "Values": ["prod"]}])


def test_a_hop_may_assume_the_next_role_and_no_other(ada: Ada) -> None:
    """The `auto` session of a hop can assume the next role but no other role, and reads no secrets."""
    session = ada.session("jump", "production")
    sts = ada.client(session, "sts")

    def role(name: str) -> dict[str, str]:
        return {"RoleArn": f"arn:aws:iam::123456789012:role/{name}", "RoleSessionName": "ada"}

    assert sts.assume_role(**role("Power"), Tags=[{"Key": "team", "Value": "blue"}])["Credentials"]
    assert "AccessDenied" in refusal(sts.assume_role, **role("Other"))
    assert "no session policy" in refusal(ada.client(session, "secretsmanager").get_secret_value, SecretId="prod/db")


def test_two_environments_have_two_sessions(ada: Ada) -> None:
    """The agent never serves the session of one environment to another environment."""
    staging = ada.client(ada.session("power", "staging"), "secretsmanager")
    production = ada.client(ada.session("power", "production"), "secretsmanager")

    assert staging.get_secret_value(SecretId="staging/db")["SecretString"] == "staged"
    assert "no session policy" in refusal(staging.get_secret_value, SecretId="prod/db")
    assert production.get_secret_value(SecretId="prod/db")["SecretString"] == "the-db"
    assert "no session policy" in refusal(production.get_secret_value, SecretId="staging/db")


def test_an_auto_session_needs_an_environment(ada: Ada) -> None:
    """`dsops credentials` for an `auto` store without --env fails before any call."""
    done = ada.dsops("credentials", "power")
    assert done.returncode == 2
    assert "secretStores.power.session_policy: `auto` lets a session do what is done with it here" in done.stderr
    assert not [event for event in ada.sandbox.events() if event["eventName"] == "AssumeRole"]


def test_doctor_skips_an_unused_auto_store(ada: Ada) -> None:
    """doctor skips an `auto` store that no environment uses, and reports no failure for it."""
    with (ada.folder / "dsops.yaml").open("a") as file:
        file.write("include: more.yaml\n")
    idle = "idle: {type: aws.sts, role_arn: 'arn:aws:iam::123456789012:role/Other', session_policy: auto}"
    (ada.folder / "more.yaml").write_text(f"secretStores: {{{idle}}}\n")
    done = ada.dsops("doctor", "--json")
    checks = {check["name"]: check["status"] for check in json.loads(done.stdout)["checks"]}
    assert (checks["store power"], checks["store idle"]) == ("ok", "skipped")


def test_commands_take_the_environment_of_an_auto_session(ada: Ada) -> None:
    """`credentials` and `whoami` accept --env for an `auto` store, even when run as a `credential_process`."""
    done = ada.dsops("credentials", "power", "--env", "production", "--format", "process")
    assert not done.returncode, done.stderr
    document = json.loads(done.stdout)
    session = boto3.Session(document["AccessKeyId"], document["SecretAccessKey"], document["SessionToken"], "us-east-1")
    secrets = ada.client(session, "secretsmanager")
    assert secrets.get_secret_value(SecretId="prod/db")["SecretString"] == "the-db"
    assert "no session policy" in refusal(secrets.get_secret_value, SecretId="staging/db")
    done = ada.dsops("whoami", "power", "--env", "staging")
    assert "assumed-role/Power/" in done.stdout, done.stderr


def test_the_role_of_an_auto_session_can_be_revoked(ada: Ada) -> None:
    """`revoke` for an `auto` store's role needs no environment, but an `auto` session cannot attach the policy."""
    done = ada.dsops("revoke", "power", "--apply", "--yes")
    assert done.returncode == 0, done.stderr
    assert "arn:aws:iam::123456789012:role/Power: sessions issued before" in done.stdout
    done = ada.dsops("revoke", "power", "--apply", "--yes", "--with", "jump")
    assert done.returncode == 2
    assert "the session of store `jump` is not allowed to attach a policy" in done.stderr


def test_explain_takes_the_environment_of_an_auto_session(ada: Ada) -> None:
    """`explain --env` explains both hops of a store with `session_policy: auto`; without --env, it is an error."""
    for store in ("jump", "power"):
        done = ada.dsops("explain", store, "--env", "production")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"store {store} of environment production: every session is issued")
    done = ada.dsops("explain", "power")
    assert done.returncode == 2
    assert "config.session-for-nothing" in done.stderr
    assert "`--env`" in done.stderr


def test_a_message_is_explained_with_an_auto_session(ada: Ada) -> None:
    """An `auto` session cannot read the policies that `explain --message` needs; `explain` says so without failing."""
    (ada.folder / "said").write_text(
        "User: arn:aws:sts::123456789012:assumed-role/Power/x is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::b/k" because no session policy allows the s3:GetObject action'
    )
    done = ada.dsops("explain", "power", "--env", "production", "--message", "said")
    assert done.returncode == 6, done.stderr
    assert "session policy" in done.stdout
    assert ada.dsops("explain", "power", "--message", "said").returncode == 2


def test_the_library_gives_each_environment_its_auto_session(sandbox: LocalAws, tmp_path: Path) -> None:
    """`dsops.open()` gives each environment its own `auto` session."""
    (tmp_path / "dsops.yaml").write_text(CONFIG)
    library = dsops.open(tmp_path / "dsops.yaml", sandbox.user("ada").environment(), folder=tmp_path)
    assert library.secrets("production")["DB"].reveal() == "the-db"
    assert library.secrets("staging")["DB"].reveal() == "staged"
    session = library.boto3_session("power", environment="production")
    secrets = session.client("secretsmanager", endpoint_url=sandbox.url)
    assert secrets.get_secret_value(SecretId="prod/db")["SecretString"] == "the-db"
    assert "no session policy" in refusal(secrets.get_secret_value, SecretId="staging/db")
    with pytest.raises(ConfigError):
        library.credentials("power")


def test_a_sandbox_made_from_the_configuration(tmp_path: Path) -> None:
    """A sandbox made by `--from` has the roles, trust policies and secrets that an `auto` configuration needs."""
    (tmp_path / "dsops.yaml").write_text(CONFIG)
    command = ["sandbox", "run", "--from", "dsops.yaml", "--", str(BIN / "dsops"), "get", "--env", "many", "V3"]
    allow_found(tmp_path, {"HOME": str(tmp_path)})
    done = subprocess.run(
        [str(BIN / "dsops"), *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(BIN), "HOME": str(tmp_path), "DSOPS_AGENT": "off"},
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "invented-3"), done.stderr
    assert "left out" not in done.stderr
