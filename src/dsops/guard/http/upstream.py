"""Connections to upstreams: opened directly or through the proxy of dsops' own environment, verified, and reused."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import Mapping
from typing import NamedTuple

from dsops.aws.http.network import Proxy, Trust, proxy_for, system_trust, trust_from
from dsops.endpoint import Address
from dsops.errors import ConfigError
from dsops.guard.http.limits import Limits
from dsops.guard.http.local import is_hidden_local
from dsops.guard.http.parser import Headers, ParseFailure, ResponseParser, ResponseStart
from dsops.guard.http.stream import ConnectionLostError, Stream
from dsops.guard.http.writer import authority


class UpstreamError(Exception):
    """There is no valid response from the upstream. The message is for the client, and contains no secret."""


class UpstreamTarget(NamedTuple):
    """Where a request goes. Requests to equal targets share connections."""

    host: str
    port: int
    is_tls: bool

    @property
    def address(self) -> Address:
        """The target as an address."""
        return Address("https" if self.is_tls else "http", self.host, self.port, "")

    def __str__(self) -> str:
        return authority(self.host, self.port, is_tls=self.is_tls)


class Upstream(Stream):
    """One connection to an upstream."""

    def __init__(self, limits: Limits, target: UpstreamTarget, login: str | None) -> None:
        super().__init__(limits)
        self.target = target
        self.login = login
        """The value of Proxy-Authorization if requests go to an HTTP proxy in absolute form ("" without a login)."""
        self.was_used = False
        self.is_idle = False
        self.has_answered = False
        """Whether a byte has arrived since `begin`."""
        self._parser: ResponseParser | None = None

    def begin(self, *, is_head: bool) -> None:
        """Expect the response to a request, which is HEAD or not."""
        self.is_idle = self.has_answered = False
        self._parser = ResponseParser(self.queue, self.limits, is_head=is_head)

    @property
    def is_reusable(self) -> bool:
        """Whether the connection can take another request: the whole response arrived, and nothing after it."""
        parser = self._parser
        return not self.lost and not self._parts and parser is not None and parser.is_over and not parser.failed

    def data_received(self, data: bytes) -> None:
        """Parse a piece of the response."""
        self.active_at = self._loop.time()
        if self._parser is None or self.is_idle:
            self.abort("the upstream sent data without a request")
            return
        self.has_answered = True
        self._parser.feed(data)
        if self._parser.rest is not None:
            self.transport.pause_reading()

    def eof_received(self) -> None:
        """Handle the end of the connection, which may be the end of a body."""
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle the end of the connection."""
        if exc is None:
            self._end()
        super().connection_lost(exc)

    def _end(self) -> None:
        if self._parser is not None and self.has_answered and not self.is_idle:
            self._parser.feed_end()

    def take_rest(self) -> bytes:
        """Return the bytes that have arrived after the response that ended HTTP on this connection."""
        parts = b"".join([part for part in self._parts if isinstance(part, bytes)])
        self._parts.clear()
        return parts + ((self._parser.rest if self._parser else None) or b"")


class Network(NamedTuple):
    """How upstreams are reached."""

    environ: Mapping[str, str]
    """The environment with HTTPS_PROXY, NO_PROXY, AWS_CA_BUNDLE and others: dsops' own, not the command's."""
    folder: str = ""
    """The folder to which a relative path of a CA bundle refers."""


