"""Uploads from HTML forms (presigned POST): signature, policy document, permissions, answers."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from hashlib import sha1
from time import gmtime, strftime, time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from dsops.request.messages import HttpAnswer, HttpRequest
from tests.sandboxes import HOST, OTHER, PEER, Keys, Lab

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.unit.sandbox.conftest import LabFactory

PUBLIC = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::bucket/public/*",
    },
}
SEED = """
accounts:
  "111111111111":
    users:
      writer:
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "s3:PutObject",
           Resource: "arn:aws:s3:::bucket/mine/*", Condition: {StringEquals: {"s3:authType": POST}}}}
    roles:
      Writer:
        trust: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole",
          Principal: {AWS: "111111111111"}}}
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "s3:PutObject", Resource: "*"}}
  "222222222222": {}
"""
TEXT = b"some text\r\n--not the boundary\r\n"


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with a bucket to which everyone may write under `public/`."""
    lab = make_lab(SEED)
    admin = lab.user("admin")
    admin.call("s3", "CreateBucket", Bucket="bucket")
    admin.call("s3", "PutBucketPolicy", Bucket="bucket", Policy=json.dumps(PUBLIC))
    return lab


def signed(
    keys: Keys,
    key: str = "mine/x",
    conditions: Sequence[object] = (),
    version: str = "s3v4",
    more: Mapping[str, str] = {},
    **named: str,
) -> dict[str, str]:
    """Return the fields that boto3 signs for a form: those in `more`, the named ones, and those of the signature."""
    fields = {**more, **named}
    client = boto3.client(
        "s3",
        "us-east-1",
        endpoint_url=f"http://{HOST}",
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
        config=Config(signature_version=version),
    )
    all_conditions = [*conditions, *({name: value} for name, value in fields.items())]
    form: dict[str, str] = client.generate_presigned_post("bucket", key, fields, all_conditions, 600)["fields"]
    return form


def resigned(keys: Keys, policy: object, **fields: str) -> dict[str, str]:
    """Return the fields of a form with this policy document, signed with version 2."""
    text = b64encode(policy if isinstance(policy, bytes) else json.dumps(policy).encode())
    signature = b64encode(hmac.new(keys.secret_access_key.encode(), text, sha1).digest()).decode()
    own = {"key": "mine/x", "AWSAccessKeyId": keys.access_key_id, "policy": text.decode(), "signature": signature}
    return own | fields


def upload(
    lab: Lab,
    fields: Mapping[str, str],
    file: bytes = TEXT,
    *,
    headers: Mapping[str, str] = {},
    path: str = "/bucket",
    after: bytes = b"",
) -> HttpAnswer:
    """Send the form as a browser does; return the answer."""
    part = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    body = b"".join(part % (name.encode(), b"", value.encode()) for name, value in fields.items())
    body += part % (b"file", b'; filename="C:\\pictures\\cat.png"\r\nContent-Type: image/png', file)
    sent = {"host": HOST, "content-type": "multipart/form-data; boundary=b", **headers}
    return lab.sandbox.handle(HttpRequest("POST", path, "", sent, body + after + b"--b--\r\n", PEER)).answer


def code_of(answer: HttpAnswer) -> str:
    """Return the code in an S3 error response."""
    return answer.body.decode().partition("<Code>")[2].partition("</Code>")[0]


def stored(lab: Lab, key: str) -> HttpAnswer:
    """Return the answer with a stored object."""
    return lab.user("admin").answer("s3", "GetObject", Bucket="bucket", Key=key)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize("path", ["/bucket", "/bucket/"])
def test_a_form_signed_by_boto3_stores_its_file(lab: Lab, version: str, path: str) -> None:
    """A presigned POST stores exactly the file's bytes."""
    answer = upload(lab, signed(lab.user("writer").keys, version=version), path=path)

    assert (204, b"") == (answer.status, answer.body)
    assert stored(lab, "mine/x").body == TEXT
    assert ("Location", f"http://{HOST}/bucket/mine/x") in answer.headers


