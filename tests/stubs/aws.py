"""Answers in AWS's words, and a check of signatures by botocore's independent signer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.stubs.server import Answer, Seen

REQUEST_ID = "aaaabbbb-cccc-dddd-eeee-ffff00001111"
"""Request id of every answer."""
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def signature_is_right(
    seen: Seen, base_url: str, secret_access_key: str, *, service: str, region: str = "us-east-1"
) -> bool:
    """Whether botocore computes the same signature; no relevant part may be unsigned."""
    prefix, _, rest = seen.header("Authorization").partition(" Credential=")
    credential, _, rest = rest.partition(", SignedHeaders=")
    names, _, signature = rest.partition(", Signature=")
    key, date, scope_region, scope_service, terminator = credential.split("/")
    timestamp = seen.header("X-Amz-Date")
    signed = names.split(";")
    required = {"host", "x-amz-date"} | {
        name.lower() for name, _ in seen.headers if name.lower().startswith("x-amz-") or name.lower() == "content-type"
    }
    if (prefix, scope_region, scope_service) != ("AWS4-HMAC-SHA256", region, service):
        return False
    if not required <= set(signed) or (date, terminator) != (timestamp[:8], "aws4_request"):
        return False
    request = AWSRequest(seen.method, base_url + seen.target, {}, seen.body)
    request.context["timestamp"] = timestamp
    signer = _SignerOf(signed, seen, Credentials(key, secret_access_key), service, region)
    canonical = signer.canonical_request(request)
    return bool(signer.signature(signer.string_to_sign(request, canonical), request) == signature)


class _SignerOf(SigV4Auth):  # type: ignore[misc]  # botocore ships no types
    """Signs the headers that the client signed, with the received values."""

    def __init__(self, names: list[str], seen: Seen, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._names, self._seen = names, seen

    def headers_to_sign(self, _request: object) -> Message:
        """Gives the headers of the client's choice."""
        headers = Message()
        for name in self._names:
            headers[name] = self._seen.header(name)
        return headers


def parameters_of(seen: Seen) -> dict[str, str]:
    """The form in a request to a query API."""
    pairs = parse_qsl(seen.body.decode(), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), "a parameter was sent twice"
    return dict(pairs)


def assume_role_answer(
    *,
    access_key_id: str = "ASIAEXAMPLEEXAMPLE01",
    secret_access_key: str = "se/cret+of+the+session",
    session_token: str = "token/of+the/session==",
    expiration: str = "2026-11-24T13:00:00Z",
    arn: str = "arn:aws:sts::111122223333:assumed-role/ROLE/session",
    extra: str = "",
    action: str = "AssumeRole",
) -> Answer:
    """STS's answer to AssumeRole (or to the similar `action`)."""
    return Answer(
        body=f"""<{action}Response xmlns="{STS_NAMESPACE}">
  <{action}Result>
    <AssumedRoleUser>
      <AssumedRoleId>AROAEXAMPLEEXAMPLE001:session</AssumedRoleId>
      <Arn>{arn}</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>{access_key_id}</AccessKeyId>
      <SecretAccessKey>{secret_access_key}</SecretAccessKey>
      <SessionToken>{session_token}</SessionToken>
      <Expiration>{expiration}</Expiration>
    </Credentials>
    {extra}
  </{action}Result>
  <ResponseMetadata>
    <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>
  </ResponseMetadata>
</{action}Response>
""".encode(),
        headers=(
            ("Content-Type", "text/xml"),
            ("x-amzn-requestid", "01234567-89ab-cdef-0123-456789abcdef"),
            ("Date", "Tue, 24 Nov 2026 12:00:00 GMT"),
        ),
    )


def sts_error(code: str, message: str, status: int = 403, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """A refusal by a query API."""
    text = message.replace("&", "&amp;").replace("<", "&lt;")
    return Answer(
        status=status,
        body=f"""<ErrorResponse xmlns="{STS_NAMESPACE}">
  <Error>
    <Type>Sender</Type>
    <Code>{code}</Code>
    <Message>{text}</Message>
  </Error>
  <RequestId>fedcba98-7654-3210-fedc-ba9876543210</RequestId>
</ErrorResponse>
""".encode(),
        headers=(("Content-Type", "text/xml"), *headers),
    )


def json_answer(content: Mapping[str, object], status: int = 200) -> Answer:
    """An answer of a JSON API."""
    return Answer(
        status=status,
        body=json.dumps(content).encode(),
        headers=(("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", REQUEST_ID)),
    )


def json_error(code: str, message: str, status: int = 400) -> Answer:
    """A refusal by a JSON API."""
    return json_answer({"__type": code, "Message": message}, status)
