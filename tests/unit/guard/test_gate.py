"""The gate: each request is checked, decided, and signed with the real session, or refused with AWS's error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from dsops.guard.destinations import EndpointOverride
from dsops.guard.exchange import Forward, Forwarded
from dsops.request.messages import HttpAnswer, HttpRequest
from tests.guards import SESSION_ARN, Guarded, allow, arrived, check_real, deny, direct, layer_of, proxied, refusal_of
from tests.sandboxes import Keys, sign

if TYPE_CHECKING:
    from dsops.guard.decision import GuardDecision

EVERYTHING = layer_of(allow("*"))


def guarded(*statements: dict[str, object]) -> Guarded:
    """A guard with these statements."""
    return Guarded(layer_of(*statements))


def test_an_allowed_request_is_signed_with_the_real_session() -> None:
    """An allowed request goes to the service's endpoint, signed with the real keys, with the same body."""
    guard = guarded(allow("secretsmanager:GetSecretValue"))
    request = guard.request("secretsmanager", "GetSecretValue", SecretId="prod/db")

    forward = guard.sent(request)

    assert ("secretsmanager.us-east-1.amazonaws.com", 443, True) == (forward.host, forward.port, forward.is_tls)
    assert request.body == check_real(forward, "secretsmanager").body


def test_the_placeholder_does_not_leave_the_guard() -> None:
    """Nothing of the placeholder keys and of their signature is in the request to AWS."""
    guard = guarded(allow("*"))
    request = guard.request("s3", "GetObject", Bucket="bucket", Key="key")

    text = repr(guard.sent(request))

    signature = request.headers["authorization"].rpartition("=")[2]
    for hidden in (guard.keys.access_key_id, guard.keys.secret_access_key, guard.keys.session_token, signature):
        assert hidden
        assert hidden not in text


def test_a_denied_request_gets_awss_message() -> None:
    """A request that no statement allows gets AccessDenied with AWS's sentence, and is recorded."""
    guard = guarded(allow("s3:GetObject", "arn:aws:s3:::public/*"))

    error = guard.refused("s3", "GetObject", Bucket="private", Key="key")

    sentence = (
        f"User: {SESSION_ARN} is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::private/key" because no session policy allows the s3:GetObject action'
    )
    assert ("AccessDenied", sentence, 403) == (error.code, error.message, error.status)
    [decision] = guard.decisions
    assert ("denied", "s3", "GetObject", sentence) == (
        decision.outcome,
        decision.service,
        decision.operation,
        decision.reason,
    )


def test_a_deny_wins() -> None:
    """A Deny statement refuses what another statement allows, with AWS's sentence."""
    guard = guarded(allow("sqs:*"), deny("sqs:SendMessage", "arn:aws:sqs:*:*:prod"))
    url = "https://sqs.us-east-1.amazonaws.com/111111111111"

    error = guard.refused("sqs", "SendMessage", QueueUrl=f"{url}/prod", MessageBody="x")

    assert error.message.endswith("with an explicit deny in a session policy")
    assert guard.sent(guard.request("sqs", "SendMessage", QueueUrl=f"{url}/test", MessageBody="x"))


def test_several_actions_of_one_request_must_all_be_allowed() -> None:
    """An upload with tags needs s3:PutObject and s3:PutObjectTagging."""
    guard = guarded(allow("s3:PutObject"))

    error = guard.refused("s3", "PutObject", Bucket="bucket", Key="key", Tagging="a=b")

    assert "s3:PutObjectTagging" in error.message


def test_the_decision_is_recorded_with_awss_status() -> None:
    """A forwarded request is recorded once, with the status and error of AWS's response."""
    guard = guarded(allow("*"))
    forward = guard.sent(guard.request("sts", "GetCallerIdentity"))
    assert guard.decisions == []
    assert forward.done is not None

    forward.done(Forwarded(400, 0.25, refusal=b"<Error/>"))

    [decision] = guard.decisions
    assert ("allowed", 400, 0.25, "<Error/>") == (decision.outcome, decision.status, decision.seconds, decision.error)


@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        ("AWS4-ECDSA-P256-SHA256 Credential=a/20260101/s3/aws4_request, SignedHeaders=host, Signature=0", "Version 4A"),
        ("AWS AKIAEXAMPLE:c2lnbmF0dXJl", "Signature Version 2"),
        ("Bearer abc", "a bearer token"),
        ("", "the request is not signed"),
    ],
)
def test_other_kinds_of_signatures_are_refused(authorization: str, words: str) -> None:
    """SigV4A, Signature Version 2, tokens and unsigned requests are refused with a sentence that says so."""
    guard = guarded(allow("*"))
    request = guard.request("s3", "GetObject", Bucket="bucket", Key="key")
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    if authorization:
        headers["authorization"] = authorization

    error = refusal_of(guard.send(request._replace(headers=headers)), "s3", "GetObject")

    assert "AccessDenied" == error.code
    assert words in error.message
    assert "refused" == guard.decisions[0].outcome


