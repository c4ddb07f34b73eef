"""`dsops audit report` begins with what needs attention, also in JSON, and its commands can be pasted."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.stub_aws import Dsops, StubAws

pytest.importorskip("duckdb")

ADA = "arn:aws:iam::111111111111:user/ada"
EVE = "arn:aws:iam::111111111111:user/eve $(id)"
JUMP = "arn:aws:iam::111111111111:role/Jump"


def record(principal: str, day: int, number: int, *, is_denied: bool = False) -> dict[str, Any]:
    """An AssumeRole call of that principal in CloudTrail's format."""
    return {
        "eventTime": f"2026-11-{day:02}T10:00:{number:02}Z",
        "eventName": "AssumeRole",
        "eventSource": "sts.amazonaws.com",
        "eventID": f"{principal}-{day}-{number}",
        "userIdentity": {"type": "IAMUser", "arn": principal, "accountId": "111111111111"},
        "requestParameters": {"roleArn": JUMP, "roleSessionName": "s"},
        **(
            {"errorCode": "AccessDenied"}
            if is_denied
            else {"responseElements": {"credentials": {"accessKeyId": f"ASIA{day:02}{number:02}"}}}
        ),
    }


@pytest.fixture
def dsops(tmp_path: Path) -> Iterator[Dsops]:
    """The program in a folder with logs of two days: Ada every day, and on the last day Eve, who is denied."""
    records = [record(ADA, 20, 1), record(ADA, 22, 1), *(record(EVE, 22, n, is_denied=True) for n in range(2, 14))]
    (tmp_path / "my logs").mkdir()
    (tmp_path / "my logs" / "a.json").write_text(json.dumps({"Records": records}))
    with StubAws() as aws:
        program = Dsops(tmp_path, aws)
        program.environ["HOME"] = str(tmp_path / "home")
        yield program


def findings(dsops: Dsops, *words: str) -> list[dict[str, Any]] | None:
    """The findings of the report in JSON."""
    found: list[dict[str, Any]] | None = json.loads(dsops.run("audit", "report", *words, "--json").stdout)["findings"]
    return found


def test_the_command_of_a_finding_shows_that_principal(dsops: Dsops) -> None:
    """A finding's command can be pasted, and reports only rows about the principal, whatever its name is."""
    found = findings(dsops, "my logs", "--since", "2026-11-21")
    assert found is not None
    (finding,) = found
    assert (finding["severity"], finding["kind"]) == ("high", "denials")
    words = shlex.split(finding["look"])
    assert words == [*("dsops", "audit", "report", "my logs", "--since", "2026-11-21T00:00:00Z", "--match", EVE)]
    text = dsops.run(*words[1:]).stdout.decode()
    assert text.split("\n\n")[1] == "Needs attention: 1 high"
    assert f"shown: rows that contain {EVE}" in text
    assert ADA not in text
    assert findings(dsops, "my logs", "--match", ADA) == []
    assert findings(dsops, "my logs", "--question", "denials") is None


def test_a_changed_trail_comes_first(dsops: Dsops) -> None:
    """A line of dsops' own trail that was changed by hand is the first finding of a report on that trail."""
    assert dsops.run("exec", "--env", "production", "--", "true").returncode == 0
    assert [finding["severity"] for finding in findings(dsops) or ()] == ["low"]
    (trail,) = (dsops.folder / "home").rglob("audit.jsonl")
    trail.write_text(trail.read_text().replace("AssumeRole", "GetObject", 1))
    finding = (findings(dsops) or [{}])[0]
    assert (finding["severity"], finding["look"]) == ("high", "dsops audit verify")
    assert dsops.run("audit", "verify").returncode == 6
    text = dsops.run("audit", "report").stdout.decode()
    assert text.split("\n\n")[2].startswith("HIGH    The audit trail of dsops has lost or changed lines: ")
    assert findings(dsops, "my logs", "--match", ADA) == []
