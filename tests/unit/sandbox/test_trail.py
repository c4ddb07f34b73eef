"""`--trail DIR`: a folder of log files in CloudTrail's layout."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dsops.errors import SandboxUnavailable
from dsops.sandbox.cloudtrail.trail import DELIVERY_SECONDS, EventTrail
from tests.sandboxes import ACCOUNT, OTHER, Lab
from tests.unit.sandbox.conftest import LabFactory

JUMP = f"arn:aws:iam::{ACCOUNT}:role/team/Jump"
TARGET = f"arn:aws:iam::{OTHER}:role/Target"
EXTERNAL_ID = "unique-customer-id-12345"
NAME = re.compile(
    r"AWSLogs/(\d{12})/CloudTrail/([a-z0-9-]+)/(\d{4})/(\d\d)/(\d\d)/"
    r"\1_CloudTrail_\2_\3\4\5T\d{4}Z_[0-9A-Za-z]{16}\.json\.gz"
)


def start_trail(lab: Lab, folder: Path, told: list[str] | None = None, **more: Any) -> EventTrail:
    """Start the sandbox's trail, which appends messages about problems to the list."""
    said = [] if told is None else told
    sandbox = lab.sandbox
    trail = EventTrail(str(folder), clock=sandbox.clock, accounts=sandbox.world.partitions, tell=said.append, **more)
    sandbox.events.trail = trail
    return trail


def files(folder: Path) -> list[str]:
    """Return all files below the folder, as relative paths."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def delivered(folder: Path, account: str = "") -> list[dict[str, Any]]:
    """Return the delivered records in all files, or those of one account."""
    found = []
    for path in sorted(folder.glob(f"AWSLogs/{account or '*'}/CloudTrail/*/*/*/*/*.json.gz")):
        content = json.loads(gzip.decompress(path.read_bytes()))
        assert list(content) == ["Records"]
        found += content["Records"]
    return found


def at(lab: Lab, moment: str) -> None:
    """Freeze the sandbox's clock at this time."""
    lab.sandbox.move_clock(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())


def test_files_have_cloudtrail_names(lab: Lab, tmp_path: Path) -> None:
    """Files have CloudTrail's names with account, region and day, and only the user can read them."""
    at(lab, "2026-07-13T10:04:59")
    trail = start_trail(lab, tmp_path / "trail")
    lab.user("alice").assume(JUMP).assume(TARGET, ExternalId=EXTERNAL_ID)
    trail.close()

    names = files(tmp_path / "trail")

    assert [name.rpartition("_")[0] for name in names] == [
        f"AWSLogs/{account}/CloudTrail/us-east-1/2026/07/13/{account}_CloudTrail_us-east-1_20260713T1004Z"
        for account in (ACCOUNT, OTHER)
    ]
    assert all(NAME.fullmatch(name) for name in names)
    for path in (tmp_path / "trail").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


def test_the_files_have_all_records(lab: Lab, tmp_path: Path) -> None:
    """Each account's files have the same records as `dsops sandbox events`, including denied calls."""
    trail = start_trail(lab, tmp_path)
    jump = lab.user("alice").assume(JUMP, "s1")
    jump.refused_role(TARGET, ExternalId="wrong")
    jump.assume(TARGET, "s2", ExternalId=EXTERNAL_ID).call("secretsmanager", "GetSecretValue", SecretId="prod/db")
    trail.close()

    for account, count in ((ACCOUNT, 3), (OTHER, 2)):
        records = delivered(tmp_path, account)
        assert records == list(lab.sandbox.events.records(account=account))
        assert len(records) == count
    assert [record.get("errorCode") for record in delivered(tmp_path, ACCOUNT)] == [None, "AccessDenied", None]
    assert delivered(tmp_path, ACCOUNT)[2]["sharedEventID"] == delivered(tmp_path, OTHER)[0]["sharedEventID"]


def test_each_day_of_a_moved_clock_has_a_folder(lab: Lab, tmp_path: Path) -> None:
    """If the clock is moved, each record is in the folder of the day when it was recorded."""
    at(lab, "2026-12-30T23:59:00")
    start_trail(lab, tmp_path)
    alice = lab.user("alice")
    for moment in ("2026-12-31T08:00:00", "2026-12-31T20:00:00", "2027-01-01T00:00:00", "2027-01-02T00:00:00"):
        alice.call("sts", "GetCallerIdentity")
        at(lab, moment)

    assert [[*name.split("/")[4:7], name.split("_")[3]] for name in files(tmp_path)] == [
        ["2026", "12", "30", "20261230T2359Z"],
        ["2026", "12", "31", "20261231T0800Z"],
        ["2026", "12", "31", "20261231T2000Z"],
        ["2027", "01", "01", "20270101T0000Z"],
    ]
    assert [record["eventTime"] for record in delivered(tmp_path)] == [
        "2026-12-30T23:59:00Z",
        "2026-12-31T08:00:00Z",
        "2026-12-31T20:00:00Z",
        "2027-01-01T00:00:00Z",
    ]


