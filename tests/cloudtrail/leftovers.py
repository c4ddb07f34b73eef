"""Writes files beside the month's logs: damaged files, digests, Insights, and dsops' own trail."""

from __future__ import annotations

import gzip
import os
import random
from typing import Any, Final, NamedTuple

from tests.cloudtrail.columns import spoken
from tests.cloudtrail.company import Company
from tests.cloudtrail.facts import Issue, Json, Session
from tests.cloudtrail.files import ODD_FOLDER, compressed, put
from tests.cloudtrail.records import encode, record, uuid_of
from tests.cloudtrail.tally import Tally

_DAY: Final = "2026/10/07"


class Left(NamedTuple):
    """Counts to add for these files."""

    files: int
    records: int
    skipped: int
    unreadable: list[str]


def damage(folder: str, company: Company, tally: Tally, start: int) -> Left:
    """Write damaged and foreign files, and a large file.

    The readable parts of damaged files have the service `never`: if they were counted, it would appear in answers.
    """
    account = company.accounts["production"]
    below = f"AWSLogs/{account}/CloudTrail/eu-west-1/{_DAY}/{account}_CloudTrail_eu-west-1_20261007T1015Z_"
    never = encode(
        {
            "Records": [
                record(
                    0, "never.amazonaws.com", "Never", {}, eventTime="2026-10-07T10:00:00Z", eventID=f"never-{number}"
                )
                for number in range(200)
            ]
        }
    )
    whole = compressed(never)
    unreadable = {
        f"{ODD_FOLDER}/AWSLogs/truncated.json.gz": whole[:-9],
        f"{below}truncated.json.gz": whole[: len(whole) // 2],
        f"{below}almost.json.gz": whole[:-4],
        f"{below}half.json.gz": compressed(never[: len(never) // 2]),
        f"{below}flipped.json.gz": whole[:40] + bytes(byte ^ 0x55 for byte in whole[40:80]) + whole[80:],
        f"{below}plain-half.json": never[:5000].encode(),
        f"{below}no-gzip.json.gz": b"<html><body>502 Bad Gateway</body></html>",
        f"{below}no-json.json.gz": compressed("Records\n"),
        f"{below}empty.json.gz": b"",
        f"{below}nothing.json.gz": compressed(""),
        f"{below}latin.json.gz": gzip.compress(
            b'{"Records":[{"eventTime":"2026-10-07T10:00:00Z","eventName":"N\xe9ver"}]}', mtime=0
        ),
    }
    of_no_records = {
        f"{below}none.json.gz": compressed('{"Records":[]}'),
        f"{below}null.json.gz": compressed('{"Records":null}'),
        f"{below}other.json.gz": compressed('{"Logs":[{"eventTime":"2026-10-07T10:00:00Z","eventName":"Never"}]}'),
        f"{below}list.json.gz": compressed('[{"eventTime":"2026-10-07T10:00:00Z","eventName":"Never"}]'),
        **_digests(account),
    }
    no_logs = {
        f"AWSLogs/{account}/CloudTrail/eu-west-1/{_DAY}/.half.json.gz.tmp": whole[:99],
        f"AWSLogs/{account}/CloudTrail/eu-west-1/{_DAY}/README.txt": b"no log",
    }
    more = {**_insights(account), f"{below}large.json.gz": _large(company, tally, start)}
    for files in (unreadable, of_no_records, no_logs, more):
        for path, data in files.items():
            put(folder, path, data)
    os.makedirs(os.path.join(folder, f"AWSLogs/{account}/CloudTrail/ap-south-1/2026/10/08"), exist_ok=True)
    count = len(unreadable) + len(of_no_records) + len(more)
    return Left(count, 3, 2 + 3, sorted(unreadable))  # elements that are not records: null, a number or text, a list


def _large(company: Company, tally: Tally, time: int) -> bytes:
    """Three calls separated by 17 MB of blanks, which is more than some programs accept in one JSON object."""
    records = []
    for number in range(3):
        tally.call(time, "Management", "ec2")
        identity = company.users[0].identity
        records.append(record(time, "ec2.amazonaws.com", "RunInstances", identity, eventID=f"large-{number}"))
    return compressed(f'{{"Records":{encode(records)}{" " * (17 << 20)}}}')


def _digests(account: str) -> dict[str, bytes]:
    """CloudTrail's signed digest files."""
    digest = {
        "awsAccountId": account,
        "digestStartTime": "2026-10-07T09:00:00Z",
        "digestEndTime": "2026-10-07T10:00:00Z",
        "digestS3Bucket": "example-trail",
        "newestEventTime": "2026-10-07T09:59:58Z",
        "oldestEventTime": "2026-10-07T08:50:00Z",
        "previousDigestSignature": None,
        "logFiles": [{"s3Bucket": "example-trail", "s3Object": "AWSLogs/x.json.gz", "hashAlgorithm": "SHA-256"}],
    }
    name = f"{account}_CloudTrail-Digest_eu-west-1_trail_eu-west-1_20261007T1010Z.json.gz"
    return {f"AWSLogs/{account}/CloudTrail-Digest/eu-west-1/{_DAY}/{name}": compressed(encode(digest))}


def _insights(account: str) -> dict[str, bytes]:
    """Two records without an event name, as in CloudTrail Insights."""
    details = {
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "insightType": "ApiErrorRateInsight",
        "errorCode": "AccessDenied",
    }
    made = [
        {
            "eventVersion": "1.09",
            "eventTime": "2026-10-07T10:00:00Z",
            "awsRegion": "eu-west-1",
            "eventID": f"insight-{state}",
            "eventType": "AwsCloudTrailInsight",
            "recipientAccountId": account,
            "sharedEventID": "insight",
            "insightDetails": {"state": state, **details},
            "eventCategory": "Insight",
        }
        for state in ("Start", "End")
    ]
    name = f"{account}_CloudTrail-Insight_eu-west-1_20261007T1030Z_insight.json.gz"
    return {f"AWSLogs/{account}/CloudTrail-Insight/eu-west-1/{_DAY}/{name}": compressed(encode({"Records": made}))}


def own_trail(folder: str, company: Company, tally: Tally, start: int, chance: random.Random) -> Left:
    """Write dsops' own trail of a user in another company's account: sessions, reads and cache hits."""
    arn = "arn:aws:iam::900000000009:user/consultant"
    role = company.role_of("data", "SecretsReader")
    lines: list[str] = []

    def line(time: int, service: str, name: str, key: str, **more: Any) -> None:
        identity: Json = {"type": "IAMUser", "arn": arn, "accountId": "900000000009", "accessKeyId": key}
        made = record(
            time,
            f"{service}.amazonaws.com" if service != "dsops" else service,
            name,
            identity,
            eventID=uuid_of(chance.getrandbits(128)),
            userAgent="dsops/0.1",
            managementEvent=...,
            eventCategory=...,
            tlsDetails=...,
            sourceIPAddress=...,
            **more,
        )
        lines.append(encode(made))
        tally.call(time, "Management", service)
        if more["additionalEventData"].get("cached"):
            tally.save(time, name)

    for number in range(12):
        time = start + 86400 * number + 3600 * 9
        session = Session(
            key=f"ASIAOWNTRAIL{number:08}",
            time=time,
            name="AssumeRole",
            role=role.arn,
            principal=arn,
            session_name="dsops-session",
            source_identity="",
            address="",
            parent=None,
            asked=3600,
            signed_by="AKIAOWNTRAILEXAMPLE1",
            pair=("900000000009", role.account),
            arn=f"arn:aws:sts::{role.account}:assumed-role/{role.name}/dsops-session",
        )
        request_asked = {"roleArn": role.arn, "roleSessionName": "dsops-session", "durationSeconds": 3600}
        given = {
            "credentials": {"accessKeyId": session.key, "expiration": spoken(session.expires)},
            "assumedRoleUser": {"arn": session.arn},
        }
        line(
            time,
            "sts",
            "AssumeRole",
            session.signed_by,
            requestParameters=request_asked,
            responseElements=given,
            additionalEventData={"cached": False, "hop": 1, "store": "<b>prod</b>"},
        )
        tally.issue(
            Issue(
                time=time,
                name="AssumeRole",
                role=role.arn,
                principal=arn,
                from_account="900000000009",
                to_account=role.account,
                is_user=True,
                session=session,
            )
        )
        for read in range(number % 4):
            session.use(time + 40 * read)
            line(
                time + 40 * read, "secretsmanager", "GetSecretValue", session.key, additionalEventData={"cached": False}
            )
        line(
            time + 5,
            "dsops",
            "AssumeRole",
            session.signed_by,
            requestParameters=request_asked,
            responseElements=given,
            additionalEventData={"cached": True},
        )
        if number % 2:
            line(time + 6, "dsops", "GetSecretValue", session.key, additionalEventData={"cached": True})
            session.use(time + 6)
        line(time + 7, "dsops", "Exec", "", additionalEventData={"command": "exec"})
        tally.session(session)
    middle = len(lines) // 2
    put(folder, "dsops/audit.000000000020.jsonl", "".join(f"{text}\n" for text in lines[:middle]).encode())
    put(
        folder,
        "dsops/audit.jsonl",
        "".join(f"{text}\n" for text in lines[middle:]).encode() + b'{"eventTime":"2026-10-',
    )
    return Left(2, len(lines), 1, [])
