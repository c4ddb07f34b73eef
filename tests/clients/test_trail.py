"""Two days of boto3 calls in two accounts, read back from the sandbox's CloudTrail files."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dsops.audit.cloudtrail.files import find_logs
from dsops.audit.cloudtrail.questions import HISTORY, REPORTED
from dsops.audit.cloudtrail.reporting import report_on
from dsops.sandbox.clock import MovableClock
from dsops.sandbox.cloudtrail.event_record import HIDDEN
from dsops.sandbox.control.launch import TrailTarget, identity_variables, open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from dsops.sandbox.sts.totp import code_at

HOME, AWAY = "111111111111", "222222222222"
JUMP, TARGET = f"arn:aws:iam::{HOME}:role/team/Jump", f"arn:aws:iam::{AWAY}:role/Target"
MFA = f"arn:aws:iam::{HOME}:mfa/alice"
MFA_SEED = "JBSWY3DPEHPK3PXP"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
SEED = f"""
accounts:
  "{HOME}":
    users:
      alice:
        id: AIDAALICEALICEALICE12
        access_key_id: AKIAALICEALICEALICE1
        secret_access_key: invented-invented-invented-invented-inv1
        mfa: {{name: alice, seed: {MFA_SEED}}}
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: ["sts:*", "iam:GetUser"], Resource: "*"}}}}
    roles:
      Jump:
        id: AROAJUMPJUMPJUMPJUMP1
        path: /team/
        trust:
          Version: "2012-10-17"
          Statement: {{Effect: Allow, Principal: {{AWS: "arn:aws:iam::{HOME}:root"}},
                       Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}}
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "sts:*", Resource: "*"}}}}
  "{AWAY}":
    roles:
      Target:
        id: AROATARGETTARGETTARG1
        trust:
          Version: "2012-10-17"
          Statement: {{Effect: Allow, Principal: {{AWS: "{JUMP}"}},
                       Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
                       Condition: {{StringEquals: {{"sts:ExternalId": "unique-customer-id-12345"}}}}}}
        policies:
        - {{Version: "2012-10-17",
             Statement: {{Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}}}}
    secrets:
      prod/db: {{password: invented}}
