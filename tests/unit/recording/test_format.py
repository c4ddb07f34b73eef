"""The file of a recording: what is written can be read, and each problem of another file is reported with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.recording.call import ANY_ONE, ANY_RUN, OUTCOMES, RecordedCall, recordable
from dsops.recording.format import CountedCall, Recording, call_line, head_line, is_valid, merged, parse_recording
from tests.unit.recording.calls import BUCKET, call, recording

HEAD = head_line(is_complete=True).decode()
GOOD = '{"action": "s3:GetObject", "resource": "arn:aws:s3:::b/k", "outcome": "allowed", "count": 1}'

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
calls = st.builds(
    RecordedCall,
    st.sampled_from(["s3:GetObject", "dynamodb:PutItem", "execute-api:Invoke"]),
    st.one_of(
        st.just("*"),
        st.lists(texts | st.sampled_from([ANY_RUN, ANY_ONE, "*", "?", "${*}"]), min_size=1).map(
            lambda parts: f"arn:aws:s3:::{''.join(parts)}"
        ),
    ),
    st.sampled_from(OUTCOMES),
    st.dictionaries(texts, st.lists(texts, max_size=3).map(tuple), max_size=3),
    st.sampled_from(["", "arn:aws:sts::111111111111:assumed-role/a/b"]),
    st.sampled_from(["", "2026-11-28T20:30:00Z"]),
)


@given(made=st.lists(st.tuples(calls, st.integers(1, 9)), max_size=5), is_complete=st.booleans())
def test_a_recording_that_is_written_can_be_read(made: list[tuple[RecordedCall, int]], *, is_complete: bool) -> None:
    """Reading gives the calls that were written, with their counts."""
    written = [CountedCall(recordable(each), times) for each, times in made]
    lines = [call_line(*each) for each in written if is_valid(each.call)]

    parsed = parse_recording((head_line(is_complete=is_complete) + b"".join(lines)).decode(), "f")

    assert () == parsed.problems
    assert merged([Recording(tuple(written), is_complete)]) == parsed.recording


@pytest.mark.parametrize(
    ("line", "path", "message"),
    [
        ("{", "", "this line is not JSON: expecting property name enclosed in double quotes"),
        ("[1]", "", "this line is not a JSON object"),
        ("[" * 100_000, "", "this line is not JSON: it is too deep or malformed"),
        (GOOD.replace('"count": 1', '"count": 0'), "count", "`count` takes a whole number of at least 1"),
        (GOOD.replace('"count": 1', '"count": true'), "count", "`count` takes a whole number of at least 1"),
        (GOOD.replace('"count": 1', '"action": "s3:Put"'), "action", "`action` occurs twice"),
        (GOOD.replace('"count"', '"counts"'), "counts", "`counts` is no field of a recording"),
        (GOOD.replace("s3:GetObject", "s3:*"), "action", "`action` takes an action, such as s3:GetObject"),
        (GOOD.replace("arn:aws:s3:::b/k", "b/*"), "resource", "`resource` takes an ARN, or `*`"),
        (GOOD.replace("arn:aws:s3:::b/k", "arn:aws:s3:::\\ud800"), "resource", "`resource` takes an ARN, or `*`"),
        (GOOD.replace("b/k", "b/${a}"), "resource", "`resource` takes an ARN, or `*`"),
        (GOOD.replace('"allowed"', '"granted"'), "outcome", f"`outcome` is one of {', '.join(OUTCOMES)}"),
        (GOOD.replace('"resource"', '"Resource"'), "Resource", "`Resource` is no field of a recording"),
        (GOOD.replace('"count": 1', '"time": "now"'), "time", "`time` takes a time, such as 2026-11-28T20:30:00Z"),
        (GOOD.replace('"count": 1', '"context": []'), "context", "`context` takes an object of condition keys"),
        (
            GOOD.replace('"count": 1', '"context": {"s3:prefix": 1}'),
            "context.s3:prefix",
            "`context.s3:prefix` takes a text or a list of texts",
        ),
        (
            GOOD.replace('"count": 1', '"context": {"sts:ExternalID": "hush"}'),
            "context.sts:ExternalID",
            "`sts:ExternalID` is secret, and a recording never has its value",
        ),
    ],
)
def test_each_problem_has_its_line(line: str, path: str, message: str) -> None:
    """A malformed line is reported with its line and path, and the lines after it are checked as well."""
    parsed = parse_recording(f"{HEAD}{GOOD}\n{line}\n[]\n", "deploy.jsonl")

    assert parsed.recording is None
    assert ("deploy.jsonl:3", path, message) in {(str(each.where), each.path, each.message) for each in parsed.problems}
    assert "deploy.jsonl:4" == str(parsed.problems[-1].where)
    assert "hush" not in repr(parsed.problems)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("", "this line is not JSON: expecting value"),
        ("{}", "this is not a recording: its first line has no `dsops_recording`"),
        ('{"dsops_recording": 2}', "this dsops reads recordings of version 1, and this one has version 2"),
        ('{"dsops_recording": 1}', "`is_complete` takes true or false"),
    ],
)
def test_another_file_is_one_problem(head: str, message: str) -> None:
    """In a file that is no recording of this version, only the first line is reported."""
    parsed = parse_recording(f"{head}\nx\ny\n", "f")

    assert [message] == [each.message for each in parsed.problems]


def test_the_cut_line_of_an_interrupted_run_is_left_out() -> None:
    """The last line of a run that was interrupted may be cut off. In a complete recording, that is a problem."""
    text = f"{GOOD}\n{GOOD[:40]}"

    parsed = parse_recording(head_line(is_complete=False).decode() + text, "f")

    assert parsed.recording is not None
    assert not parsed.recording.is_complete
    assert [1] == [each.times for each in parsed.recording.calls]
    assert parse_recording(HEAD + text, "f").recording is None


def test_merging_adds_the_counts_of_equal_calls() -> None:
    """Merged recordings list each call once; they are complete only if each one is."""
    one = recording(call("s3:GetObject", f"{BUCKET}/a"), call("s3:GetObject", f"{BUCKET}/b"))
    other = recording(call("s3:GetObject", f"{BUCKET}/b"))._replace(is_complete=False)

    both = merged([one, other])

    assert [(f"{BUCKET}/a", 1), (f"{BUCKET}/b", 2)] == [(each.call.resource, each.times) for each in both.calls]
    assert not both.is_complete


def test_a_hundred_problems_are_enough() -> None:
    """A file of many malformed lines gives 100 problems."""
    assert 100 == len(parse_recording(HEAD + "x\n" * 500, "f").problems)
