"""Send requests without pycurl: urllib3 in threads, signed by botocore's signer.

The interface is the same as that of the driver in transport.py. This driver serves platforms without a pycurl wheel,
at eight times the CPU time.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Callable
from http.client import HTTPException, RemoteDisconnected
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, cast

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from urllib3 import exceptions
from urllib3.util.ssl_match_hostname import CertificateError

from dsops.aws.http import wire
from dsops.aws.http.network import CurrentTrust, Proxy, Trust, system_trust
from dsops.aws.http.wire import MAX_ANSWER_BYTES, Response, WireRequest
from dsops.errors import DsopsError, ServiceError
from dsops.startup import NamedTuple

_MOST_THREADS = 32
_CHUNK_BYTES = 65536


class _Job(NamedTuple):
    request: WireRequest
    token: object
    headers: dict[str, str]
    deadline: float


class ThreadDriver:
    """Runs each transfer in a thread of its own; one thread calls the methods. Connections stay open between runs."""

    def __init__(self) -> None:
        self._done: SimpleQueue[tuple[int, Response | BaseException]] = SimpleQueue()
        self._jobs: dict[int, _Job] = {}
        self._job_count = 0
        self._waiting: deque[int] = deque()
        self._running: set[int] = set()
        self._pools = _Pools()

    def start(self, request: object, token: object) -> None:
        """Start a transfer.

        Raises CredentialsInvalid or ValueError immediately for a header that can't be sent, ServiceError for gRPC.
        """
        request = cast("WireRequest", request)
        if request.grpc:
            raise wire.no_http2()
        headers = _signed_headers(request)
        self._job_count += 1
        deadline = monotonic() + request.total_timeout_ms / 1000
        self._jobs[self._job_count] = _Job(request, token, headers, deadline)
        self._waiting.append(self._job_count)
        self._launch()

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """Wait until a transfer is finished; return all finished transfers, each as a Response or a ServiceError."""
        until = monotonic() + timeout_seconds
        finished: list[tuple[object, object]] = []
        while True:
            self._expire(finished)
            nearest = min((job.deadline for job in self._jobs.values()), default=until)
            wait = 0.0 if finished else max(0.0, min(until, nearest) - monotonic())
            try:
                number, outcome = self._done.get(timeout=wait) if wait else self._done.get_nowait()
            except Empty:
                if finished or monotonic() >= until:
                    return finished
                continue
            job = self._jobs.pop(number, None)
            if job is not None:
                finished.append((job.token, outcome))
                self._running.discard(number)
                self._launch()

    def cancel(self) -> None:
        """Drop every transfer. Its thread ends by itself, at its deadline at the latest."""
        self._jobs.clear()
        self._waiting.clear()
        self._running.clear()

    def close(self) -> None:
        """Drop every transfer and close the idle connections."""
        self.cancel()
        self._pools.close()

    def prepare(self, request: object) -> None:
        """Do nothing, because a thread and a request to open a connection would cost more than they save."""

    def _launch(self) -> None:
        """Start threads for waiting jobs, up to the limit."""
        while self._waiting and len(self._running) < _MOST_THREADS:
            number = self._waiting.popleft()
            job = self._jobs.get(number)
            if job is not None:
                self._running.add(number)
                # The thread is a daemon, since a server that never answers must not keep the program from ending.
                Thread(target=_work, args=(number, job, self._pools, self._done), daemon=True).start()

    def _expire(self, finished: list[tuple[object, object]]) -> None:
        """Report jobs that are past their deadline.

        A server that sends bytes slowly can block a thread, but not the caller.
        """
        now = monotonic()
        for number in [number for number, job in self._jobs.items() if job.deadline <= now]:
            job = self._jobs.pop(number)
            self._running.discard(number)
            finished.append((job.token, wire.timed_out(job.request, connecting=False)))
        self._launch()


class _Pools:
    """Connection pools by proxy and trusted certificates. Typed Any, since urllib3's managers have no common type."""

    def __init__(self) -> None:
        self._managers: dict[tuple[Proxy | None, Trust], Any] = {}
        self._current = CurrentTrust()
        self._system_trust: Trust | None = None

    def manager(self, request: WireRequest) -> Any:
        """Return the pool manager for this request's proxy and certificates."""
        trust = request.trust or self._system_trust
        if trust is None:
            trust = self._system_trust = system_trust() or Trust("", "")
        trust = self._current.of(trust)
        key = (request.proxy, trust)
        if key not in self._managers:
            self._managers[key] = self._make(request, trust)
        return self._managers[key]

    def close(self) -> None:
        for manager in self._managers.values():
            manager.clear()

    def _make(self, request: WireRequest, trust: Trust) -> Any:
        # Certificates are not passed as an SSLContext: with an SSLContext, urllib3 1.26 can't check an IP address.
        options: dict[str, Any] = {
            "maxsize": _MOST_THREADS,
            "cert_reqs": "CERT_REQUIRED",
            "ca_certs": trust.file or None,
            "ca_cert_dir": trust.folder or None,
        }
        proxy = request.proxy
        if proxy is None:
            return urllib3.PoolManager(**options)
        login = {}
        if proxy.username:
            password = proxy.password.reveal() if proxy.password else ""
            login = urllib3.make_headers(proxy_basic_auth=f"{proxy.username}:{password}")
        return urllib3.ProxyManager(proxy.url, proxy_headers=login, **options)


