"""S3's request formats: signatures, aws-chunked bodies, trailers, presigned URLs, anonymous requests."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from hashlib import sha256
from time import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zlib import crc32

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config

from dsops.request.messages import HttpAnswer, HttpRequest
from tests.sandboxes import HOST, OTHER, PEER, Keys, Lab, Person, sign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.sandbox.conftest import LabFactory

SEED = """
accounts:
  "111111111111": {users: {nobody: {}}}
  "222222222222": {}
"""
TEXT = b"some text"


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with a bucket and one object."""
    lab = make_lab(SEED)
    admin = lab.user("admin")
    admin.call("s3", "CreateBucket", Bucket="bucket")
    admin.call("s3", "PutObject", Bucket="bucket", Key="k", Body=TEXT)
    return lab


def code_of(answer: HttpAnswer) -> str:
    """Return the code in an S3 error response."""
    return answer.body.decode().partition("<Code>")[2].partition("</Code>")[0]


def stored(lab: Lab, key: str) -> bytes:
    """Return the content of a stored object."""
    return lab.user("admin").answer("s3", "GetObject", Bucket="bucket", Key=key).body


# --- chunks --------------------------------------------------------------------------------------------------------


class Upload:
    """A PutObject with an aws-chunked body, as SDKs send it."""

    def __init__(self, keys: Keys, payload: str, headers: Mapping[str, str] = {}) -> None:
        stated = {
            "x-amz-content-sha256": payload,
            "x-amz-decoded-content-length": str(len(TEXT)),
            "content-encoding": "aws-chunked",
            **headers,
        }
        request = AWSRequest(method="PUT", url=f"http://{HOST}/bucket/new", data=b"", headers={"Host": HOST, **stated})
        signer = S3SigV4Auth(keys.botocore(), "s3", "us-east-1")
        signer._should_sha256_sign_payload = lambda _: True
        signer.payload = lambda _: payload
        signer.add_auth(request)
        self.headers = {name.lower(): str(value) for name, value in request.prepare().headers.items()}
        self.headers.pop("content-length", None)
        self.seed = self.headers["authorization"].rpartition("Signature=")[2]
        date = self.headers["x-amz-date"]
        self.lines = [date, f"{date[:8]}/us-east-1/s3/aws4_request"]
        self.key = f"AWS4{keys.secret_access_key}".encode()
        for part in (date[:8], "us-east-1", "s3", "aws4_request"):
            self.key = hmac.digest(self.key, part.encode(), "sha256")

    def sign(self, kind: str, before: str, *hashes: str) -> str:
        """Return the signature of a chunk or trailer that follows the signature `before`."""
        text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", *self.lines, before, *hashes))
        return hmac.new(self.key, text.encode(), sha256).hexdigest()

    def signed_body(self, *chunks: bytes, trailer: str = "") -> bytes:
        """Return the body: all chunks, the final empty chunk and the trailer."""
        body, before = b"", self.seed
        for chunk in (*chunks, b""):
            before = self.sign("PAYLOAD", before, sha256(b"").hexdigest(), sha256(chunk).hexdigest())
            body += b"%x;chunk-signature=%s\r\n%s" % (len(chunk), before.encode(), chunk + b"\r\n" if chunk else b"")
        if trailer:
            signature = self.sign("TRAILER", before, sha256(f"{trailer}\n".encode()).hexdigest())
            body += f"{trailer}\r\nx-amz-trailer-signature:{signature}\r\n".encode()
        return body + b"\r\n"

    def request(self, body: bytes) -> HttpRequest:
        """Return the signed request with this body."""
        return HttpRequest("PUT", "/bucket/new", "", self.headers, body, PEER)


CHECKSUM = b64encode(crc32(TEXT).to_bytes(4, "big")).decode()
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
WITH_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
TRAILER = {"x-amz-trailer": "x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm": "CRC32"}


