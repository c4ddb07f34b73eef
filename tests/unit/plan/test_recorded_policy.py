"""`session_policy_recording` gives a session the policy of a recording, which is part of the session's fingerprint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dsops.config import load
from dsops.errors import ConfigError, LimitExceeded, RecordingEmpty, RecordingInvalid
from dsops.plan import Plan, plan_store
from dsops.plan.session_attributes import limits
from dsops.recording.call import RecordedCall
from dsops.recording.recorder import RunRecorder
from dsops.recording.session import recorded_session_policy
from dsops.schema import BUILTIN_TYPES
from tests.plans import LONG_TERM, config_of, plan_of

STORE = """
secretStores:
  deploy:
    type: aws.sts
    role_arn: arn:aws:iam::111111111111:role/Deploy
    session_policy_recording: {file}
{more}
"""
READ = RecordedCall("ssm:GetParameters", "arn:aws:ssm:us-east-1:111111111111:parameter/a", "allowed")


def planned(file: str, more: str = "") -> Plan:
    """Return the plan of a store that names this file."""
    return plan_of(STORE.format(file=file, more=more), store="deploy", recorded=recorded_session_policy)


def record(file: Path, *calls: RecordedCall) -> str:
    """Write a recording of these calls; return its path."""
    recorder = RunRecorder(str(file))
    for each in calls:
        recorder.add(each)
    recorder.close()
    return str(file)


def test_a_session_gets_the_policy_of_the_recording(tmp_path: Path) -> None:
    """The policy allows the recorded call, and has no Sid, because its length is limited."""
    step = planned(record(tmp_path / "run.jsonl", READ)).steps["deploy"]

    assert {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": READ.action, "Resource": READ.resource}],
    } == json.loads(str(step.settings["session_policy"]))
    [text] = limits(step)
    assert f"a session policy of {len(str(step.settings['session_policy']))} characters" in text
    assert text.endswith(f"from the recording {tmp_path}/run.jsonl")


def test_the_fingerprint_depends_on_the_content_and_not_on_the_file(tmp_path: Path) -> None:
    """Another recorded call gives another session. A copy of the file, or another count, gives the same one."""
    first, copy, repeated = (
        planned(record(tmp_path / name, *calls)).steps["deploy"].fingerprint
        for name, calls in (("a", [READ]), ("b", [READ]), ("c", [READ, READ]))
    )
    other = planned(record(tmp_path / "a", READ, READ._replace(action="ssm:GetParameter"))).steps["deploy"].fingerprint
    written = plan_of(
        STORE.format(file=f"{tmp_path}/b", more="").replace(
            f"session_policy_recording: {tmp_path}/b", f"session_policy: '{recorded_session_policy(f'{tmp_path}/b')}'"
        ),
        store="deploy",
    )

    assert first == copy == repeated != other
    assert first == written.steps["deploy"].fingerprint


@pytest.mark.parametrize(
    ("written", "expected"), [("runs/a", "{tree}/runs/a"), ("~/runs/a", "/home/ada/runs/a"), ("/runs/a", "/runs/a")]
)
def test_a_recording_is_in_the_folder_of_the_configuration(tmp_path: Path, written: str, expected: str) -> None:
    """The path follows the rules of other files that a configuration names."""
    text = STORE.format(file=written, more="    region: us-east-1")
    (tmp_path / "dsops.yaml").write_text(f"version: 1\n{text}", encoding="utf-8")
    asked: list[str] = []

    def recorded(path: str) -> str:
        asked.append(path)
        return "{}"

    plan_store(
        load(folder=str(tmp_path), environ={"HOME": str(tmp_path.parent)}),
        "deploy",
        environ={"HOME": "/home/ada"},
        ambient=lambda _: LONG_TERM,
        store_types=BUILTIN_TYPES,
        recorded=recorded,
    )

    assert [expected.format(tree=tmp_path)] == asked


def test_a_recording_that_cant_be_used_is_reported(tmp_path: Path) -> None:
    """A missing file, a malformed line, and a recording without a granted call are errors before any call to AWS."""
    (tmp_path / "bad").write_text('{"dsops_recording": 1, "is_complete": true}\n{}\n', encoding="utf-8")
    empty = record(tmp_path / "empty", READ._replace(outcome="refused by AWS"))

    with pytest.raises(RecordingInvalid) as missing:
        planned(str(tmp_path / "missing"))
    with pytest.raises(RecordingInvalid) as bad:
        planned(str(tmp_path / "bad"))
    with pytest.raises(RecordingEmpty) as nothing:
        planned(empty)

    assert "the recording can't be read: no such file or directory" == missing.value.problems[0].message
    assert f"{tmp_path}/bad:2" == str(bad.value.problems[0].where)
    assert "dsops.yaml:6" == str(nothing.value.problems[0].where)


def test_a_policy_that_is_too_long_is_refused_before_the_call(tmp_path: Path) -> None:
    """AWS accepts 2048 characters."""
    calls = [READ._replace(resource=f"{READ.resource}{number:060}") for number in range(20)]

    with pytest.raises(LimitExceeded) as raised:
        planned(record(tmp_path / "run.jsonl", *calls))

    assert "and the most is 2048" in raised.value.problems[0].message
    assert "--generalise names" in raised.value.problems[0].hint


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "    session_policy: auto",
            "`session_policy` and `session_policy_recording` are two policies for one session",
        ),
        (
            '    policy_arns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]',
            "with `policy_arns` the session could do more than `session_policy_recording` says",
        ),
    ],
)
def test_another_policy_cant_be_added(tmp_path: Path, more: str, message: str) -> None:
    """A session has the union of what its session policies allow."""
    with pytest.raises(ConfigError) as raised:
        planned(record(tmp_path / "run.jsonl", READ), more)

    assert message in [each.message for each in raised.value.problems]


def test_a_plan_of_roles_reads_no_recording() -> None:
    """A plan that issues no session needs only the roles of the chain."""
    plan = plan_store(
        config_of(STORE.format(file="missing", more="")),
        "deploy",
        environ={"AWS_REGION": "us-east-1"},
        ambient=lambda _: LONG_TERM,
        store_types=BUILTIN_TYPES,
        is_carried_out=False,
    )

    assert "session_policy" not in plan.steps["deploy"].settings
