"""HTTP requests by a driver: the same contract for libcurl and for urllib3."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from dsops.aws.http import transport
from dsops.aws.http.network import Proxy, Trust
from dsops.aws.http.transport import CurlDriver, open_driver
from dsops.aws.http.transport_urllib3 import ThreadDriver
from dsops.aws.http.wire import MAX_ANSWER_BYTES, Response, Signing, WireRequest
from dsops.endpoint import parse_address
from dsops.errors import (
    AnswerInvalid,
    ConfigError,
    CredentialsInvalid,
    DsopsError,
    ServiceError,
    TimedOut,
    TlsRefused,
    Unreachable,
)
from dsops.secret import Secret
from dsops.tasks import Driver, run, settle, transfer
from tests.children import SECONDS
from tests.ports import unused_port
from tests.stubs.authority import Authority, make_authority
from tests.stubs.aws import signature_is_right
from tests.stubs.proxy import StubProxy
from tests.stubs.server import Answer, Seen, StubServer

SIGNING = Signing("AKIAEXAMPLE", Secret("se/cr+et"), Secret("to/ken+=="), "sts", "eu-west-1", "20261124T120000Z")


def send(driver: Driver, *requests: WireRequest) -> list[Response | DsopsError]:
    """The outcomes of concurrent requests."""
    return cast("list[Response | DsopsError]", run(settle(*(transfer(request) for request in requests)), driver))


def send_one(driver: Driver, request: WireRequest) -> Response:
    """The response to one request; raises its error."""
    return cast("Response", run(transfer(request), driver))


def ok(_: Seen) -> Answer:
    """A small answer."""
    return Answer(body=b"fine", headers=(("X-Amzn-RequestId", "r-1"), ("Date", "Tue, 24 Nov 2026 12:00:00 GMT")))


def proxy_at(server: StubServer, username: str = "", password: str = "") -> Proxy:
    """This server as a proxy."""
    address = parse_address(server.url)
    assert address is not None
    return Proxy(address, username, Secret(password) if password else None, "HTTPS_PROXY")


# --- requests -----------------------------------------------------------------------------------------------


def test_a_request_arrives_as_it_was_given(driver: Driver) -> None:
    """Method, path, query, headers and body arrive unchanged, without `Expect: 100-continue` or Accept-Encoding."""
    with StubServer(ok) as server:
        request = WireRequest("POST", f"{server.url}/base?x=1", (("X-Amz-Target", "a.B"),), b"\x00\xffbody")
        response = send_one(driver, request)
    (seen,) = server.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/base?x=1", b"\x00\xffbody")
    assert seen.header("x-amz-target") == "a.B"
    assert seen.header("user-agent").startswith("dsops/")
    assert (seen.header("expect"), seen.header("cookie")) == ("", "")
    assert seen.header("accept-encoding") in ("", "identity")
    assert (response.status, response.body) == (200, b"fine")
    assert response.headers["x-amzn-requestid"] == "r-1"


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "HEAD", "DELETE"])
def test_every_method_that_aws_and_token_services_use(driver: Driver, method: str) -> None:
    """GET, PUT, POST and HEAD requests work, and the response to HEAD has no body."""
    with StubServer(ok) as server:
        response = send_one(driver, WireRequest(method, server.url + "/"))
    assert server.seen[0].method == method
    assert response.body == (b"" if method == "HEAD" else b"fine")


def test_a_large_body_is_sent_at_once(driver: Driver) -> None:
    """A large body is sent without `Expect: 100-continue`, which costs a second if the server ignores it."""
    with StubServer(ok) as server:
        send_one(driver, WireRequest("POST", server.url + "/", (), b"z" * 2_000_000, SIGNING))
    assert len(server.seen[0].body) == 2_000_000
    assert server.seen[0].header("expect") == ""


def test_requests_go_side_by_side(driver: Driver) -> None:
    """Ten requests run concurrently: the server responds only after all have arrived."""
    everybody = threading.Barrier(10, timeout=30)

    def wait(seen: Seen) -> Answer:
        everybody.wait(SECONDS)
        return Answer(body=seen.body)

    with StubServer(wait) as server:
        outcomes = send(driver, *(WireRequest("POST", server.url, (), b"%d" % number) for number in range(10)))
    assert [cast("Response", outcome).body for outcome in outcomes] == [b"%d" % number for number in range(10)]


def test_more_requests_than_connections_are_all_answered(driver: Driver) -> None:
    """200 requests use at most 64 connections, and the remaining requests wait and are answered."""
    with StubServer(lambda seen: Answer(body=seen.body)) as server:
        outcomes = send(driver, *(WireRequest("POST", server.url, (), b"%d" % number) for number in range(200)))
    assert [cast("Response", outcome).body for outcome in outcomes] == [b"%d" % number for number in range(200)]
    assert server.connections <= 64


def test_waiting_for_a_connection_is_not_connecting_too_slowly(driver: Driver) -> None:
    """The connect timeout of a request that waits for a free connection starts only when the request gets one."""
    first_round = threading.Event()

    def answer(seen: Seen) -> Answer:
        if len(server.seen) >= 32 and not first_round.is_set():
            # longer than the connect timeout
            first_round.wait(1.3)
            first_round.set()
        first_round.wait(30)
        return Answer(body=seen.body)

    with StubServer(answer) as server:
        requests = [
            WireRequest("POST", server.url, (), b"%d" % number, connect_timeout_ms=1000) for number in range(100)
        ]
        outcomes = send(driver, *requests)
    assert [cast("Response", outcome).body for outcome in outcomes] == [b"%d" % number for number in range(100)]


def test_a_connection_is_kept_for_the_next_run(driver: Driver) -> None:
    """A connection stays open for the next run, so that a warm request of the agent costs one round trip."""
    with StubServer(ok) as server:
        for _ in range(3):
            send_one(driver, WireRequest("POST", server.url, (), b"x"))
    assert (len(server.seen), server.connections) == (3, 1)


def test_a_connection_that_the_server_closed_is_replaced(driver: Driver) -> None:
    """An idle connection that the server closed is replaced without an error."""
    with StubServer(lambda _: Answer(body=b"fine", closes=True)) as server:
        for _ in range(3):
            assert send_one(driver, WireRequest("GET", server.url)).body == b"fine"
            server.wait_until_closed()
    assert server.connections == 3


def test_a_request_that_may_be_sent_once_takes_no_kept_connection(driver: Driver) -> None:
    """A request that may be sent only once gets a new connection: libcurl resends if a reused one fails."""

    def drop(seen: Seen) -> Answer:
        return Answer(body=b"fine") if seen.body == b"first" else Answer(raw=b"")

    with StubServer(drop) as server:
        send_one(driver, WireRequest("POST", server.url, (), b"first"))
        with pytest.raises(Unreachable) as caught:
            send_one(driver, WireRequest("POST", server.url, (), b"code", is_once=True))
    assert [seen.body for seen in server.seen] == [b"first", b"code"]
    assert caught.value.how_far == "sent"


# --- signatures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/", b"Action=GetCallerIdentity&Version=2011-06-15"),
        ("", b""),
        ("/", bytes(range(256))),
        ("/base/path", b"{}"),
        ("/base/", b"{}"),
        ("/a%20b/%C3%A9", b"x"),
        ("/a~b-c_d.e", b"x"),
        ("/a+b=c,d:e!f$g(h)*'i;j", b"x"),
        ("/?b=2&a=1&a=0&c=a%20b%2Fc%3D", b""),
        ("/?flag&empty=", b""),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_signatures_are_botocores(driver: Driver, method: str, target: str, body: bytes) -> None:
    """botocore computes the same signature (with token, date and body) for the request that arrived."""
    with StubServer(ok) as server:
        headers = (("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", "secretsmanager.GetSecretValue"))
        request = WireRequest(method, server.url + target, headers, body if method == "POST" else b"", SIGNING)
        send_one(driver, request)
    (seen,) = server.seen
    assert signature_is_right(seen, server.url, "se/cr+et", service="sts", region="eu-west-1")
    assert not signature_is_right(seen, server.url, "se/cr+eT", service="sts", region="eu-west-1")
    assert seen.header("x-amz-security-token") == "to/ken+=="
    assert seen.header("x-amz-date") == "20261124T120000Z"
    assert "UNSIGNED" not in str(seen.headers)


def test_a_long_term_key_signs_without_a_token(driver: Driver) -> None:
    """A request signed with a long-term key has no session token header, not even an empty one."""
    with StubServer(ok) as server:
        send_one(driver, WireRequest("POST", server.url, (), b"x", SIGNING._replace(session_token=None)))
    assert signature_is_right(server.seen[0], server.url, "se/cr+et", service="sts", region="eu-west-1")
    assert server.seen[0].header("x-amz-security-token") == ""


def test_an_unsigned_request_names_no_key(driver: Driver) -> None:
    """An unsigned request has no signature headers, also after a signed one on the same connection."""
    with StubServer(ok) as server:
        send_one(driver, WireRequest("POST", server.url, (), b"x", SIGNING))
        send_one(driver, WireRequest("POST", server.url, (), b"x"))
    signed, unsigned = server.seen
    assert signed.header("authorization") != ""
    for name in ("authorization", "x-amz-date", "x-amz-security-token"):
        assert unsigned.header(name) == ""


@pytest.mark.parametrize(
    ("signing", "what"),
    [
        (SIGNING._replace(access_key_id="AKIA\r\nX-Evil: 1"), "access key id"),
        (SIGNING._replace(session_token=Secret("token\n")), "session token"),
        (SIGNING._replace(session_token=Secret("t\u00f6ken")), "session token"),
        (SIGNING._replace(secret_access_key=Secret("secret ")), "secret access key"),
        (SIGNING._replace(secret_access_key=Secret("se\0cret")), "secret access key"),
    ],
)
def test_a_key_with_a_line_break_never_reaches_the_wire(driver: Driver, signing: Signing, what: str) -> None:
    """Credentials with a line break (header injection) are rejected before connecting, and the error hides them."""
    with (
        StubServer(ok) as server,
        pytest.raises(CredentialsInvalid, match=f"the {what} contains an invalid character") as caught,
    ):
        send_one(driver, WireRequest("POST", server.url, (), b"x", signing))
    assert server.connections == 0
    assert "token" not in caught.value.hint


def test_neither_request_nor_response_prints_what_it_carries() -> None:
    """The repr of request and response shows method, address and sizes only."""
    request = WireRequest("POST", "https://sts.example/", (("A", "hidden-header"),), b"hidden-body", SIGNING)
    assert repr(request) == "Request(POST https://sts.example/)"
    assert repr(Response(200, {"a": "hidden"}, b"hidden")) == "Response(200, 6 bytes)"


# --- failures -----------------------------------------------------------------------------------------------


def test_a_refused_connection(driver: Driver) -> None:
    """A refused connection raises Unreachable with host and port, and counts as unsent."""
    port = unused_port()
    with pytest.raises(Unreachable, match=f"could not reach 127.0.0.1:{port}") as caught:
        send_one(driver, WireRequest("POST", f"http://127.0.0.1:{port}/", (), b"x"))
    assert caught.value.how_far == "unsent"
    assert "refused" in caught.value.why or "connect" in caught.value.why
    assert "AWS_ENDPOINT_URL" in caught.value.hint


def test_one_failure_takes_nothing_from_the_others(driver: Driver) -> None:
    """A failed request does not affect concurrent requests."""
    with StubServer(ok) as server:
        bad = WireRequest("POST", f"http://127.0.0.1:{unused_port()}/")
        good = WireRequest("POST", server.url)
        first, second, third = send(driver, good, bad, good)
    assert isinstance(second, Unreachable)
    assert [cast("Response", outcome).body for outcome in (first, third)] == [b"fine", b"fine"]


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x50", b"<html>\n" * 50])
def test_another_protocol_is_invalid(driver: Driver, raw: bytes) -> None:
    """A response in another protocol raises AnswerInvalid."""
    with (
        StubServer(lambda _: Answer(raw=raw)) as server,
        pytest.raises(AnswerInvalid, match="does not answer as AWS does"),
    ):
        send_one(driver, WireRequest("POST", server.url, (), b"x"))


def test_an_endless_head_is_cut(driver: Driver) -> None:
    """Endless headers are cut off, so that a server cannot exhaust the memory."""
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(1000)) + b"\r\n"
    with StubServer(lambda _: Answer(raw=head)) as server, pytest.raises(ServiceError):
        send_one(driver, WireRequest("POST", server.url, (), b"x"))


def test_a_closed_connection_before_any_answer(driver: Driver) -> None:
    """If the connection closes before any response, the request counts as sent, because it may have been executed."""
    with (
        StubServer(lambda _: Answer(raw=b"")) as server,
        pytest.raises(Unreachable, match="lost the connection") as caught,
    ):
        send_one(driver, WireRequest("POST", server.url, (), b"x", is_once=True))
    assert caught.value.how_far == "sent"


def test_a_connection_that_is_cut_inside_the_body(driver: Driver) -> None:
    """A connection closed within the response body raises Unreachable."""
    with (
        StubServer(lambda _: Answer(body=b"x" * 1000, cut_after=500)) as server,
        pytest.raises(Unreachable, match="lost the connection") as caught,
    ):
        send_one(driver, WireRequest("POST", server.url, (), b"x"))
    assert caught.value.how_far == "answered"


@pytest.mark.parametrize("declared", [True, False])
def test_an_answer_that_is_too_large_is_not_read(driver: Driver, *, declared: bool) -> None:
    """A response over 16 MB is rejected, by its Content-Length or while it is read."""
    body = b"x" * (MAX_ANSWER_BYTES + 1)
    answer = Answer(body=body) if declared else Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n" + body)
    with StubServer(lambda _: answer) as server, pytest.raises(AnswerInvalid, match="sent more than 16 MB"):
        send_one(driver, WireRequest("POST", server.url, (), b"x"))


def test_the_largest_answer_is_read(driver: Driver) -> None:
    """A response of exactly the maximum size is read."""
    with StubServer(lambda _: Answer(body=b"x" * MAX_ANSWER_BYTES)) as server:
        assert len(send_one(driver, WireRequest("POST", server.url, (), b"x")).body) == MAX_ANSWER_BYTES


def test_a_server_that_never_answers(driver: Driver) -> None:
    """If the server is silent, the request fails after the total timeout and counts as sent."""
    with StubServer(lambda _: Answer(is_silent=True)) as server:
        request = WireRequest("POST", server.url, (), b"x", total_timeout_ms=150)
        with pytest.raises(TimedOut, match=r"no complete answer from 127.0.0.1:\d+ within 0.15 s") as caught:
            send_one(driver, request)
    assert caught.value.how_far == "sent"
    assert "timeout_ms" in caught.value.hint


def test_a_server_that_sends_a_byte_now_and_then(driver: Driver) -> None:
    """Single bytes from the server do not extend the total timeout."""
    going = threading.Event()

    class Dribble(StubServer):
        def _answer(self, connection: object, answer: Answer, *, with_body: bool) -> bool:
            assert with_body
            sendall = cast("Callable[[bytes], None]", getattr(connection, "sendall"))  # noqa: B009
            sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not going.wait(0.02):
                sendall(answer.body)
            return False

    with Dribble(lambda _: Answer(body=b"x")) as server:
        with pytest.raises(TimedOut):
            send_one(driver, WireRequest("POST", server.url, (), b"x", total_timeout_ms=200))
        going.set()


def test_a_server_that_takes_the_connection_and_no_handshake(driver: Driver, authority: Authority) -> None:
    """The connect timeout includes the TLS handshake, and the request counts as unsent."""
    with StubServer(ok, is_deaf=True) as server:
        url = server.url.replace("http:", "https:")
        trust = Trust(str(authority.bundle), "")
        request = WireRequest("POST", url, (), b"x", trust=trust, connect_timeout_ms=150, total_timeout_ms=20_000)
        with pytest.raises(TimedOut, match=r"no connection to 127\.0\.0\.1") as caught:
            send_one(driver, request)
    assert caught.value.how_far == "unsent"


def test_redirects_are_answers(driver: Driver) -> None:
    """Redirects are returned, not followed, so that a signed request goes to no other host."""
    with (
        StubServer(ok) as other,
        StubServer(lambda _: Answer(status=302, headers=(("Location", other.url),))) as server,
    ):
        response = send_one(driver, WireRequest("POST", server.url, (), b"x", SIGNING))
    assert (response.status, response.headers["location"]) == (302, other.url)
    assert other.connections == 0


def test_an_answer_of_another_status_is_an_answer(driver: Driver) -> None:
    """Every status is returned as a response; the caller decides what 400, 407 or 503 mean."""
    for status in (400, 401, 407, 503):
        with StubServer(lambda _, status=status: Answer(status=status, body=b"no")) as server:  # type: ignore[misc]
            assert send_one(driver, WireRequest("POST", server.url, (), b"x", SIGNING)).status == status
        assert len(server.seen) == 1


def test_an_interim_answer_is_skipped(driver: Driver) -> None:
    """An interim `100 Continue` response and its headers are skipped."""
    early = b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n"
    raw = early + b"HTTP/1.1 200 OK\r\nX-Late: 1\r\nContent-Length: 2\r\n\r\nok"
    with StubServer(lambda _: Answer(raw=raw)) as server:
        response = send_one(driver, WireRequest("POST", server.url, (), b"x"))
    assert (response.status, response.body) == (200, b"ok")
    assert "x-late" in response.headers
    assert "x-early" not in response.headers


# --- TLS ----------------------------------------------------------------------------------------------------


def test_a_trusted_certificate(driver: Driver, authority: Authority) -> None:
    """A certificate of the configured authority is trusted, and the signed Host is the requested host."""
    with StubServer(ok, tls=authority.server()) as server:
        request = WireRequest("POST", server.url, (), b"x", SIGNING, trust=Trust(str(authority.bundle), ""))
        assert send_one(driver, request).body == b"fine"
    assert signature_is_right(server.seen[0], server.url, "se/cr+et", service="sts", region="eu-west-1")


def test_an_unknown_authority(driver: Driver, authority: Authority) -> None:
    """A certificate of an unknown authority raises TlsRefused before anything is sent."""
    with (
        StubServer(ok, tls=authority.server()) as server,
        pytest.raises(TlsRefused, match=r"the certificate of 127\.0\.0\.1") as caught,
    ):
        send_one(driver, WireRequest("POST", server.url, (), b"x", SIGNING))
    assert server.seen == []
    assert caught.value.how_far == "unsent"
    assert "AWS_CA_BUNDLE" in caught.value.hint


def test_certificates_that_were_edited_count_at_once(driver: Driver, authority: Authority, tmp_path: Path) -> None:
    """An edited certificate bundle applies at once, although libcurl caches bundles for a day and keeps connections."""
    bundle = tmp_path / "bundle.pem"
    pem = [certificate_authority.bundle.read_text() for certificate_authority in (authority, make_authority(tmp_path))]
    with StubServer(ok, tls=authority.server("127.0.0.1")) as server:
        request = WireRequest("GET", f"{server.url}/", trust=Trust(str(bundle), ""))
        for text, is_trusted in ((pem[1], False), (pem[0], True), (pem[1], False), (pem[1] + pem[0], True)):
            bundle.write_text(text)
            outcome = send(driver, request)[0]
            assert isinstance(outcome, Response) is is_trusted


def test_a_certificate_of_another_host(driver: Driver, authority: Authority) -> None:
    """A trusted certificate for another host name raises TlsRefused."""
    with StubServer(ok, tls=authority.server("sts.example")) as server, pytest.raises(TlsRefused):
        send_one(driver, WireRequest("POST", server.url, trust=Trust(str(authority.bundle), "")))
    assert server.seen == []


def test_an_expired_certificate(driver: Driver, authority: Authority) -> None:
    """An expired certificate raises TlsRefused."""
    with (
        StubServer(ok, tls=authority.server(expired=True)) as server,
        pytest.raises(TlsRefused, match=r"127\.0\.0\.1") as caught,
    ):
        send_one(driver, WireRequest("POST", server.url, trust=Trust(str(authority.bundle), "")))
    assert "expired" in caught.value.why


def test_a_folder_of_certificates(driver: Driver, authority: Authority, tmp_path: Path) -> None:
    """A folder of certificates named as by `openssl rehash` is trusted; an empty folder trusts nothing."""
    (tmp_path / "full").mkdir()
    (tmp_path / "empty").mkdir()
    name = _subject_hash(authority.bundle)
    (tmp_path / "full" / f"{name}.0").write_bytes(authority.bundle.read_bytes())
    with StubServer(ok, tls=authority.server()) as server:
        assert send_one(driver, WireRequest("POST", server.url, trust=Trust("", str(tmp_path / "full")))).status == 200
        with pytest.raises(TlsRefused):
            send_one(driver, WireRequest("POST", server.url, trust=Trust("", str(tmp_path / "empty")), is_once=True))


def _subject_hash(pem: Path) -> str:
    import subprocess

    command = ["openssl", "x509", "-hash", "-noout", "-in", str(pem)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def test_the_processes_own_environment_does_not_count(
    driver: Driver, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxy and certificate variables of the process are ignored, because the agent's clients have their own."""
    with StubProxy() as proxy, StubServer(ok, tls=authority.server()) as server, StubServer(ok) as plain:
        for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
            monkeypatch.setenv(name, str(authority.bundle))
        with pytest.raises(TlsRefused):
            send_one(driver, WireRequest("POST", server.url))
        assert send_one(driver, WireRequest("POST", plain.url)).body == b"fine"
    assert proxy.connections == 0


