"""CloudTrail records have AWS's format, appear in both accounts' trails, and contain no secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import botocore

from dsops.request.wire.models import service_model
from dsops.request.wire.service_table import SERVED
from dsops.sandbox.cloudtrail.event_record import HIDDEN, id_of, region_of_trail
from dsops.sandbox.cloudtrail.events import Events
from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.state.sessions import MAX_TOKEN
from tests.sandboxes import ACCOUNT, HOST, OTHER, PEER, Lab, Person
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_control import ask

JUMP = f"arn:aws:iam::{ACCOUNT}:role/team/Jump"
TARGET = f"arn:aws:iam::{OTHER}:role/Target"
EXTERNAL_ID = "unique-customer-id-12345"


def records(lab: Lab, account: str = "") -> list[dict[str, Any]]:  # JSON
    """Return the CloudTrail records so far."""
    return list(lab.sandbox.events.records(account=account))


def jump_share(person: Person) -> int:
    """Return the session token's length as a percentage of the maximum."""
    return -(-100 * len(person.keys.session_token or "") // MAX_TOKEN)


def test_an_assumed_role_is_recorded_as_aws_does(lab: Lab) -> None:
    """The record of AssumeRole within one account has exactly AWS's fields."""
    alice = lab.user("alice")
    jump = alice.assume(JUMP, "s1", DurationSeconds=900, Tags=[{"Key": "Team", "Value": "red"}])

    (record,) = records(lab)

    issued = record["responseElements"]["credentials"]
    assert {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": lab.sandbox.world.user_named(ACCOUNT, "alice").unique_id,  # type: ignore[union-attr]
            "arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
            "accountId": ACCOUNT,
            "accessKeyId": alice.keys.access_key_id,
            "userName": "alice",
        },
        "eventTime": record["eventTime"],
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "awsRegion": "us-east-1",
        "sourceIPAddress": PEER,
        "userAgent": "",
        "requestParameters": {
            "roleArn": JUMP,
            "roleSessionName": "s1",
            "durationSeconds": 900,
            "tags": [{"key": "Team", "value": "red"}],
        },
        "responseElements": {
            "assumedRoleUser": {
                "assumedRoleId": record["responseElements"]["assumedRoleUser"]["assumedRoleId"],
                "arn": jump.arn,
            },
            "credentials": {
                "accessKeyId": jump.keys.access_key_id,
                "expiration": issued["expiration"],
                "sessionToken": HIDDEN,
            },
            **dict.fromkeys(("packedPolicySize", "sessionTokenUtilization"), jump_share(jump)),
            "sessionTokenSize": len(jump.keys.session_token or ""),
        },
        "additionalEventData": {"RequestDetails": {"endpointType": "regional", "awsServingRegion": "us-east-1"}},
        "requestID": record["requestID"],
        "eventID": record["eventID"],
        "readOnly": True,
        "resources": [{"ARN": JUMP, "accountId": ACCOUNT, "type": "AWS::IAM::Role"}],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "eventCategory": "Management",
        "tlsDetails": {"clientProvidedHostHeader": HOST},
        "recipientAccountId": ACCOUNT,
    } == record
    assert re.fullmatch(r"[A-Z][a-z]{2} [1-9]\d?, \d{4}, [1-9]\d?:\d\d:\d\d [AP]M", issued["expiration"])


def test_a_cross_account_call_is_in_both_trails(lab: Lab) -> None:
    """A cross-account AssumeRole is recorded in both accounts' trails, with the same sharedEventID.

    The record in the role's account shows only the caller's id and account.
    """
    jump = lab.user("alice").assume(JUMP, "s1")
    jump.assume(TARGET, "s2", ExternalId=EXTERNAL_ID)

    own, others = records(lab, ACCOUNT)[-1], records(lab, OTHER)

    assert len(others) == 1
    (twin,) = others
    assert twin["userIdentity"] == {
        "type": "AWSAccount",
        "principalId": own["userIdentity"]["principalId"],
        "accountId": ACCOUNT,
    }
    assert twin["sharedEventID"] == own["sharedEventID"]
    assert len({own["eventID"], twin["eventID"], own["sharedEventID"]}) == 3
    differing = {"userIdentity", "eventID", "recipientAccountId"}
    assert {key: value for key, value in own.items() if key not in differing} == {
        key: value for key, value in twin.items() if key not in differing
    }


def test_within_an_account_there_is_one_record(lab: Lab) -> None:
    """AssumeRole within one account is recorded once, without sharedEventID."""
    lab.user("alice").assume(JUMP)

    (record,) = records(lab)

    assert "sharedEventID" not in record


