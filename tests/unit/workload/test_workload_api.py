"""The SPIFFE Workload API's client: addresses, tokens, bundles and refusals."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from dsops.aws.http.grpc import frame
from dsops.aws.http.transport import CurlDriver
from dsops.aws.http.transport_urllib3 import ThreadDriver
from dsops.errors import DsopsError, NoCredentials, ServiceError
from dsops.tasks import Work, run
from dsops.workload.protocol_buffers import decode_fields, encode_fields
from dsops.workload.workload_api import WorkloadApi
from tests.stubs.workload_api import Answer, StubWorkloadApi, bundles_answer, svid_answer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the Workload API's socket is a Unix socket")

T = TypeVar("T")


@pytest.fixture
def driver() -> Iterator[CurlDriver]:
    """The transport with libcurl."""
    driver = CurlDriver()
    yield driver
    driver.close()


@contextmanager
def agent(folder: Path, handler: Callable[[bytes], Answer]) -> Iterator[tuple[WorkloadApi, StubWorkloadApi]]:
    """An agent with these answers, and its client."""
    with StubWorkloadApi(folder / "s", handler) as stub:
        yield WorkloadApi({"SPIFFE_ENDPOINT_SOCKET": stub.url}, total_timeout_ms=20_000, attempts=2), stub


def failure(work: Work[object], driver: CurlDriver | ThreadDriver) -> DsopsError:
    """The error of the work."""
    with pytest.raises(DsopsError) as caught:
        run(work, driver)
    return caught.value


def test_a_svid_is_fetched_for_audience_and_identity(tmp_path: Path, driver: CurlDriver) -> None:
    """The request has the audience and the SPIFFE ID; the answer's first SVID is the token."""
    with agent(tmp_path, lambda _: svid_answer("a.b.c")) as (api, stub):
        token = run(api.fetch_jwt_svid("sts.amazonaws.com", "spiffe://example.org/web"), driver)
        assert token.reveal() == "a.b.c"
        assert stub.seen == [encode_fields([(1, "sts.amazonaws.com"), (2, "spiffe://example.org/web")])]
        run(api.fetch_jwt_svid("mine"), driver)
        assert decode_fields(stub.seen[1]) == [(1, b"mine")]


def test_bundles_are_the_first_message_of_a_stream_that_stays_open(tmp_path: Path, driver: CurlDriver) -> None:
    """FetchJWTBundles never ends: the first message is returned without waiting for the timeout."""
    with agent(tmp_path, lambda _: bundles_answer("spiffe://example.org", '{"keys": []}')) as (api, _):
        bundles = run(api.fetch_jwt_bundles(), driver)
    assert bundles == {"spiffe://example.org": b'{"keys": []}'}


def test_an_agent_that_starts_is_asked_again(tmp_path: Path, driver: CurlDriver) -> None:
    """Status 14 (unavailable) is retried up to the number of attempts; then the error has the agent's reason."""
    answers = [Answer(status="14", reason="starting"), svid_answer("a.b.c"), *[Answer(status="14", reason="down")] * 2]
    with agent(tmp_path, lambda _: answers.pop(0)) as (api, _):
        assert run(api.fetch_jwt_svid("mine"), driver).reveal() == "a.b.c"
        error = failure(api.fetch_jwt_svid("mine"), driver)
    assert isinstance(error, ServiceError)
    assert (error.message, error.why) == ("the SPIFFE Workload API failed with gRPC status 14", "down")


@pytest.mark.parametrize(
    ("answer", "message", "why"),
    [
        (Answer(status="7", reason="no identity%20issued%0A"), "issues no identity to this process", "issued?"),
        (Answer(status="3", reason="audience"), "refused the request", "audience"),
        (Answer(frame(b"")), "can't be read", ""),
        (Answer(frame(b"\x0a\xff")), "can't be read", ""),
        (Answer(frame(encode_fields([(1, encode_fields([(1, "spiffe://example.org/web")]))]))), "can't be read", ""),
        (Answer(b"\0\0\0\0\x09ab"), "can't be read", ""),
        (Answer(b"\1\0\0\0\0"), "can't be read", ""),
        (Answer(b""), "can't be read", ""),
        (Answer(is_garbage=True), "could not reach the SPIFFE Workload API", ""),
    ],
)
def test_refusals(tmp_path: Path, driver: CurlDriver, answer: Answer, message: str, why: str) -> None:
    """A refusal, an answer without a token and an answer that is not gRPC are errors with the agent's reason."""
    with agent(tmp_path, lambda _: answer) as (api, stub):
        error = failure(api.fetch_jwt_svid("mine"), driver)
        assert isinstance(error, NoCredentials)
        assert message in error.message
        assert why in error.why
        assert len(stub.seen) == 1


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "SPIFFE_ENDPOINT_SOCKET is not set"),
        ("/run/agent.sock", "is not the address of a Workload API"),
        ("unix:relative", "is not the address"),
        ("unix://host/path", "is not the address"),
        ("unix:///a?b", "is not the address"),
        ("tcp://agent:8081", "is not the address"),
        ("tcp://10.0.0.1:8081/path", "is not the address"),
        ("http://127.0.0.1:8081", "is not the address"),
        ("unix:///nowhere/agent.sock", "could not reach the SPIFFE Workload API at unix:///nowhere/agent.sock"),
        ("tcp://127.0.0.1:1", "could not reach the SPIFFE Workload API at tcp://127.0.0.1:1"),
    ],
)
def test_addresses_without_an_agent(driver: CurlDriver, address: str, message: str) -> None:
    """An address that is missing, of another form, or without an agent is an error that names the variable."""
    api = WorkloadApi({"SPIFFE_ENDPOINT_SOCKET": address}, total_timeout_ms=5_000, attempts=1)
    error = failure(api.fetch_jwt_svid("mine"), driver)
    assert isinstance(error, NoCredentials)
    assert message in error.message
    assert "SPIFFE_ENDPOINT_SOCKET" in error.message + error.hint or "unix:///" in error.hint


def test_without_libcurl_the_hint_names_the_command(tmp_path: Path) -> None:
    """The transport without libcurl has no HTTP/2: the error's hint is to run a command instead."""
    driver = ThreadDriver()
    with agent(tmp_path, lambda _: svid_answer("a.b.c")) as (api, stub):
        error = failure(api.fetch_jwt_svid("mine"), driver)
        assert "web_identity_process" in error.hint
        assert stub.seen == []


def test_fields_of_other_types_are_skipped() -> None:
    """Numbers in a message are skipped; a message that ends too early is refused."""
    message = b"\x08\x96\x01" + b"\x11" + b"\0" * 8 + b"\x1d" + b"\0" * 4 + encode_fields([(2, "x" * 300)])
    assert decode_fields(message) == [(2, b"x" * 300)]
    for broken in (b"\x08", b"\x0a\x05abc", b"\x0b", b"\x11\0", b"\x80" * 11):
        with pytest.raises(ValueError, match=r"field|number|wire"):
            decode_fields(broken)