def test_a_form_reaches_a_bucket_by_its_host_name(lab: Lab) -> None:
    """The bucket can be in the host name."""
    answer = upload(lab, signed(lab.user("writer").keys), path="/", headers={"host": "bucket.localhost:4566"})

    assert (204, TEXT) == (answer.status, stored(lab, "mine/x").body)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_session_signs_a_form(lab: Lab, version: str) -> None:
    """A role session signs a form; its token is part of the form."""
    keys = lab.user("admin").assume("arn:aws:iam::111111111111:role/Writer").keys
    fields = signed(keys, version=version)

    assert 403 == upload(lab, fields, path="/elsewhere").status
    assert 204 == upload(lab, fields).status
    for change in ({"x-amz-security-token": "x"}, {"x-amz-security-token": ""}):
        assert 403 == upload(lab, fields | change).status


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_changed_form_is_refused(lab: Lab, version: str) -> None:
    """A form with another key, another policy, another signature or a further field is refused."""
    keys = lab.user("writer").keys
    fields, other = signed(keys, version=version), signed(keys, "mine/other", version=version)
    signature = "x-amz-signature" if version == "s3v4" else "signature"
    for change in (
        {"key": "mine/y"},
        {"policy": other["policy"]},
        {signature: other[signature]},
        {signature: "\N{SNOWMAN}"},
        {"acl": "public-read"},
        {"x-amz-meta-more": "1"},
        {"Content-Type": "text/html"},
    ):
        assert 403 == upload(lab, fields | change).status, change
    assert 404 == stored(lab, "mine/x").status == stored(lab, "mine/y").status


def test_the_signer_needs_permission(lab: Lab) -> None:
    """The signer must be allowed to perform s3:PutObject on the key, and s3:PutObjectAcl for an ACL."""
    keys = lab.user("writer").keys

    assert b"s3:PutObject on resource" in upload(lab, signed(keys, "theirs/x")).body
    answer = upload(lab, signed(keys, acl="bucket-owner-full-control"))
    assert 403 == answer.status
    assert b"s3:PutObjectAcl" in answer.body
    assert 403 == upload(lab, signed(lab.user("admin", OTHER).keys, "x")).status


def test_a_form_without_signature_is_anonymous(lab: Lab) -> None:
    """An unsigned form has the permissions that the bucket policy gives to everyone."""
    assert [204, 403] == [upload(lab, {"key": key}).status for key in ("public/x", "mine/x")]


@pytest.mark.parametrize("left_out", ["x-amz-signature", "x-amz-credential", "x-amz-date", "x-amz-algorithm", "policy"])
def test_an_incomplete_signature_is_not_anonymous(lab: Lab, left_out: str) -> None:
    """A form with a part of a signature is refused, although an unsigned form is accepted."""
    fields = signed(lab.user("writer").keys, "public/x")
    del fields[left_out]

    assert (400, "InvalidArgument") == ((answer := upload(lab, fields)).status, code_of(answer))


def test_a_policy_without_signature_is_not_anonymous(lab: Lab) -> None:
    """A form with a policy but no signature is refused; a form with neither of them is anonymous."""
    policy = signed(lab.user("writer").keys, "public/x")["policy"]

    assert 403 == upload(lab, {"key": "public/x", "policy": policy}).status


def test_other_headers_do_not_count(lab: Lab) -> None:
    """Headers of the HTTP request are not headers of the object, because the signature does not cover them."""
    headers = {"x-amz-acl": "public-read", "x-amz-copy-source": "bucket/k", "x-amz-meta-a": "1"}

    assert 204 == upload(lab, signed(lab.user("writer").keys), headers=headers).status
    answer = stored(lab, "mine/x")
    assert TEXT == answer.body
    assert "x-amz-meta-a" not in dict(answer.headers)