def test_a_refused_call_is_in_its_callers_trail_only(lab: Lab) -> None:
    """A denied cross-account call is recorded only in the caller's trail, with AWS's code and message."""
    jump = lab.user("alice").assume(JUMP, "s1")
    refused = jump.refused_role(TARGET, ExternalId="wrong")

    record = records(lab)[-1]

    assert (record["errorCode"], record["errorMessage"]) == ("AccessDenied", refused.message)
    assert record["responseElements"] is None
    assert record["recipientAccountId"] == ACCOUNT
    assert records(lab, OTHER) == []


def test_the_shape_name_is_recorded_instead_of_the_error_code(lab: Lab) -> None:
    """CloudTrail records the exception's shape name instead of the error code `MalformedPolicyDocument`."""
    refused = lab.user("alice").refused_role(JUMP, Policy="{")

    assert refused.code == "MalformedPolicyDocument"
    assert records(lab)[-1]["errorCode"] == "MalformedPolicyDocumentException"


def test_an_invalid_call_is_recorded(lab: Lab) -> None:
    """A call with an invalid parameter is recorded with its caller and without parameters."""
    refused = lab.user("alice").refused_role("x")

    record = records(lab)[-1]

    assert (record["errorCode"], record["errorMessage"]) == (refused.code, refused.message)
    assert record["requestParameters"] is None


def test_unauthenticated_calls_are_not_recorded(lab: Lab) -> None:
    """A request with an invalid signature is not recorded, since it belongs to no account."""
    alice = lab.user("alice")
    alice.keys = type(alice.keys)(access_key_id=alice.keys.access_key_id, secret_access_key="wrong")
    alice.refused("sts", "GetCallerIdentity")

    assert records(lab) == []


def test_errors_of_other_services_are_recorded(lab: Lab) -> None:
    """Errors of JSON and XML services that moto raises are recorded with code and message."""
    admin = lab.user("admin")
    nowhere = admin.refused("secretsmanager", "DescribeSecret", SecretId="none")
    nobody = admin.refused("iam", "GetUser", UserName="none")

    recorded = [(record["errorCode"], record["errorMessage"]) for record in records(lab)]

    assert recorded == [("ResourceNotFoundException", nowhere.message), ("NoSuchEntityException", nobody.message)]


def test_a_sessions_issuer_is_named(lab: Lab) -> None:
    """A role session's record names the role with its path as issuer; a user's own session has no issuer."""
    alice = lab.user("alice")
    alice.assume(JUMP, "s1", SourceIdentity="ada").call("sts", "GetCallerIdentity")
    own = alice.call("sts", "GetSessionToken")["Credentials"]
    lab.with_keys(type(alice.keys).of(own)).call("sts", "GetCallerIdentity")

    of_role, of_user = records(lab)[1], records(lab)[3]

    context = of_role["userIdentity"]["sessionContext"]
    assert of_role["userIdentity"]["type"] == "AssumedRole"
    assert context["sessionIssuer"] == {
        "type": "Role",
        "principalId": of_role["userIdentity"]["principalId"].partition(":")[0],
        "arn": JUMP,
        "accountId": ACCOUNT,
        "userName": "Jump",
    }
    assert context["attributes"]["mfaAuthenticated"] == "false"
    assert context["sourceIdentity"] == "ada"
    assert of_user["userIdentity"]["type"] == "IAMUser"
    assert "sessionIssuer" not in of_user["userIdentity"]["sessionContext"]


def test_read_only_is_recorded(lab: Lab) -> None:
    """readOnly is true for AssumeRole and GetSessionToken, false for GetFederationToken and CreateUser."""
    alice = lab.user("alice")
    alice.assume(JUMP)
    alice.call("sts", "GetSessionToken")
    lab.user("admin").call("sts", "GetFederationToken", Name="ada")
    lab.user("admin").call("iam", "CreateUser", UserName="new")

    recorded = {record["eventName"]: record["readOnly"] for record in records(lab)}

    assert recorded == {"AssumeRole": True, "GetSessionToken": True, "GetFederationToken": False, "CreateUser": False}


def test_a_global_service_is_recorded_in_its_own_region(lab: Lab) -> None:
    """A call of a global service is recorded in that service's region, and any other call in the called region."""
    admin = lab.user("admin")
    admin.region = "eu-west-1"
    admin.call("iam", "ListUsers")
    admin.call("sts", "GetCallerIdentity")

    recorded = {record["eventName"]: record["awsRegion"] for record in records(lab)}

    assert recorded == {"ListUsers": "us-east-1", "GetCallerIdentity": "eu-west-1"}


