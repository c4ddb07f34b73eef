"""`Expect: 100-continue` with every kind of body: each request is answered, and so is the next request."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Self

import boto3
import pytest
from botocore.config import Config

from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.running_sandboxes import ask
from dsops.sandbox.seed.file import read_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsops.sandbox.control.server import SandboxServer

SEED = """
accounts:
  "111111111111":
    users:
      alice:
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}]
"""
HEALTH = b"GET /_sandbox/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
METHODS = ("PUT", "POST", "GET", "HEAD", "DELETE")
NO_CONTENT = {
    "length 0": b"Content-Length: 0\r\n",
    "no length": b"",
    "aws-chunked, length 0": b"Content-Encoding: aws-chunked\r\nContent-Length: 0\r\n",
}
REFUSED = {
    "two lengths": (b"Content-Length: 5\r\nContent-Length: 6\r\n", 400),
    "no number": (b"Content-Length: five\r\n", 400),
    "too large": (b"Content-Length: 999999999999\r\n", 413),
    "other coding": (b"Transfer-Encoding: gzip\r\n", 501),
}
WITH_CONTENT = {
    "length 5": (b"Content-Length: 5\r\n", b"hello"),
    "chunks": (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
    "no chunks": (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "aws-chunked": (b"Content-Encoding: aws-chunked\r\nContent-Length: 15\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """A sandbox on a free port of loopback."""
    with open_server(read_seed(SEED, "seed.yaml")) as running:
        yield running


class Client:
    """A client connection that reads one answer after the other."""

    def __init__(self, server: SandboxServer) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self._came = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def status(self, *, is_head: bool = False) -> int:
        """The next answer's status; 0 if the server closed the connection. Raises TimeoutError without an answer."""
        while b"\r\n\r\n" not in self._came:
            part = self.socket.recv(65536)
            if not part:
                return 0
            self._came += part
        head, _, rest = self._came.partition(b"\r\n\r\n")
        match = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        length = int(match[1]) if match and not is_head else 0
        while len(rest) < length:
            rest += self.socket.recv(65536)
        self._came = rest[length:]
        return int(head.split()[1])


def head(method: str, framing: bytes) -> bytes:
    """A request head that asks for `100 Continue`."""
    return f"{method} /b/k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n".encode() + framing + b"\r\n"


@pytest.mark.parametrize("framing", NO_CONTENT.values(), ids=NO_CONTENT.keys())
@pytest.mark.parametrize("method", METHODS)
def test_a_request_without_content_is_answered_at_once(server: SandboxServer, method: str, framing: bytes) -> None:
    """A request without body gets its final answer at once, and the connection stays usable."""
    with Client(server) as client:
        client.send(head(method, framing))
        assert client.status(is_head=method == "HEAD") // 100 == 4
        client.send(HEALTH)
        assert client.status() == 200


@pytest.mark.parametrize(("framing", "body"), WITH_CONTENT.values(), ids=WITH_CONTENT.keys())
@pytest.mark.parametrize("method", METHODS)
def test_a_request_with_content_is_asked_for_it_once(
    server: SandboxServer, method: str, framing: bytes, body: bytes
) -> None:
    """A request with a body gets `100 Continue` once, then the final response (counter-example)."""
    with Client(server) as client:
        client.send(head(method, framing))
        assert client.status() == 100
        client.send(body)
        assert client.status(is_head=method == "HEAD") // 100 == 4
        client.send(HEALTH)
        assert client.status() == 200


@pytest.mark.parametrize(("framing", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_head_is_refused_at_once(server: SandboxServer, framing: bytes, status: int) -> None:
    """A request with a refused header gets the refusal, not `100 Continue`, and the connection is closed."""
    with Client(server) as client:
        client.send(head("PUT", framing))
        assert client.status() == status
        assert client.status() == 0


@pytest.mark.parametrize("framing", NO_CONTENT.values(), ids=NO_CONTENT.keys())
def test_pipelined_requests_are_all_answered(server: SandboxServer, framing: bytes) -> None:
    """Every pipelined request gets a response: without a body, with a body, and with a body that comes later."""
    with Client(server) as client:
        whole = head("PUT", b"Content-Length: 5\r\n") + b"hello"
        begun = head("PUT", b"Content-Length: 5\r\n")
        client.send(HEALTH + head("PUT", framing) + whole + head("PUT", framing) + begun)
        found = [client.status() for _ in range(5)]
        assert [status for status in found if status != 100] == [200, 403, 403, 403]
        client.send(b"hello")
        assert client.status() == 403


@pytest.mark.parametrize("expectation", ["100-Continue", "100-continue, 100-continue", "200-ok", ""])
def test_any_expectation_is_answered(server: SandboxServer, expectation: str) -> None:
    """A request with an unknown expectation is answered as if it had none."""
    with Client(server) as client:
        client.send(head("PUT", b"Content-Length: 0\r\n").replace(b"100-continue", expectation.encode()))
        assert client.status() == 403


def test_boto3_puts_and_gets_an_empty_object(server: SandboxServer) -> None:
    """boto3 can put and get an empty object, although botocore sends `Expect: 100-continue` with length 0."""
    user = ask(server.url, "identity?as=alice")
    s3 = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=user["AccessKeyId"],
        aws_secret_access_key=user["SecretAccessKey"],
        config=Config(read_timeout=10, retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
    )
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="empty", Body=b"")
    assert s3.get_object(Bucket="bucket", Key="empty")["ContentLength"] == 0
    s3.close()
