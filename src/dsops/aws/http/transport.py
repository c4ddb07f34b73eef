"""Send requests with libcurl: one CurlMulti that signs, pools connections and runs all transfers in parallel.

This is the only file that uses pycurl. Without pycurl, `open_driver` returns the driver of transport_urllib3.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from importlib.machinery import PathFinder
from io import BytesIO
from select import select
from time import monotonic, sleep

from dsops.aws.http import wire
from dsops.aws.http.network import CurrentTrust, Trust, system_trust
from dsops.aws.http.wire import MAX_ANSWER_BYTES, MAX_CONNECTIONS, Response, WireRequest
from dsops.errors import ConfigError, ServiceError
from dsops.startup import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from dsops.aws.http.transport_urllib3 import ThreadDriver


def _load_pycurl() -> Any:
    """Import pycurl's C extension without the package's asyncio layer; None when pycurl is not installed.

    Importing the layer takes 25 ms (docs/decisions/0001-pycurl.md). `sys.modules` is left unchanged, so that a
    program that uses dsops as a library can import the whole package before or after.
    """
    if "pycurl" not in sys.modules:
        package = PathFinder.find_spec("pycurl")
        folders = package.submodule_search_locations if package is not None else None
        spec = PathFinder.find_spec("pycurl._pycurl", folders) if folders else None
        if spec is not None and spec.loader is not None:
            module = spec.loader.create_module(spec)
            if module is not None:
                spec.loader.exec_module(module)
                sys.modules.pop(spec.name, None)
                return module
    try:
        import pycurl as whole
    except ImportError:  # pycurl has no wheel for this platform: the README lists the platforms
        return None
    return whole


pycurl = _load_pycurl()

# Older versions of libcurl sign some requests wrongly and don't limit a response of unknown length (MAXFILESIZE, 8.4).
_OLDEST_LIBCURL = 0x080A00

# libcurl's error codes for a response that is not HTTP/1: unsupported protocol, malformed response, unknown encoding,
# headers too large.
_RUBBISH = (1, 8, 61, 100)

# From this version on (8.21), `fdset` of libcurl also returns one socket of its own, which belongs to no transfer.
_OWN_SOCKET_SINCE = 0x081500

# CURL_VERSION_HTTP2: the bit for HTTP/2 among the features in libcurl's `version_info`.
_HTTP2 = 1 << 16

_HIGH_DESCRIPTOR = 900
_BLIND_SECONDS = 0.01
"""The maximum wait while a socket may be missing from `fdset`."""


def open_driver(environ: Mapping[str, str]) -> CurlDriver | ThreadDriver:
    """Create the transport: libcurl; without pycurl, or with DSOPS_TRANSPORT=urllib3, urllib3 instead."""
    transport_name = environ.get("DSOPS_TRANSPORT", "")
    if transport_name not in ("", "pycurl", "urllib3"):
        raise ConfigError(
            f"DSOPS_TRANSPORT can't be `{transport_name}`", hint="set it to pycurl or urllib3, or unset it"
        )
    if transport_name != "urllib3":
        if pycurl is not None and pycurl.version_info()[2] >= _OLDEST_LIBCURL:
            return CurlDriver()
        if transport_name:
            raise ConfigError(
                "DSOPS_TRANSPORT is pycurl, but pycurl with libcurl 8.10 or newer is not installed",
                hint="unset DSOPS_TRANSPORT",
            )
    from dsops.aws.http.transport_urllib3 import ThreadDriver

    return ThreadDriver()


class _Transfer:
    """One request in progress. Typed Any because pycurl ships no types."""

    __slots__ = ("body", "curl", "deadline", "headers", "request", "token")

    def __init__(self, request: WireRequest, token: object, curl: Any) -> None:
        self.request = request
        self.token = token
        self.curl = curl
        self.deadline = monotonic() + request.total_timeout_ms / 1000
        self.headers: list[bytes] = []
        self.body = BytesIO()


class CurlDriver:
    """Runs transfers on one CurlMulti. Not thread-safe, and not usable in a forked child.

    Connections stay open between runs. libcurl calls no Python functions, only `list.append` and `BytesIO.write`:
    pycurl swallows a Ctrl-C that arrives while Python code runs in a callback. This happened with the callbacks of
    pycurl's socket interface, the alternative way to wait.
    """

    def __init__(self) -> None:
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, MAX_CONNECTIONS)
        self._multi.setopt(pycurl.M_MAXCONNECTS, MAX_CONNECTIONS)
        self._transfers: dict[Any, _Transfer] = {}
        self._waiting: deque[_Transfer] = deque()
        self._own_sockets = int(pycurl.version_info()[2] >= _OWN_SOCKET_SINCE)
        self._system_trust: Trust | None = None
        self._current = CurrentTrust()

    def start(self, request: object, token: object) -> None:
        """Start a transfer. Raises ServiceError for a gRPC call without HTTP/2."""
        if cast("WireRequest", request).grpc and not pycurl.version_info()[4] & _HTTP2:
            raise wire.no_http2()
        curl = pycurl.Curl()
        transfer = _Transfer(cast("WireRequest", request), token, curl)
        self._prepare(transfer)
        self._waiting.append(transfer)
        self._launch()

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """Wait until a transfer is finished; return all finished transfers, each as a Response or a ServiceError."""
        until = monotonic() + timeout_seconds
        while True:
            self._multi.perform()
            finished = self._finished()
            left = until - monotonic()
            if finished or left <= 0:
                return finished
            self._wait(left)

    def cancel(self) -> None:
        """Abort every transfer. Idle connections stay open."""
        for curl in list(self._transfers):
            self._forget(curl)
        while self._waiting:
            self._waiting.pop().curl.close()

    def close(self) -> None:
        """Abort every transfer and close the connections."""
        self.cancel()
        self._multi.close()

    def prepare(self, request: object) -> None:
        """Open a connection that a later request to the same host can use.

        Sends a HEAD without credentials, because libcurl does not reuse a connection that has carried no request. The
        connection is ready after three round trips. It saves two round trips if the later request starts after that,
        for example after a role was assumed. Failures are ignored; the request that needs the connection will report
        them.
        """
        self.start(request, None)

    def _launch(self) -> None:
        """Start waiting transfers until MAX_CONNECTIONS are running.

        libcurl would count the time that a further transfer waits for a connection as connect time.
        """
        while self._waiting and len(self._transfers) < MAX_CONNECTIONS:
            transfer = self._waiting.popleft()
            left = max(1, int((transfer.deadline - monotonic()) * 1000))
            transfer.curl.setopt(pycurl.TIMEOUT_MS, left)
            self._transfers[transfer.curl] = transfer
            self._multi.add_handle(transfer.curl)

    def _finished(self) -> list[tuple[object, object]]:
        finished: list[tuple[object, object]] = []
        while True:
            waiting, succeeded, failed = self._multi.info_read()
            finished += [self._settle(curl, None) for curl in succeeded]
            finished += [self._settle(curl, (number, text)) for curl, number, text in failed]
            if not waiting:
                finished += [self._settle(curl, None) for curl in self._at_first_message()]
                self._launch()
                return [outcome for outcome in finished if outcome[0] is not None]

    def _at_first_message(self) -> list[Any]:
        """Return the transfers of gRPC streams whose first message has arrived: the server does not end a stream."""
        streams = [curl for curl, transfer in self._transfers.items() if transfer.request.grpc == "stream"]
        if not streams:
            return []
        from dsops.aws.http.grpc import has_message

        return [curl for curl in streams if has_message(self._transfers[curl].body.getvalue())]

    def _settle(self, curl: Any, failure: tuple[int, str] | None) -> tuple[object, object]:
        transfer = self._transfers[curl]
        outcome = _failed(transfer, *failure) if failure else _answered(transfer)
        self._forget(curl)
        return transfer.token, outcome

    def _forget(self, curl: Any) -> None:
        del self._transfers[curl]
        self._multi.remove_handle(curl)
        # The handle is closed at once, because it contains the session token and the secret key.
        curl.close()

    def _wait(self, seconds: float) -> None:
        """Wait until a socket is ready, libcurl's own timer is due, or `seconds` have passed."""
        timer = self._multi.timeout()
        if timer >= 0:
            seconds = min(seconds, timer / 1000)
        readers, writers, others = self._multi.fdset()
        sockets = {*readers, *writers, *others}
        # `fdset` shows no socket during a name lookup. It also leaves out descriptors above 1023 (the limit of
        # `fd_set`), which occur when many files are open.
        if len(sockets) < len(self._transfers) + self._own_sockets or max(sockets, default=0) > _HIGH_DESCRIPTOR:
            seconds = min(seconds, _BLIND_SECONDS)
        if sockets:
            select(readers, writers, others, seconds)
        else:
            sleep(seconds)

    def _prepare(self, transfer: _Transfer) -> None:
        """Set every option that determines where data is sent. libcurl reads the environment for options left unset."""
        request, curl, set_option = transfer.request, transfer.curl, transfer.curl.setopt
        headers = wire.checked_headers(request)
        set_option(pycurl.URL, request.url)
        set_option(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        set_option(pycurl.FOLLOWLOCATION, 0)
        version = pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE if request.grpc else pycurl.CURL_HTTP_VERSION_1_1
        set_option(pycurl.HTTP_VERSION, version)
        if request.unix_socket:
            set_option(pycurl.UNIX_SOCKET_PATH, request.unix_socket)
        set_option(pycurl.NETRC, pycurl.NETRC_IGNORED)
        set_option(pycurl.NOSIGNAL, 1)
        set_option(pycurl.CONNECTTIMEOUT_MS, min(request.connect_timeout_ms, request.total_timeout_ms))
        set_option(pycurl.MAXFILESIZE_LARGE, MAX_ANSWER_BYTES)
        set_option(pycurl.WRITEDATA, transfer.body)
        set_option(pycurl.HEADERFUNCTION, transfer.headers.append)
        # An empty value removes a header that libcurl would add. Without `Expect`, the request does not wait for `100
        # Continue`.
        lines = [f"{name}: {value}" for name, value in headers]
        if not any(name.lower() == "content-type" for name, _ in headers):
            lines.append("Content-Type:")
        set_option(pycurl.HTTPHEADER, [*lines, "Expect:", "Accept:"])
        # These headers are for the server: the proxy must not get them in the CONNECT request.
        set_option(pycurl.HEADEROPT, pycurl.HEADER_SEPARATE)
        if request.is_once:
            # If a reused connection turns out to be dead, libcurl would send the request again by itself.
            set_option(pycurl.FRESH_CONNECT, 1)
        if request.asks_certificate:
            # Only a full handshake shows the certificate, so the request uses a new connection and a new TLS session.
            set_option(pycurl.OPT_CERTINFO, 1)
            set_option(pycurl.FRESH_CONNECT, 1)
            set_option(pycurl.SSL_SESSIONID_CACHE, 0)
        _set_method(curl, request)
        _set_signing(curl, request)
        self._set_trust(curl, request)
        _set_proxy(curl, request)

    def _set_trust(self, curl: Any, request: WireRequest) -> None:
        curl.setopt(pycurl.SSL_VERIFYPEER, 1)
        curl.setopt(pycurl.SSL_VERIFYHOST, 2)
        schemes = {request.address.scheme, request.proxy.address.scheme if request.proxy else "http"}
        if "https" not in schemes:
            return
        trust = request.trust or self._system_trust
        if trust is None:
            trust = self._system_trust = system_trust()
        if trust is not None:
            trust = self._current.of(trust)
            for option, value in (
                (pycurl.CAINFO, trust.file),
                (pycurl.CAPATH, trust.folder),
                (pycurl.PROXY_CAINFO, trust.file),
                (pycurl.PROXY_CAPATH, trust.folder),
            ):
                if value:
                    curl.setopt(option, value)
                else:
                    curl.unsetopt(option)


def _set_method(curl: Any, request: WireRequest) -> None:
    if request.method == "HEAD":
        curl.setopt(pycurl.NOBODY, 1)
    elif request.method == "GET":
        curl.setopt(pycurl.HTTPGET, 1)
    else:
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.POSTFIELDS, request.body)
        if request.method != "POST":
            curl.setopt(pycurl.CUSTOMREQUEST, request.method)


