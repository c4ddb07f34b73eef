"""Signed chunks of an upload are checked, and signed again with the real session."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.guard.exchange import Forward
from dsops.request.messages import HttpRequest
from tests.groups import examples
from tests.guards import Guarded, allow, check_real, direct, layer_of
from tests.sandboxes import Keys, sign

EMPTY = sha256(b"").hexdigest()
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
GUARD = Guarded(layer_of(allow("s3:PutObject")))


def upload(parts: list[bytes], trailer: str = "", keys: Keys | None = None) -> HttpRequest:
    """An upload in signed chunks, made by the algorithm in AWS's documentation."""
    keys = keys or GUARD.keys
    kind = f"{SIGNED}-TRAILER" if trailer else SIGNED
    headers = {
        "x-amz-content-sha256": kind,
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(sum(map(len, parts))),
    }
    if trailer:
        headers["x-amz-trailer"] = trailer.partition(":")[0]
    request = signed_head(keys, headers)
    scope = request.headers["authorization"].split("Credential=")[1].split(",")[0]
    before = request.headers["authorization"].rpartition("=")[2]
    _, day, region, service, last = scope.split("/")
    key = f"AWS4{keys.secret_access_key}".encode()
    for step in (day, region, service, last):
        key = hmac.digest(key, step.encode(), sha256)
    place = f"{request.headers['x-amz-date']}\n{day}/{region}/{service}/{last}"
    body = b""
    for part in (*parts, b""):
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{place}\n{before}\n{EMPTY}\n{sha256(part).hexdigest()}"
        before = hmac.new(key, text.encode(), sha256).hexdigest()
        body += f"{len(part):x};chunk-signature={before}\r\n".encode() + part + (b"\r\n" if part else b"")
    if trailer:
        digest = sha256(trailer.encode() + b"\n").hexdigest()
        text = f"AWS4-HMAC-SHA256-TRAILER\n{place}\n{before}\n{digest}"
        signature = hmac.new(key, text.encode(), sha256).hexdigest()
        body += f"{trailer}\r\nx-amz-trailer-signature:{signature}\r\n".encode()
    return request._replace(body=body + b"\r\n")


def signed_head(keys: Keys, headers: dict[str, str]) -> HttpRequest:
    """A head whose stated hash is a word, which botocore's signer takes from the header."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest("PUT", "http://127.0.0.1:4566/b/k", headers={"Host": "127.0.0.1:4566", **headers})
    signer = S3SigV4Auth(keys.botocore(), "s3", "us-east-1")
    signer.payload = lambda _request: headers["x-amz-content-sha256"]
    signer.add_auth(request)
    signed = {name.lower(): str(value) for name, value in request.prepare().headers.items()}
    return HttpRequest("PUT", "/b/k", "", signed, b"", "127.0.0.1")


def streamed(request: HttpRequest, sizes: list[int]) -> tuple[Forward, bytes]:
    """Send the body in pieces of these sizes through the gate."""
    assert "head" == GUARD.gate.begin(direct(request))
    forward = GUARD.sent(request)
    assert forward.body is None
    assert forward.transform is not None
    result, position = b"", 0
    for size in (*sizes, len(request.body)):
        piece = request.body[position : position + size]
        result += forward.transform(piece) if piece else b""
        position += size
    return forward, result + forward.transform(b"")


@settings(max_examples=examples(100), deadline=None)
@given(
    parts=st.lists(st.binary(min_size=1, max_size=300), max_size=4),
    sizes=st.lists(st.integers(1, 200), max_size=12),
    has_trailer=st.booleans(),
)
def test_chunks_are_signed_anew(parts: list[bytes], sizes: list[int], *, has_trailer: bool) -> None:
    """In whatever pieces the body arrives, AWS gets the same data in chunks that the real session signed."""
    request = upload(parts, "x-amz-checksum-crc32:AAAAAA==" if has_trailer else "")

    forward, body = streamed(request, sizes)

    assert len(body) == len(request.body)
    received = check_real(forward, "s3", body)
    assert b"".join(parts) == received.body


@pytest.mark.parametrize("position", [5, 40, 120, -30])
@pytest.mark.parametrize("trailer", ["", "x-amz-checksum-crc32:AAAAAA=="])
def test_a_changed_chunk_ends_the_upload(position: int, trailer: str) -> None:
    """A byte that was changed after signing is found before its chunk is sent on."""
    request = upload([b"a" * 50, b"b" * 50], trailer)
    body = bytearray(request.body)
    body[position] ^= 1

    with pytest.raises(ValueError, match="upload"):
        streamed(request._replace(body=bytes(body)), [7] * 30)


@pytest.mark.parametrize("cut", [1, 60, 100, 150])
def test_a_shortened_upload_ends_with_an_error(cut: int) -> None:
    """An upload without its last chunk is not complete."""
    request = upload([b"a" * 50, b"b" * 50])

    with pytest.raises(ValueError, match="upload"):
        streamed(request._replace(body=request.body[: -cut - 2]), [])


def test_chunks_of_other_keys_are_refused() -> None:
    """Chunks must be signed with the placeholder's key, as the head is."""
    request = upload([b"abc"])
    other = upload([b"abc"], keys=Keys(access_key_id="ASIAX", secret_access_key="other"))

    with pytest.raises(ValueError, match="wrong signature"):
        streamed(request._replace(body=other.body), [])


def test_a_huge_chunk_is_refused() -> None:
    """A chunk is kept in memory until it is checked, so its size is limited."""
    request = upload([b"abc"])
    body = b"7fffffff;chunk-signature=" + b"0" * 64 + b"\r\n"

    with pytest.raises(ValueError, match="64 MiB"):
        streamed(request._replace(body=body), [])


def test_unsigned_chunks_are_streamed_as_they_are() -> None:
    """An upload whose chunks are not signed needs no change."""
    headers = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer": "x-amz-checksum-crc32"}
    request = signed_head(GUARD.keys, headers)

    forward = GUARD.sent(request)

    assert (None, None) == (forward.body, forward.transform)
    assert "STREAMING-UNSIGNED-PAYLOAD-TRAILER" == dict(forward.headers)["x-amz-content-sha256"]


def test_a_stated_hash_is_kept_for_aws_to_check() -> None:
    """An upload whose hash is in the headers is streamed with the same hash."""
    request = sign(GUARD.keys, "s3", "us-east-1", "PUT", "/b/k", {}, b"content")

    forward = GUARD.sent(request)

    assert forward.body is None
    assert sha256(b"content").hexdigest() == dict(forward.headers)["x-amz-content-sha256"]
    assert check_real(forward, "s3", b"content")