def test_signed_chunks_are_joined(lab: Lab) -> None:
    """Signed chunks are verified, and their content is stored without sizes and signatures."""
    upload = Upload(lab.user("admin").keys, SIGNED)

    answer = lab.sandbox.handle(upload.request(upload.signed_body(TEXT[:4], TEXT[4:]))).answer

    assert (200, TEXT) == (answer.status, stored(lab, "new"))


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"some", b"somE"), (b"chunk-signature=", b"chunk-signature=0"), (b"4;", b"3;"), (b"\r\n0;", b"\r\n1;")],
)
def test_a_changed_chunk_is_refused(lab: Lab, old: bytes, new: bytes) -> None:
    """A chunk with changed content, size or signature is refused, and nothing is stored."""
    upload = Upload(lab.user("admin").keys, SIGNED)
    body = upload.signed_body(TEXT[:4], TEXT[4:]).replace(old, new, 1)

    answer = lab.sandbox.handle(upload.request(body)).answer

    assert code_of(answer) in {"SignatureDoesNotMatch", "IncompleteBody"}
    assert b"NoSuchKey" in stored(lab, "new")


def test_missing_and_reordered_chunks_are_refused(lab: Lab) -> None:
    """Chunks can't be omitted or reordered, because each signature includes the previous one."""
    upload = Upload(lab.user("admin").keys, SIGNED)
    whole = upload.signed_body(TEXT[:4], TEXT[4:])
    first, rest = whole[: whole.index(b"\r\n5;") + 2], whole[whole.index(b"\r\n5;") + 2 :]

    for body in (rest, rest + first, first, whole[:-20], b"", first + first + rest):
        assert code_of(lab.sandbox.handle(upload.request(body)).answer) in {"SignatureDoesNotMatch", "IncompleteBody"}


def test_a_trailer_and_its_checksum_are_verified(lab: Lab) -> None:
    """A signed trailer is verified, and its checksum is compared with the body's."""
    upload = Upload(lab.user("admin").keys, WITH_TRAILER, TRAILER)
    body = upload.signed_body(TEXT, trailer=f"x-amz-checksum-crc32:{CHECKSUM}")
    wrong = upload.signed_body(TEXT, trailer="x-amz-checksum-crc32:AAAAAA==")

    changed = body.replace(b"trailer-signature:", b"trailer-signature:0")

    assert code_of(lab.sandbox.handle(upload.request(changed)).answer) == "SignatureDoesNotMatch"
    assert code_of(lab.sandbox.handle(upload.request(wrong)).answer) == "BadDigest"
    assert lab.sandbox.handle(upload.request(body)).answer.status == 200
    assert stored(lab, "new") == TEXT


@pytest.mark.parametrize(
    ("trailer", "code"),
    [
        (f"x-amz-checksum-crc32:{CHECKSUM}", ""),
        ("x-amz-checksum-crc32:AAAAAA==", "BadDigest"),
        ("", "MalformedTrailerError"),
        ("x-amz-acl:public-read", "MalformedTrailerError"),
        (f"x-amz-checksum-crc32:{CHECKSUM}\r\nx-amz-acl:public-read", "MalformedTrailerError"),
    ],
)
def test_an_unsigned_trailer_has_the_announced_fields_only(lab: Lab, trailer: str, code: str) -> None:
    """An unsigned trailer must contain the announced checksums and no other header, such as x-amz-acl."""
    upload = Upload(lab.user("admin").keys, UNSIGNED, TRAILER)
    body = b"%x\r\n%s\r\n0\r\n%s\r\n\r\n" % (len(TEXT), TEXT, trailer.encode())

    answer = lab.sandbox.handle(upload.request(body)).answer

    assert code_of(answer) == code
    assert (stored(lab, "new") == TEXT) is (not code)


def test_a_body_must_match_its_hash(lab: Lab) -> None:
    """A body must match its `x-amz-content-sha256` header, unless that says UNSIGNED-PAYLOAD."""
    keys = lab.user("admin").keys
    request = sign(keys, "s3", "us-east-1", "PUT", "/bucket/new", {}, TEXT)
    assert request.headers["x-amz-content-sha256"] == sha256(TEXT).hexdigest()

    assert code_of(lab.sandbox.handle(request._replace(body=b"other")).answer) == "XAmzContentSHA256Mismatch"
    without = {name: value for name, value in request.headers.items() if name != "x-amz-content-sha256"}
    assert code_of(lab.sandbox.handle(request._replace(headers=without)).answer) == "InvalidRequest"
    assert lab.sandbox.handle(request).answer.status == 200


