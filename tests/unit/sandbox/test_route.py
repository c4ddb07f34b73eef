"""Routing and parameter parsing, which happen before any signature is verified."""

from __future__ import annotations

import pytest

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.errors import answer_of
from dsops.request.wire.parameters import read_parameters
from dsops.request.wire.route import MAX_BODY, Route, find_route
from tests.sandboxes import ACCOUNT, Lab, sign

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


def form(body: str, method: str = "POST", query: str = "", headers: dict[str, str] | None = None) -> HttpRequest:
    """Return an unsigned request with a form of the query protocol."""
    return HttpRequest(method, "/", query, FORM if headers is None else headers, body.encode(), "127.0.0.1")


def route(body: str) -> Route:
    """Return the route of a request with this form."""
    found = find_route(form(body))
    assert isinstance(found, Route)
    return found


def error(request: HttpRequest) -> tuple[str, str, int]:
    """Return the error that routing the request raises."""
    with pytest.raises(SandboxRefusal) as caught:
        find_route(request)
    answer = answer_of(caught.value)
    return answer.code, answer.message, answer.status


def refused_parameters(body: str) -> tuple[str, str]:
    """Return the error that parsing the form's parameters raises."""
    with pytest.raises(SandboxRefusal) as caught:
        read_parameters(route(body))
    answer = answer_of(caught.value)
    return answer.code, answer.message


ASSUME = f"Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::{ACCOUNT}:role/R&RoleSessionName=s1"


FAILED = " failed to satisfy constraint: Member must "


# --- routing (measured on live STS) --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("Action=NoSuchAction&Version=2011-06-15", "Could not find operation NoSuchAction for version 2011-06-15"),
        ("Action=GetCallerIdentity", "Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED"),
        ("Action=GetCallerIdentity&Version=", "Could not find operation GetCallerIdentity for version "),
        ("Action=&Version=2011-06-15", "Could not find operation  for version 2011-06-15"),
        ("Action=GetUser&Version=1999-01-01", "Could not find operation GetUser for version 1999-01-01"),
    ],
)
def test_unknown_operations_and_versions_are_refused(body: str, message: str) -> None:
    """An unknown Action or Version gets InvalidAction with AWS's exact message."""
    assert error(form(body)) == ("InvalidAction", message, 400)


def test_a_request_without_action_is_redirected() -> None:
    """A request without Action gets a 302 to AWS's page; a GET's query is kept in the location."""
    for request, where in (
        (form("Version=2011-06-15"), "https://aws.amazon.com/iam"),
        (form("Action=GetCallerIdentity&Version=2011-06-15", headers={}), "https://aws.amazon.com/iam"),
        (form("", "GET", "a=b"), "https://aws.amazon.com/iam?a=b"),
        (form("", "GET"), "https://aws.amazon.com/iam"),
    ):
        found = find_route(request)
        assert isinstance(found, HttpAnswer)
        assert (found.status, dict(found.headers)["Location"], found.body) == (302, where, b"")


def test_get_is_equivalent_to_post() -> None:
    """A GET with the parameters in the query works like a POST."""
    found = find_route(form("", "GET", ASSUME, {}))

    assert isinstance(found, Route)
    assert (found.service, found.operation, found.fields["RoleSessionName"]) == ("sts", "AssumeRole", "s1")


def test_the_first_of_repeated_fields_counts() -> None:
    """If a field is repeated, its first value is used (measured)."""
    assert read_parameters(route(f"{ASSUME}&RoleSessionName=s2"))["RoleSessionName"] == "s1"


def test_unknown_fields_are_ignored() -> None:
    """Unknown fields are dropped."""
    assert set(read_parameters(route(f"{ASSUME}&Nonsense=1&Role=2"))) == {"RoleArn", "RoleSessionName"}


def test_forms_are_limited_to_ten_million_bytes() -> None:
    """A body above ten million bytes gets a 413 with an empty body."""
    just = find_route(form("a" * MAX_BODY))
    over = find_route(form("a" * (MAX_BODY + 1)))

    assert isinstance(just, HttpAnswer)
    assert just.status == 302
    assert over == HttpAnswer(413, (), b"")


# --- parameters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "number"), [("900", 900), ("%2B900", 900), ("0900", 900), ("43200", 43200)])
def test_numbers(text: str, number: int) -> None:
    """Numbers may have a sign and leading zeros (measured)."""
    assert read_parameters(route(f"{ASSUME}&DurationSeconds={text}"))["DurationSeconds"] == number


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "missing value for decimal type"), ("abc", ""), ("900.0", ""), ("2147483648", ""), ("9" * 5000, "")],
)
def test_invalid_numbers_are_malformed(text: str, message: str) -> None:
    """A malformed number gets MalformedInput without a Message.

    For an empty string the error has a Message. Both were measured.
    """
    assert refused_parameters(f"{ASSUME}&DurationSeconds={text}") == ("MalformedInput", message)


def test_a_negative_number_reaches_the_minimum() -> None:
    """A negative number is accepted by the parser and then refused by the schema's minimum."""
    message = refused_parameters(f"{ASSUME}&DurationSeconds=-1")[1]

    assert message.endswith("Value '-1' at 'durationSeconds'" + FAILED + "have value greater than or equal to 900")