def test_a_netrc_file_does_not_count(driver: Driver, home: Path) -> None:
    """~/.netrc is ignored, because credentials come only from the request."""
    (home / ".netrc").write_text("machine 127.0.0.1 login eve password hidden\n")
    (home / ".netrc").chmod(0o600)
    with StubServer(ok) as server:
        send_one(driver, WireRequest("POST", server.url))
    assert server.seen[0].header("authorization") == ""


# --- proxies ------------------------------------------------------------------------------------------------


def test_a_tunnel_through_a_proxy(driver: Driver, authority: Authority) -> None:
    """A proxy receives host and port in CONNECT, but no token or signature."""
    with StubServer(ok, tls=authority.server("sts.example")) as server, StubProxy(server.port) as proxy:
        request = WireRequest(
            "POST",
            "https://sts.example/",
            (("X-Amz-Target", "t"),),
            b"x",
            SIGNING,
            proxy=proxy_at(proxy),
            trust=Trust(str(authority.bundle), ""),
        )
        response = send_one(driver, request)
    (tunnel,) = proxy.seen
    assert (tunnel.method, tunnel.target) == ("CONNECT", "sts.example:443")
    header_names = {name.lower() for name, _ in tunnel.headers}
    assert header_names.isdisjoint(
        {"authorization", "x-amz-security-token", "x-amz-date", "x-amz-target", "content-type"}
    )
    assert "to/ken" not in str(tunnel)
    assert signature_is_right(server.seen[0], "https://sts.example", "se/cr+et", service="sts", region="eu-west-1")
    assert response.body == b"fine"
    assert "x-of-the-proxy" not in response.headers