@pytest.mark.parametrize("part", ["access_key_id", "secret_access_key", "session_token"])
def test_each_part_of_the_placeholder_is_checked(part: str) -> None:
    """A request with another key id, secret or token than the placeholder's is refused."""
    guard = guarded(allow("*"))
    values = {name: getattr(guard.keys, name) for name in ("access_key_id", "secret_access_key", "session_token")}
    values[part] = "ASIA" + values[part][4:][::-1]
    request = sign(Keys(**values), "sqs", "us-east-1", "POST", "/", {"x-amz-target": "AmazonSQS.ListQueues"}, b"{}")

    assert isinstance(guard.send(request), HttpAnswer)
    assert "refused" == guard.decisions[0].outcome


def test_a_changed_body_is_refused() -> None:
    """The placeholder's signature covers the body."""
    guard = guarded(allow("*"))
    request = guard.request("dynamodb", "GetItem", TableName="a", Key={"k": {"S": "v"}})

    changed = request._replace(body=request.body.replace(b'"a"', b'"b"'))

    assert "does not match" in refusal_of(guard.send(changed), "dynamodb", "GetItem").message


def test_an_old_request_is_refused() -> None:
    """A signature is valid for 15 minutes."""
    guard = guarded(allow("*"))
    guard.clock = datetime.now(UTC).timestamp() + 16 * 60

    assert "Signature expired" in guard.refused("sqs", "ListQueues").message


@pytest.mark.parametrize("left", [0.0, -5.0])
def test_an_ended_session_is_awss_expired_token(left: float) -> None:
    """Without a valid real session, the child gets ExpiredToken, after which SDKs refresh their credentials."""
    guard = Guarded(EVERYTHING, seconds_left=left)

    assert "ExpiredTokenException" == guard.refused("dynamodb", "ListTables").code


def test_a_presigned_url_is_exchanged() -> None:
    """A URL that the child presigned is sent with a signature in the headers, and its own headers."""
    guard = guarded(allow("s3:*"))
    request = sign(
        guard.keys,
        "s3",
        "us-east-1",
        "PUT",
        "/bucket/key",
        {"x-amz-acl": "private"},
        b"",
        "x-id=PutObject",
        presigned_seconds=60,
    )
    assert "X-Amz-Signature" in request.query

    forward = guard.sent(request)

    received = check_real(forward, "s3", b"content")
    assert "x-id=PutObject" == received.query
    assert ("private", "UNSIGNED-PAYLOAD") == (received.headers["x-amz-acl"], received.headers["x-amz-content-sha256"])


def test_an_expired_presigned_url_is_refused() -> None:
    """A presigned URL is valid for as long as it says."""
    guard = guarded(allow("s3:*"))
    request = sign(guard.keys, "s3", "us-east-1", "GET", "/bucket/key", {}, b"", presigned_seconds=60)
    guard.clock = datetime.now(UTC).timestamp() + 120

    assert "expired" in refusal_of(guard.send(request), "s3", "GetObject").message


def test_a_request_through_the_proxy_keeps_its_host() -> None:
    """A request through a tunnel goes to the host of the tunnel."""
    guard = guarded(allow("s3:GetObject", "arn:aws:s3:::bucket/key"))
    host = "bucket.s3.eu-west-1.amazonaws.com"
    request = signed_for(guard, host, "s3", "eu-west-1", "GET", "/key")

    forward = guard.sent(request, proxied(request, host))

    assert (host, "/key", host) == (forward.host, forward.target, dict(forward.headers)["host"])
    assert check_real(forward, "s3")


@pytest.mark.parametrize(
    ("host", "tunnel"),
    [
        ("dynamodb.us-east-1.amazonaws.com", "dynamodb.us-east-1.amazonaws.com"),
        ("s3.us-east-1.amazonaws.com", "dynamodb.us-east-1.amazonaws.com"),
        ("s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com"),
        ("bucket.s3.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com"),
        ("a.b.example.amazonaws.com", "a.b.example.amazonaws.com"),
        ("bucket.s3-website.us-east-1.amazonaws.com", "bucket.s3-website.us-east-1.amazonaws.com"),
        ("name-111111111111.s3-accesspoint.us-east-1.amazonaws.com",) * 2,
    ],
)
def test_the_host_must_be_an_endpoint_of_the_signed_service(host: str, tunnel: str) -> None:
    """A request for another host than that of its tunnel, service or region is refused."""
    guard = guarded(allow("*"))
    request = signed_for(guard, host, "s3", "us-east-1", "GET", "/key")

    result = guard.send(request, proxied(request, tunnel))

    assert isinstance(result, HttpAnswer)


def test_a_bucket_in_the_host_becomes_part_of_the_path() -> None:
    """In a direct request, the bucket's name may be in the host; the request to S3 has it in the path."""
    guard = guarded(allow("s3:GetObject", "arn:aws:s3:::bucket/*"))
    request = signed_for(guard, "bucket.localhost:4566", "s3", "us-east-1", "GET", "/a%20b")

    assert "/bucket/a%20b" == guard.sent(request).target


