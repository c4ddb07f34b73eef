"""Output: errors as text and JSON, tables, and no control characters."""

from __future__ import annotations

import json

import pytest

from dsops.cli.framework import output
from dsops.errors import (
    AccessDenied,
    AssumeRoleDenied,
    AwsAnswer,
    ConfigError,
    DsopsError,
    FailedOperation,
    Failures,
    Hop,
    Problem,
    UsageError,
    Where,
)
from dsops.text import clean

DENIED = AssumeRoleDenied(
    "store `prod` may not assume arn:aws:iam::123456789012:role/Deploy",
    why="the trust policy asks for sts:ExternalId and none was sent",
    hint="set `external_id` on store `prod` (dsops.yaml:9)",
    where=Where("dsops.yaml", 9),
    aws=AwsAnswer("AccessDenied", "User: x is not authorized", 403, "7f3c", "sts.us-east-1"),
)
INVALID = ConfigError(
    "dsops.yaml has 2 problems",
    problems=(
        Problem(Where("dsops.yaml", 3), "secretStores.prod.rolearn", "unknown key `rolearn`", "is it `role_arn`?"),
        Problem(Where("other.yaml"), "", "the file is empty"),
    ),
)


def test_an_error_says_what_why_and_what_next() -> None:
    """Every error prints message, reason and hint in this order, with AWS's own message last."""
    assert output.error_text(DENIED).splitlines() == [
        "dsops: error[sts.access-denied]: store `prod` may not assume arn:aws:iam::123456789012:role/Deploy",
        "  why: the trust policy asks for sts:ExternalId and none was sent",
        "  hint: set `external_id` on store `prod` (dsops.yaml:9)",
        "  aws: AccessDenied, request 7f3c (sts.us-east-1): User: x is not authorized",
    ]


def test_awss_message_is_not_repeated() -> None:
    """AWS's message is not repeated if the reason already contains it."""
    error = DsopsError("no", why="User: x is not authorized", aws=DENIED.aws)
    assert output.error_text(error).splitlines()[-1] == "  aws: AccessDenied, request 7f3c (sts.us-east-1)"


RECORDED = (
    "User: x is not authorized. Go to https://us-east-1.console.aws.amazon.com/iam/home?region=us-east-1#/authorization-"
    "details/5arhuwacg4o48y for complete details, or call the GetRequestAuthorizationDetails API with the following "
    "authorization id: 5arhuwacg4o48y"
)


def test_the_id_of_awss_record_stands_beside_the_requests() -> None:
    """The authorization id is shown beside the request id, with the command that looks up the record of the denial."""
    aws = AwsAnswer("AccessDenied", RECORDED, 403, "7f3c", "sts.us-east-1")
    error = AssumeRoleDenied("no", why=RECORDED, hint="check the role", aws=aws)

    assert output.error_text(error).splitlines() == [
        "dsops: error[sts.access-denied]: no",
        "  why: User: x is not authorized",
        "  hint: check the role",
        "  aws: AccessDenied, request 7f3c, authorization id 5arhuwacg4o48y (sts.us-east-1)",
    ]
    assert error.__notes__ == ["why: User: x is not authorized", "hint: check the role"]
    shown = json.loads(output.error_json(error, 3))["error"]
    assert (shown["why"], shown["aws"]["message"]) == ("User: x is not authorized", RECORDED)


@pytest.mark.parametrize(
    "message", ["", "no authorization id: ", "the authorization id: NOT-ONE", f"authorization id: {'a' * 257}"]
)
def test_a_malformed_authorization_id_is_ignored(message: str) -> None:
    """A malformed authorization id is ignored, and AWS's message is unchanged."""
    aws = AwsAnswer("AccessDenied", message, 403, "7f3c", "sts.us-east-1")

    assert ("", message) == (aws.authorization_id, aws.words)
    assert "request 7f3c (sts" in output.error_text(AssumeRoleDenied("no", aws=aws))


def test_a_place_is_told_unless_it_was() -> None:
    """An error's file and line are shown unless the hint contains them."""
    assert "  at: a.yaml:2" in output.error_text(UsageError("no", where=Where("a.yaml", 2))).splitlines()
    assert "at:" not in output.error_text(UsageError("no", hint="see a.yaml:2", where=Where("a.yaml", 2)))


def test_problems_begin_with_their_place() -> None:
    """Problems begin with `file:line:` in the first column, which editors recognize."""
    assert output.error_text(INVALID).splitlines() == [
        "dsops: error[config.invalid]: dsops.yaml has 2 problems",
        "dsops.yaml:3: secretStores.prod.rolearn: unknown key `rolearn`",
        "  hint: is it `role_arn`?",
        "other.yaml: the file is empty",
    ]


TRIED = FailedOperation(
    "AssumeRole",
    "arn:aws:sts::111111111111:assumed-role/Jump/ada",
    "target",
    "arn:aws:iam::123456789012:role/ProdAccessRole",
    hop=2,
    hops=3,
    before=(Hop("jump", "arn:aws:sts::111111111111:assumed-role/Jump/ada", "2026-11-24T13:00:00Z"),),
    region="us-east-1",
    endpoint="sts.us-east-1",
)