def test_a_proxys_login_goes_to_the_proxy_alone(driver: Driver, authority: Authority) -> None:
    """The login of a proxy is sent to the proxy, but not to the server behind it."""
    with StubServer(ok, tls=authority.server("sts.example")) as server, StubProxy(server.port) as proxy:
        request = WireRequest(
            "POST",
            "https://sts.example/",
            (),
            b"x",
            proxy=proxy_at(proxy, "us er", "p:@ss"),
            trust=Trust(str(authority.bundle), ""),
        )
        send_one(driver, request)
    assert proxy.seen[0].header("proxy-authorization") == "Basic dXMgZXI6cDpAc3M="
    assert server.seen[0].header("proxy-authorization") == ""


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses(driver: Driver, status: int) -> None:
    """If the proxy refuses, the error has the proxy's status but not its password; the request counts as unsent."""
    with StubProxy(refuses=status) as proxy:
        request = WireRequest(
            "POST", "https://sts.example/", (), b"x", SIGNING, proxy=proxy_at(proxy, "user", "hidden")
        )
        with pytest.raises(Unreachable) as caught:
            send_one(driver, request)
    error = caught.value
    assert f"sts.example through the proxy {proxy.url}" in error.message
    assert str(status) in error.why
    assert "HTTPS_PROXY" in error.hint
    assert error.how_far == "unsent"
    assert "hidden" not in f"{error.message}{error.why}{error.hint}"