def test_global_services_are_those_of_botocore() -> None:
    """The list of global services and their regions matches botocore's endpoints."""
    endpoints = json.loads((Path(botocore.__file__).parent / "data" / "endpoints.json").read_text(encoding="utf-8"))
    checked = 0
    for partition in endpoints["partitions"]:
        if partition["partition"] not in {"aws", "aws-cn", "aws-us-gov"}:
            continue
        for service in SERVED:
            known = partition["services"].get(service_model(service).endpoint_prefix, {})
            told = region_of_trail(service, partition["partition"], "somewhere")
            if known.get("isRegionalized", True):
                assert told == "somewhere", service
            else:
                checked += 1
                assert told == known["endpoints"][known["partitionEndpoint"]]["credentialScope"]["region"], service
    assert checked == 20


def test_the_ids_of_records_are_uuids() -> None:
    """The record ids equal the version 5 UUIDs of Python's standard library."""
    assert id_of("request 123456789012") == str(uuid5(NAMESPACE_URL, "request 123456789012"))


def test_passed_tags_are_recorded(lab: Lab) -> None:
    """A record lists only the transitive tags, which the session passes on."""
    jump = lab.user("alice").assume(
        JUMP, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}], TransitiveTagKeys=["a"]
    )
    jump.refused_role(TARGET)

    assert records(lab)[-1]["requestParameters"]["incomingTransitiveTags"] == {"a": "1"}


def test_records_contain_no_secrets(lab: Lab) -> None:
    """No record contains keys, tokens, codes, external IDs or secret values."""
    admin = lab.user("admin")
    jump = lab.user("alice").assume(JUMP)
    target = jump.assume(TARGET, ExternalId=EXTERNAL_ID)
    target.call("secretsmanager", "GetSecretValue", SecretId="prod/db")
    admin.call("secretsmanager", "CreateSecret", Name="new", SecretString="hidden-value")
    admin.call("ssm", "PutParameter", Name="/p", Value="hidden-parameter", Type="SecureString")
    created = admin.call("iam", "CreateAccessKey", UserName="nobody")["AccessKey"]
    lab.user("alice").refused(
        "sts", "GetSessionToken", SerialNumber=f"arn:aws:iam::{ACCOUNT}:mfa/alice", TokenCode="918273"
    )

    text = json.dumps(records(lab))

    for secret in (
        jump.keys.secret_access_key,
        target.keys.session_token,
        EXTERNAL_ID,
        "invented",
        "hidden-value",
        "hidden-parameter",
        created["SecretAccessKey"],
        "918273",
    ):
        assert str(secret) not in text
    assert records(lab)[1]["requestParameters"]["externalId"] == HIDDEN


def test_old_records_are_dropped_and_numbers_continue(lab: Lab) -> None:
    """The buffer drops the oldest records; a client that missed some still gets the remaining ones."""
    lab.sandbox.events = Events(3)
    control = Control(lab.sandbox)
    alice = lab.user("alice")
    for _ in range(5):
        alice.call("sts", "GetCallerIdentity")

    _, everything = ask(control, "events")
    _, since = ask(control, "events?after=4")
    _, none = ask(control, "events?after=5")
    _, missed = ask(control, "events?after=1")
    _, of_another_sandbox = ask(control, "events?after=99")

    assert [len(told["Records"]) for told in (everything, since, none, missed, of_another_sandbox)] == [3, 1, 0, 3, 3]
    assert {told["next"] for told in (everything, since, none, missed, of_another_sandbox)} == {5}
    assert since["Records"] == everything["Records"][-1:]


def test_records_of_one_account(lab: Lab) -> None:
    """The events endpoint can return the records of a single account."""
    lab.user("alice").assume(JUMP).assume(TARGET, ExternalId=EXTERNAL_ID)

    _, told = ask(Control(lab.sandbox), f"events?account={OTHER}")

    assert [record["recipientAccountId"] for record in told["Records"]] == [OTHER]


