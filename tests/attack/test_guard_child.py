"""A hostile command under a guard gets nothing that the policy does not give: requests with a second meaning."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader

from dsops.guard.decision import RETURNS_KEYS
from dsops.guard.exchange import Forward
from dsops.guard.http.local import is_hidden_local
from dsops.request.messages import HttpAnswer, HttpRequest
from tests.guards import Guarded, allow, deny, layer_of, proxied
from tests.sandboxes import sign

GUARD = Guarded(layer_of(allow("*"), deny("*", ["arn:aws:s3:::secret/*", "arn:aws:sqs:*:*:secret"])))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
QUEUE = "https://sqs.us-east-1.amazonaws.com/111111111111"
SQS_JSON = {"x-amz-target": "AmazonSQS.SendMessage", "content-type": "application/x-amz-json-1.0"}
Description = dict[str, Any]  # botocore's JSON
SECRETS = {"x-amz-target": "secretsmanager.GetSecretValue", "content-type": "application/x-amz-json-1.1"}


def signed(service: str, method: str, path: str, headers: dict[str, str], body: bytes = b"", query: str = "") -> object:
    """What the gate makes of a request of the command."""
    return GUARD.send(sign(GUARD.keys, service, "us-east-1", method, path, headers, body, query))


def descriptions_with(*words: str) -> Iterator[Description]:
    """botocore's descriptions of services that contain one of the words, in any case: few of its 400 files."""
    loader = Loader()
    for service in loader.list_available_services("service-2"):
        version = loader.determine_latest_version(service, "service-2")
        packed = Path(loader.BUILTIN_DATA_PATH, service, version, "service-2.json.gz")
        text = gzip.decompress(packed.read_bytes()).lower()
        if any(word.encode() in text for word in words):
            yield loader.load_service_model(service, "service-2")


def holds_keys(shape: Description) -> bool:
    """Whether a structure of botocore's description has members for an AWS key."""
    names = {name.lower() for name in shape.get("members", ())}
    return bool(names & {"secretaccesskey", "secretkey"} and names & {"sessiontoken", "accesskeyid"})


def reachable(shapes: Description, name: str, found: set[str]) -> set[str]:
    """The shape and all shapes inside of it, without the keys of maps; added to `found`."""
    if name not in found:
        found.add(name)
        shape = shapes[name]
        for inner in (*shape.get("members", {}).values(), shape.get("member"), shape.get("value")):
            if inner is not None:
                reachable(shapes, inner["shape"], found)
    return found


def test_operations_that_return_keys_are_listed() -> None:
    """Each operation of botocore whose answer contains an AWS key needs a statement that names it."""
    missing = []
    for description in descriptions_with("secretaccesskey", "secretkey"):
        metadata, shapes = description["metadata"], description["shapes"]
        with_keys = {name for name, shape in shapes.items() if holds_keys(shape)}
        for name, operation in description["operations"].items():
            if "output" in operation and with_keys & reachable(shapes, operation["output"]["shape"], set()):
                missing.append(f"{metadata.get('signingName', metadata['endpointPrefix'])}:{name}".lower())
    assert len(missing) > 20
    assert sorted(set(missing) - RETURNS_KEYS) == []


@pytest.mark.parametrize(
    "url",
    [
        f"{QUEUE}/secret?/111111111111/public",
        f"{QUEUE}/secret#/111111111111/public",
        f"{QUEUE}/secret/111111111111/public",
        f"{QUEUE}/public/../secret",
        f"{QUEUE}/secret/",
        f"{QUEUE}/%73ecret",
    ],
)
def test_a_queue_has_one_address(url: str) -> None:
    """The end of a queue's address that is not its path names no queue."""
    result = GUARD.send(GUARD.request("sqs", "SendMessage", QueueUrl=url, MessageBody="x"))

    assert isinstance(result, HttpAnswer)


def test_a_queue_in_the_path_is_the_one_in_the_parameters() -> None:
    """A request to one queue's path whose parameters name another queue is refused."""
    body = f'{{"QueueUrl": "{QUEUE}/public", "MessageBody": "x"}}'.encode()
    form = f"Action=SendMessage&Version=2012-11-05&MessageBody=x&QueueUrl={QUEUE}/public".encode()

    assert isinstance(signed("sqs", "POST", "/111111111111/public", SQS_JSON, body), Forward)
    assert isinstance(signed("sqs", "POST", "/111111111111/secret", SQS_JSON, body), HttpAnswer)
    assert isinstance(signed("sqs", "POST", "/111111111111/public", FORM, form), Forward)
    assert isinstance(signed("sqs", "POST", "/111111111111/secret", FORM, form), HttpAnswer)


@pytest.mark.parametrize(
    "source",
    [
        "secret/key",
        "/secret/key",
        "secret%2Fkey",
        "public/a+b",
        "public/a%3FversionId=b",
        "public-123-s3alias/key",
        "b--use1-az4--x-s3/key",
        "arn:aws:s3:us-east-1:111111111111:accesspoint/a/object/key",
        "public/../secret/key?versionId=a?versionId=b",
        "",
    ],
)
def test_a_copy_has_one_source(source: str) -> None:
    """A source that S3 may read as another object is refused."""
    assert isinstance(signed("s3", "PUT", "/public/key", {"x-amz-copy-source": "public/key"}), Forward)
    assert isinstance(signed("s3", "PUT", "/public/key", {"x-amz-copy-source": source}), HttpAnswer)