def test_a_proxy_that_is_not_there(driver: Driver) -> None:
    """A proxy that is down is an error that names its variable."""
    address = parse_address(f"http://127.0.0.1:{unused_port()}")
    assert address is not None
    proxy = Proxy(address, "", None, "HTTPS_PROXY")
    with pytest.raises(Unreachable, match=r"through the proxy http://127\.0\.0\.1") as caught:
        send_one(driver, WireRequest("POST", "https://sts.example/", proxy=proxy))
    assert "HTTPS_PROXY" in caught.value.hint


def test_a_plain_request_through_a_proxy(driver: Driver) -> None:
    """A plain http request through a proxy has the full URL as request target."""
    with StubProxy() as proxy:
        response = send_one(driver, WireRequest("GET", "http://token.example/x?y=1", proxy=proxy_at(proxy)))
    assert response.body == b"plain"
    assert proxy.seen[0].target == "http://token.example/x?y=1"


# --- the driver itself --------------------------------------------------------------------------------------


def test_an_interrupt_ends_the_transfers(driver: Driver) -> None:
    """Ctrl-C interrupts waiting transfers, and the driver still works in the next run."""

    def interrupt(_: Seen) -> Answer:
        os.kill(os.getpid(), signal.SIGINT)
        return Answer(is_silent=True)

    with StubServer(interrupt) as server, StubServer(ok) as other:
        with pytest.raises(KeyboardInterrupt):
            send_one(driver, WireRequest("POST", server.url, (), b"x"))
        assert send_one(driver, WireRequest("POST", other.url)).body == b"fine"


