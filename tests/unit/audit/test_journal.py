"""The journal writes acts to the trail before a result is returned; a failed write warns once or stops the run."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.audit.journal import TrailJournal
from dsops.audit.record import Recorder, origin_here, record_of
from dsops.errors import AuditFailed, AwsAnswer, Failures, SecretNotFound
from dsops.runtime import Act
from tests.fakes import NOON, FixedClock

READ = Act("GetSecretValue", "secretsmanager", "us-east-1", facts={"secret": "prod/db"})


class Scene:
    """A home folder with a journal."""

    def __init__(self, home: Path, config: str = "", **environ: str) -> None:
        self.home = home
        self.warnings: list[str] = []
        self.notes: list[str] = []
        if config:
            file = home / ".config" / "dsops" / "config.yaml"
            file.parent.mkdir(parents=True)
            file.write_text(config)
        self.journal = TrailJournal(
            {"HOME": str(home), **environ},
            origin_here("run", 7, "/work"),
            FixedClock(),
            self.warnings.append,
            self.notes.append,
            {"command": "exec"},
        )

    @property
    def file(self) -> Path:
        """Return the trail's path."""
        return self.home / ".local" / "state" / "dsops" / "audit.jsonl"

    def records(self) -> list[dict[str, Any]]:
        """Return the trail's lines."""
        return [json.loads(line) for line in self.file.read_text().splitlines()]


def test_lines_are_written_when_they_are_due_and_not_before(tmp_path: Path) -> None:
    """`write` appends all buffered acts in one write, and does nothing if no act is buffered."""
    scene = Scene(tmp_path)
    scene.journal.write()
    scene.journal.add(READ)
    scene.journal.about(environment="production")
    scene.journal.add(READ)
    assert not scene.file.exists()

    scene.journal.write()
    scene.journal.write()
    facts = [record["additionalEventData"] for record in scene.records()]
    assert [fact.get("environment") for fact in facts] == [None, "production"]
    assert {fact["command"] for fact in facts} == {"exec"}


def test_that_a_trail_was_begun_is_told_once(tmp_path: Path) -> None:
    """The first line of a new trail prints one note (its path, how to switch it off), and later lines print none."""
    scene = Scene(tmp_path)
    for _ in range(2):
        scene.journal.add(READ)
        scene.journal.write()
    later = Scene(tmp_path)
    later.journal.add(READ)
    later.journal.write()

    assert later.notes == scene.warnings == []
    [note] = scene.notes
    assert f" in ~{str(scene.file).removeprefix(str(tmp_path))}; " in note
    assert "`audit: off` in ~/.config/dsops/config.yaml" in note


def test_off_writes_nothing(tmp_path: Path) -> None:
    """With `audit: off` the journal writes nothing and creates no folder."""
    scene = Scene(tmp_path, "audit: off\n")
    scene.journal.add(READ)
    scene.journal.write()
    assert not (tmp_path / ".local").exists()
    assert scene.notes == scene.warnings == []


def test_a_trail_that_can_not_be_written_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    """If the trail cannot be written, the journal prints one warning with reason and hint, and the run continues."""
    scene = Scene(tmp_path)
    scene.file.mkdir(parents=True, mode=0o700)
    for _ in range(3):
        scene.journal.add(READ)
        scene.journal.write()
    [warning] = scene.warnings
    assert f"the audit trail {scene.file} was not written: is a directory" in warning


def test_without_a_home_there_is_no_place_for_it(tmp_path: Path) -> None:
    """Without HOME, the journal writes no trail and prints a warning."""
    scene = Scene(tmp_path, HOME="")
    scene.journal.add(READ)
    scene.journal.write()
    assert scene.warnings == ["the path of the audit trail is unknown: HOME is not set (set HOME or XDG_STATE_HOME)"]


@pytest.mark.parametrize("environ", [{}, {"XDG_STATE_HOME": "/proc/1/dsops-has-no-place-here"}])
def test_required_stops_what_is_not_on_record(tmp_path: Path, environ: dict[str, str]) -> None:
    """With `audit: required` a failed write raises AuditFailed."""
    scene = Scene(tmp_path, "audit: required\n", **environ)
    scene.file.mkdir(parents=True, mode=0o700)
    scene.journal.add(READ)
    with pytest.raises(AuditFailed):
        scene.journal.write()
    assert scene.warnings == []


def test_a_broken_configuration_leaves_the_trail_on(tmp_path: Path) -> None:
    """If the user's configuration is broken, the trail stays on and one warning names the configuration's line."""
    scene = Scene(tmp_path, "audit: of\n")
    for _ in range(2):
        scene.journal.add(READ)
        scene.journal.write()
    assert len(scene.records()) == 2
    [warning] = scene.warnings
    assert f"{tmp_path}/.config/dsops/config.yaml:1: `of` is none of on, off, required" in warning


def test_many_threads_lose_no_line(tmp_path: Path) -> None:
    """Eight threads that share a journal lose no line."""
    scene = Scene(tmp_path)

    def work() -> None:
        for _ in range(50):
            scene.journal.add(READ)
            scene.journal.write()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    scene.journal.write()
    assert len(scene.records()) == 400


# --- content of a line ------------------------------------------------------------------------------------------


def record(act: Act) -> dict[str, Any]:
    """Return the parsed record of an act."""
    text = record_of(act, origin_here("run", 7, "/work"), {"command": "get"}, NOON)
    assert text.isascii()
    assert b"\n" not in text
    document: dict[str, Any] = json.loads(text)
    return document