def _signed_headers(request: WireRequest) -> dict[str, str]:
    """Return all headers to send, including the signature."""
    headers = dict(wire.checked_headers(request))
    signing = request.signing
    if signing is not None:
        # These are the steps of SigV4Auth.add_auth, which would sign with the time of its own clock.
        signer = SigV4Auth(
            ReadOnlyCredentials(signing.access_key_id, signing.secret_access_key.reveal(), None),
            signing.service,
            signing.region,
        )
        aws_request = AWSRequest(request.method, request.url, headers, request.body)
        aws_request.context["timestamp"] = signing.timestamp
        canonical = signer.canonical_request(aws_request)
        signature = signer.signature(signer.string_to_sign(aws_request, canonical), aws_request)
        names = signer.signed_headers(signer.headers_to_sign(aws_request))
        scope = signer.scope(aws_request)
        headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
    headers["User-Agent"] = wire.USER_AGENT
    return headers


def _work(number: int, job: _Job, pools: _Pools, done: SimpleQueue[tuple[int, Response | BaseException]]) -> None:
    """Run one job in its thread and queue the outcome."""
    outcome: Response | BaseException
    try:
        outcome = _send(job, pools.manager(job.request))
    except BaseException as error:  # noqa: BLE001 - any error must reach the caller's thread
        outcome = error
    done.put((number, outcome))


def _send(job: _Job, manager: Any) -> Response:
    request = job.request
    left = job.deadline - monotonic()
    if left <= 0:
        raise wire.timed_out(request, connecting=False)
    timeout = urllib3.Timeout(connect=min(request.connect_timeout_ms / 1000, left), read=left)
    try:
        response = manager.request(
            request.method,
            request.url,
            body=request.body,
            headers=job.headers,
            timeout=timeout,
            retries=False,
            redirect=False,
            preload_content=False,
            enforce_content_length=True,
        )
    except (exceptions.HTTPError, OSError) as error:
        raise _failed(job, error) from error
    try:
        body = _read(job, response)
    except (exceptions.HTTPError, OSError, HTTPException) as error:
        response.close()
        raise _broken(request, error) from error
    except DsopsError:
        response.close()
        raise
    return Response(response.status, {name.lower(): value for name, value in response.headers.items()}, body)


def _read(job: _Job, response: Any) -> bytes:
    """Read the body, within its size limit and deadline."""
    body = bytearray()
    while chunk := response.read(_CHUNK_BYTES, decode_content=False):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise wire.too_large(job.request)
        if monotonic() >= job.deadline:
            raise wire.timed_out(job.request, connecting=False)
    return bytes(body)


def _failed(job: _Job, error: Exception) -> ServiceError:
    """Convert an error before the first byte of the body into the dsops error that describes it."""
    request = job.request
    # urllib3 wraps the original exception; the innermost one says what happened.
    causes = _causes(error)
    why = str(causes[-1])
    if isinstance(causes[-1], ssl.SSLCertVerificationError):
        why = causes[-1].verify_message
    elif isinstance(causes[-1], OSError) and causes[-1].strerror:
        # Use the text of the operating system's error without its prefix `[Errno 111]`.
        why = causes[-1].strerror
    why = why[:1].lower() + why[1:] if why[1:2].islower() else why
    if any(isinstance(cause, exceptions.ReadTimeoutError) for cause in causes):
        # This error is also raised before the deadline, if a TLS handshake takes too long.
        return wire.timed_out(request, connecting=monotonic() < job.deadline)
    if "NO_CERTIFICATE_OR_CRL_FOUND" in str(causes[-1]):
        return wire.trust_unusable(request)
    for kind, meaning in _MEANINGS:
        for cause in causes:
            if isinstance(cause, kind):
                return meaning(request, why)
    return wire.unreachable(request, why, how_far="sent")


# The types are tried in this order against all causes: the more specific types come first.
_MEANINGS: tuple[tuple[type[BaseException], Callable[[WireRequest, str], ServiceError]], ...] = (
    (ssl.SSLCertVerificationError, wire.tls_refused),
    (CertificateError, wire.tls_refused),
    (exceptions.NewConnectionError, wire.unreachable),
    (exceptions.ConnectTimeoutError, lambda request, _: wire.timed_out(request, connecting=True)),
    (exceptions.ProxyError, wire.unreachable),
    (exceptions.SSLError, wire.unreachable),
    (RemoteDisconnected, lambda request, why: wire.unreachable(request, why, how_far="sent")),
    (HTTPException, lambda request, _: wire.answer_invalid(request, wire.NO_HTTP)),
)


def _broken(request: WireRequest, error: Exception) -> ServiceError:
    """Convert an error while reading the body into the dsops error that describes it."""
    if isinstance(error, exceptions.ReadTimeoutError):
        return wire.timed_out(request, connecting=False)
    return wire.unreachable(request, "the answer ended before it was complete", how_far="answered")


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error and all errors wrapped in it, outermost first; at most 10."""
    causes: list[BaseException] = []
    pending: list[object] = [error]
    while pending and len(causes) < 10:
        candidate = pending.pop(0)
        if isinstance(candidate, BaseException) and candidate not in causes:
            causes.append(candidate)
            pending += [getattr(candidate, "original_error", None), getattr(candidate, "reason", None)]
            pending += [*candidate.args, candidate.__cause__]
    return causes