"""
MORNING = datetime(2026, 7, 13, 9, 0, 0, tzinfo=UTC)


class Day:
    """The sandbox that the calls use, its clock, and the sessions that it issued."""

    def __init__(self, server: SandboxServer) -> None:
        self._server = server
        self.sessions: dict[str, Any] = {}

    def move_to(self, moment: datetime) -> None:
        """Move the clock to this time."""
        with self._server.sandbox.world.lock:
            self._server.sandbox.move_clock(moment.timestamp())

    def client(self, session: boto3.Session, service: str, region: str = "us-east-1") -> Any:  # boto3 ships no types
        """A boto3 client whose endpoint is the sandbox."""
        return session.client(service, endpoint_url=self._server.url, region_name=region)

    def alice(self) -> boto3.Session:
        """boto3 as alice, with her long-term key."""
        variables = identity_variables(self._server, "alice")
        return boto3.Session(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])

    def with_mfa(self) -> boto3.Session:
        """boto3 as alice, with a session for which she entered an MFA code."""
        code = code_at(MFA_SEED, self._server.sandbox.clock.now())
        answer = self.client(self.alice(), "sts").get_session_token(SerialNumber=MFA, TokenCode=code)
        return self._session("mfa", answer)

    def assume(self, caller: boto3.Session, role: str, name: str, **more: object) -> boto3.Session:
        """Assume the role at the regional STS endpoint in Ireland; returns the session."""
        answer = self.client(caller, "sts", "eu-west-1").assume_role(RoleArn=role, RoleSessionName=name, **more)
        return self._session(name, answer)

    def _session(self, name: str, answer: Any) -> boto3.Session:
        self.sessions[name] = answer
        keys = answer["Credentials"]
        return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Day]:
    """The folder of log files after two days: MFA, a chain across two accounts, denials, a secret."""
    folder = tmp_path_factory.mktemp("trail")
    clock = MovableClock()
    clock.set(MORNING.timestamp())
    clock.freeze(is_frozen=True)
    trail = TrailTarget(str(folder), lambda _: None, has_data_events=True)
    with open_server(read_seed(SEED, "seed.yaml"), clock=clock, trail=trail) as server:
        day = Day(server)
        jump = day.assume(
            day.with_mfa(),
            JUMP,
            "deploy",
            SourceIdentity="ada",
            DurationSeconds=900,
            Tags=[{"Key": "team", "Value": "blue"}],
            TransitiveTagKeys=["team"],
        )
        with pytest.raises(ClientError, match=r"\(AccessDenied\)"):
            day.assume(jump, TARGET, "wrong", ExternalId="no")
        day.move_to(MORNING.replace(minute=5))
        target = day.assume(jump, TARGET, "deploy-2", ExternalId="unique-customer-id-12345")
        day.client(target, "secretsmanager").get_secret_value(SecretId="prod/db")
        with pytest.raises(ClientError, match=r"\(AccessDeniedException\)"):
            day.client(target, "secretsmanager").delete_secret(SecretId="prod/db")
        day.move_to(MORNING.replace(day=14))
        with pytest.raises(ClientError, match=r"\(ExpiredToken\)"):
            day.client(jump, "sts").get_caller_identity()
        day.client(day.alice(), "iam", "eu-west-1").get_user(UserName="alice")
    return folder, day


def records(folder: Path, account: str, region: str, day: str) -> list[dict[str, Any]]:
    """The records of one account, region and day, oldest first."""
    log_records: list[dict[str, Any]] = []
    for path in folder.glob(f"AWSLogs/{account}/CloudTrail/{region}/2026/07/{day}/*.json.gz"):
        log_records += json.loads(gzip.decompress(path.read_bytes()))["Records"]
    return sorted(log_records, key=lambda record: record["eventTime"])


def test_each_account_region_and_day_has_its_folder(played: tuple[Path, Day]) -> None:
    """Records are stored by account, region and day; a call with an expired session is not recorded."""
    folder, _ = played

    folders = {str(path.parent.relative_to(folder / "AWSLogs")) for path in folder.rglob("*") if path.is_file()}

    assert folders == {
        f"{HOME}/CloudTrail/us-east-1/2026/07/13",
        f"{HOME}/CloudTrail/eu-west-1/2026/07/13",
        f"{HOME}/CloudTrail/us-east-1/2026/07/14",
        f"{AWAY}/CloudTrail/eu-west-1/2026/07/13",
        f"{AWAY}/CloudTrail/us-east-1/2026/07/13",
    }


def test_the_second_hop_has_every_field_of_cloudtrails(played: tuple[Path, Day]) -> None:
    """The AssumeRole record of the second hop has CloudTrail's fields: caller, session issuer, request, response."""
    folder, day = played
    issued = day.sessions["deploy-2"]

    first, _, record = records(folder, HOME, "eu-west-1", "13")

    assert first["responseElements"]["credentials"]["accessKeyId"] == record["userIdentity"]["accessKeyId"]
    assert re.fullmatch(r"Boto3/.*", record.pop("userAgent"))
    assert re.fullmatch(r"127\.0\.0\.1:\d+", record["tlsDetails"].pop("clientProvidedHostHeader"))
    ids = {record.pop(name) for name in ("eventID", "requestID", "sharedEventID")}
    assert len(ids) == 3
    assert all(UUID.fullmatch(identifier) for identifier in ids)
    assert record == {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAJUMPJUMPJUMPJUMP1:deploy",
            "arn": f"arn:aws:sts::{HOME}:assumed-role/Jump/deploy",
            "accountId": HOME,
            "accessKeyId": day.sessions["deploy"]["Credentials"]["AccessKeyId"],
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROAJUMPJUMPJUMPJUMP1",
                    "arn": JUMP,
                    "accountId": HOME,
                    "userName": "Jump",
                },
                "attributes": {"creationDate": "2026-07-13T09:00:00Z", "mfaAuthenticated": "false"},
                "sourceIdentity": "ada",
            },
        },
        "eventTime": "2026-07-13T09:05:00Z",
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "127.0.0.1",
        "requestParameters": {
            "roleArn": TARGET,
            "roleSessionName": "deploy-2",
            "externalId": HIDDEN,
            "incomingTransitiveTags": {"team": "blue"},
        },
        "responseElements": {
            "assumedRoleUser": {
                "assumedRoleId": "AROATARGETTARGETTARG1:deploy-2",
                "arn": f"arn:aws:sts::{AWAY}:assumed-role/Target/deploy-2",
            },
            "credentials": {
                "accessKeyId": issued["Credentials"]["AccessKeyId"],
                "sessionToken": HIDDEN,
                "expiration": "Jul 13, 2026, 10:05:00 AM",
            },
            "sourceIdentity": "ada",
            "packedPolicySize": issued["PackedPolicySize"],
            "sessionTokenSize": len(issued["Credentials"]["SessionToken"]),
            "sessionTokenUtilization": issued["SessionTokenUtilization"],
        },
        "additionalEventData": {"RequestDetails": {"endpointType": "regional", "awsServingRegion": "eu-west-1"}},
        "readOnly": True,
        "resources": [{"ARN": TARGET, "accountId": AWAY, "type": "AWS::IAM::Role"}],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "eventCategory": "Management",
        "tlsDetails": {},
        "recipientAccountId": HOME,
    }