def _set_signing(curl: Any, request: WireRequest) -> None:
    # libcurl signs Host, every header set by HTTPHEADER, and the body. It takes the signing time from X-Amz-Date. The
    # user agent has its own option and is not signed, because proxies change it.
    curl.setopt(pycurl.USERAGENT, wire.USER_AGENT)
    if request.signing is not None:
        curl.setopt(pycurl.AWS_SIGV4, f"aws:amz:{request.signing.region}:{request.signing.service}")
        curl.setopt(pycurl.USERNAME, request.signing.access_key_id)
        curl.setopt(pycurl.PASSWORD, request.signing.secret_access_key.reveal_bytes())


def _set_proxy(curl: Any, request: WireRequest) -> None:
    # An empty string for PROXY means no proxy, and keeps libcurl from reading the environment. NOPROXY is empty for the
    # same reason, since `proxy_for` has evaluated NO_PROXY.
    curl.setopt(pycurl.NOPROXY, "")
    curl.setopt(pycurl.PROXY, request.proxy.url if request.proxy else "")
    if request.proxy is not None and request.proxy.username:
        curl.setopt(pycurl.PROXYAUTH, pycurl.HTTPAUTH_BASIC)
        curl.setopt(pycurl.PROXYUSERNAME, request.proxy.username)
        password = request.proxy.password.reveal_bytes() if request.proxy.password else b""
        curl.setopt(pycurl.PROXYPASSWORD, password)


