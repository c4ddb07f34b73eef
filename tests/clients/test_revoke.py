"""`dsops revoke` as a real process against a sandbox that evaluates aws:TokenIssueTime for each session."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dsops.testing import Identity, LocalAws
from dsops.testing.child import SandboxKeeper
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import Agent, Dsops

HOME, AWAY = "111111111111", "222222222222"
SEED = f'accounts: {{"{HOME}": {{}}, "{AWAY}": {{}}}}'
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
POLICY = {"Version": "2012-10-17", "Statement": ALL}
CONFIG = f"""\
version: 1
secretStores:
  worker:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::{HOME}:role/Worker
    role_session_name: work
  boss: {{type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::{AWAY}:role/Boss"}}
  away: {{type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::{AWAY}:role/Worker", credentials_from: worker}}
  secrets: {{type: aws.secretsmanager, region: us-east-1, credentials_from: worker}}
  plain: {{type: aws.secretsmanager, region: us-east-1}}
  people: {{type: aws.sso, start_url: "https://x.awsapps.com/start", sso_region: us-east-1, account_id: "{HOME}",
    role_name: Admin}}
  by-people: {{type: aws.secretsmanager, region: us-east-1, credentials_from: people}}
  local: {{type: literal, values: {{a: b}}}}
envs:
  production: {{TOKEN: {{from: {{store: secrets, key: prod/token}}}}}}
"""


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    """Two accounts, each with a role Worker; ada may do everything in the first and assume the second's roles."""
    with LocalAws(SandboxKeeper().do, SEED) as aws:
        home, away = aws.account(HOME), aws.account(AWAY)
        home.add_user("ada", policies=[POLICY])
        home.add_user("bob")
        trust = {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": home.root_arn}},
        }
        home.add_role("Worker", trust=trust, policies=[POLICY])
        away.add_role("Worker", trust=trust, policies=[POLICY])
        away.add_role("Boss", trust=trust, policies=[POLICY])
        home.add_secret("prod/token", "hush")
        yield aws


@pytest.fixture
def dsops(tmp_path: Path, aws: LocalAws) -> Dsops:
    """dsops, run by ada."""
    return ready(Dsops(tmp_path), aws.account(HOME).user("ada"))


def ready(program: Dsops, who: Identity) -> Dsops:
    """dsops with the configuration of this file, run by this user."""
    (program.folder / "dsops.yaml").write_text(CONFIG)
    program.environ = {**program.environ, **who.environment(program.environ)}
    return program


HOUR = timedelta(hours=1)
WORKER = f"arn:aws:iam::{HOME}:role/Worker"


def session(dsops: Dsops, store: str) -> Mapping[str, str]:
    """The environment variables of a new session of the store."""
    done = dsops.run("credentials", store)
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    return {
        "AWS_ACCESS_KEY_ID": value["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": value["secret_access_key"],
        "AWS_SESSION_TOKEN": value["session_token"],
    }


def may_list_roles(aws: LocalAws, held: Mapping[str, str]) -> bool:
    """Whether the session may list roles, which its role allows."""
    keys = {name.lower(): value for name, value in held.items()}
    iam = boto3.client("iam", region_name="us-east-1", endpoint_url=aws.url, **keys)
    try:
        iam.list_roles()
    except ClientError as error:
        if "explicit deny" not in str(error):
            raise
        return False
    return True


def at(aws: LocalAws, dsops: Dsops, store: str, ago: timedelta) -> Mapping[str, str]:
    """A session of the store that was issued this many seconds ago."""
    now = aws.clock.now()
    aws.clock.move_to(now - ago)
    variables = session(dsops, store)
    aws.clock.move_to(now)
    return variables


def test_the_policy_is_printed_and_nothing_is_done(dsops: Dsops, aws: LocalAws) -> None:
    """`revoke` prints the policy in the form that IAM takes, explains its limits on stderr, and changes nothing."""
    done = dsops.run("revoke", "worker")

    assert 0 == done.returncode, done.stderr
    policy = json.loads(done.stdout)
    assert "Deny" == policy["Statement"][0]["Effect"]
    assert f"AWSRevokeOlderSessions of {WORKER}".encode() in done.stderr
    assert b"assumed from these" in done.stderr
    assert [] == inline_policies(aws)


def inline_policies(aws: LocalAws, account: str = HOME) -> list[str]:
    """The inline policies of the role Worker, without the one from the seed."""
    keys = aws.user(f"admin@{account}").boto3_session()
    names: list[str] = keys.client("iam").list_role_policies(RoleName="Worker")["PolicyNames"]
    return [name for name in names if name != "policy-1"]


def test_an_old_session_is_denied_and_a_new_one_works(dsops: Dsops, aws: LocalAws) -> None:
    """`revoke --apply` denies sessions issued before the revocation; a session issued after it works."""
    old = at(aws, dsops, "worker", ago=HOUR / 2)
    assert may_list_roles(aws, old)

    done = dsops.run("revoke", "worker", "--apply", "--yes")
    assert 0 == done.returncode, done.stderr
    assert ["AWSRevokeOlderSessions"] == inline_policies(aws)
    assert not may_list_roles(aws, old)

    aws.clock.advance(2)
    assert may_list_roles(aws, session(dsops, "worker"))


def test_a_session_of_the_same_second_is_denied(dsops: Dsops, aws: LocalAws) -> None:
    """A session issued in the same second as the revocation is denied: AWS keeps issue times in seconds."""
    aws.clock.freeze()
    aws.clock.move_to(aws.clock.now().replace(microsecond=0))
    variables = session(dsops, "worker")
    done = dsops.run("revoke", "worker", "--apply", "--yes")

    assert 0 == done.returncode, done.stderr
    assert not may_list_roles(aws, variables)


def test_sessions_assumed_from_a_revoked_one_go_on(dsops: Dsops, aws: LocalAws) -> None:
    """Sessions that were assumed from a revoked session stay valid, as on AWS, and `revoke` says so."""
    chained = at(aws, dsops, "away", ago=HOUR / 2)
    done = dsops.run("revoke", "worker", "--apply", "--yes")

    assert 0 == done.returncode, done.stderr
    assert may_list_roles(aws, chained)
    assert b"does not end sessions of other roles" in done.stderr


def test_before_denies_only_older_sessions(dsops: Dsops, aws: LocalAws) -> None:
    """With --before only sessions issued before that moment are denied."""
    older = at(aws, dsops, "worker", ago=HOUR / 2)
    newer = at(aws, dsops, "worker", ago=HOUR / 6)
    moment = (aws.clock.now() - HOUR / 4).isoformat()
    done = dsops.run("revoke", "secrets", "--apply", "--yes", "--before", moment)

    assert 0 == done.returncode, done.stderr
    assert (False, True) == (may_list_roles(aws, older), may_list_roles(aws, newer))


def test_what_was_revoked_stays_revoked(dsops: Dsops, aws: LocalAws) -> None:
    """A revocation time earlier than the existing one is refused, because it would re-enable sessions."""
    assert 0 == dsops.run("revoke", "worker", "--apply", "--yes").returncode
    moment = (aws.clock.now() - HOUR).isoformat()
    done = dsops.run("revoke", "worker", "--apply", "--yes", "--before", moment)

    assert 2 == done.returncode
    assert b"revoked already" in done.stderr
    assert 0 == dsops.run("revoke", "worker", "--apply", "--yes").returncode


def test_a_policy_of_other_origin_is_not_replaced(dsops: Dsops, aws: LocalAws) -> None:
    """A policy that has the same name but was not written by dsops is not replaced: it may have other statements."""
    iam = aws.account(HOME).user("ada").boto3_session().client("iam")
    iam.put_role_policy(RoleName="Worker", PolicyName="AWSRevokeOlderSessions", PolicyDocument=json.dumps(POLICY))
    done = dsops.run("revoke", "worker", "--apply", "--yes")

    assert 3 == done.returncode
    assert b"was not written by dsops" in done.stderr


def test_the_role_of_another_account_is_never_taken_for_this_ones(dsops: Dsops, aws: LocalAws) -> None:
    """Another account's role needs --with.

    PutRolePolicy takes only a name, and would change the caller's own role of that name.
    """
    done = dsops.run("revoke", "away", "--apply", "--yes")

    assert 2 == done.returncode
    assert b"--with STORE" in done.stderr
    assert [] == inline_policies(aws)


def test_another_stores_session_attaches_it(dsops: Dsops, aws: LocalAws) -> None:
    """--with names a store whose session attaches the policy in the role's account."""
    done = dsops.run("revoke", "away", "--apply", "--yes", "--with", "boss")

    assert 0 == done.returncode, done.stderr
    assert (["AWSRevokeOlderSessions"], []) == (inline_policies(aws, AWAY), inline_policies(aws, HOME))


def test_a_roles_arn_needs_no_configuration(dsops: Dsops, aws: LocalAws) -> None:
    """`revoke` of a role ARN needs no configuration."""
    (dsops.folder / "dsops.yaml").unlink()
    done = dsops.run("revoke", WORKER, "--apply", "--yes", "--json")

    assert 0 == done.returncode, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    assert (WORKER, True, 0) == (value["role_arn"], value["is_attached"], value["agent_forgot"])
    assert ["AWSRevokeOlderSessions"] == inline_policies(aws)


def test_a_role_of_another_partition_and_with_a_path(tmp_path: Path) -> None:
    """For a role in another partition, that partition's IAM is called with the role's name without its path."""
    seed = f'region: cn-north-1\naccounts: {{"{HOME}": {{partition: aws-cn}}}}'
    with LocalAws(SandboxKeeper().do, seed) as aws:
        home = aws.account(HOME)
        ada = home.add_user("ada", policies=[POLICY])
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": home.root_arn}}
        iam = ada.boto3_session().client("iam")
        document = json.dumps({"Version": "2012-10-17", "Statement": trust})
        role = iam.create_role(RoleName="Worker", Path="/team/a/", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        done = ready(Dsops(tmp_path), ada).run("revoke", role, "--apply", "--yes")

        assert 0 == done.returncode, done.stderr
        assert f"arn:aws-cn:iam::{HOME}:role/team/a/Worker" == role
        assert ["AWSRevokeOlderSessions"] == iam.list_role_policies(RoleName="Worker")["PolicyNames"]


def test_a_denied_caller_gets_the_missing_action(dsops: Dsops, aws: LocalAws) -> None:
    """A denied PutRolePolicy is an error that names the action and suggests --with."""
    program = ready(dsops, aws.account(HOME).user("bob"))
    done = program.run("revoke", WORKER, "--apply", "--yes")

    assert 3 == done.returncode
    assert b"iam:PutRolePolicy" in done.stderr
    assert [] == inline_policies(aws)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("plain",), 3, "assumes no role"),
        (("local",), 2, "no credentials"),
        (("people",), 3, "permission set"),
        (("by-people",), 3, "permission set"),
        (("worker", "--before", "yesterday"), 2, "2026-11-24T12:00:00Z"),
        (("worker", "--before", "2026-11-24T12:00:00"), 2, "time zone"),
        (("worker", "--before", "2099-01-01T00:00:00Z"), 2, "new sessions would be denied"),
        (("worker", "--with", "boss"), 2, "--apply"),
        (("worker", "--apply"), 2, "--yes"),
        (("arn:aws:iam::111111111111:user/ada",), 2, "is not the ARN of a role"),
        (("arn:aws:iam::111111111111:role/AWSReservedSSO_Admin_0123456789abcdef",), 3, "Identity Center"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_invalid_arguments_are_refused(
    dsops: Dsops, aws: LocalAws, words: tuple[str, ...], code: int, says: str
) -> None:
    """Invalid arguments are refused and nothing is attached."""
    done = dsops.run("revoke", *words)

    assert (code, b"") == (done.returncode, done.stdout)
    assert says in done.stderr.decode()
    assert [] == inline_policies(aws)


@pytest.mark.parametrize(("typed", "code"), [("yes\n", 0), ("no\n", 2), ("\n", 2), ("\x03", 130)])
def test_apply_asks_for_confirmation(dsops: Dsops, aws: LocalAws, typed: str, code: int) -> None:
    """`--apply` asks on the terminal; only `yes` attaches the policy, other answers and Ctrl-C do not."""
    variables = [f"{name}={value}" for name, value in dsops.environ.items()]
    command = ["env", "-C", str(dsops.folder), "-i", *variables, *dsops.command("revoke", "worker", "--apply")]
    with Terminal(command) as terminal:
        terminal.expect("type yes: ")
        terminal.type(typed)
        assert code == terminal.code()
    assert (code == 0) == bool(inline_policies(aws))


def test_without_a_network_this_machines_clock_counts(dsops: Dsops) -> None:
    """Without a network, `revoke` prints the policy with this machine's time and says so on stderr."""
    done = dsops.run("revoke", "worker", AWS_ENDPOINT_URL_STS="http://127.0.0.1:1", AWS_ENDPOINT_URL="")

    assert 0 == done.returncode
    assert b"using this machine's clock" in done.stderr


def test_nothing_is_attached_by_a_clock_that_may_be_wrong(dsops: Dsops, aws: LocalAws) -> None:
    """If AWS's time is unknown, `--apply` refuses and suggests --before: sessions could escape the revocation."""
    gone = {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1", "AWS_ENDPOINT_URL": aws.url}
    done = dsops.run("revoke", "worker", "--apply", "--yes", **gone)

    assert 5 == done.returncode
    assert b"--before" in done.stderr
    assert [] == inline_policies(aws)


def test_the_agent_forgets_the_sessions_of_that_role_alone(tmp_path: Path, aws: LocalAws) -> None:
    """The agent drops the revoked role's sessions and keeps those of other roles."""
    with Agent(tmp_path) as dsops:
        ready(dsops, aws.account(HOME).user("ada"))
        for store in ("worker", "boss"):
            assert 0 == dsops.run("credentials", store).returncode
        assert {"worker", "boss"} <= held_by(dsops)
        done = dsops.run("revoke", "worker", "--apply", "--yes")

        assert 0 == done.returncode, done.stderr
        assert b"forgotten 1 session" in done.stderr
        assert {"boss"} == held_by(dsops) & {"worker", "boss"}
        aws.clock.advance(2)
        assert "hush" == dsops.run("get", "--env", "production", "TOKEN").stdout.decode().strip()


def held_by(dsops: Agent) -> set[str]:
    """The stores whose sessions the agent holds."""
    return {entry["store"] for entry in dsops.status()["sessions"]}