def test_the_roles_account_has_its_own_copy(played: tuple[Path, Day]) -> None:
    """The role's account has its own record of the AssumeRole, with only the caller's id and account."""
    folder, _ = played

    own = records(folder, HOME, "eu-west-1", "13")[-1]
    (twin,) = records(folder, AWAY, "eu-west-1", "13")

    assert twin["userIdentity"] == {
        "type": "AWSAccount",
        "principalId": "AROAJUMPJUMPJUMPJUMP1:deploy",
        "accountId": HOME,
    }
    assert (twin["recipientAccountId"], twin["sharedEventID"]) == (AWAY, own["sharedEventID"])
    differing = ("userIdentity", "eventID", "recipientAccountId")
    assert {**own, **dict.fromkeys(differing)} == {**twin, **dict.fromkeys(differing)}
    assert own["eventID"] != twin["eventID"]


def test_the_first_hop_was_made_with_mfa(played: tuple[Path, Day]) -> None:
    """The record of the first hop says that MFA was used, and no record contains the MFA code."""
    folder, day = played

    (token,) = records(folder, HOME, "us-east-1", "13")
    first = records(folder, HOME, "eu-west-1", "13")[0]

    assert token["eventName"] == "GetSessionToken"
    assert token["requestParameters"] == {"serialNumber": MFA}
    assert token["responseElements"]["credentials"]["accessKeyId"] == first["userIdentity"]["accessKeyId"]
    assert first["userIdentity"] == {
        "type": "IAMUser",
        "principalId": "AIDAALICEALICEALICE12",
        "arn": f"arn:aws:iam::{HOME}:user/alice",
        "accountId": HOME,
        "accessKeyId": day.sessions["mfa"]["Credentials"]["AccessKeyId"],
        "userName": "alice",
        "sessionContext": {"attributes": {"creationDate": "2026-07-13T09:00:00Z", "mfaAuthenticated": "true"}},
    }
    assert first["requestParameters"] == {
        "roleArn": JUMP,
        "roleSessionName": "deploy",
        "durationSeconds": 900,
        "sourceIdentity": "ada",
        "tags": [{"key": "team", "value": "blue"}],
        "transitiveTagKeys": ["team"],
    }
    assert first["responseElements"]["credentials"]["expiration"] == "Jul 13, 2026, 9:15:00 AM"


