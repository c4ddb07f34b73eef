"""HTTP requests and responses as the transports exchange them, and the errors for a missing response."""

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
"""The maximum bytes of a response; our largest is 8 MB: 20 secrets of 64 KB with every character escaped in JSON."""

NO_HTTP = "the answer is not HTTP"
"""The reason for rejecting a response that is not HTTP. Its bytes may be anything and are not shown."""

USER_AGENT = f"dsops/{__version__}"

MAX_CONNECTIONS = 64
"""The maximum number of open connections.

With 64, 100 requests take two rounds. 64 handshakes take 70 ms of CPU time, so more connections would not help.
"""

_E = TypeVar("_E", bound=ServiceError)

# A line break would end the header. A space at either end would be stripped in transit and break the signature.
_UNSAFE = re.compile(r"[^\x20-\x7e]|^ | $")


class Signing(NamedTuple):
    """The inputs of a Signature Version 4. `timestamp` (`20261124T120000Z`) is the server's time."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None
    service: str
    region: str
    timestamp: str


class WireRequest(NamedTuple):
    """One HTTP request with its proxy, certificates and limits, so that a transport reads no environment.

    Header values, query and body may contain secrets (an external ID, a session), so the repr hides them.
    """

    method: str
    url: str
    """The URL that is requested and signed.

    Path and query are percent-encoded, without `//` or `.` segments, because the URL is signed as it is written.
    """
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    signing: Signing | None = None
    proxy: Proxy | None = None
    trust: Trust | None = None
    """The trusted certificates; None for the operating system's."""
    connect_timeout_ms: int = 5_000
    total_timeout_ms: int = 30_000
    is_once: bool = False
    """Whether the request must not reach the service twice, so that the transport must not repeat it."""
    asks_certificate: bool = False
    """Whether to return the expiry of the server's certificate, for which a new connection is opened."""
    grpc: str = ""
    """`unary` or `stream` for a gRPC call over HTTP/2 without TLS; only the first message of a stream is read."""
    unix_socket: str = ""
    """The path of the Unix socket to connect to instead of the URL's host and port."""

    @property
    def address(self) -> Address:
        """The address of the server."""
        address = parse_address(self.url.partition("?")[0])
        if address is None:
            raise ValueError("a request needs an http(s) URL without user part or fragment")
        return address

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.partition('?')[0]})"


class Response(NamedTuple):
    """An HTTP response.

    Header names are in lower case; of a repeated header the last is kept. The repr hides the body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    certificate_end: str = ""
    """The certificate's expiry as OpenSSL writes it (`Nov 25 12:00:00 2026 GMT`); "" if not requested or available."""

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


def checked_headers(request: WireRequest) -> list[tuple[str, str]]:
    """Return the headers of the request and its signature (except Authorization), checked for validity.

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
                    f"the {part_name} contains an invalid character",
                    hint="check its source for a line break or a space at the end",
                )
        headers.append(("X-Amz-Date", signing.timestamp))
        if token:
            headers.append(("X-Amz-Security-Token", token))
    for name, value in request.headers:
        if _UNSAFE.search(name) or _UNSAFE.search(value):
            raise ValueError(f"the header {name!r} can't be sent")
    return headers


def where(request: WireRequest) -> str:
    """Return the host with the proxy, such as `sts.us-east-1.amazonaws.com through the proxy http://proxy:3128`."""
    through = f" through the proxy {request.proxy.url}" if request.proxy else ""
    return f"{request.address.authority}{through}"


def unreachable(request: WireRequest, why: str, *, how_far: str = "unsent") -> Unreachable:
    """Return the error for a connection that failed or broke; `how_far` is one of `ServiceError.how_far`'s values."""
    from dsops.aws.http.advice import for_broken, for_unreachable

    if how_far == "unsent":
        error = Unreachable(
            f"could not reach {where(request)}", why=why, hint=for_unreachable(request.address, request.proxy, why)
        )
    else:
        error = Unreachable(f"lost the connection to {where(request)}", why=why, hint=for_broken(request.proxy))
    return _with(how_far, error)


def timed_out(request: WireRequest, *, connecting: bool) -> TimedOut:
    """Return the error for a timeout, while connecting or while waiting for the response."""
    if connecting:
        from dsops.aws.http.advice import for_unreachable

        limit = min(request.connect_timeout_ms, request.total_timeout_ms)
        message = f"no connection to {where(request)} within {_seconds(limit)}"
        return _with("unsent", TimedOut(message, hint=for_unreachable(request.address, request.proxy, "")))
    message = f"no complete answer from {where(request)} within {_seconds(request.total_timeout_ms)}"
    return _with("sent", TimedOut(message, hint="raise the store's `timeout_ms`, or try again"))


def tls_refused(request: WireRequest, why: str) -> TlsRefused:
    """Return the error for a certificate, of the server or the proxy, that is not trusted for that name."""
    from dsops.aws.http.advice import for_certificate

    message = f"the certificate of {where(request)} is not trusted"
    return _with("unsent", TlsRefused(message, why=why, hint=for_certificate(why)))


def trust_unusable(request: WireRequest) -> TlsRefused:
    """Return the error for a certificate file (from a variable such as AWS_CA_BUNDLE) that contains no certificates."""
    file = request.trust.file if request.trust is not None else "the system's file"
    message = f"{file} holds no certificates, and {where(request)} can't be trusted without"
    hint = "AWS_CA_BUNDLE (or SSL_CERT_FILE and the like) has to name a PEM file"
    return _with("unsent", TlsRefused(message, hint=hint))


def no_http2() -> ServiceError:
    """Return the error for a gRPC call with a transport that has no HTTP/2."""
    return ServiceError(
        "this installation of dsops can't make gRPC calls: it has no libcurl with HTTP/2",
        hint="install pycurl, or get the token with `web_identity_process`, such as `spire-agent api fetch jwt`",
    )


def too_large(request: WireRequest) -> AnswerInvalid:
    """Return the error for a response longer than AWS ever sends."""
    message = f"{where(request)} sent more than {MAX_ANSWER_BYTES // (1024 * 1024)} MB"
    return _with("answered", AnswerInvalid(message, hint=_is_it_aws(request)))


def answer_invalid(request: WireRequest, why: str) -> AnswerInvalid:
    """Return the error for a response that is not HTTP."""
    message = f"{where(request)} does not answer as AWS does"
    return _with("answered", AnswerInvalid(message, why=why, hint=_is_it_aws(request)))


def _is_it_aws(request: WireRequest) -> str:
    if request.proxy is not None:
        return f"check {request.proxy.origin} and NO_PROXY"
    address = request.address
    return f"is {address.scheme}://{address.authority} really AWS, or something else in its place?"


def _seconds(milliseconds: int) -> str:
    # At the first attempt, 29998 of 30000 ms may be left. After rounding, the message shows the 30 s that the user set.
    return f"{round(milliseconds / 1000, 1 if milliseconds >= 1000 else 2):g} s"


def _with(how_far: str, error: _E) -> _E:
    error.how_far = how_far
    return error
