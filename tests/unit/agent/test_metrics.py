"""The agent's metrics, and the port that serves them to this machine but not to web pages."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse

import pytest

from dsops.agent import FAILED, RESULT
from dsops.agent.metrics import AgentMetrics
from dsops.errors import AccessDenied, Failures, SecretNotFound, UsageError
from dsops.openmetrics import CONTENT_TYPE
from tests.metrics import read_metrics
from tests.ports import unused_port

ROLE = "arn:aws:iam::222222222222:role/Target"


@pytest.fixture
def metrics() -> Iterator[AgentMetrics]:
    """Yield the metrics of an agent that holds three sessions, and close the port at the end."""
    made = AgentMetrics(1_800_000_000.0, lambda: 3, lambda: 1)
    yield made
    made.close()


def get(port: int, path: str = "/metrics", method: str = "GET", host: str = "") -> tuple[HTTPResponse, str]:
    """Return the port's response."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def test_events_of_the_pipeline_are_counted(metrics: AgentMetrics) -> None:
    """Each event of the pipeline increases its metric."""
    for name, labels, value in (
        ("session.issued", ("AssumeRole", ROLE, "arn:aws:iam::111111111111:user/alice", "AKIA"), 900.0),
        ("session.failed", ("sts.access-denied", ROLE), 1),
        ("session.renewed", (), 1),
        ("session.evicted", (), 1),
        ("cache.session", ("hit",), 1),
        ("cache.secret", ("miss",), 2),
        ("aws.call", ("sts", "AssumeRole", "ok"), 0.03),
        ("aws.call", ("sts", "AssumeRole", "throttled"), 0.2),
        ("nobody.knows", ("this",), 1),
    ):
        metrics.measure(name, labels, value)

    found = read_metrics(metrics.registry.text())

    call = {"service": "sts", "operation": "AssumeRole"}
    assert found["dsops_sessions_issued_total"] == [({"operation": "AssumeRole", "role": ROLE}, 1)]
    assert found["dsops_issue_failures_total"] == [({"code": "sts.access-denied", "role": ROLE}, 1)]
    assert found["dsops_sessions_renewed_total"] == found["dsops_sessions_evicted_total"] == [({}, 1)]
    assert found["dsops_cache_lookups_total"] == [
        ({"kind": "session", "result": "hit"}, 1),
        ({"kind": "secret", "result": "miss"}, 2),
    ]
    assert found["dsops_aws_requests_total"] == [({**call, "result": "ok"}, 1), ({**call, "result": "throttled"}, 1)]
    assert found["dsops_throttled_total"] == [({"service": "sts"}, 1)]
    assert found["dsops_aws_request_seconds_count"] == [(call, 2)]
    assert (found["dsops_sessions_held"], found["dsops_values_held"]) == ([({}, 3)], [({}, 1)])


def test_answers_are_counted_by_command(metrics: AgentMetrics) -> None:
    """Replies are counted by command (`get`, `credentials`); an unknown name does not become a label."""
    for words in ([b"exec"], [b"answer", b"get", b"TOKEN"], [b"answer", b"\xff"], [b"answer"]):
        metrics.answered(words, RESULT, 0.002)
    metrics.answered([b"exec"], FAILED, 0.002)

    found = read_metrics(metrics.registry.text())

    assert found["dsops_requests_total"] == [
        ({"command": "exec", "result": "ok"}, 1),
        ({"command": "get", "result": "ok"}, 1),
        ({"command": "other", "result": "ok"}, 2),
        ({"command": "exec", "result": "failed"}, 1),
    ]
    assert ({"command": "exec"}, 2) in found["dsops_request_seconds_count"]


def test_errors_are_counted_by_their_code(metrics: AgentMetrics) -> None:
    """If a reply contains several errors, each is counted by its code."""
    metrics.fail(AccessDenied("no"))
    metrics.fail(Failures((AccessDenied("no"), SecretNotFound("none"))))

    found = read_metrics(metrics.registry.text())

    assert found["dsops_errors_total"] == [({"code": AccessDenied.code}, 2), ({"code": SecretNotFound.code}, 1)]


def test_the_port_answers_as_prometheus_asks(metrics: AgentMetrics) -> None:
    """The metrics port returns the registry's text with the content type of OpenMetrics."""
    answer, text = get(metrics.serve(0), "/metrics?x=y")

    assert (answer.status, answer.headers["Content-Type"]) == (200, CONTENT_TYPE)
    assert read_metrics(text)["dsops_sessions_held"] == [({}, 3)]
    assert text.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("path", "method", "host", "status"),
    [
        ("/metrics", "GET", "evil.example", 403),
        ("/metrics", "GET", "localhost", 403),
        ("/metrics", "POST", "", 405),
        ("/", "GET", "", 404),
    ],
)
def test_nothing_else_is_answered(metrics: AgentMetrics, path: str, method: str, host: str, status: int) -> None:
    """The metrics port refuses other requests, even from a web page whose host name resolves to this address."""
    answer, text = get(metrics.serve(0), path, method, host)

    assert answer.status == status
    assert "dsops_" not in text


def test_silent_clients_do_not_delay_the_metrics(metrics: AgentMetrics) -> None:
    """Forty silent clients, which sent one byte each, do not delay the metrics."""
    port = metrics.serve(0)
    silent = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(40)]
    for connection in silent:
        connection.sendall(b"G")

    assert get(port)[0].status == 200

    for connection in silent:
        connection.close()


def test_one_port_at_a_time(metrics: AgentMetrics) -> None:
    """The metrics keep their port or move to a new one; if the new port is in use, they keep the old one."""
    first = metrics.serve(0)
    assert metrics.serve(0) == metrics.serve(first) == first
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="can't listen"):
        metrics.serve(taken.getsockname()[1])
    assert get(first)[0].status == 200
    other = unused_port()

    assert metrics.serve(other) == other
    assert get(other)[0].status == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first), timeout=20)