def test_fields_are_the_headers_of_the_object(lab: Lab) -> None:
    """Metadata and the content type come from the form's fields; `${filename}` is the file's name."""
    fields = signed(
        lab.user("writer").keys,
        "mine/${filename}",
        more={"x-amz-meta-who": "J\N{LATIN SMALL LETTER O WITH DIAERESIS}rg"},
    )

    assert 204 == upload(lab, fields, after=b'--b\r\nContent-Disposition: form-data; name="z"\r\n\r\n1\r\n').status
    headers = {name.lower(): value for name, value in stored(lab, "mine/cat.png").headers}
    assert headers["x-amz-meta-who"] == "J\N{LATIN SMALL LETTER O WITH DIAERESIS}rg"


def test_the_form_chooses_the_answer(lab: Lab) -> None:
    """The status is 200, 201 with XML, or 204; or the browser is redirected with the object's names."""
    keys = lab.user("writer").keys
    for status, expected in (("200", 200), ("201", 201), ("500", 204)):
        answer = upload(lab, signed(keys, success_action_status=status))
        assert expected == answer.status
        assert (expected == 201) is (b"<Bucket>bucket</Bucket><Key>mine/x</Key><ETag>" in answer.body)
    answer = upload(lab, signed(keys, success_action_redirect="https://example.com/done?a=1"))
    assert 303 == answer.status
    location = dict(answer.headers)["Location"]
    assert location.startswith("https://example.com/done?a=1&bucket=bucket&key=mine%2Fx&etag=%22")
    for ignored in ("javascript:alert(1)", "https://[", "nothing"):
        assert 204 == upload(lab, signed(keys, success_action_redirect=ignored)).status


def moment(seconds: float = 60) -> str:
    """Return a time in the form of a policy's expiration."""
    return strftime("%Y-%m-%dT%H:%M:%S.000Z", gmtime(time() + seconds))


def test_an_expired_policy_is_refused(lab: Lab) -> None:
    """The expiration in the policy limits the form."""
    keys = lab.user("writer").keys
    policy = {"expiration": moment(-1), "conditions": [{"bucket": "bucket"}, {"key": "mine/x"}]}
    answer = upload(lab, resigned(keys, policy))

    assert b"Invalid according to Policy: Policy expired." in answer.body
    assert 403 == answer.status


@pytest.mark.parametrize(
    ("condition", "status", "words"),
    [
        (["starts-with", "$key", "mine/"], 204, ""),
        (["STARTS-WITH", "$Key", ""], 204, ""),
        (["eq", "$key", "mine/x"], 204, ""),
        (["eq", "$key", "mine/X"], 403, 'Policy Condition failed: ["eq", "$key", "mine/X"]'),
        (["starts-with", "$key", "theirs/"], 403, 'Policy Condition failed: ["starts-with", "$key", "theirs/"]'),
        (["eq", "key", "mine/x"], 403, 'Policy Condition failed: ["eq", "key", "mine/x"]'),
        ({"key": "mine/y"}, 403, 'Policy Condition failed: ["eq", "$key", "mine/y"]'),
        ({"bucket": "other"}, 403, "Policy Condition failed"),
        ({"acl": "private"}, 403, "Policy Condition failed"),
        (["starts-with", "$x-amz-meta-a", ""], 403, "Policy Condition failed"),
        (["content-length-range", 1, 100], 403, "Extra input fields: key"),
        ({"key": "mine/x", "bucket": "bucket"}, 400, "Simple-Conditions must have exactly one property"),
        (["in", "$key", "mine/x"], 400, "Invalid Policy"),
        (["eq", "$key", ["mine/x"]], 400, "Invalid Policy"),
        (["eq", "$key"], 400, "Invalid Policy"),
        ("key", 400, "Invalid Policy"),
        (None, 400, "Invalid Policy"),
    ],
)
def test_every_condition_must_hold(lab: Lab, condition: object, status: int, words: str) -> None:
    """A form is accepted only if it meets every condition, and the messages are those of AWS."""
    policy = {"expiration": moment(), "conditions": [condition, {"bucket": "bucket"}]}
    answer = upload(lab, resigned(lab.user("writer").keys, policy))

    assert status == answer.status, answer.body
    assert words in answer.body.decode().replace("&quot;", '"')


