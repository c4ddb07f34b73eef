"""Logs with times on both sides of every limit: the engine and the naive program give the same answers."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dsops.audit.cloudtrail.files import find_logs
from dsops.audit.cloudtrail.reporting import report_on
from tests.cloudtrail.naive import Naive
from tests.cloudtrail.test_report import as_json

BOUND = datetime(2026, 11, 20, 10, tzinfo=UTC)
SECONDS = (0, 1, -1, 59, 60, 61, 899, 900, 901, 3539, 3540, 3541, 3600, -86_399, -86_400, -86_401)
ROLES = [f"arn:aws:iam::{account}:role/R{number}" for account in ("1" * 12, "2" * 12) for number in range(3)]
CODES = ("", "AccessDenied", "Client.UnauthorizedOperation", "SlowDown", "Forbidden")
Record = dict[str, Any]  # a JSON tree


def log(chance: random.Random) -> list[Record]:
    """Records of some calls; each key is issued once, before it signs."""
    records: list[Record] = []
    for number in range(60):
        moment = BOUND + timedelta(seconds=chance.choice(SECONDS))
        east = moment + timedelta(hours=2)
        end = moment + timedelta(seconds=chance.choice((900, 901, 3600)))
        signed_by = chance.choice(["AKIA1", *[f"ASIA{each}" for each in range(max(0, number - 9), number)]])
        records.append(
            {
                "eventID": f"id-{number}",
                "eventTime": chance.choice([f"{moment:%FT%TZ}", f"{moment:%FT%T.999Z}", f"{east:%FT%T+02:00}"]),
                "eventSource": "sts.amazonaws.com",
                "eventName": chance.choice(["AssumeRole", "AssumeRole", "GetSessionToken", "GetCallerIdentity"]),
                "errorCode": chance.choice([None, None, None, *CODES]),
                "userIdentity": chance.choice(
                    [
                        {
                            "type": "IAMUser",
                            "arn": f"arn:aws:iam::{'1' * 12}:user/U{number % 3}",
                            "accountId": "1" * 12,
                        },
                        {"type": "AWSAccount", "principalId": "AROA1:S", "accountId": "3" * 12},
                        {"type": "WebIdentityUser", "principalId": "issuer:ada"},
                    ]
                )
                | {"accessKeyId": signed_by},
                "requestParameters": chance.choice(
                    [
                        None,
                        {"roleArn": chance.choice(ROLES), "durationSeconds": chance.choice([None, 900, 901, 3600])},
                        {"roleArn": chance.choice(ROLES), "serialNumber": "mfa"},
                    ]
                ),
                "responseElements": {
                    "credentials": {
                        "accessKeyId": f"ASIA{number}",
                        "expiration": chance.choice([None, "soon", f"{end:%b %d, %Y, %I:%M:%S %p}", f"{end:%FT%TZ}"]),
                    }
                },
            }
        )
    return records


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("since", [None, BOUND, BOUND + timedelta(seconds=1)])
def test_on_either_side_of_a_bound_both_say_the_same(tmp_path: Path, seed: int, since: datetime | None) -> None:
    """The report and the naive program agree in edge cases at a limit.

    These are UTC offsets, fractions of seconds, missing expiries and empty error codes.
    """
    chance = random.Random(seed)  # noqa: S311 - the same each time
    (tmp_path / "a.json").write_text(json.dumps({"Records": log(chance)}))
    known_names = Naive(str(tmp_path), since).answers()
    report = report_on(find_logs([str(tmp_path)]), ["logs"], since=since)
    for answer in report.answers:
        if answer.question not in {"summary", "chains"}:
            assert (answer.question, known_names[answer.question]) == (answer.question, as_json(answer.rows))
    assert known_names["short-use"] + known_names["long-use"] + known_names["denials"] + known_names["durations"]