def test_an_override_takes_all_requests() -> None:
    """With an endpoint of the user's own, requests of all services go there."""
    guard = Guarded(EVERYTHING, override=EndpointOverride("127.0.0.1", 4566, False))
    host = "bucket.s3.us-east-1.amazonaws.com"
    request = signed_for(guard, host, "s3", "us-east-1", "GET", "/key")

    forward = guard.sent(request, proxied(request, host))

    assert ("127.0.0.1", 4566, False, "/bucket/key") == (forward.host, forward.port, forward.is_tls, forward.target)
    assert "127.0.0.1:4566" == check_real(forward, "s3").headers["host"]


@pytest.mark.parametrize("name", ["arn:aws:s3:us-east-1:1:accesspoint/a", "name-s3alias", "b--use1-az4--x-s3"])
def test_access_points_are_refused(name: str) -> None:
    """Access points and directory buckets are refused: their policies are about other resources."""
    guard = guarded(allow("*"))
    request = guard.request("s3", "GetObject", Bucket=name, Key="key")

    assert isinstance(guard.send(request), HttpAnswer)


def test_a_person_can_allow_what_no_policy_allows() -> None:
    """`ask` is called for an implicit denial only, and its answer decides."""
    asked: list[GuardDecision] = []

    async def ask(decision: GuardDecision) -> bool:
        asked.append(decision)
        return decision.operation == "ListQueues"

    guard = Guarded(layer_of(deny("s3:*")), ask=ask)

    assert isinstance(guard.send(guard.request("sqs", "ListQueues")), Forward)
    assert isinstance(guard.send(guard.request("sns", "ListTopics")), HttpAnswer)
    assert isinstance(guard.send(guard.request("s3", "ListBuckets")), HttpAnswer)
    assert ["ListQueues", "ListTopics"] == [decision.operation for decision in asked]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "begun"),
    [
        ("s3", "PutObject", {"Bucket": "b", "Key": "k", "Body": b"x"}, "head"),
        ("s3", "UploadPart", {"Bucket": "b", "Key": "k", "PartNumber": 1, "UploadId": "u", "Body": b"x"}, "head"),
        ("s3", "DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}]}}, "body"),
        ("lambda", "Invoke", {"FunctionName": "f", "Payload": b"{}"}, "body"),
        ("sqs", "ListQueues", {}, "body"),
    ],
)
def test_only_uploads_are_decided_by_their_head(
    service: str, operation: str, parameters: dict[str, object], begun: str
) -> None:
    """An upload is decided by its headers if x-amz-content-sha256 has the body's hash or UNSIGNED-PAYLOAD."""
    guard = guarded(allow("*"))

    assert begun == guard.gate.begin(direct(guard.request(service, operation, **parameters)))


def test_a_deletion_of_many_is_decided_by_its_body() -> None:
    """DeleteObjects is refused if one of the objects in its body may not be deleted."""
    guard = guarded(allow("s3:DeleteObject", "arn:aws:s3:::b/tmp/*"))

    def deletion(*keys: str) -> HttpRequest:
        objects = [{"Key": key} for key in keys]
        return guard.request("s3", "DeleteObjects", Bucket="b", Delete={"Objects": objects})

    assert isinstance(guard.send(deletion("tmp/a", "tmp/b")), Forward)
    assert isinstance(guard.send(deletion("tmp/a", "prod")), HttpAnswer)


def test_session_tokens_need_permission() -> None:
    """AWS gives a session to any user. Such a session would not be limited, so the guard wants it to be allowed."""
    guard = Guarded(layer_of(allow("s3:*")), arn="arn:aws:iam::111111111111:user/alice")

    assert "sts:GetSessionToken" in guard.refused("sts", "GetSessionToken").message
    assert isinstance(guard.send(guard.request("sts", "GetCallerIdentity")), Forward)


def test_the_headers_of_the_child_are_kept_and_signed() -> None:
    """Headers of the child arrive, headers about its connection do not."""
    guard = guarded(allow("*"))
    child = guard.child
    child.headers |= {"x-amz-meta-colour": "blue  green", "user-agent": "aws-cli/2", "connection": "keep-alive"}
    request = child.request("s3", "PutObject", Bucket="b", Key="k", Body=b"x")

    received = arrived(guard.sent(request), b"x")

    assert "blue  green" == received.headers["x-amz-meta-colour"]
    assert "aws-cli/2" == received.headers["user-agent"]
    assert "connection" not in received.headers
    assert "x-amz-meta-colour" in received.headers["authorization"]
    assert check_real(guard.sent(request), "s3", b"x")


def signed_for(guard: Guarded, host: str, service: str, region: str, method: str, path: str) -> HttpRequest:
    """A request of the child to a host, signed by botocore."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(method=method, url=f"https://{host}{path}", headers={"Host": host})
    S3SigV4Auth(guard.keys.botocore(), service, region).add_auth(request)
    headers = {name.lower(): str(value) for name, value in request.prepare().headers.items()}
    return HttpRequest(method, path, "", headers, b"", "127.0.0.1")