def test_a_cancelled_transfer_comes_back_in_no_later_run(driver: Driver) -> None:
    """The response to a cancelled transfer does not reach a later run."""

    async def start_and_fail() -> None:
        from dsops.tasks import spawn

        _ = await spawn(transfer(WireRequest("POST", server.url, (), b"slow")))
        raise Unreachable("stop")

    release = threading.Event()

    def answer(seen: Seen) -> Answer:
        if seen.body == b"slow":
            release.wait(30)
        return Answer(body=seen.body)

    with StubServer(answer) as server:
        with pytest.raises(Unreachable, match="stop"):
            run(start_and_fail(), driver)
        release.set()
        assert send_one(driver, WireRequest("POST", server.url, (), b"next")).body == b"next"


def test_the_driver_is_chosen_by_the_environment_passed_in() -> None:
    """The driver is libcurl unless DSOPS_TRANSPORT in the passed environment names another; a typo is an error."""
    assert isinstance(open_driver({}), CurlDriver)
    assert isinstance(open_driver({"DSOPS_TRANSPORT": "urllib3"}), ThreadDriver)
    with pytest.raises(ConfigError, match="DSOPS_TRANSPORT can't be `curl`"):
        open_driver({"DSOPS_TRANSPORT": "curl"})


def test_without_pycurl_urllib3_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pycurl, or with an old libcurl, urllib3 is used; `DSOPS_TRANSPORT=pycurl` is then an error."""
    monkeypatch.setattr(transport, "pycurl", None)
    assert isinstance(open_driver({}), ThreadDriver)
    with pytest.raises(ConfigError, match=r"pycurl with libcurl 8\.10 or newer is not installed"):
        open_driver({"DSOPS_TRANSPORT": "pycurl"})


def test_a_connection_opened_before_is_used_by_the_request() -> None:
    """A connection opened in advance is used by the later request.

    The connection is opened while the first host's response is awaited.
    """
    driver = CurlDriver()
    with StubServer(ok) as first, StubServer(ok) as second:
        driver.prepare(WireRequest("HEAD", second.url + "/"))
        driver.start(WireRequest("POST", first.url, (), b"1"), "first")
        arrived: list[tuple[object, object]] = []
        while driver._transfers:
            arrived += driver.poll(1)
        assert [token for token, _ in arrived] == ["first"]
        send_one(driver, WireRequest("POST", second.url, (), b"2"))
        assert [seen.method for seen in second.seen] == ["HEAD", "POST"]
        assert second.connections == 1
    driver.close()


def test_a_connection_that_could_not_be_opened_before_is_no_failure() -> None:
    """If opening a connection in advance fails, no error is raised, because the request itself will fail."""
    driver = CurlDriver()
    with StubServer(ok) as server:
        driver.prepare(WireRequest("HEAD", f"http://127.0.0.1:{unused_port()}/"))
        assert send_one(driver, WireRequest("POST", server.url)).body == b"fine"
    driver.close()


def test_sockets_with_high_numbers_are_served_too(driver: Driver) -> None:
    """Sockets with descriptor numbers above 1024, the limit of `select`, work."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert descriptors[-1] > 1023
        with StubServer(lambda seen: Answer(body=seen.body)) as server:
            requests = [
                WireRequest("POST", server.url, (), b"%d" % number, total_timeout_ms=900) for number in range(20)
            ]
            outcomes = send(driver, *requests)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [cast("Response", outcome).body for outcome in outcomes] == [b"%d" % number for number in range(20)]
