"""The calls of each principal, from generated logs: DuckDB counts as a plain loop over the files does."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dsops.audit.cloudtrail.files import find_logs
from dsops.audit.cloudtrail.permission_questions import COVERAGE, MOST_RESOURCES, PERMISSION_USES
from dsops.audit.cloudtrail.reporting import report_on
from dsops.audit.cloudtrail.unusual_questions import is_denial
from dsops.audit.report import Answer
from tests.cloudtrail.generator import generate
from tests.cloudtrail.naive_reading import Call, Read, at


def answers(folder: Path) -> tuple[Answer, Answer]:
    """Return the answers to the two questions about permissions."""
    uses, coverage = report_on(
        find_logs([str(folder)]), ["logs"], questions=(PERMISSION_USES, COVERAGE), has_details=True
    ).answers
    return uses, coverage


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three thousand dirty calls."""
    folder = tmp_path_factory.mktemp("logs")
    generate(folder, events=3000, seed=11, is_dirty=True)
    return folder


def test_each_call_is_counted_once_for_its_issuer(dirty: Path) -> None:
    """The numbers of calls that AWS did not deny equal those of the naive program, by principal and event."""
    uses, coverage = answers(dirty)
    counted: Counter[tuple[str, str, str]] = Counter()
    for row in uses.records():
        counted[str(row["principal"]), str(row["service"]), str(row["name"])] += int(str(row["calls"]))
    known: Counter[tuple[str, str, str]] = Counter()
    calls = Read(str(dirty)).calls.values()
    for call in calls:
        actor = _actor(call)
        if not is_denial(call.code) and actor.startswith("arn:"):
            known[actor, call.service, call.name] += 1

    assert known == counted
    assert len(calls) == sum(int(str(row["calls"])) for row in coverage.records())


def _actor(call: Call) -> str:
    issuer: Any = at(call.identity, "sessionContext.sessionIssuer.arn")
    return str(issuer) if str(issuer).startswith("arn:") else call.principal


def test_many_resources_count_as_unknown(tmp_path: Path) -> None:
    """Of one call of one principal, a limited number of resources is told apart, so that memory is bounded."""
    records = [
        {
            "eventTime": "2026-11-01T10:00:00Z",
            "eventName": "GetObject",
            "eventSource": "s3.amazonaws.com",
            "eventID": f"event-{number}",
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111111111111:user/ada"},
            "resources": [{"ARN": f"arn:aws:s3:::data/{number}", "type": "AWS::S3::Object"}],
        }
        for number in range(MOST_RESOURCES + 50)
    ]
    (tmp_path / "logs.json.gz").write_bytes(gzip.compress(json.dumps({"Records": records}).encode()))

    uses, _ = answers(tmp_path)

    by_resource = {str(row["resources"]): row["calls"] for row in uses.records()}
    assert MOST_RESOURCES + 1 == len(by_resource)
    assert 50 == by_resource[""]