def test_a_call_looks_like_cloudtrails_record_of_it() -> None:
    """A record has CloudTrail's fields, and facts that only dsops knows are in `additionalEventData`."""
    parameters = {"roleArn": "arn:aws:iam::222222222222:role/Target"}
    call_record = record(
        Act(
            "AssumeRole",
            "sts",
            "us-east-1",
            caller="arn:aws:sts::111111111111:assumed-role/Jump/ada",
            key="ASIA1",
            asked=parameters,
            request_id="r-1",
            facts={"hop": 2},
        )
    )
    assert call_record.pop("eventID").count("-") == 4
    assert call_record.pop("userAgent").startswith("dsops/")
    facts = call_record.pop("additionalEventData")
    assert (facts["hop"], facts["command"], facts["run"], facts["pid"]) == (2, "get", "run", 7)
    assert call_record == {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": "arn:aws:sts::111111111111:assumed-role/Jump/ada",
            "accountId": "111111111111",
            "accessKeyId": "ASIA1",
        },
        "eventTime": "2026-11-24T12:00:00Z",
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "awsRegion": "us-east-1",
        "requestParameters": parameters,
        "responseElements": None,
        "requestID": "r-1",
        "readOnly": True,
        "eventType": "AwsApiCall",
        "recipientAccountId": "222222222222",
    }


def test_a_refusal_has_awss_code_where_aws_was_asked() -> None:
    """The record of a failure has AWS's error code if AWS refused, otherwise dsops' code.

    The record of several failures has all their codes.
    """
    aws_answer = AwsAnswer("ResourceNotFoundException", "can't find it", 400, "r-9", "secretsmanager.us-east-1")
    error = SecretNotFound("could not read it", aws=aws_answer)
    call, run = record(READ._replace(error=error)), record(Act("Get", error=error))

    assert (call["errorCode"], call["errorMessage"], call["requestID"]) == (
        "ResourceNotFoundException",
        "can't find it",
        "r-9",
    )
    assert (run["errorCode"], run["errorMessage"], run["requestID"]) == ("secret.not-found", "could not read it", None)
    assert call["additionalEventData"]["code"] == run["additionalEventData"]["code"] == "secret.not-found"
    many = record(Act("Exec", error=Failures((error, error))))
    assert (many["errorCode"], many["errorMessage"]) == ("several", "2 things failed: secret.not-found")


def pairs_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; assert that its names are unique."""
    assert len({name for name, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


FACTS = st.dictionaries(
    st.sampled_from(["command", "store", "run", "pid", "folder", "code", "secret", "config"]), st.text(max_size=3)
)
ACTS = st.builds(
    Act,
    name=st.sampled_from(["Exec", "AssumeRole"]),
    caller=st.sampled_from(["", "arn:aws:iam::111111111111:user/ada", "arn:aws:iam::222222222222:user/bob"]),
    key=st.sampled_from(["", "AKIA1"]),
    identity=st.sampled_from([{}, {"type": "SAMLUser"}]),
    error=st.sampled_from([None, SecretNotFound("no")]),
    facts=FACTS,
)


@given(st.lists(st.tuples(ACTS, FACTS, st.integers(0, 2)), max_size=8))
def test_what_records_have_in_common_is_in_each_and_once(told: list[tuple[Act, dict[str, str], int]]) -> None:
    """Each record has the common facts once: an act's facts override the run's, and the process's override both."""
    origin = origin_here("run", 7, "/work")
    recorder = Recorder(origin)
    for act, facts, seconds in told:
        now = NOON + timedelta(seconds=seconds)
        document = json.loads(recorder.record(act, facts, now), object_pairs_hook=pairs_once)
        alone = json.loads(record_of(act, origin, facts, now))
        assert {**document, "eventID": ""} == {**alone, "eventID": ""}
        assert document["eventTime"] == f"2026-11-24T12:00:0{seconds}Z"
        assert document["userIdentity"].get("arn", "") == ("" if act.identity else act.caller)
        code = {"code": "secret.not-found"} if act.error else {}
        assert document["additionalEventData"] == {**facts, **act.facts, **code, **origin._asdict()}


@pytest.mark.parametrize(
    "name", ["a\nb", "\u2028", "<script>alert(1)</script>", "\U0001f600", "\x1b[2J", '"}\\', "\\udcff", "\u00e4" * 500]
)
def test_odd_names_stay_in_their_line(name: str) -> None:
    """Newlines, control characters and markup in names are escaped, so each record stays one line."""
    read_record = record(READ._replace(facts={"secret": name}, asked={"secretId": name}))
    assert read_record["additionalEventData"]["secret"] == read_record["requestParameters"]["secretId"] == name


def test_bytes_that_are_no_text_leave_a_line_that_everybody_reads() -> None:
    """Lone surrogates in a record are replaced, so that every JSON parser can read the line."""
    act = READ._replace(facts={"secret": "a\udcffb\U0001f600"}, caller="\ud800")
    line = record_of(act, origin_here("run", 7, "/work/\udcff"), {"program": "\udcfe"}, NOON)
    document = json.loads(line)
    json.dumps(document, ensure_ascii=False).encode()
    facts = document["additionalEventData"]
    assert (facts["secret"], facts["folder"], facts["program"]) == ("a\ufffdb\U0001f600", "/work/\ufffd", "\ufffd")
    assert b"\n" not in line
    assert line.isascii()