def test_checksums_in_headers_are_verified(lab: Lab) -> None:
    """Content-MD5 and the SDKs' checksum headers are verified.

    The test uses the published checksums of `123456789`.
    """
    keys, body = lab.user("admin").keys, b"123456789"
    published = {"crc32": "cbf43926", "crc32c": "e3069283", "crc64nvme": "ae8b14860a799888"}
    for name, digits in published.items():
        for value, status in ((bytes.fromhex(digits), 200), (bytes(len(digits) // 2), 400)):
            headers = {f"x-amz-checksum-{name}": b64encode(value).decode()}
            answer = lab.sandbox.handle(sign(keys, "s3", "us-east-1", "PUT", "/bucket/new", headers, body)).answer
            assert status == answer.status, (name, answer.body)
    md5 = {"content-md5": b64encode(bytes(16)).decode()}
    request = sign(keys, "s3", "us-east-1", "PUT", "/bucket/new", md5, body)
    assert code_of(lab.sandbox.handle(request).answer) == "BadDigest"


# --- presigned URLs ------------------------------------------------------------------------------------------------


def presigned(lab: Lab, version: str, operation: str, **parameters: object) -> HttpRequest:
    """Return the request for a URL presigned by boto3."""
    keys = lab.user("admin").keys
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=f"http://{HOST}",
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        config=Config(signature_version=version),
    )
    parts = urlsplit(client.generate_presigned_url(operation, Params={"Bucket": "bucket", **parameters}, ExpiresIn=60))
    method = "PUT" if operation.startswith("put") else "GET"
    return HttpRequest(method, parts.path, parts.query, {"host": HOST}, b"", PEER)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_url_is_valid_for_its_request_only(lab: Lab, version: str) -> None:
    """A presigned URL works only for its object, method and parameters."""
    read = presigned(lab, version, "get_object", Key="k")
    write = presigned(lab, version, "put_object", Key="new")._replace(body=b"written")

    assert lab.sandbox.handle(read).answer.body == TEXT
    assert lab.sandbox.handle(write).answer.status == 200
    assert stored(lab, "new") == b"written"
    for changed in (
        read._replace(path="/bucket/new"),
        read._replace(method="DELETE"),
        write._replace(path="/bucket/k"),
        read._replace(query=f"{read.query}&acl"),
        read._replace(query=f"{read.query}&x-amz-acl=public-read"),
        read._replace(query=read.query.replace("Signature=", "Signature=0")),
        read._replace(query=f"{read.query}&list-type=2", path="/bucket"),
        write._replace(headers={**write.headers, "x-amz-acl": "public-read"}),
        write._replace(headers={**write.headers, "x-amz-copy-source": "bucket/k"}),
    ):
        assert lab.sandbox.handle(changed).answer.status == 403


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize(
    "header", ["CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType"]
)
def test_a_presigned_url_signs_the_headers_that_it_overrides(lab: Lab, version: str, header: str) -> None:
    """Both signature versions cover `response-content-disposition` and similar parameters."""
    read = presigned(lab, version, "get_object", Key="k", **{f"Response{header}": "text/plain"})

    assert 200 == lab.sandbox.handle(read).answer.status
    assert 403 == lab.sandbox.handle(read._replace(query=read.query.replace("plain", "html"))).answer.status


@pytest.mark.parametrize("name", ["X-Amz-Signature", "X-Amz-Security-Token", "x-amz-security-token", "Signature"])
def test_a_query_with_a_part_of_a_signature_is_not_anonymous(lab: Lab, name: str) -> None:
    """A presigned URL with an incomplete signature is refused, even if anonymous callers may read the object."""
    let_anybody_read(lab)

    assert 200 == lab.sandbox.handle(unsigned("GET", "/bucket/k")).answer.status
    assert 403 == lab.sandbox.handle(unsigned("GET", "/bucket/k", f"{name}=x")).answer.status


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_url_expires(lab: Lab, version: str) -> None:
    """A presigned URL is refused after its expiry."""
    read = presigned(lab, version, "get_object", Key="k")
    if version == "s3":
        before = read.query
        read = read._replace(query=before.replace(f"Expires={int(time()) + 60}", f"Expires={int(time()) - 1}"))
        read = read._replace(query=read.query.replace(f"Expires={int(time()) + 59}", f"Expires={int(time()) - 1}"))
        assert read.query != before
    else:
        read = read._replace(query=read.query.replace("X-Amz-Date=20", "X-Amz-Date=19"))

    answer = lab.sandbox.handle(read).answer

    assert (403, "AccessDenied") == (answer.status, code_of(answer))
    assert "Request has expired" in answer.body.decode()


def test_headers_in_a_presigned_url_are_applied(lab: Lab) -> None:
    """`x-amz-meta-...` headers that an SDK moved into a presigned URL's query are stored with the object."""
    request = sign(
        lab.user("admin").keys, "s3", "us-east-1", "PUT", "/bucket/new", {}, b"", "x-amz-meta-m=v", presigned_seconds=60
    )

    assert lab.sandbox.handle(request._replace(body=TEXT)).answer.status == 200

    head = lab.user("admin").answer("s3", "HeadObject", Bucket="bucket", Key="new")
    assert ("x-amz-meta-m", "v") in head.headers


# --- anonymous and denied requests ---------------------------------------------------------------------------------


def unsigned(method: str, path: str, query: str = "", body: bytes = b"", host: str = HOST) -> HttpRequest:
    """Return an unsigned request."""
    return HttpRequest(method, path, query, {"host": host}, body, PEER)


def let_anybody_read(lab: Lab) -> None:
    """Set a bucket policy that allows anonymous reads."""
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::bucket/k",
        },
    }
    lab.user("admin").call("s3", "PutBucketPolicy", Bucket="bucket", Policy=json.dumps(policy))


