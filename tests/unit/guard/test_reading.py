"""Requests with two meanings are refused."""

from __future__ import annotations

import pytest

from dsops.guard.exchange import RequestHead
from dsops.request.messages import HttpAnswer, HttpRequest
from tests.guards import Guarded, allow, direct, layer_of
from tests.sandboxes import sign

GUARD = Guarded(layer_of(allow("*")))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REST_JSON = {"Content-Type": "application/json"}
SECRETS = {"x-amz-target": "secretsmanager.GetSecretValue", "content-type": "application/x-amz-json-1.1"}
USERS = b"Action=ListUsers&Version=2010-05-08"


def is_refused(request: HttpRequest, head: RequestHead | None = None) -> bool:
    """Whether the gate refuses the request."""
    return isinstance(GUARD.send(request, head), HttpAnswer)


def iam(body: bytes, query: str = "") -> HttpRequest:
    """A signed form for IAM."""
    return sign(GUARD.keys, "iam", "us-east-1", "POST", "/", FORM, body, query)


def test_a_form_with_two_actions_is_refused() -> None:
    """A repeated field, or fields in body and query, could be read in two ways."""
    assert not is_refused(iam(USERS))
    assert is_refused(iam(USERS + b"&Action=DeleteUser"))
    assert is_refused(iam(USERS, "Action=DeleteUser"))
    assert is_refused(iam(USERS, "Version=2010-05-08"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"SecretId": "a"}', False),
        (b'{"SecretId": "a", "SecretId": "b"}', True),
        (b'{"SecretId": "a", "S\\u0065cretId": "b"}', True),
    ],
)
def test_repeated_json_members_are_refused(body: bytes, expected: bool) -> None:  # noqa: FBT001
    """A JSON object has each name once, in whatever way it is written."""
    assert expected == is_refused(sign(GUARD.keys, "secretsmanager", "us-east-1", "POST", "/", SECRETS, body))


def test_repeated_query_parameters_are_refused() -> None:
    """A query parameter that is not a list is sent once."""
    once = sign(GUARD.keys, "s3", "us-east-1", "GET", "/b", {}, b"", "list-type=2&prefix=a")
    twice = sign(GUARD.keys, "s3", "us-east-1", "GET", "/b", {}, b"", "list-type=2&prefix=a&prefix=b")

    assert not is_refused(once)
    assert is_refused(twice)


def test_lists_in_the_query_may_repeat_their_name() -> None:
    """A list is sent as a repeated parameter."""
    path = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A111111111111%3Afunction%3Af"
    request = sign(GUARD.keys, "lambda", "us-east-1", "DELETE", path, {}, b"", "tagKeys=a&tagKeys=b")

    assert not is_refused(request)


@pytest.mark.parametrize(
    "more",
    [
        (("x-amz-target", "secretsmanager.DeleteSecret"),),
        (("host", "example.com"),),
        (("content-type", "text/plain"),),
        (("x-http-method-override", "DELETE"),),
        (("bad name", "x"),),
        (("x-new", "a\r\nx-amz-target: b"),),
        (("x-new", "a\x00b"),),
    ],
)
def test_repeated_and_malformed_headers_are_refused(more: tuple[tuple[str, str], ...]) -> None:
    """A header is sent once, and has no control characters."""
    request = sign(GUARD.keys, "secretsmanager", "us-east-1", "POST", "/", SECRETS, b'{"SecretId": "a"}')
    head = direct(request)
    assert not is_refused(request, head)

    assert is_refused(request, head._replace(headers=(*head.headers, *more)))


@pytest.mark.parametrize("path", ["/2015-03-31/functions/a/../b", "/2015-03-31/functions/%2e%2e/functions/"])
def test_dot_segments_are_refused(path: str) -> None:
    """AWS may resolve `..` before it routes a request."""
    assert is_refused(sign(GUARD.keys, "lambda", "us-east-1", "GET", path, REST_JSON))


@pytest.mark.parametrize("path", ["/bucket/a b", '/bucket/"', "bucket", "/bucket/\xff", "/bucket/%zz", "/b?c"])
def test_paths_are_encoded(path: str) -> None:
    """A path has only characters that a URL may have."""
    request = sign(GUARD.keys, "s3", "us-east-1", "GET", "/bucket/key", {})

    assert is_refused(request, direct(request)._replace(path=path))


def test_keys_of_objects_may_have_dots() -> None:
    """`..` is part of an object's key."""
    assert not is_refused(sign(GUARD.keys, "s3", "us-east-1", "GET", "/bucket/a/../b", {}))


@pytest.mark.parametrize(
    ("query", "expected"), [("", False), ("x-id=ListObjects", False), ("newFeature", True), ("x-amz-acl=private", True)]
)
def test_unknown_query_parameters_are_refused(query: str, expected: bool) -> None:  # noqa: FBT001
    """S3 tells operations apart by the query, so an unknown parameter may be an operation that the guard lacks."""
    assert expected == is_refused(sign(GUARD.keys, "s3", "us-east-1", "GET", "/bucket", {}, b"", query))


def test_unknown_parameters_are_refused() -> None:
    """A parameter that botocore's model lacks has an unknown meaning."""
    body = b'{"SecretId": "a", "NewParameter": "b"}'

    assert is_refused(sign(GUARD.keys, "secretsmanager", "us-east-1", "POST", "/", SECRETS, body))


DYNAMO = {"x-amz-target": "DynamoDB_20120810.TransactWriteItems", "content-type": "application/x-amz-json-1.0"}
GLUE = {"x-amz-target": "AWSGlue.CreateTable", "content-type": "application/x-amz-json-1.1"}
FUNCTION = "/2015-03-31/functions/f/configuration"


@pytest.mark.parametrize(
    ("service", "headers", "method", "path", "body", "expected"),
    [
        # Members of a transaction are the tables that it changes.
        ("dynamodb", DYNAMO, "POST", "/", b'{"TransactItems": [{"Merge": {"TableName": "other"}}]}', True),
        (
            "dynamodb",
            DYNAMO,
            "POST",
            "/",
            b'{"TransactItems": [{"Put": {"TableName": "t", "Item": {"a": {"X": 1}}}}]}',
            False,
        ),
        # In other services, members that may name a role or a resource.
        ("glue", GLUE, "POST", "/", b'{"DatabaseName": "d", "TableInput": {"Name": "n", "Owner2": "x"}}', False),
        ("glue", GLUE, "POST", "/", b'{"DatabaseName": "d", "TableInput": {"Name": "n", "RoleName": "x"}}', True),
        (
            "glue",
            GLUE,
            "POST",
            "/",
            b'{"DatabaseName": "d", "TableInput": {"Name": "n", "New": [{"a": "arn:x"}]}}',
            True,
        ),
        ("lambda", REST_JSON, "PUT", FUNCTION, b'{"Description": "d", "Colour": "red"}', False),
        ("lambda", REST_JSON, "PUT", FUNCTION, b'{"Description": "d", "SecondRole": "r"}', True),
        ("lambda", REST_JSON, "PUT", FUNCTION, b'{"VpcConfig": {"EndpointArn": "e"}}', True),
        ("lambda", REST_JSON, "PUT", FUNCTION, b'{"Environment": {"Variables": {"ROLE": "arn:x"}}}', False),
    ],
)
def test_nested_members_that_may_name_a_resource_are_known(
    service: str, headers: dict[str, str], method: str, path: str, body: bytes, *, expected: bool
) -> None:
    """A request with a member that the model lacks, and that may name a resource or role, is refused."""
    assert expected == is_refused(sign(GUARD.keys, service, "us-east-1", method, path, headers, body))
