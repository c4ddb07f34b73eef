"""Requests on the wire where pycurl can't be had: urllib3 in threads, signed by botocore's signer.

The same seam as the driver of transport.py, at eight times the CPU: what a platform without a wheel pays.
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
    """Transfers in a thread each; used from one thread. Connections outlive a run."""

    def __init__(self) -> None:
        self._done: SimpleQueue[tuple[int, Response | BaseException]] = SimpleQueue()
        self._jobs: dict[int, _Job] = {}
        self._job_count = 0
        self._waiting: deque[int] = deque()
        self._running: set[int] = set()
        self._pools = _Pools()

    def start(self, request: object, token: object) -> None:
        """Begins a transfer; a request whose header can't be sent is refused here."""
        request = cast("WireRequest", request)
        headers = _signed_headers(request)
        self._job_count += 1
        deadline = monotonic() + request.total_timeout_ms / 1000
        self._jobs[self._job_count] = _Job(request, token, headers, deadline)
        self._waiting.append(self._job_count)
        self._launch()

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """The transfers that finished, each a Response or a ServiceError; waits for the first one."""
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
        """Forgets every transfer; its thread ends by itself, at the latest when its time is up."""
        self._jobs.clear()
        self._waiting.clear()
        self._running.clear()

    def close(self) -> None:
        """Forgets everything and closes the connections that nobody uses."""
        self.cancel()
        self._pools.close()

    def prepare(self, request: object) -> None:
        """Nothing: a thread and a request for it would cost more than they save here."""

    def _launch(self) -> None:
        """Gives threads to those that wait, as far as there may be more of them."""
        while self._waiting and len(self._running) < _MOST_THREADS:
            number = self._waiting.popleft()
            job = self._jobs.get(number)
            if job is not None:
                self._running.add(number)
                # A daemon: a server that never answers must not keep the program from ending.
                Thread(target=_work, args=(number, job, self._pools, self._done), daemon=True).start()

    def _expire(self, finished: list[tuple[object, object]]) -> None:
        """A server that sends a byte now and then keeps its thread, but not the one who waits."""
        now = monotonic()
        for number in [number for number, job in self._jobs.items() if job.deadline <= now]:
            job = self._jobs.pop(number)
            self._running.discard(number)
            finished.append((job.token, wire.timed_out(job.request, connecting=False)))
        self._launch()


class _Pools:
    """Connections by proxy and trusted certificates. Any: urllib3's managers have no common type."""

    def __init__(self) -> None:
        self._managers: dict[tuple[Proxy | None, Trust], Any] = {}
        self._current = CurrentTrust()
        self._system_trust: Trust | None = None

    def manager(self, request: WireRequest) -> Any:
        """The pool manager for this request."""
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
        # Named so, and not as a context of our own: urllib3 1.26 can't check an address against one of those.
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
    """All that is sent, with the signature."""
    headers = dict(wire.checked_headers(request))
    signing = request.signing
    if signing is not None:
        # The steps of SigV4Auth.add_auth, which would sign for its own clock's time.
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
    """A thread's life."""
    outcome: Response | BaseException
    try:
        outcome = _send(job, pools.manager(job.request))
    except BaseException as error:  # noqa: BLE001 (it is the outcome: nobody else would see it)
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
    """The body, within its size and time."""
    body = bytearray()
    while chunk := response.read(_CHUNK_BYTES, decode_content=False):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise wire.too_large(job.request)
        if monotonic() >= job.deadline:
            raise wire.timed_out(job.request, connecting=False)
    return bytes(body)


def _failed(job: _Job, error: Exception) -> ServiceError:
    """What an error before the first byte of the body means for the one who asked."""
    request = job.request
    # urllib3 puts what happened into what it calls it: the innermost one tells.
    causes = _causes(error)
    why = str(causes[-1])
    if isinstance(causes[-1], ssl.SSLCertVerificationError):
        why = causes[-1].verify_message
    elif isinstance(causes[-1], OSError) and causes[-1].strerror:
        # Without `[Errno 111]`.
        why = causes[-1].strerror
    why = why[:1].lower() + why[1:] if why[1:2].islower() else why
    if any(isinstance(cause, exceptions.ReadTimeoutError) for cause in causes):
        # A handshake that takes too long is one of these too, with time left for the rest.
        return wire.timed_out(request, connecting=monotonic() < job.deadline)
    if "NO_CERTIFICATE_OR_CRL_FOUND" in str(causes[-1]):
        return wire.trust_unusable(request)
    for kind, meaning in _MEANINGS:
        for cause in causes:
            if isinstance(cause, kind):
                return meaning(request, why)
    return wire.unreachable(request, why, how_far="sent")


# The first that is anywhere among the causes counts: what is more telling stands before what is less.
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
    """What an error inside the body means."""
    if isinstance(error, exceptions.ReadTimeoutError):
        return wire.timed_out(request, connecting=False)
    return wire.unreachable(request, "the answer ended before it was complete", how_far="answered")


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what it holds, outermost first."""
    found: list[BaseException] = []
    pending: list[object] = [error]
    while pending and len(found) < 10:
        each = pending.pop(0)
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            pending += [getattr(each, "original_error", None), getattr(each, "reason", None)]
            pending += [*each.args, each.__cause__]
    return found
