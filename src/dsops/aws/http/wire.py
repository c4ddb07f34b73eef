"""HTTP requests and answers as the transports exchange them, and the errors for an answer that never came."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dsops.aws.http.network import Proxy, Trust
from dsops.endpoint import Address, parse_address
from dsops.errors import AnswerInvalid, CredentialsInvalid, ServiceError, TimedOut, TlsRefused, Unreachable
from dsops.secret import Secret
from dsops.startup import NamedTuple, TypeVar
from dsops.version import __version__

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""The longest answer accepted. The longest that we request is 8 MB: 20 secrets of 64 KB, all of it JSON escapes."""

NO_HTTP = "the answer is not HTTP"
"""Why an answer is rejected. Its bytes may be anything, and are not shown."""

USER_AGENT = f"dsops/{__version__}"

MAX_CONNECTIONS = 64
"""Connections open at once. 100 requests take two rounds; 64 handshakes cost 70 ms of CPU, so more would not help."""

_E = TypeVar("_E", bound=ServiceError)

# A line break would end the header. A space at either end would be stripped on the way and break the signature.
_UNSAFE = re.compile(r"[^\x20-\x7e]|^ | $")


class Signing(NamedTuple):
    """The inputs of a Signature Version 4. `timestamp` (`20261124T120000Z`) is by the server's clock."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None
    service: str
    region: str
    timestamp: str


class WireRequest(NamedTuple):
    """One HTTP request with its proxy, certificates and limits, so that a transport reads no environment.

    Header values, query and body may hold secrets (an external ID, a session), so the repr shows none of them.
    """

    method: str
    url: str
    """Path and query are percent-encoded, without `//` or `.` segments: the URL is signed as it stands."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    signing: Signing | None = None
    proxy: Proxy | None = None
    trust: Trust | None = None
    """None trusts the operating system's certificates."""
    connect_timeout_ms: int = 5_000
    total_timeout_ms: int = 30_000
    is_once: bool = False
    """The request must not reach the service twice, so the transport must not repeat it on a second connection."""
    asks_certificate: bool = False
    """Whether to return the expiry of the server's certificate, which takes a connection of its own."""

    @property
    def address(self) -> Address:
        """The address that the request is sent to."""
        address = parse_address(self.url.partition("?")[0])
        if address is None:
            raise ValueError("a request needs an http(s) URL without user part or fragment")
        return address

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.partition('?')[0]})"


class Response(NamedTuple):
    """An HTTP response. Header names are lower case, the last of a repeated header counts; the repr hides the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    certificate_end: str = ""
    """Certificate expiry as OpenSSL writes it (`Nov 25 12:00:00 2026 GMT`); "" if not asked for or not available."""

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


def checked_headers(request: WireRequest) -> list[tuple[str, str]]:
    """The request's headers plus those that its signature needs (except Authorization), checked for the wire.

    Raises CredentialsInvalid when a key or token has a character that would end its header (a line break).
    """
    headers = list(request.headers)
    signing = request.signing
    if signing is not None:
        token = signing.session_token.reveal() if signing.session_token is not None else ""
        for part_name, text in (
            ("access key id", signing.access_key_id),
            ("secret access key", signing.secret_access_key.reveal()),
            ("session token", token),
        ):
            if _UNSAFE.search(text):
                raise CredentialsInvalid(
                    f"the {part_name} has a character that it can't contain",
                    hint="look for a line break or a space at its end, where it comes from",
                )
        headers.append(("X-Amz-Date", signing.timestamp))
        if token:
            headers.append(("X-Amz-Security-Token", token))
    for name, value in request.headers:
        if _UNSAFE.search(name) or _UNSAFE.search(value):
            raise ValueError(f"the header {name!r} can't be sent")
    return headers


def where(request: WireRequest) -> str:
    """The host, and the proxy in between: `sts.us-east-1.amazonaws.com through the proxy http://proxy:3128`."""
    through = f" through the proxy {request.proxy.url}" if request.proxy else ""
    return f"{request.address.authority}{through}"


def unreachable(request: WireRequest, why: str, *, how_far: str = "unsent") -> Unreachable:
    """The error for a connection that failed or broke; `how_far` is one of `ServiceError.how_far`."""
    from dsops.aws.http.advice import for_broken, for_unreachable

    if how_far == "unsent":
        error = Unreachable(
            f"could not reach {where(request)}", why=why, hint=for_unreachable(request.address, request.proxy, why)
        )
    else:
        error = Unreachable(f"lost the connection to {where(request)}", why=why, hint=for_broken(request.proxy))
    return _with(how_far, error)


def timed_out(request: WireRequest, *, connecting: bool) -> TimedOut:
    """The error for a timeout, while connecting or while waiting for the answer."""
    if connecting:
        from dsops.aws.http.advice import for_unreachable

        limit = min(request.connect_timeout_ms, request.total_timeout_ms)
        message = f"no connection to {where(request)} within {_seconds(limit)}"
        return _with("unsent", TimedOut(message, hint=for_unreachable(request.address, request.proxy, "")))
    message = f"no complete answer from {where(request)} within {_seconds(request.total_timeout_ms)}"
    return _with("sent", TimedOut(message, hint="raise the store's `timeout_ms`, or try again"))


def tls_refused(request: WireRequest, why: str) -> TlsRefused:
    """The error for a certificate, of the server or the proxy, that is not trusted for that name."""
    from dsops.aws.http.advice import for_certificate

    message = f"the certificate of {where(request)} is not trusted"
    return _with("unsent", TlsRefused(message, why=why, hint=for_certificate(why)))


def trust_unusable(request: WireRequest) -> TlsRefused:
    """The error for a certificate file (from AWS_CA_BUNDLE and the like) that holds no certificates."""
    file = request.trust.file if request.trust is not None else "the system's file"
    message = f"{file} holds no certificates, and {where(request)} can't be trusted without"
    hint = "AWS_CA_BUNDLE (or SSL_CERT_FILE and the like) has to name a PEM file"
    return _with("unsent", TlsRefused(message, hint=hint))


def too_large(request: WireRequest) -> AnswerInvalid:
    """The error for an answer longer than AWS ever sends."""
    message = f"{where(request)} sent more than {MAX_ANSWER_BYTES // (1024 * 1024)} MB"
    return _with("answered", AnswerInvalid(message, hint=_is_it_aws(request)))


def answer_invalid(request: WireRequest, why: str) -> AnswerInvalid:
    """The error for bytes that are not HTTP."""
    message = f"{where(request)} does not answer as AWS does"
    return _with("answered", AnswerInvalid(message, why=why, hint=_is_it_aws(request)))


def _is_it_aws(request: WireRequest) -> str:
    if request.proxy is not None:
        return f"check {request.proxy.origin} and NO_PROXY"
    address = request.address
    return f"is {address.scheme}://{address.authority} really AWS, or something else in its place?"


def _seconds(milliseconds: int) -> str:
    # After a first attempt, 29998 ms may be left: round, so that the message shows the 30 s that the user set.
    return f"{round(milliseconds / 1000, 1 if milliseconds >= 1000 else 2):g} s"


def _with(how_far: str, error: _E) -> _E:
    error.how_far = how_far
    return error