def test_anonymous_requests_get_what_the_bucket_policy_allows(lab: Lab) -> None:
    """An anonymous caller may do exactly what the bucket policy allows for `Principal: *`."""
    assert lab.sandbox.handle(unsigned("GET", "/bucket/k")).answer.status == 403
    let_anybody_read(lab)

    assert lab.sandbox.handle(unsigned("GET", "/bucket/k")).answer.body == TEXT
    assert lab.sandbox.handle(unsigned("GET", "/k", host="bucket.localhost:4566")).answer.body == TEXT
    for request in (
        unsigned("GET", "/bucket/other"),
        unsigned("PUT", "/bucket/k", body=b"x"),
        unsigned("DELETE", "/bucket/k"),
        unsigned("GET", "/bucket"),
        unsigned("GET", "/bucket", "policy"),
        unsigned("GET", "/bucket/k", "acl"),
        unsigned("GET", "/", host="bucket.localhost:4566"),
        unsigned("PUT", "/new-bucket"),
        unsigned("POST", "/bucket", "delete", b"<Delete><Object><Key>k</Key></Object></Delete>"),
    ):
        assert lab.sandbox.handle(request).answer.status == 403, request
    assert lab.sandbox.handle(unsigned("POST", "/bucket", "delete", b"<Delete/>")).answer.status == 400
    assert stored(lab, "k") == TEXT


@pytest.mark.parametrize("header", ["AWS AKIA:signature", "Basic eDp5", "AWS4-HMAC-SHA256 Credential=x", ""])
def test_an_invalid_signature_is_not_anonymous(lab: Lab, header: str) -> None:
    """A request with an invalid Authorization header is not treated as anonymous."""
    let_anybody_read(lab)
    request = unsigned("GET", "/bucket/k")

    answer = lab.sandbox.handle(request._replace(headers={**request.headers, "authorization": header})).answer

    assert answer.status in {400, 403}