@pytest.mark.parametrize(
    ("bounds", "code"),
    [((1, 10), "EntityTooLarge"), (("40", "50"), "EntityTooSmall"), (("a", 50), "AccessDenied"), (("0", "31"), "")],
)
def test_the_size_of_the_file_is_limited(lab: Lab, bounds: tuple[object, object], code: str) -> None:
    """content-length-range limits the file, not the form."""
    assert len(TEXT) == 31
    assert code == code_of(upload(lab, signed(lab.user("writer").keys, conditions=[["content-length-range", *bounds]])))


@pytest.mark.parametrize(
    "policy",
    [
        b"{",
        b"[]",
        b"\xff",
        b"[" * 10_000,
        {},
        {"expiration": "x"},
        {"expiration": "2999-01-01T00:00:00"},
        {"expiration": "2999-01-01T00:00:00Z"},
        {"expiration": "2999-01-01T00:00:00Z", "conditions": {}},
    ],
)
def test_an_invalid_policy_is_refused(lab: Lab, policy: Any) -> None:
    """A signed policy that is not a valid policy document is refused."""
    assert "InvalidPolicyDocument" == code_of(upload(lab, resigned(lab.user("writer").keys, policy)))


def test_each_content_type_must_have_the_prefix(lab: Lab) -> None:
    """A list of content types meets `starts-with` if each of them does."""
    conditions = [["starts-with", "$Content-Type", "image/"]]
    fields = signed(lab.user("writer").keys, conditions=conditions)

    assert 204 == upload(lab, fields | {"Content-Type": "image/png,image/gif"}).status
    assert 403 == upload(lab, fields | {"Content-Type": "image/png,text/html"}).status


@pytest.mark.parametrize("field", ["x-amz-copy-source", "x-amz-grant-read", "tagging"])
def test_unknown_fields_are_not_ignored(lab: Lab, field: str) -> None:
    """A field that the sandbox does not know gets a 501, and nothing is stored."""
    assert 501 == upload(lab, signed(lab.user("writer").keys, more={field: "bucket/k"})).status
    assert 404 == stored(lab, "mine/x").status


def test_a_line_break_in_a_field_is_refused(lab: Lab) -> None:
    """A field that becomes a header has no line break."""
    assert (
        400 == upload(lab, signed(lab.user("writer").keys, more={"x-amz-meta-a": "1\r\nx-amz-acl: public-read"})).status
    )


KEY = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\npublic/x\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedPOSTRequest"),
        (KEY + FILE, "MalformedPOSTRequest"),
        (b"--b\r\n\r\nx\r\n--b--", "MalformedPOSTRequest"),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "MalformedPOSTRequest"),
        (KEY.replace(b"public", b"\xff") + FILE + b"--b--", "MalformedPOSTRequest"),
        (KEY + b"--b--", "InvalidArgument"),
        (FILE + KEY + b"--b--", "InvalidArgument"),
        (KEY + KEY.replace(b"public", b"mine") + FILE + b"--b--", "InvalidArgument"),
        (KEY.replace(b"public", b"p" * 20_480) + FILE + b"--b--", "MaxPostPreDataLengthExceededError"),
        (KEY.replace(b"x", b"${filename}") + FILE + b"--b--", ""),
    ],
)
def test_a_malformed_form_is_refused(lab: Lab, body: bytes, code: str) -> None:
    """A form without a key, a file or an end is refused, and so is one with two keys."""
    headers = {"host": HOST, "content-type": 'multipart/form-data; boundary="b"'}

    assert code == code_of(lab.sandbox.handle(HttpRequest("POST", "/bucket", "", headers, body, PEER)).answer)