def test_each_region_has_separate_files(lab: Lab, tmp_path: Path) -> None:
    """Each region has separate files: STS calls in the called region, IAM calls in us-east-1."""
    trail = start_trail(lab, tmp_path)
    admin = lab.user("admin")
    admin.region = "eu-west-1"
    admin.call("sts", "GetCallerIdentity")
    admin.call("iam", "ListUsers")
    trail.close()

    recorded = {record["eventName"]: record["awsRegion"] for record in delivered(tmp_path)}

    assert recorded == {"GetCallerIdentity": "eu-west-1", "ListUsers": "us-east-1"}
    assert [name.split("/")[3] for name in files(tmp_path)] == ["eu-west-1", "us-east-1"]


def test_records_are_delivered_after_ten_seconds(lab: Lab, tmp_path: Path) -> None:
    """Records are delivered after ten seconds by the sandbox's clock, whether or not another call follows."""
    trail = start_trail(lab, tmp_path)
    clock, alice = lab.sandbox.clock, lab.user("alice")
    alice.call("sts", "GetCallerIdentity")
    clock.advance(DELIVERY_SECONDS - 1)
    lab.sandbox.maintain()
    alice.call("sts", "GetCallerIdentity")
    assert files(tmp_path) == []

    clock.advance(1)
    lab.sandbox.maintain()
    assert [len(delivered(tmp_path)), len(files(tmp_path))] == [2, 1]
    alice.call("sts", "GetCallerIdentity")
    clock.advance(DELIVERY_SECONDS)
    alice.call("sts", "GetCallerIdentity")
    assert [len(delivered(tmp_path)), len(files(tmp_path))] == [4, 2]
    lab.sandbox.maintain()
    trail.close()
    assert len(files(tmp_path)) == 2


def test_many_records_are_delivered_at_once(lab: Lab, tmp_path: Path) -> None:
    """Five hundred records are delivered at once, even with a frozen clock."""
    start_trail(lab, tmp_path)
    alice = lab.user("alice")
    for _ in range(501):
        alice.call("sts", "GetCallerIdentity")

    assert [len(delivered(tmp_path)), len(files(tmp_path))] == [500, 1]


def test_old_logs_are_kept(lab: Lab, tmp_path: Path) -> None:
    """If a trail folder is used again, its old files are kept."""
    for _ in range(2):
        trail = start_trail(lab, tmp_path)
        lab.user("alice").call("sts", "GetCallerIdentity")
        trail.close()

    assert len(files(tmp_path)) == 2
    assert len({record["eventID"] for record in delivered(tmp_path)}) == 2