def test_errors_have_s3_form(lab: Lab) -> None:
    """An S3 error has no wrapper element and names caller and action; for HEAD there is only the status."""
    nobody = lab.user("nobody")

    answer = nobody.answer("s3", "GetObject", Bucket="bucket", Key="k")
    head = nobody.answer("s3", "HeadObject", Bucket="bucket", Key="k")

    text = answer.body.decode()
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>')
    assert "user/nobody is not authorized to perform: s3:GetObject on resource:" in text
    assert "because no identity-based policy allows the s3:GetObject action" in text
    assert (403, b"") == (head.status, head.body)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"access_key_id": "AKIAIOSFODNN7EXAMPLE"}, "InvalidAccessKeyId"),
        ({"secret_access_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"session_token": "token"}, "InvalidToken"),
    ],
)
def test_invalid_keys_have_s3_error_codes(lab: Lab, change: dict[str, str], code: str) -> None:
    """Invalid credentials get S3's own error codes."""
    keys = lab.user("admin").keys
    parameters = {"access_key_id": keys.access_key_id, "secret_access_key": keys.secret_access_key, **change}

    answer = Person(lab, Keys(**parameters)).answer("s3", "ListBuckets")

    assert code_of(answer) == code


def test_a_query_with_two_subresources_performs_one_operation(lab: Lab) -> None:
    """For a query with several subresources, S3 performs exactly the operation that was authorized."""
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": OTHER},
            "Action": "s3:GetBucketTagging",
            "Resource": "arn:aws:s3:::bucket",
        },
    }
    lab.user("admin").call("s3", "PutBucketPolicy", Bucket="bucket", Policy=json.dumps(policy))
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    lab.user("admin").call("s3", "PutBucketTagging", Bucket="bucket", Tagging=tags)
    keys = lab.user("admin", OTHER).keys

    for query in ("policy&tagging", "tagging&policy", "tagging&acl", "tagging&versions&policy="):
        answer = lab.sandbox.handle(sign(keys, "s3", "us-east-1", "GET", "/bucket", {}, b"", query)).answer
        assert answer.status == 403 or b"<TagSet>" in answer.body
        assert b"2012-10-17" not in answer.body


@pytest.mark.parametrize("query", ["lifecycle", "versioning", "tagging", "publicAccessBlock"])
def test_a_missing_body_is_reported(lab: Lab, query: str) -> None:
    """A missing body gets an S3 error, not an internal failure."""
    request = sign(lab.user("admin").keys, "s3", "us-east-1", "PUT", "/bucket", {}, b"", query)

    assert lab.sandbox.handle(request).answer.status in {400, 404}


def test_a_form_with_a_signed_header_is_refused(lab: Lab) -> None:
    """A form whose signature is in a header gets a 501 and stores nothing."""
    body = b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nnew\r\n--x--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=x"}

    request = sign(lab.user("admin").keys, "s3", "us-east-1", "POST", "/bucket", headers, body)
    answer = lab.sandbox.handle(request).answer

    assert (501, "NotImplemented") == (answer.status, code_of(answer))
    assert b"NoSuchKey" in stored(lab, "new")


def test_the_expected_bucket_owner_is_checked(lab: Lab) -> None:
    """ExpectedBucketOwner refuses a bucket of another account, also as the source of a copy."""
    admin, owner = lab.user("admin"), "111111111111"

    for operation, more in (
        ("GetObject", {}),
        ("PutObject", {"Body": b"x"}),
        ("CopyObject", {"CopySource": "bucket/k"}),
        ("ListObjectsV2", {}),
        ("DeleteObject", {}),
    ):
        parameters = {"Bucket": "bucket", **({} if operation == "ListObjectsV2" else {"Key": "new"}), **more}
        refused = admin.answer("s3", operation, **parameters, ExpectedBucketOwner=OTHER)
        assert (403, "AccessDenied") == (refused.status, code_of(refused)), operation
    source = {"Bucket": "bucket", "Key": "new", "CopySource": "bucket/k", "ExpectedBucketOwner": owner}
    assert admin.answer("s3", "CopyObject", **source, ExpectedSourceBucketOwner=OTHER).status == 403
    assert b"NoSuchKey" in stored(lab, "new")
    assert admin.answer("s3", "CopyObject", **source, ExpectedSourceBucketOwner=owner).status == 200
    assert stored(lab, "new") == TEXT
