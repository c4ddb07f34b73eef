"""A request serialized by botocore is parsed to the same operation and parameters."""

from __future__ import annotations

from random import Random

import pytest

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpRequest
from dsops.request.wire.models import Protocol, operation_model, operation_names, protocols
from dsops.request.wire.parameters import unchecked_parameters
from dsops.request.wire.route import Route, find_route
from dsops.request.wire.service_table import SERVED
from tests.groups import one_in
from tests.shapes import ShapeMaker, written_request

# S3 operations that are sent like another one, and operations with a separate endpoint.
SAME_REQUESTS = {
    ("s3", "GetBucketLifecycle"): "GetBucketLifecycleConfiguration",
    ("s3", "PutBucketLifecycle"): "PutBucketLifecycleConfiguration",
    ("s3", "GetBucketNotification"): "GetBucketNotificationConfiguration",
    ("s3", "PutBucketNotification"): "PutBucketNotificationConfiguration",
    ("s3", "ListDirectoryBuckets"): "ListBuckets",
}
ELSEWHERE = {("s3", "WriteGetObjectResponse"), ("s3control", "CreateBucket")}
# Operations of both Timestream services that have the same X-Amz-Target.
SHARED = {"DescribeEndpoints", "ListTagsForResource", "TagResource", "UntagResource"}


def read(request: HttpRequest) -> Route:
    """Return the route of a request that must have one."""
    found = find_route(request)
    assert isinstance(found, Route), found
    return found


@pytest.mark.parametrize("service", one_in(3, sorted(SERVED), str))
def test_botocore_requests_are_read_back(service: str) -> None:
    """botocore's requests are parsed to the same operation and parameters, for all services and protocols."""
    for protocol in protocols(service):
        for operation in sorted(operation_names(service)):
            if (service, operation) in ELSEWHERE or (service == "timestream-query" and operation in SHARED):
                continue
            check(service, operation, protocol)


def check(service: str, operation: str, protocol: Protocol) -> None:
    """Check that one operation's request is parsed to the same operation and parameters."""
    shape = operation_model(service, operation).input_shape
    created = ShapeMaker(Random(f"{service}.{operation}"), protocol).parameters(shape) if shape else {}  # noqa: S311

    route = read(written_request(service, operation, created, protocol))

    if (service, operation) in SAME_REQUESTS:
        assert SAME_REQUESTS[service, operation] == route.operation
        return
    assert (service, operation, protocol) == (route.service, route.operation, route.protocol)
    parameters = unchecked_parameters(route) if shape else {}
    if operation == "InvokeAgentRuntimeCommand":
        # botocore sets this header itself.
        created["contentType"] = parameters["contentType"]
    assert something(created) == something(parameters), operation


def something(value: object) -> object:
    """Return the value without empty structures, which the query protocols can't express."""
    if isinstance(value, dict):
        items = ((name, something(item)) for name, item in value.items())
        return {name: item for name, item in items if item != {}}
    return [something(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("query", "operation"),
    [
        ("", "GetObject"),
        ("x-id=GetObject", "GetObject"),
        ("acl", "GetObjectAcl"),
        ("acl=", "GetObjectAcl"),
        ("uploadId=u", "ListParts"),
        ("versionId=v", "GetObject"),
        ("tagging&versionId=v", "GetObjectTagging"),
    ],
)
def test_s3_operations_are_distinguished_by_the_query(query: str, operation: str) -> None:
    """S3 operations are distinguished by the query, also with the `x-id` that some clients add."""
    request = written_request("s3", "GetObject", {"Bucket": "bucket", "Key": "a/b"}, "rest-xml")

    assert read(request._replace(query=query)).operation == operation


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("127.0.0.1:4566", "/bucket/a%2Fb//%2E%2E/c"),
        ("bucket.localhost:4566", "/a%2Fb//%2E%2E/c"),
        ("bucket.s3.localhost", "/a%2Fb//%2E%2E/c"),
        ("bucket.s3.eu-west-1.amazonaws.com", "/a%2Fb//%2E%2E/c"),
    ],
)
def test_a_bucket_is_in_the_path_or_host(host: str, path: str) -> None:
    """A bucket can be in the path or the host; the object key keeps dots and slashes as sent."""
    request = written_request("s3", "GetObject", {"Bucket": "b", "Key": "k"}, "rest-xml")
    request = request._replace(path=path, headers={**request.headers, "host": host})

    parameters = unchecked_parameters(read(request))

    assert {"Bucket": "bucket", "Key": "a/b//../c"} == parameters


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><Delete><Object><Key>&b;</Key></Object></Delete>",
        b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><Delete/>",
        b"<Delete>",
        b"no xml",
        b"<a>" * 100 + b"</a>" * 100,
        b"\xff\xfe\x00",
        b"<?xml version='1.0' encoding='none'?><Delete/>",
    ],
)
def test_dangerous_xml_is_malformed(body: bytes) -> None:
    """XML with a DOCTYPE, entities or deep nesting gets MalformedXML."""
    request = written_request("s3", "DeleteObjects", {"Bucket": "b", "Delete": {"Objects": []}}, "rest-xml")

    with pytest.raises(SandboxRefusal) as caught:
        unchecked_parameters(read(request._replace(body=body)))

    assert caught.value.aws is not None
    assert caught.value.aws.code == "MalformedXML"


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"\xbf",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x01\x01",
        b"\x81" * 5000,
        b"\xc2\x41\x00",
        b"\xa0\xa0",
        b"\xc1\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00",
        b"\x7f\x41\x00\xff",
        b"\xa1\x61\xff\x00",
        b"\xa1\x61n\xf8\x20",
        b"\xa1\x41n\x01",
        b"\xa2\x61n\x01\x61n\x02",
        b"\xa1\x61n\xd8\x23\x61x",
        b"\xa1\x61n\xd8\x1c\x81\xd8\x1d\x00",
        b"\xa1\x61n\xd9\x03\xe7\x01",
        b"\xa1\x61n\xc1\xf5",
        b"\xa1\x61n\xc0\x742026-11-28T00:00:00Z",
    ],
)
def test_invalid_cbor_is_refused(body: bytes) -> None:
    """Invalid CBOR (truncated, too deep, duplicate keys, other tags, wrong type) gets SerializationException."""
    request = written_request("cloudwatch", "ListMetrics", {}, "cbor")

    with pytest.raises(SandboxRefusal) as caught:
        find_route(request._replace(body=body))

    assert caught.value.aws is not None
    assert caught.value.aws.code == "SerializationException"