def test_what_was_tried_is_told_where_nothing_else_tells_it() -> None:
    """The `tried` line has only facts that no other line shows: caller and hop, but not role and endpoint."""
    error = AssumeRoleDenied("may not assume arn:aws:iam::123456789012:role/ProdAccessRole", aws=DENIED.aws)
    error.add_tried(TRIED)
    assert output.error_text(error).splitlines()[1:3] == [
        "  tried: AssumeRole as arn:aws:sts::111111111111:assumed-role/Jump/ada, hop 2 of 3",
        "  after: hop 1, store `jump`, gave arn:aws:sts::111111111111:assumed-role/Jump/ada until 2026-11-24T13:00:00Z",
    ]


def test_what_was_tried_is_told_in_full_where_nothing_is_said() -> None:
    """If no other line shows the facts of the attempt, the `tried` line has all of them."""
    error = UsageError("it did not work")
    error.add_tried(TRIED._replace(before=(Hop("jump", "", ""),)))
    assert output.error_text(error).splitlines()[1:] == [
        (
            "  tried: AssumeRole of arn:aws:iam::123456789012:role/ProdAccessRole as "
            "arn:aws:sts::111111111111:assumed-role/Jump/ada, hop 2 of 3, sts.us-east-1"
        ),
        "  after: hop 1, store `jump`, gave a session",
    ]


@pytest.mark.parametrize(
    "tried",
    [
        TRIED._replace(role="", caller="", hop=1, hops=1, before=(), endpoint="sts.us-east-1"),
        TRIED._replace(endpoint="", hop=1, hops=1, before=()),
        TRIED._replace(operation="", before=()),
    ],
    ids=["all is said", "nothing was sent", "no call to AWS"],
)
def test_no_tried_line_repeats_other_lines(tried: FailedOperation) -> None:
    """The `tried` line is omitted if other lines show all of its facts or if no request was made."""
    error = AssumeRoleDenied("it was sts.us-east-1")
    error.add_tried(tried)
    assert output.error_text(error) == "dsops: error[sts.access-denied]: it was sts.us-east-1"


def test_programs_get_every_fact_of_what_was_tried() -> None:
    """The JSON has every fact of `tried`, even those that the text shows on other lines, and null for absent facts."""
    error = UsageError("it did not work")
    error.add_tried(TRIED)
    assert json.loads(output.error_json(error, 2))["error"]["tried"] == {
        "operation": "AssumeRole",
        "caller": "arn:aws:sts::111111111111:assumed-role/Jump/ada",
        "store": "target",
        "role": "arn:aws:iam::123456789012:role/ProdAccessRole",
        "secret": None,
        "hop": 2,
        "hops": 3,
        "before": [
            {
                "store": "jump",
                "session": "arn:aws:sts::111111111111:assumed-role/Jump/ada",
                "expires": "2026-11-24T13:00:00Z",
            }
        ],
        "region": "us-east-1",
        "endpoint": "sts.us-east-1",
    }


def test_a_denial_says_what_finds_out_why() -> None:
    """A denial shows the `dsops explain` command, with configuration and environment quoted for a shell."""
    error = AssumeRoleDenied("it may not")
    error.add_tried(TRIED._replace(asks=("--env", "my env", "target")))

    last = output.error_text(error, config="other.yaml").splitlines()[-1]

    next_step = "`dsops explain --config other.yaml --env 'my env' target` looks for the policy that decides"
    assert last == f"  next: {next_step}"
    assert json.loads(output.error_json(error, 3, config="other.yaml"))["error"]["next"] == next_step
    assert json.loads(output.error_json(error, 3))["error"]["next"] == next_step.replace("--config other.yaml ", "")
    several = json.loads(output.error_json(Failures((error,)), 3, config="other.yaml"))["error"]
    assert several["errors"][0]["next"] == next_step


def test_several_denials_are_looked_into_together() -> None:
    """Several denials end with one `dsops explain` command, which names the store if all are of one store."""
    errors = [AccessDenied(f"no {number}") for number in range(3)]
    for error, store in zip(errors, ("one", "one", "two"), strict=True):
        error.add_tried(TRIED._replace(asks=("--env", "production", store)))

    texts = [output.error_text(Failures(tuple(errors[:number]))) for number in (2, 3)]

    assert [text.count("next:") for text in texts] == [1, 1]
    assert texts[0].endswith("`dsops explain --env production one` looks for the policy that decides")
    assert texts[1].endswith("`dsops explain --env production` looks for the policy that decides")


@pytest.mark.parametrize("error", [UsageError("no"), AccessDenied("no")])
def test_what_is_no_denial_of_a_store_has_no_such_command(error: DsopsError) -> None:
    """Errors other than denials, and denials without a plan, show no `dsops explain` command."""
    error.add_tried(TRIED._replace(asks=() if isinstance(error, AccessDenied) else ("target",)))

    assert "next:" not in output.error_text(error)


