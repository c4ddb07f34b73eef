"""The guard as an HTTPS proxy ends the TLS of tunnels with certificates of its own, or passes their bytes."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from cryptography import x509

from dsops.guard.authority import Authority
from dsops.guard.server import GuardServer
from dsops.request.messages import HttpAnswer
from tests.guard_fakes import OK, SECONDS, FakeGate, FakeUpstream, Wire, answering, connect, guard_server
from tests.ports import unused_port

HOST = "s3.eu-west-1.amazonaws.com"
CONNECT = f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode()
GET = f"GET /k HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def trusting(authority: Authority) -> ssl.SSLContext:
    """TLS of a client that trusts only this authority, strictly."""
    context = ssl.create_default_context(cadata=authority.certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@contextmanager
def tunnel(server: GuardServer, context: ssl.SSLContext, name: str | None = HOST) -> Iterator[Wire]:
    """A client's connection in a tunnel; `name` is the server name in its handshake."""
    with connect(server) as wire:
        wire.send(CONNECT)
        assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        with Wire(context.wrap_socket(wire.socket, server_hostname=name)) as inner:
            yield inner


def test_a_request_in_a_tunnel_is_decided_and_forwarded() -> None:
    """The client verifies the guard's certificate, and the gate gets the tunnel's host."""
    with FakeUpstream(answering(OK)) as upstream:
        gate = FakeGate(upstream.address)
        with guard_server(gate) as (server, authority), tunnel(server, trusting(authority)) as wire:
            for _ in range(2):
                wire.send(GET)
                assert wire.message()[2] == b"ok"

    head = gate.heads[0]
    assert (HOST, 443, True, False, "/k") == (head.host, head.port, head.is_tls, head.is_direct, head.path)
    assert gate.tunnels == [(HOST, 443)]


def test_http_client_of_python_uses_a_tunnel() -> None:
    """A client that sends CONNECT with HTTP/1.0 and one header works, several times."""
    with FakeUpstream(answering(OK)) as upstream, guard_server(FakeGate(upstream.address)) as (server, authority):
        client = http.client.HTTPSConnection(*server.address, context=trusting(authority), timeout=SECONDS)
        client.set_tunnel(HOST)
        for _ in range(3):
            client.request("PUT", "/k", body=b"x" * 100_000)
            assert client.getresponse().read() == b"ok"
        client.close()


@pytest.mark.parametrize("way", ["endpoint", "http proxy", "https proxy"])
def test_curl_gets_a_response(way: str, tmp_path: Path) -> None:
    """curl works through each of the ways in, and with a body for which it expects `100 Continue`."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    body = tmp_path / "body"
    body.write_bytes(b"y" * 2_000_000)
    with FakeUpstream(answering(OK)) as upstream:
        gate = FakeGate(upstream.address)
        gate.begin_with = "head"
        with guard_server(gate) as (server, authority):
            (tmp_path / "ca.pem").write_text(authority.certificate, encoding="ascii")
            address = "http://{}:{}".format(*server.address)
            words = {
                "endpoint": [f"{address}/k"],
                "http proxy": ["--proxy", address, f"http://{HOST}/k"],
                "https proxy": ["--proxy", address, "--cacert", str(tmp_path / "ca.pem"), f"https://{HOST}/k"],
            }[way]
            command = [curl, "--silent", "--show-error", "--noproxy", "", "--upload-file", str(body), *words]
            done = subprocess.run(command, capture_output=True, timeout=30, check=False, env={"PATH": "/usr/bin:/bin"})

    assert (done.stdout, done.stderr, done.returncode) == (b"ok", b"", 0)
    assert gate.heads[0].is_direct == (way == "endpoint")
    assert gate.heads[0].is_tls == (way == "https proxy")


@pytest.mark.parametrize("name", ["other.amazonaws.com", "evil.example"])
def test_another_name_in_the_handshake_is_refused(name: str) -> None:
    """The server name of the handshake has to be the tunnel's host."""
    gate = FakeGate(("127.0.0.1", 1))
    with guard_server(gate) as (server, authority):
        context = trusting(authority)
        with pytest.raises(OSError, match=r"(?i)unrecognized|EOF|reset"), tunnel(server, context, name):
            pass
    assert gate.heads == []


def test_a_handshake_without_a_name_is_served() -> None:
    """A client that sends no server name gets the certificate of the tunnel's host."""
    with FakeUpstream(answering(OK)) as upstream, guard_server(FakeGate(upstream.address)) as (server, authority):
        context = trusting(authority)
        context.check_hostname = False
        with tunnel(server, context, None) as wire:
            wire.send(GET)
            assert wire.message()[2] == b"ok"