@pytest.mark.parametrize("query", ["x-amz-acl=public-read", "X-Amz-Acl=public-read", "x%2Damz-acl=public-read"])
def test_headers_are_no_parameters(query: str) -> None:
    """`x-amz-acl` in the query of a request that is signed in a header is refused: S3 may read it as the header."""
    assert isinstance(signed("s3", "PUT", "/public/key", {}, b"x", query), HttpAnswer)


@pytest.mark.parametrize(
    "objects",
    [
        b"<Object><Key>public</Key><Key>other</Key></Object>",
        b'<Object><e:Key xmlns:e="e">public</e:Key><Key>other</Key></Object>',
        b"<Object><Key>public</Key><VersionId>a</VersionId><VersionId>b</VersionId></Object>",
        b"<Object><Key>pub<b/>lic</Key></Object>",
    ],
)
def test_an_xml_element_has_one_value(objects: bytes) -> None:
    """Two elements for one value are refused."""
    import base64
    import hashlib

    for content, expected in ((b"<Object><Key>public</Key></Object>", Forward), (objects, HttpAnswer)):
        body = b"<Delete>" + content + b"</Delete>"
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        assert isinstance(signed("s3", "POST", "/public", {"content-md5": digest}, body, "delete"), expected)


@pytest.mark.parametrize(
    ("service", "path", "headers", "body"),
    [
        ("secretsmanager", "/", SECRETS | FORM, b'{"SecretId": "a"}'),
        ("secretsmanager", "/", SECRETS | {"smithy-protocol": "rpc-v2-cbor"}, b'{"SecretId": "a"}'),
        ("secretsmanager", "/", SECRETS | {"content-type": "application/cbor"}, b'{"SecretId": "a"}'),
        ("secretsmanager", "/", SECRETS | {"content-encoding": "deflate"}, b'{"SecretId": "a"}'),
        ("iam", "/", FORM | {"x-amz-target": "IAM.DeleteUser"}, b"Action=ListUsers&Version=2010-05-08"),
        ("iam", "/", FORM, b"Action=GetUser&Version=2010-05-08&UserName=a&username=b"),
        ("lambda", "/2015-03-31/functions/", {"x-amz-target": "AWSLambda.DeleteFunction"}, b"{}"),
        ("lambda", "/2015-03-31/functions/a/invocations", FORM, b"Action=DeleteFunction"),
    ],
)
def test_a_request_fits_one_protocol(service: str, path: str, headers: dict[str, str], body: bytes) -> None:
    """Headers of a second protocol are refused: AWS's services speak several."""
    headers = {name.lower(): value for name, value in headers.items()}
    assert isinstance(signed(service, "POST", path, headers, body), HttpAnswer)


@pytest.mark.parametrize("segment", ["%2E%2E", "..%2Fb", "a%2F..%2Fb", "a%252F..%252Fb", "a%2F%252e%252e%2Fb"])
def test_no_dot_segments_in_any_encoding(segment: str) -> None:
    """Dots between slashes are refused, however the slashes are written."""
    assert isinstance(signed("lambda", "GET", f"/2015-03-31/functions/{segment}", {}), HttpAnswer)


@pytest.mark.parametrize("host", ["s3_x.s3.us-east-1.amazonaws.com", "s3-x_y.s3.amazonaws.com"])
def test_a_bucket_is_not_taken_for_a_host(host: str) -> None:
    """A host with a bucket's name that the guard does not read is refused."""
    request = sign(GUARD.keys, "s3", "us-east-1", "GET", "/public/key", {"host": host})
    headers = {**request.headers, "host": host}

    assert isinstance(
        GUARD.send(HttpRequest("GET", "/public/key", "", headers, b"", ""), proxied(request, host)), HttpAnswer
    )


def test_a_region_of_china_is_no_endpoint_of_all_services() -> None:
    """A service's endpoint in China does not make those of other services its own."""
    from dsops.guard.endpoints import is_endpoint_of

    assert is_endpoint_of("sqs.cn-north-1.amazonaws.com.cn", "sqs", "cn-north-1")
    assert not is_endpoint_of("sts.cn-north-1.amazonaws.com.cn", "sqs", "cn-north-1")


@pytest.mark.parametrize(
    ("host", "address", "expected"),
    [
        ("127.0.0.1.example.com", "127.0.0.1", True),
        ("metadata.example.com", "169.254.169.254", True),
        ("metadata.example.com", "fd00:ec2::23", True),
        ("metadata.example.com", "fe80::1%eth0", True),
        ("example.com", "::ffff:127.0.0.1", True),
        ("example.com", "192.0.2.1", False),
        ("127.0.0.1", "127.0.0.1", False),
        ("localhost", "::1", False),
    ],
)
def test_a_name_does_not_lead_to_this_machine(host: str, address: str, expected: bool) -> None:  # noqa: FBT001
    """A name that resolves to this machine or its metadata service is refused; addresses were decided by the gate."""
    assert expected == is_hidden_local(host, address)