def _answered(transfer: _Transfer) -> Response:
    status = transfer.curl.getinfo(pycurl.RESPONSE_CODE)
    end = _certificate_end(transfer.curl) if transfer.request.asks_certificate else ""
    return Response(status, _parse_headers(transfer.headers), transfer.body.getvalue(), end)


def _certificate_end(curl: Any) -> str:
    """Return the expiry of the first certificate in the chain, which is the server's own.

    The certificates of its issuers follow in the chain.
    """
    for certificate in curl.getinfo(pycurl.INFO_CERTINFO)[:1]:
        for name, value in certificate:
            if name == "Expire date":
                return str(value)
    return ""


def _parse_headers(lines: Iterable[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"HTTP/"):
            # The headers read so far belong to a proxy's response to CONNECT, or to `100 Continue`.
            headers.clear()
            continue
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers


def _why(transfer: _Transfer, number: int, text: str) -> str:
    """Return libcurl's error text without host and port, which our message already has."""
    system_error = transfer.curl.getinfo(pycurl.OS_ERRNO)
    if number == pycurl.E_COULDNT_CONNECT and system_error:
        return os.strerror(system_error).lower()
    if number == pycurl.E_COULDNT_RESOLVE_HOST:
        return "its name can't be resolved"
    if "HTTP/0.9" in text:
        return wire.NO_HTTP
    text = text.removeprefix("Recv failure: ").removeprefix("Send failure: ")
    # A word in capitals, such as SSL, keeps its capitals.
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _failed(transfer: _Transfer, number: int, text: str) -> ServiceError:
    """Convert a libcurl error number into the dsops error."""
    request, curl = transfer.request, transfer.curl
    # REQUEST_SIZE counts the request, not a CONNECT. PRETRANSFER_TIME can't be used: since libcurl 8.21 it is set even
    # without a connection.
    is_sent = curl.getinfo(pycurl.REQUEST_SIZE) > 0
    why = _why(transfer, number, text)
    if number == pycurl.E_OPERATION_TIMEDOUT:
        return wire.timed_out(request, connecting=not is_sent)
    if number in (pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE):
        is_peer = number == pycurl.E_PEER_FAILED_VERIFICATION
        return wire.tls_refused(request, why) if is_peer else wire.trust_unusable(request)
    if number == pycurl.E_FILESIZE_EXCEEDED:
        return wire.too_large(request)
    if number in _RUBBISH:
        return wire.answer_invalid(request, why)
    if request.proxy is not None and not is_sent and curl.getinfo(pycurl.HTTP_CONNECTCODE):
        return wire.unreachable(request, f"the proxy answered {curl.getinfo(pycurl.HTTP_CONNECTCODE)}")
    how_far = "unsent"
    if is_sent:
        how_far = "answered" if transfer.headers else "sent"
    return wire.unreachable(request, why, how_far=how_far)