def test_data_events_are_recorded_on_request(make_lab: LabFactory, tmp_path: Path) -> None:
    """With data events the trail records which objects and items were used, but not their content.

    The event history does not contain data events.
    """
    lab = make_lab('accounts: {"111111111111": {}}')
    trail = start_trail(lab, tmp_path, has_data_events=True)
    admin = lab.user("admin")
    admin.call("s3", "CreateBucket", Bucket="bucket")
    admin.call("s3", "PutObject", Bucket="bucket", Key="a/k", Body=b"invented-secret")
    admin.answer("s3", "HeadObject", Bucket="bucket", Key="a/k")
    admin.answer("dynamodb", "GetItem", TableName="none", Key={"id": {"S": "invented-secret"}})
    trail.close()

    records = delivered(tmp_path)

    bucket = {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::bucket"}
    item = {"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::bucket/a/k"}
    table = {
        "type": "AWS::DynamoDB::Table",
        "ARN": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/none",
        "accountId": ACCOUNT,
    }
    parameters = {"bucketName": "bucket", "key": "a/k"}
    assert [
        ("CreateBucket", True, "Management", False, {"bucketName": "bucket"}, None),
        ("PutObject", False, "Data", False, parameters, [item, bucket]),
        ("HeadObject", False, "Data", True, parameters, [item, bucket]),
        ("GetItem", False, "Data", True, {"tableName": "none"}, [table]),
    ] == [
        (
            record["eventName"],
            record["managementEvent"],
            record["eventCategory"],
            record["readOnly"],
            record["requestParameters"],
            record.get("resources"),
        )
        for record in records
    ]
    assert "invented-secret" not in json.dumps(records)
    assert [record["eventName"] for record in lab.sandbox.events.records()] == ["CreateBucket"]


def test_data_events_are_not_recorded_by_default(make_lab: LabFactory, tmp_path: Path) -> None:
    """Without data events the trail has only management events; reading a secret is one of them."""
    lab = make_lab('accounts: {"111111111111": {secrets: {db: invented}}}')
    trail = start_trail(lab, tmp_path)
    admin = lab.user("admin")
    admin.call("s3", "CreateBucket", Bucket="bucket")
    admin.call("s3", "PutObject", Bucket="bucket", Key="k", Body=b"x")
    admin.call("secretsmanager", "GetSecretValue", SecretId="db")
    trail.close()

    assert [record["eventName"] for record in delivered(tmp_path)] == ["CreateBucket", "GetSecretValue"]


def test_the_files_contain_no_secrets(lab: Lab, tmp_path: Path) -> None:
    """The files contain no keys, tokens, external IDs or secret values."""
    trail = start_trail(lab, tmp_path, has_data_events=True)
    jump = lab.user("alice").assume(JUMP)
    target = jump.assume(TARGET, ExternalId=EXTERNAL_ID)
    target.call("secretsmanager", "GetSecretValue", SecretId="prod/db")
    lab.user("admin").call("secretsmanager", "CreateSecret", Name="new", SecretString="hidden-value")
    trail.close()

    text = json.dumps(delivered(tmp_path))

    assert len(delivered(tmp_path)) == 5
    for secret in (jump.keys.secret_access_key, target.keys.session_token, EXTERNAL_ID, "invented", "hidden-value"):
        assert str(secret) not in text


@pytest.mark.parametrize("account", ["999999999999", "../../../outside"])
def test_an_unknown_account_has_no_trail(lab: Lab, tmp_path: Path, account: str) -> None:
    """An unsigned request that names an unknown account creates no trail files."""
    trail = start_trail(lab, tmp_path / "trail")
    lab.user("alice").refused(
        "sts",
        "AssumeRoleWithWebIdentity",
        RoleArn=f"arn:aws:iam::{account}:role/Any",
        RoleSessionName="s1",
        WebIdentityToken="none",
    )
    trail.close()

    assert [record["recipientAccountId"] for record in lab.sandbox.events.records()] == [account]
    assert files(tmp_path) == []


def test_an_unwritable_disk_is_reported_once(lab: Lab, tmp_path: Path) -> None:
    """An unwritable disk is reported once; the records are delivered when it is writable again."""
    messages: list[str] = []
    trail = start_trail(lab, tmp_path, messages)
    in_the_way = tmp_path / "AWSLogs" / ACCOUNT
    in_the_way.write_text("no folder")
    alice = lab.user("alice")
    for _ in range(3):
        alice.call("sts", "GetCallerIdentity")
        trail.deliver()

    assert messages == [
        f"the trail can't be written to {tmp_path} (not a directory); the sandbox continues and tries again"
    ]
    in_the_way.unlink()
    trail.close()
    assert len(messages) == 1
    assert len(delivered(tmp_path)) == 3
    assert all(NAME.fullmatch(name) for name in files(tmp_path))


def test_dropped_records_are_counted(lab: Lab, tmp_path: Path) -> None:
    """Records that exceed the memory limit are dropped and counted."""
    messages: list[str] = []
    trail = start_trail(lab, tmp_path, messages, most_waiting=4)
    (tmp_path / "AWSLogs" / ACCOUNT).write_text("no folder")
    alice = lab.user("alice")
    for _ in range(9):
        alice.call("sts", "GetCallerIdentity")
        trail.deliver()
        assert trail.waiting <= 4
    trail.close()

    assert messages[1:] == [f"9 records of the trail were not written to {tmp_path}"]


def test_an_unwritable_folder_is_refused_at_start(lab: Lab, tmp_path: Path) -> None:
    """If the folder can't be written to, the trail does not start."""
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(SandboxUnavailable) as caught:
        start_trail(lab, tmp_path / "file" / "trail")

    assert caught.value.message == f"the trail can't be written to the folder {tmp_path}/file/trail"
    assert caught.value.why == "not a directory"
    assert "--trail" in caught.value.hint