def test_the_last_records_are_the_newest(lab: Lab) -> None:
    """`last` counts only the records of the requested account; an invalid number returns all records."""
    jump = lab.user("alice").assume(JUMP)
    for _ in range(3):
        jump.assume(TARGET, ExternalId=EXTERNAL_ID)
        lab.user("alice").call("sts", "GetCallerIdentity")
    control = Control(lab.sandbox)
    everything = ask(control, "events")[1]["Records"]
    theirs = [record for record in everything if record["recipientAccountId"] == OTHER]

    assert len(theirs) == 3
    assert ask(control, f"events?account={OTHER}&last=2")[1]["Records"] == theirs[-2:]
    assert ask(control, "events?last=4")[1]["Records"] == everything[-4:]
    assert ask(control, "events?last=1&after=3")[1]["Records"] == everything[-1:]
    for number in ("", "0", "x", "-1", "9" * 30):
        assert ask(control, f"events?last={number}")[1]["Records"] == everything


def test_the_number_of_records_is_configurable(lab: Lab) -> None:
    """`--events 0` keeps no records; a number above the number of calls keeps all records."""
    for kept, expected in ((0, 0), (10**30, 2)):
        lab.sandbox.events = Events(kept)
        for _ in range(2):
            lab.user("alice").call("sts", "GetCallerIdentity")
        assert len(records(lab)) == expected
        assert lab.sandbox.events.added == 2


def test_container_credentials_are_recorded(make_lab: LabFactory) -> None:
    """Issuing a container's credentials is recorded as the service's own AssumeRole, granted or denied."""
    statement = '{Effect: Allow, Principal: {Service: %s}, Action: "sts:AssumeRole"}'
    trust = f'{{Version: "2012-10-17", Statement: {statement}}}'
    task, other = trust % "ecs-tasks.amazonaws.com", trust % "ec2.amazonaws.com"
    lab = make_lab(f'accounts: {{"{ACCOUNT}": {{roles: {{Task: {{trust: {task}}}, Other: {{trust: {other}}}}}}}}}')
    control = Control(lab.sandbox)
    token = {"authorization": control.container_token}
    response = ask(control, "container-credentials/Task", headers=token)[1]
    ask(control, "container-credentials/Other", headers=token)
    granted, denied = records(lab)

    assert granted["userIdentity"] == {"type": "AWSService", "invokedBy": "ecs-tasks.amazonaws.com"}
    assert granted["sourceIPAddress"] == granted["userAgent"] == "ecs-tasks.amazonaws.com"
    assert "tlsDetails" not in granted
    assert granted["recipientAccountId"] == ACCOUNT
    assert granted["responseElements"]["credentials"]["accessKeyId"] == response["AccessKeyId"]
    assert response["SecretAccessKey"] not in json.dumps(granted)
    assert denied["errorCode"] == "AccessDenied"
    assert denied["requestParameters"]["roleArn"] == f"arn:aws:iam::{ACCOUNT}:role/Other"


# --- other services ------------------------------------------------------------------------------------------------


def test_only_management_events_are_recorded(make_lab: LabFactory) -> None:
    """Management events are recorded; data events on objects and items are not, as in a default CloudTrail trail."""
    lab = make_lab('accounts: {"111111111111": {}}')
    admin = lab.user("admin")
    admin.call("s3", "CreateBucket", Bucket="bucket")
    admin.call("s3", "PutObject", Bucket="bucket", Key="k", Body=b"invented-secret")
    admin.answer("s3", "GetObject", Bucket="bucket", Key="k")
    admin.call("sqs", "CreateQueue", QueueName="q")
    admin.call("sqs", "SendMessage", QueueUrl="q", MessageBody="invented-secret")
    key = admin.call("kms", "CreateKey")["KeyMetadata"]["KeyId"]
    admin.call("kms", "Encrypt", KeyId=key, Plaintext=b"invented-secret")
    admin.answer("dynamodb", "DescribeTable", TableName="none")
    admin.answer("cloudwatch", "DescribeAlarmHistory", AlarmTypes=["nonsense"])

    records = list(lab.sandbox.events.records())

    assert [
        ("s3.amazonaws.com", "CreateBucket", {"bucketName": "bucket"}),
        ("sqs.amazonaws.com", "CreateQueue", {"queueName": "q"}),
        ("kms.amazonaws.com", "CreateKey", None),
        ("kms.amazonaws.com", "Encrypt", {"keyId": key}),
        ("dynamodb.amazonaws.com", "DescribeTable", {"tableName": "none"}),
        ("monitoring.amazonaws.com", "DescribeAlarmHistory", None),
    ] == [(record["eventSource"], record["eventName"], record["requestParameters"]) for record in records]
    assert "ResourceNotFoundException" in {record.get("errorCode") for record in records}
    assert "invented-secret" not in json.dumps(records)