class Pool:
    """Opens connections, and keeps unused ones for the next request to the same target."""

    def __init__(self, network: Network, limits: Limits) -> None:
        self._network = network
        self._limits = limits
        self._idle: dict[UpstreamTarget, list[Upstream]] = {}
        self._open: set[Upstream] = set()
        self._context: ssl.SSLContext | None = None

    def unused(self, target: UpstreamTarget) -> Upstream | None:
        """Return an unused connection, or None."""
        idle = self._idle.get(target)
        while idle:
            upstream = idle.pop()
            if not upstream.lost and not upstream.transport.is_closing():
                return upstream
        return None

    async def connect(self, target: UpstreamTarget, *, is_raw: bool = False) -> Upstream:
        """Open a new connection; `is_raw` leaves TLS to the client of a tunnel. Raises UpstreamError."""
        try:
            async with asyncio.timeout(self._limits.connect):
                upstream = await self._connect(target, is_raw=is_raw)
        except TimeoutError:
            raise UpstreamError(f"{target} did not accept a connection in {self._limits.connect:g} seconds") from None
        except ssl.SSLCertVerificationError as error:
            raise UpstreamError(f"the certificate of {target} is not valid: {error.verify_message}") from None
        except (ssl.SSLError, OSError) as error:
            raise UpstreamError(f"no connection to {target}: {_reason(error)}") from None
        except ConfigError as error:
            raise UpstreamError(f"no connection to {target}: {error}") from None
        self._open.add(upstream)
        return upstream

    def release(self, upstream: Upstream, *, is_clean: bool) -> None:
        """Take a connection back after its request: keep it, or end it if the response was not read to its end."""
        if not is_clean or not upstream.is_reusable:
            upstream.abort("the request ended")
            self._open.discard(upstream)
            return
        upstream.was_used = upstream.is_idle = True
        upstream.wait_at_most(self._limits.idle_upstream)
        self._idle.setdefault(upstream.target, []).append(upstream)
        if sum(map(len, self._idle.values())) > self._limits.idle_connections:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = min((each for idle in self._idle.values() for each in idle), key=lambda each: each.active_at)
        self._idle[oldest.target].remove(oldest)
        oldest.abort("unused")

    def forget(self, upstream: Upstream) -> None:
        """Stop managing a connection whose bytes are passed unread."""
        self._open.discard(upstream)

    def sweep(self, now: float) -> None:
        """End the connections on which nothing has happened for too long."""
        for upstream in list(self._open):
            if not upstream.lost and now - upstream.active_at > upstream.patience:
                upstream.expire()
            if upstream.lost:
                self._open.discard(upstream)
        self._idle = {target: left for target, idle in self._idle.items() if (left := [u for u in idle if not u.lost])}

    def close(self) -> None:
        """End all connections."""
        for upstream in self._open:
            upstream.abort("the guard is closing")
        self._open.clear()
        self._idle.clear()

    async def _connect(self, target: UpstreamTarget, *, is_raw: bool) -> Upstream:
        proxy = proxy_for(target.address, self._network.environ)
        upstream = Upstream(self._limits, target, None if proxy is None or target.is_tls else _login(proxy))
        try:
            if proxy is None:
                await self._open_transport(upstream, target.address, is_tls=target.is_tls and not is_raw)
                if is_raw or not target.is_tls:
                    _check_address(upstream)
            else:
                await self._open_transport(upstream, proxy.address, is_tls=proxy.address.scheme == "https")
                if target.is_tls:
                    await open_tunnel(upstream, proxy)
                    if not is_raw:
                        await self._start_tls(upstream)
        except BaseException:
            upstream.abort("not connected")
            raise
        return upstream

    async def _open_transport(self, upstream: Upstream, address: Address, *, is_tls: bool) -> None:
        await asyncio.get_running_loop().create_connection(
            lambda: upstream,
            address.host,
            address.port,
            ssl=self._tls() if is_tls else None,
            server_hostname=address.host if is_tls else None,
            happy_eyeballs_delay=0.25,
        )

    async def _start_tls(self, upstream: Upstream) -> None:
        loop, name = asyncio.get_running_loop(), upstream.target.host
        transport = await loop.start_tls(upstream.transport, upstream, self._tls(), server_hostname=name)
        if transport is None:
            raise ConnectionResetError("the connection was closed")
        upstream.connection_made(transport)

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = client_context(trust_from(self._network.environ, self._network.folder) or system_trust())
        return self._context


def client_context(trust: Trust | None) -> ssl.SSLContext:
    """Return the settings of TLS with which upstreams are verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if trust is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(trust.file or None, trust.folder or None)
    return context


async def open_tunnel(upstream: Upstream, proxy: Proxy) -> None:
    """Ask the proxy for a tunnel to the target. Raises UpstreamError."""
    target = upstream.target
    name = f"[{target.host}]" if ":" in target.host else target.host
    lines = [f"CONNECT {name}:{target.port} HTTP/1.1", f"Host: {name}:{target.port}"]
    lines += [f"{field}: {value}" for field, value in proxy_headers(_login(proxy))]
    upstream.begin(is_head=False)
    upstream.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    try:
        part = await upstream.next_part()
    except ConnectionLostError as error:
        raise UpstreamError(f"the proxy of {proxy.origin} gave no response: {error}") from None
    if not isinstance(part, ResponseStart) or part.status // 100 != 2:
        reason = f"status {part.status}" if isinstance(part, ResponseStart | ParseFailure) else "no response"
        raise UpstreamError(f"the proxy of {proxy.origin} refused a tunnel to {target}: {reason}")


def proxy_headers(login: str | None) -> Headers:
    """Return the header with the login at a proxy, if there is one."""
    return (("Proxy-Authorization", login),) if login else ()


def _check_address(upstream: Upstream) -> None:
    """Refuse a name of a host that is not AWS's, and that leads to this machine. Raises UpstreamError."""
    host, address = upstream.target.host, str(upstream.transport.get_extra_info("peername")[0])
    if is_hidden_local(host, address):
        raise UpstreamError(f"{host} is an address of this machine or of its metadata service")


def _reason(error: OSError) -> str:
    """The system's words for an error; asyncio's own text repeats the address."""
    if isinstance(error.errno, int) and error.errno > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno).lower()
    return error.strerror or type(error).__name__


def _login(proxy: Proxy) -> str:
    if not proxy.username and proxy.password is None:
        return ""
    password = proxy.password.reveal() if proxy.password is not None else ""
    return "Basic " + base64.b64encode(f"{proxy.username}:{password}".encode()).decode("ascii")