def test_lists_and_structures() -> None:
    """List items are sorted by their numbers; gaps between the numbers are ignored."""
    body = f"{ASSUME}&Tags.member.2.Key=b&Tags.member.2.Value=2&Tags.member.1.Key=a&Tags.member.10.Key=c"
    body += "&TransitiveTagKeys.member.1=a&PolicyArns.member.1.arn=arn:aws:iam::aws:policy/ReadOnlyAccess"
    parameters = read_parameters(route(f"{body}&Tags.member.1.Value=1&Tags.member.10.Value="))

    assert parameters["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}, {"Key": "c", "Value": ""}]
    assert parameters["TransitiveTagKeys"] == ["a"]
    assert parameters["PolicyArns"] == [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]


@pytest.mark.parametrize(
    ("more", "value", "constraint"),
    [
        ("ExternalId=a", "'a' at 'externalId'", "have length greater than or equal to 2"),
        ("ExternalId=", "'' at 'externalId'", "have length greater than or equal to 2"),
        ("TokenCode=12345", "'12345' at 'tokenCode'", "have length greater than or equal to 6"),
        ("SourceIdentity=aws:x", "'aws:x' at 'sourceIdentity'", r"satisfy regular expression pattern: [\w+=,.@-]*"),
        (
            "Tags.member.1.Key=a%21&Tags.member.1.Value=b",
            "'a!' at 'tags.1.member.key'",
            r"satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+",
        ),
        ("Tags.member.1.Value=b", "null at 'tags.1.member.key'", "not be null"),
    ],
)
def test_constraints_of_the_schema(more: str, value: str, constraint: str) -> None:
    """An error about a constraint contains the service model's pattern or length."""
    assert refused_parameters(f"{ASSUME}&{more}") == (
        "ValidationError",
        f"1 validation error detected: Value {value}{FAILED}{constraint}",
    )


def test_lengths_count_code_points_and_tags_allow_all_alphabets() -> None:
    """Lengths are counted in code points, and tag keys may contain letters of any alphabet."""
    body = f"{ASSUME}&Tags.member.1.Key=%CE%B1%CE%B2&Tags.member.1.Value={'%C3%A9' * 256}"
    assert read_parameters(route(body))["Tags"] == [{"Key": "\u03b1\u03b2", "Value": "\u00e9" * 256}]
    assert "length less than or equal to 256" in refused_parameters(f"{body}%C3%A9")[1]


def test_a_character_beyond_the_bmp_fails_an_arns_pattern() -> None:
    """A character outside the BMP fails an ARN's pattern (measured)."""
    body = ASSUME.replace("role/R", "role/%F0%9F%98%80")

    assert f"'roleArn'{FAILED}satisfy regular expression" in refused_parameters(body)[1]


# --- error formats -----------------------------------------------------------------------------------------------


def test_an_error_without_message_has_no_message_element(lab: Lab) -> None:
    """The XML of MalformedInput has no Message element, as on live STS."""
    body = f"{ASSUME}&DurationSeconds=abc".encode()
    request = sign(lab.user("alice").keys, "sts", "us-east-1", "POST", "/", FORM, body)

    answer = lab.sandbox.handle(request)

    assert answer.answer.body.decode() == (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n'
        "  <Error>\n"
        "    <Type>Sender</Type>\n"
        "    <Code>MalformedInput</Code>\n"
        "  </Error>\n"
        f"  <RequestId>{answer.request_id}</RequestId>\n"
        "</ErrorResponse>\n"
    )


def test_errors_in_json_on_request(lab: Lab) -> None:
    """With `Accept: application/json` errors are JSON."""
    alice = lab.user("alice")
    alice.headers["Accept"] = "application/json"
    import json

    content = json.loads(alice.answer("sts", "AssumeRole", RoleArn="arn:aws:iam::1:role/R").body)

    assert content["Error"]["Code"] == "ValidationError"
    assert content["Error"]["Type"] == "Sender"


def test_markup_in_a_message_is_escaped(lab: Lab) -> None:
    """Markup from the request is escaped in error messages."""
    role = f"arn:aws:iam::{ACCOUNT}:role/R"

    answer = lab.user("alice").answer("sts", "AssumeRole", RoleArn=role, RoleSessionName="<&>")

    assert b"&lt;&amp;&gt;" in answer.body


@pytest.mark.parametrize(
    ("wrong", "code", "message"),
    [
        ("secret", "InvalidSignatureException", "The request signature we calculated does not match"),
        ("key", "UnrecognizedClientException", "The security token included in the request is invalid."),
        ("expired", "ExpiredTokenException", "The security token included in the request is expired"),
    ],
)
def test_json_services_have_different_error_codes(lab: Lab, wrong: str, code: str, message: str) -> None:
    """JSON services have their own error codes, all with status 400."""
    from dataclasses import replace

    person = lab.user("alice")
    if wrong == "expired":
        person = person.assume(f"arn:aws:iam::{ACCOUNT}:role/team/Jump")
        lab.sandbox.clock.advance(3600)
    elif wrong == "key":
        person.keys = replace(person.keys, access_key_id="AKIAAAAAAAAAAAAAAAAA")
    else:
        person.keys = replace(person.keys, secret_access_key="x")

    refused = person.refused("secretsmanager", "ListSecrets")

    assert (refused.code, refused.status) == (code, 400)
    assert refused.message.startswith(message)


@pytest.mark.parametrize(
    "host", ["localhost:4566", "sts.localhost:4566", "sts.us-east-1.amazonaws.com", "aws.localhost"]
)
def test_unsigned_calls_are_accepted_under_any_host(host: str) -> None:
    """An unsigned AssumeRoleWithWebIdentity works with any host name, even one that looks like a bucket's."""
    request = form("Action=AssumeRoleWithWebIdentity&Version=2011-06-15")

    found = find_route(request._replace(headers={**request.headers, "host": host}))

    assert isinstance(found, Route)
    assert (found.service, found.operation) == ("sts", "AssumeRoleWithWebIdentity")