@pytest.mark.parametrize(
    "data",
    [
        GET.replace(b"Host: s3", b"Host: s4"),
        GET.replace(b".com\r", b".com:444\r"),
        GET.replace(b"/k", f"https://{HOST}/k".encode()),
        b"CONNECT other.example:443 HTTP/1.1\r\nHost: other.example\r\n\r\n",
        GET + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_another_host_inside_a_tunnel_is_refused(data: bytes) -> None:
    """Requests in a tunnel are for its host, in origin form and HTTP/1.1."""
    with FakeUpstream(answering(OK)) as upstream:
        gate = FakeGate(upstream.address)
        with guard_server(gate) as (server, authority), tunnel(server, trusting(authority)) as wire:
            wire.send(data)
            answers = wire.rest()

    last = answers.rpartition(b"HTTP/1.1 ")[2]
    assert last[:3] in {b"400", b"421"}
    assert len(gate.heads) == data.startswith(GET)


def test_http_2_is_not_offered() -> None:
    """A client that offers HTTP/2 and HTTP/1.1 gets HTTP/1.1."""
    with guard_server(FakeGate(("127.0.0.1", 1))) as (server, authority):
        context = trusting(authority)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with tunnel(server, context) as wire:
            assert isinstance(wire.socket, ssl.SSLSocket)
            assert wire.socket.selected_alpn_protocol() == "http/1.1"


def test_a_refused_tunnel_gets_the_gates_answer() -> None:
    """The gate's answer to CONNECT is sent, and the connection closed."""
    gate = FakeGate(("127.0.0.1", 1))
    gate.tunnel_with = HttpAnswer(403, (), b"no such host here")
    with guard_server(gate) as (server, _), connect(server) as wire:
        wire.send(CONNECT)
        assert ("HTTP/1.1 403 Forbidden", b"no such host here") == wire.message()[::2]
        assert wire.rest() == b""


def test_a_passed_tunnel_has_the_bytes_of_both_sides() -> None:
    """Bytes of another protocol are passed in both directions, and each side can end its direction first."""

    def talk(wire: Wire) -> None:
        wire.send(b"SSH-2.0-server\r\n")
        wire.send(wire.until(b"\n") * 100_000)
        wire.socket.shutdown(socket.SHUT_WR)
        ended.append(wire.rest())
        has_ended.set()

    ended: list[bytes] = []
    has_ended = Event()
    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        gate.tunnel_with = "pass"
        with guard_server(gate) as (server, _), connect(server) as wire:
            name = "{}:{}".format(*upstream.address)
            wire.send(f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n\r\nhello\n".encode())
            assert wire.until(b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"
            assert wire.until(b"\r\n") == b"SSH-2.0-server\r\n"
            assert wire.exactly(600_000) == b"hello\n" * 100_000
            wire.send(b"bye")
            wire.socket.shutdown(socket.SHUT_WR)
            assert wire.rest() == b""
            assert has_ended.wait(SECONDS)

    assert ended == [b"bye"]


def test_a_tunnel_to_nothing_is_answered() -> None:
    """A tunnel whose upstream refuses the connection gets 502."""
    port = unused_port()
    gate = FakeGate(("127.0.0.1", 1))
    gate.tunnel_with = "pass"
    with guard_server(gate) as (server, _), connect(server) as wire:
        wire.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert wire.message()[0] == "HTTP/1.1 502 Bad Gateway"


def upstream_context(authority: Authority, host: str = "127.0.0.1") -> ssl.SSLContext:
    """TLS of an upstream with a certificate of this authority."""
    return authority.context(host)


def test_an_upstream_is_verified_with_the_users_bundle(tmp_path: Path) -> None:
    """A certificate of the bundle in AWS_CA_BUNDLE is trusted; another authority's is not."""
    authority = Authority(datetime.now(UTC))
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(authority.certificate, encoding="ascii")
    with FakeUpstream(answering(OK), upstream_context(authority)) as upstream:
        gate = FakeGate(upstream.address, is_tls=True)
        for environ, status in (({"AWS_CA_BUNDLE": str(bundle)}, b"200"), ({}, b"502")):
            with guard_server(gate, environ=environ) as (server, _), connect(server) as wire:
                wire.send(GET)
                assert status in wire.head()[0].encode()
    assert "certificate" in gate.results[1].error


def test_a_certificate_of_another_host_is_not_trusted(tmp_path: Path) -> None:
    """The upstream's certificate has to name the host of the request."""
    authority = Authority(datetime.now(UTC))
    (tmp_path / "bundle.pem").write_text(authority.certificate, encoding="ascii")
    with FakeUpstream(answering(OK), upstream_context(authority, "other.example")) as upstream:
        gate = FakeGate(upstream.address, is_tls=True)
        environ = {"AWS_CA_BUNDLE": str(tmp_path / "bundle.pem")}
        with guard_server(gate, environ=environ) as (server, _), connect(server) as wire:
            wire.send(GET)
            assert "502" in wire.head()[0]


NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_an_authority_is_limited() -> None:
    """The certificate is valid for a day, signs no other authority, and may be limited to domains."""
    authority = Authority(NOW, suffixes=("amazonaws.com", "127.0.0.1"))
    certificate = x509.load_pem_x509_certificate(authority.certificate.encode())

    assert certificate.not_valid_after_utc - NOW == timedelta(days=1)
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (True, 0, True) == (basic.value.ca, basic.value.path_length, basic.critical)
    names = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert names.critical
    assert len(names.value.permitted_subtrees or ()) == 2
    assert "PRIVATE" not in authority.certificate


@pytest.mark.parametrize(("host", "is_trusted"), [(HOST, True), ("127.0.0.1", True), ("evil.example", False)])
def test_a_name_outside_of_the_domains_is_not_trusted(host: str, is_trusted: bool) -> None:  # noqa: FBT001
    """OpenSSL refuses a certificate of the authority for a name that its constraints exclude."""
    authority = Authority(datetime.now(UTC), suffixes=("amazonaws.com", "127.0.0.1"))
    with FakeUpstream(lambda wire: wire.send(wire.exactly(2)), authority.context(host)) as upstream:
        raw = socket.create_connection(upstream.address, timeout=SECONDS)
        if not is_trusted:
            with raw, pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
                trusting(authority).wrap_socket(raw, server_hostname=host)
            return
        with trusting(authority).wrap_socket(raw, server_hostname=host) as secured:
            secured.sendall(b"hi")
            assert secured.recv(2) == b"hi"


def test_the_settings_of_a_host_are_kept() -> None:
    """A second tunnel to a host uses the same certificate; the number of kept ones is bounded."""
    authority = Authority(NOW)
    first = authority.context(HOST)
    assert authority.context(HOST) is first
    for number in range(256):
        authority.context(f"h{number}")
    assert authority.context(HOST) is not first
