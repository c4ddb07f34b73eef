"""Compressed requests: SDKs compress PutMetricData of CloudWatch. The guard reads them and sends the original bytes."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest

from dsops.guard.exchange import Forward
from dsops.request.messages import HttpAnswer
from dsops.request.wire.cbor import encode
from tests.guards import Guarded, allow, layer_of
from tests.sandboxes import sign

GUARD = Guarded(
    layer_of(
        allow("cloudwatch:PutMetricData", Condition={"StringEquals": {"cloudwatch:namespace": "app"}}),
        allow("cloudwatch:DeleteAlarms"),
    )
)
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
JSON = {"Content-Type": "application/x-amz-json-1.0"}
CBOR = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
PREFIX = "GraniteServiceVersion20100801"
QUERY = b"Version=2010-08-01&Action="
DATUM = {"MetricName": "m", "Value": 1.0}


def kinds(
    operation: str, json: bytes, form: bytes, cbor: dict[str, object]
) -> dict[str, tuple[str, dict[str, str], bytes]]:
    """Path, headers and body of a request in each protocol of CloudWatch."""
    return {
        "json": ("/", JSON | {"X-Amz-Target": f"{PREFIX}.{operation}"}, json),
        "query": ("/", FORM, QUERY + operation.encode() + form),
        "cbor": (f"/service/{PREFIX}/operation/{operation}", CBOR, encode(cbor)),
    }


def put(namespace: str) -> dict[str, tuple[str, dict[str, str], bytes]]:
    """PutMetricData in this namespace."""
    json = b'{"Namespace": "%s", "MetricData": [{"MetricName": "m", "Value": 1}]}' % namespace.encode()
    form = b"&Namespace=%s&MetricData.member.1.MetricName=m&MetricData.member.1.Value=1" % namespace.encode()
    return kinds("PutMetricData", json, form, {"Namespace": namespace, "MetricData": [DATUM]})


DELETE = kinds("DeleteAlarms", b'{"AlarmNames": ["a"]}', b"&AlarmNames.member.1=a", {"AlarmNames": ["a"]})
PROTOCOLS = ("json", "query", "cbor")


def sent(made: tuple[str, dict[str, str], bytes], body: bytes, coding: str = "gzip") -> Forward | HttpAnswer:
    """Send a request with this body in place of its own."""
    path, headers, _ = made
    more = {"Content-Encoding": coding} if coding else {}
    return GUARD.send(sign(GUARD.keys, "monitoring", "us-east-1", "POST", path, headers | more, body))


def is_sent(made: tuple[str, dict[str, str], bytes], body: bytes, coding: str = "gzip") -> bool:
    """Whether the guard sends the request on."""
    return isinstance(sent(made, body, coding), Forward)


def named(data: bytes) -> bytes:
    """Compress with a file name in the header, which has the text of another request."""
    stream = io.BytesIO()
    with gzip.GzipFile("&Action=DeleteAlarms&AlarmNames.member.1=a&", "wb", fileobj=stream) as file:
        file.write(data)
    return stream.getvalue()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_compressed_request_is_decided_by_its_content(protocol: str) -> None:
    """The policy sees the decompressed parameters; AWS gets the bytes that the client signed."""
    made, other = put("app")[protocol], put("other")[protocol]
    body = gzip.compress(made[2])

    result = sent(made, body)
    assert isinstance(result, Forward), result
    assert result.body == body
    assert dict(result.headers)["content-encoding"] == "gzip"
    assert is_sent(made, made[2], "")
    assert not is_sent(other, gzip.compress(other[2]))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_only_operations_that_aws_decompresses_may_be_compressed(protocol: str) -> None:
    """For another operation, AWS might read the compressed bytes."""
    made = DELETE[protocol]

    assert is_sent(made, made[2], "")
    assert not is_sent(made, gzip.compress(made[2]))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("coding", ["deflate", "br", "GZIP", "x-gzip", "gzip, gzip", "identity"])
def test_other_codings_are_refused(protocol: str, coding: str) -> None:
    """Only gzip is read, with the name that SDKs write."""
    made = put("app")[protocol]

    assert not is_sent(made, made[2], coding)
    assert not is_sent(made, gzip.compress(made[2]), coding)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_body_with_two_readings_is_refused(protocol: str) -> None:
    """A second part, a text in the header of gzip, a cut body, and a body that is not compressed are refused."""
    made = put("app")[protocol]
    body = gzip.compress(made[2])
    second = gzip.compress(b"&Namespace=other")

    wrong = [
        body + second,
        body + b"\0",
        named(made[2]),
        body[:-1],
        made[2],
        zlib.compress(made[2]),
        b"",
        b"\x1f\x8b\x08",
    ]
    assert [number for number, each in enumerate(wrong) if is_sent(made, each)] == []


def test_a_decompressed_form_is_checked() -> None:
    """A repeated field in a compressed form is refused like one in a plain form."""
    made = put("app")["query"]

    assert not is_sent(made, gzip.compress(made[2] + b"&Namespace=other"))
    assert not is_sent(made, gzip.compress(made[2] + b"&Action=DeleteAlarms"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_decompressed_size_is_limited(protocol: str) -> None:
    """A small body that expands to more than 10 MB is refused."""
    made = put("app")[protocol]

    assert not is_sent(made, gzip.compress(made[2] + b"0" * 11_000_000))