def test_denials_are_recorded_with_awss_message(played: tuple[Path, Day]) -> None:
    """Denials are recorded in the caller's account with AWS's message; a role session's calls in the role's account."""
    folder, _ = played

    denied = records(folder, HOME, "eu-west-1", "13")[1]
    read, deleted = records(folder, AWAY, "us-east-1", "13")

    assert denied["errorCode"] == "AccessDenied"
    assert denied["errorMessage"].startswith(
        f"User: arn:aws:sts::{HOME}:assumed-role/Jump/deploy is not authorized to perform: sts:"
    )
    assert denied["responseElements"] is None
    assert denied["requestParameters"]["externalId"] == HIDDEN
    assert "sharedEventID" not in denied
    assert (read["eventName"], read["requestParameters"]) == ("GetSecretValue", {"secretId": "prod/db"})
    assert read["userIdentity"]["arn"] == f"arn:aws:sts::{AWAY}:assumed-role/Target/deploy-2"
    assert read["userIdentity"]["sessionContext"]["sourceIdentity"] == "ada"
    assert (deleted["eventName"], deleted["errorCode"]) == ("DeleteSecret", "AccessDenied")


def test_the_next_day_is_in_the_next_folder(played: tuple[Path, Day]) -> None:
    """IAM calls are recorded in us-east-1, in the folder of the next day, whatever region the client uses."""
    folder, _ = played

    (record,) = records(folder, HOME, "us-east-1", "14")

    assert (record["eventName"], record["awsRegion"]) == ("GetUser", "us-east-1")
    assert record["eventTime"] == "2026-07-14T09:00:00Z"


def test_no_secret_is_in_the_folder(played: tuple[Path, Day]) -> None:
    """No key, token, MFA code, external ID or secret value is in any file of the folder."""
    folder, day = played

    text = "".join(gzip.decompress(path.read_bytes()).decode() for path in folder.rglob("*.gz"))

    assert JUMP in text
    for answer in day.sessions.values():
        assert answer["Credentials"]["SecretAccessKey"] not in text
        assert answer["Credentials"]["SessionToken"] not in text
    assert "unique-customer-id-12345" not in text
    assert "invented" not in text


def test_the_report_on_the_folder(played: tuple[Path, Day]) -> None:
    """`audit report` on the folder shows role use, denials, session durations and the user behind the second hop."""
    folder, day = played
    alice = f"arn:aws:iam::{HOME}:user/alice"

    report = report_on(find_logs([str(folder)]), ["logs"], questions=(*REPORTED, HISTORY), session="deploy-2")
    rows_by_question = {answer.question: [list(row) for row in answer.rows] for answer in report.answers}

    later = MORNING.replace(minute=5)
    assert rows_by_question["failures"] == [[TARGET, "AccessDenied", 1, 1, MORNING, MORNING]]
    assert rows_by_question["durations"] == [
        ["GetSessionToken", 1, 0, 43_200, 43_200, 0, 0],
        [JUMP, 1, 0, 900, 900, 300, 300],
        [TARGET, 1, 0, 3600, 3600, 0, 0],
    ]
    assert rows_by_question["principals"] == [
        ["GetSessionToken", alice, 1, 0, MORNING, MORNING],
        [JUMP, alice, 1, 0, MORNING, MORNING],
        [TARGET, JUMP, 1, 1, MORNING, later],
    ]
    assert rows_by_question["accounts"] == [[HOME, AWAY, 2, 1, 1, 1, MORNING, later]]
    assert rows_by_question["chains"] == [[f"{alice} > GetSessionToken > {JUMP} > {TARGET}", 3, 1, later, later]]
    keys = [day.sessions[name]["Credentials"]["AccessKeyId"] for name in ("mfa", "deploy", "deploy-2")]
    assert [
        [hop, name, role, identity, key]
        for hop, _, name, _, role, _, identity, _, _, key in rows_by_question["history"]
    ] == [
        [1, "GetSessionToken", "GetSessionToken", "", keys[0]],
        [2, "AssumeRole", JUMP, "ada", keys[1]],
        [3, "AssumeRole", TARGET, "ada", keys[2]],
    ]
    assert {row[1]: row[2] for row in rows_by_question["events"]} == {"sts": 4, "secretsmanager": 2, "iam": 1}
