"""IAM Roles Anywhere: CreateSession, signed with the key of an X.509 certificate.

IAM Roles Anywhere User Guide, "Signing process": Signature Version 4 in which the serial number replaces the access
key id, and the certificate's key signs the string to sign instead of an HMAC.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from hashlib import sha256

from dsops.aws.http.answer import Content, lacks, object_in, objects_in, text_in
from dsops.aws.http.call import Call, Client
from dsops.aws.http.client import call_rest, quote
from dsops.aws.http.wire import WireRequest
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AssumeRoleDenied, AwsAnswer, CertificateRefused, DsopsError, StsRefused
from dsops.secret import Secret
from dsops.startup import NamedTuple

_PARTS = ("accessKeyId", "secretAccessKey", "sessionToken")
_JSON = "application/json"
_NOT_ASSUMED = "Unable to assume role"


class CertificateSigner(NamedTuple):
    """A certificate, its chain, and a function that signs with its key."""

    certificate: bytes
    """The certificate in DER."""
    intermediates: tuple[bytes, ...]
    """The certificates between this one and the trust anchor, in DER."""
    serial_number: int
    algorithm: str
    """`AWS4-X509-RSA-SHA256` or `AWS4-X509-ECDSA-SHA256`."""
    sign: Callable[[bytes], Awaitable[bytes]]
    """Returns the signature of the data, with SHA-256."""


class SessionParameters(NamedTuple):
    """The parameters of CreateSession. Empty values are not sent."""

    trust_anchor_arn: str
    profile_arn: str
    role_arn: str
    duration_seconds: int | None = None
    role_session_name: str = ""


async def create_session(
    client: Client, signer: CertificateSigner, endpoint: Endpoint, asked: SessionParameters
) -> Credentials:
    """Return a session of the role.

    Raises AssumeRoleDenied, CertificateRefused or StsRefused, in addition to the errors of every call.
    """
    query = (("profileArn", asked.profile_arn), ("roleArn", asked.role_arn), ("trustAnchorArn", asked.trust_anchor_arn))
    path = "/sessions?" + "&".join(f"{name}={quote(value)}" for name, value in query)
    parameters: dict[str, object] = {}
    if asked.duration_seconds is not None:
        parameters["durationSeconds"] = asked.duration_seconds
    if asked.role_session_name:
        parameters["roleSessionName"] = asked.role_session_name

    async def sign(request: WireRequest, timestamp: str) -> tuple[tuple[str, str], ...]:
        return await signed_headers(signer, endpoint, request, timestamp)

    doing = f"create a session of {asked.role_arn}"
    call = Call(endpoint, None, "CreateSession", doing, _refused(asked.role_arn), path=path, sign=sign)
    content = await call_rest(client, call, parameters)
    return _credentials(client, endpoint, content)


async def signed_headers(
    signer: CertificateSigner, endpoint: Endpoint, request: WireRequest, timestamp: str
) -> tuple[tuple[str, str], ...]:
    """Return the headers that sign the request at that time (`20261124T120000Z`)."""
    headers = {name.lower(): value for name, value in request.headers}
    headers |= {"host": request.address.authority, "x-amz-date": timestamp, "x-amz-x509": _encoded(signer.certificate)}
    if signer.intermediates:
        headers["x-amz-x509-chain"] = ",".join(_encoded(each) for each in signer.intermediates)
    names = ";".join(sorted(headers))
    scope = f"{timestamp[:8]}/{endpoint.signing_region}/{endpoint.service}/aws4_request"
    text = f"{signer.algorithm}\n{timestamp}\n{scope}\n{_canonical_hash(request, headers)}"
    signature = await signer.sign(text.encode())
    credential = f"Credential={signer.serial_number}/{scope}"
    authorization = f"{signer.algorithm} {credential}, SignedHeaders={names}, Signature={signature.hex()}"
    added = [(name, value) for name, value in headers.items() if name.startswith("x-amz-")]
    return (*added, ("Authorization", authorization))


def _canonical_hash(request: WireRequest, headers: Mapping[str, str]) -> str:
    """Return the SHA-256 of the canonical request. Its path and query are already in canonical form."""
    _, _, query = request.url.partition("?")
    lines = [
        request.method,
        request.address.path,
        query,
        *(f"{name}:{headers[name]}" for name in sorted(headers)),
        "",
        ";".join(sorted(headers)),
        sha256(request.body).hexdigest(),
    ]
    return sha256("\n".join(lines).encode()).hexdigest()


def _encoded(der: bytes) -> str:
    return base64.b64encode(der).decode()


def _refused(role_arn: str) -> Callable[[AwsAnswer, str], DsopsError | None]:
    def refused(answer: AwsAnswer, doing: str) -> DsopsError | None:
        if answer.code == "AccessDeniedException" and answer.message.startswith(_NOT_ASSUMED):
            return _not_assumed(answer, role_arn)
        if answer.code == "AccessDeniedException":
            hint = "compare trust anchor, profile and certificate: `aws rolesanywhere list-subjects` shows what AWS saw"
            return CertificateRefused(f"not allowed to {doing}", why=answer.message, hint=hint, aws=answer)
        if answer.code == "ResourceNotFoundException":
            hint = "check `trust_anchor_arn`, `profile_arn` and their region"
            return CertificateRefused(f"could not {doing}", why=answer.message, hint=hint, aws=answer)
        if answer.code == "ValidationException":
            return StsRefused(
                f"{answer.endpoint} refused to {doing}",
                why=answer.message,
                hint="check the keys of the store",
                aws=answer,
            )
        return None

    return refused


def _not_assumed(answer: AwsAnswer, role_arn: str) -> DsopsError:
    if "MaxSessionDuration" in answer.message:
        hint = "lower `duration_seconds` or the profile's duration, or raise the role's maximum"
        return StsRefused(f"{answer.endpoint} could not assume {role_arn}", why=answer.message, hint=hint, aws=answer)
    return AssumeRoleDenied(
        f"IAM Roles Anywhere may not assume {role_arn}",
        why=answer.message,
        hint=(
            "the trust policy must allow rolesanywhere.amazonaws.com sts:AssumeRole, sts:TagSession and "
            "sts:SetSourceIdentity for this certificate and trust anchor"
        ),
        aws=answer,
    )


def _credentials(client: Client, endpoint: Endpoint, content: Content) -> Credentials:
    sessions = objects_in(content, "credentialSet")
    session = sessions[0] if sessions else {}
    found = object_in(session, "credentials")
    parts = {name: text_in(found, name) for name in _PARTS}
    for name, text in parts.items():
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise lacks(endpoint, "CreateSession", f"credentials/{name} that could be one")
    expiration = _instant(text_in(found, "expiration"))
    if expiration is None:
        raise lacks(endpoint, "CreateSession", "credentials/expiration that is a time")
    key_id, secret_key, token = parts.values()
    return Credentials(
        key_id,
        Secret(secret_key),
        Secret(token),
        expiration,
        issued_at=client.runtime.now(),
        arn=text_in(object_in(session, "assumedRoleUser"), "arn"),
        request_id=content.request_id,
        source_identity=text_in(session, "sourceIdentity"),
    )


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None