def test_facts_nearer_to_the_failure_are_kept() -> None:
    """Facts added to an error close to the failure take precedence; outer callers only add missing facts."""
    error = UsageError("it did not work")
    error.add_tried(FailedOperation("AssumeRole", "arn:aws:iam::111111111111:user/ada", endpoint="sts.us-east-1"))
    error.add_tried(FailedOperation("", "AKIA...ADA1", "jump", hop=1, hops=2, endpoint="other"))
    assert error.tried == FailedOperation(
        "AssumeRole", "arn:aws:iam::111111111111:user/ada", "jump", hop=1, hops=2, endpoint="sts.us-east-1"
    )


def test_several_errors_are_told_one_after_another() -> None:
    """Several errors are printed one after the other, each in full."""
    both = output.error_text(Failures((DENIED, INVALID)))
    assert both == f"{output.error_text(DENIED)}\n{output.error_text(INVALID)}"


def test_the_json_twin_has_the_same_fields() -> None:
    """The JSON of an error always has the same keys."""
    value = json.loads(output.error_json(DENIED, 125))
    assert value == {
        "error": {
            "code": "sts.access-denied",
            "message": DENIED.message,
            "why": DENIED.why,
            "hint": DENIED.hint,
            "next": None,
            "where": {"file": "dsops.yaml", "line": 9},
            "tried": None,
            "aws": {
                "code": "AccessDenied",
                "message": "User: x is not authorized",
                "status": 403,
                "request_id": "7f3c",
                "endpoint": "sts.us-east-1",
            },
            "problems": [],
            "errors": [],
        },
        "exit_code": 125,
    }


def test_the_json_of_several_and_of_problems_nests() -> None:
    """In JSON, problems and nested errors are lists of objects with the same keys."""
    value = json.loads(output.error_json(Failures((DENIED, INVALID)), 2))["error"]
    assert value["code"] == "several"
    assert [error["code"] for error in value["errors"]] == ["sts.access-denied", "config.invalid"]
    assert value["errors"][0].keys() == value.keys()
    assert value["errors"][1]["problems"] == [
        {
            "where": {"file": "dsops.yaml", "line": 3},
            "path": "secretStores.prod.rolearn",
            "message": "unknown key `rolearn`",
            "hint": "is it `role_arn`?",
        },
        {"where": {"file": "other.yaml", "line": None}, "path": "", "message": "the file is empty", "hint": None},
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü", "plain ü"),
        ("two\nlines\tand", "two lines and"),
        ("\x1b[2Jboo\x07", "\\x1b[2Jboo\\x07"),
        ("\u202etxt", "\\x202etxt"),
        ("\udcff", "\\xdcff"),
    ],
)
def test_control_characters_from_a_server_are_escaped(text: str, shown: str) -> None:
    """Escape sequences, bells, direction marks and lone surrogates from a server are shown as codes."""
    assert clean(text) == shown
    assert output.error_text(UsageError(text)) == f"dsops: error[usage]: {shown}"


def test_a_table_is_aligned_and_has_no_trailing_spaces() -> None:
    """Table columns are as wide as their widest cell, without trailing spaces."""
    text = output.table(("NAME", "TYPE"), [("a", "aws.sts"), ("longer", "")])
    assert text == "NAME    TYPE\na       aws.sts\nlonger"


def test_the_origin_of_an_error_shows_no_message_that_is_not_ours() -> None:
    """The traceback of an error omits messages of third-party exceptions, because they could contain a secret."""

    def fail() -> None:
        try:
            "hush\ud800".encode()
        except UnicodeEncodeError as error:
            raise UsageError("what we say") from error

    with pytest.raises(UsageError) as caught:
        fail()
    text = output.origin_text(caught.value)
    assert "hush" not in text
    assert text.index("UnicodeEncodeError") < text.index("UsageError: what we say")
    assert "test_output.py" in text


def test_control_characters_in_a_file_name_are_escaped() -> None:
    """Control characters in a file's name are shown as codes."""
    error = ConfigError("it is wrong", where=Where("a\x1b]0;owned\x07.yaml", 3))
    assert output.error_text(error).splitlines()[1] == "  at: a\\x1b]0;owned\\x07.yaml:3"


def test_json_escapes_terminal_control_characters() -> None:
    """JSON output also escapes control characters above `~`, which terminals obey."""
    value = {"name": "a\x9b2Jb\x7f", "text": "größe \u2603"}
    text = output.json_text(value)
    assert "\\u009b2Jb\\u007f" in text
    assert "größe" in text
    assert json.loads(text) == value


def test_an_error_that_is_its_own_cause_is_told_once() -> None:
    """An error that is its own cause (`raise error from error`) is shown once, without an endless loop."""
    error = UsageError("what we say")
    error.__cause__ = error
    assert output.origin_text(error).count("what we say") == 1
