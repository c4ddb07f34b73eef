"""While clients wait in long polls, other clients are served, and new messages are delivered."""

from __future__ import annotations

import ast
import json
import socket
from collections import deque
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from dsops.request.messages import HttpAnswer, HttpRequest, Wait
from dsops.request.wire.cbor import encode
from dsops.request.wire.service_table import SERVED
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.running_sandboxes import ask
from dsops.sandbox.http.long_polls import Waiting
from dsops.sandbox.seed.file import read_seed
from dsops.sandbox.state import handlers
from tests.sandboxes import Keys, Lab, Person, sign

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
CLIENTS = 200
EMPTY = HttpAnswer(200, (), b"{}")


class Wire:
    """Alice's clients of a server, each on its own connection."""

    def __init__(self, server: SandboxServer) -> None:
        user = ask(server.url, "identity?as=alice")
        self._keys = Keys(access_key_id=user["AccessKeyId"], secret_access_key=user["SecretAccessKey"])
        self._person = Person(Lab(server.sandbox), self._keys)
        self._port = server.port

    def send(self, service: str, operation: str, **parameters: object) -> socket.socket:
        """Send a request for this operation on a new connection; returns the connection."""
        return self.send_all(1, service, operation, **parameters)[0]

    def send_all(self, count: int, service: str, operation: str, **parameters: object) -> list[socket.socket]:
        """Open this many connections, each with the same signed request, since signing takes most of the time."""
        request = self.written(service, operation, **parameters)
        return [self.send_bytes(request) for _ in range(count)]

    def written(self, service: str, operation: str, **parameters: object) -> bytes:
        """The signed request for an operation."""
        return written(self._person.request(service, operation, **parameters))

    def send_bytes(self, data: bytes) -> socket.socket:
        """Send these bytes on a new connection; returns the connection."""
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        connection.sendall(data)
        return connection

    def send_in(self, protocol: str, operation: str, **parameters: str) -> socket.socket:
        """Call SQS in its query protocol or in CBOR on a new connection; returns the connection."""
        path, headers = "/", {"content-type": "application/x-www-form-urlencoded"}
        body = urlencode({"Action": operation, "Version": "2012-11-05", **parameters}).encode()
        if protocol == "cbor":
            path, body = f"/service/AmazonSQS/operation/{operation}", encode(parameters)
            headers = {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        connection.sendall(written(sign(self._keys, "sqs", "us-east-1", "POST", path, headers, body)))
        return connection

    def call(self, service: str, operation: str, **parameters: object) -> Any:
        """The answer's body, parsed if it is JSON."""
        with self.send(service, operation, **parameters) as connection:
            return answer_on(connection)


def written(request: HttpRequest) -> bytes:
    """A request as sent on the wire."""
    target = request.path + (f"?{request.query}" if request.query else "")
    headers = {**request.headers, "content-length": str(len(request.body))}
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + request.body


def answer_on(connection: socket.socket) -> Any:
    """The next answer's body, parsed if it is JSON."""
    came = b""
    while b"\r\n\r\n" not in came:
        came += received(connection)
    head, _, body = came.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += received(connection)
    return json.loads(body) if body.startswith(b"{") else body


def received(connection: socket.socket) -> bytes:
    """The next bytes; fails the test if the server closed the connection."""
    part = connection.recv(65536)
    assert part, "the server closed the connection"
    return part


def is_silent(connection: socket.socket) -> bool:
    """Whether no answer has arrived so far."""
    connection.setblocking(False)
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    finally:
        connection.settimeout(30)


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """A sandbox on a free port of loopback."""
    with open_server(read_seed(SEED, "seed.yaml")) as running:
        yield running


@pytest.fixture
def wire(server: SandboxServer) -> Wire:
    """Alice's clients."""
    return Wire(server)


def queue(wire: Wire, name: str, **attributes: str) -> str:
    """The URL of a new queue."""
    url: str = wire.call("sqs", "CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]
    return url


def test_two_hundred_long_polls_stop_no_other_client(wire: Wire) -> None:
    """While 200 long polls wait, other calls are answered; then each message goes to the longest-waiting poll."""
    url = queue(wire, "many")
    with ExitStack() as stack:
        polls = wire.send_all(CLIENTS, "sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20, VisibilityTimeout=600)
        for poll in polls:
            stack.enter_context(poll)
        assert b"user/alice" in wire.call("sts", "GetCallerIdentity")
        assert all(is_silent(poll) for poll in polls)

        for first in range(0, CLIENTS, 10):
            entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(first, first + 10)]
            wire.call("sqs", "SendMessageBatch", QueueUrl=url, Entries=entries)

        bodies = [answer_on(poll)["Messages"][0]["Body"] for poll in polls]
        assert sorted(bodies, key=int) == [str(number) for number in range(CLIENTS)]


def test_polls_of_different_queues_are_served_as_well(wire: Wire) -> None:
    """A message for one of twenty queues is delivered while polls of the other queues wait."""
    urls = [queue(wire, f"one-of-{number}") for number in range(20)]
    with ExitStack() as stack:
        polls = [
            stack.enter_context(wire.send("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)) for url in urls
        ]
        wire.call("sqs", "SendMessage", QueueUrl=urls[-1], MessageBody="hello")
        assert answer_on(polls[-1])["Messages"][0]["Body"] == "hello"
        assert all(is_silent(poll) for poll in polls[:-1])


def test_a_poll_whose_time_is_over_is_told_that_nothing_came(wire: Wire) -> None:
    """A poll that times out (WaitTimeSeconds or the queue's) gets an empty response; its connection stays usable."""
    url = queue(wire, "patient", ReceiveMessageWaitTimeSeconds="1")
    with wire.send("sqs", "ReceiveMessage", QueueUrl=url) as connection:
        assert b"user/alice" in wire.call("sts", "GetCallerIdentity")
        assert is_silent(connection)
        assert "Messages" not in answer_on(connection)
        connection.sendall(b"GET /_sandbox/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer_on(connection)["status"] == "ok"


def test_what_is_there_is_not_waited_for(wire: Wire) -> None:
    """A poll is answered at once if the queue has a message, or if the wait time is 0 (counter-examples)."""
    url = queue(wire, "quick")
    assert "Messages" not in wire.call("sqs", "ReceiveMessage", QueueUrl=url)
    assert "Messages" not in wire.call("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=0)
    wire.call("sqs", "SendMessage", QueueUrl=url, MessageBody="there")
    assert wire.call("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)["Messages"][0]["Body"] == "there"


@pytest.mark.parametrize("protocol", ["query", "cbor"])
def test_a_long_poll_in_an_older_or_newer_protocol_waits_too(wire: Wire, protocol: str) -> None:
    """Long polls in the query and CBOR protocols use the queue's wait time and receive messages, too."""
    url = queue(wire, f"in-{protocol}", ReceiveMessageWaitTimeSeconds="20")
    with wire.send_in(protocol, "ReceiveMessage", QueueUrl=url) as waiting:
        assert is_silent(waiting)
        wire.call("sqs", "SendMessage", QueueUrl=url, MessageBody="<Message> at last")
        body = answer_on(waiting)

    assert (b"<ReceiveMessageResponse" in body, b"at last" in body) == (protocol == "query", True)


@pytest.mark.parametrize("seconds", [21, -1])
def test_a_wait_that_sqs_does_not_have_is_refused(wire: Wire, seconds: int) -> None:
    """A wait time outside SQS's range is refused at once with SQS's error."""
    url = queue(wire, "strict")
    answer = wire.call("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=seconds)
    assert "InvalidParameterValue" in answer["__type"]


def test_a_queue_that_is_deleted_ends_its_polls(wire: Wire) -> None:
    """Deleting a queue ends its waiting polls with the error that a new poll would get."""
    url = queue(wire, "gone")
    with wire.send("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20) as connection:
        wire.call("sqs", "DeleteQueue", QueueUrl=url)
        ended = answer_on(connection)
    assert ended["__type"] == wire.call("sqs", "ReceiveMessage", QueueUrl=url)["__type"]


def test_a_client_that_left_takes_no_message(wire: Wire) -> None:
    """A client that disconnected takes no message; the next waiting client gets it."""
    url = queue(wire, "left")
    wire.send("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20).close()
    with wire.send("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20) as second:
        wire.call("sqs", "SendMessage", QueueUrl=url, MessageBody="hello")
        assert answer_on(second)["Messages"][0]["Body"] == "hello"


def test_a_request_behind_a_long_poll_is_answered_behind_it(wire: Wire) -> None:
    """A request pipelined after a long poll is answered after that poll."""
    url = queue(wire, "ordered")
    with wire.send("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=1) as connection:
        connection.sendall(b"GET /_sandbox/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        came = b""
        while part := connection.recv(65536):
            came += part
        assert came.count(b"HTTP/1.1 200 OK") == 2
        assert came.rstrip().endswith(b"}")
        assert came.index(b"x-amzn-RequestId") < came.index(b'"status"')


def test_a_request_before_a_long_poll_is_answered_before_it(wire: Wire) -> None:
    """A request pipelined before a long poll is answered at once, not when the poll ends.

    The unsent answer once kept the server's loop spinning.
    """
    url = queue(wire, "pipelined")
    poll = wire.written("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)
    with wire.send_bytes(b"GET /_sandbox/health HTTP/1.1\r\nHost: localhost\r\n\r\n" + poll) as connection:
        connection.settimeout(10)
        assert "status" in answer_on(connection)
        assert is_silent(connection)


def test_a_workflow_poll_does_not_stop_the_others_either(wire: Wire) -> None:
    """A waiting SWF poll does not block other clients, although moto itself sleeps for a second in each empty poll."""
    wire.call("swf", "RegisterDomain", name="d", workflowExecutionRetentionPeriodInDays="1")
    task_list = {"name": "l"}
    with wire.send("swf", "PollForDecisionTask", domain="d", taskList=task_list) as poll:
        wire.call(
            "swf",
            "RegisterWorkflowType",
            domain="d",
            name="w",
            version="1",
            defaultTaskList=task_list,
            defaultChildPolicy="TERMINATE",
            defaultTaskStartToCloseTimeout="10",
            defaultExecutionStartToCloseTimeout="100",
        )
        assert is_silent(poll)
        kind = {"name": "w", "version": "1"}
        wire.call("swf", "StartWorkflowExecution", domain="d", workflowId="1", workflowType=kind)
        assert answer_on(poll)["taskToken"]


@pytest.mark.parametrize("seconds", ["8", "8.5", '"8"', "true", "null", "[8]", '"x"', "1e1", "1e400"])
def test_moto_is_never_asked_to_wait(
    wire: Wire, server: SandboxServer, seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto is never called with a wait time, however the request writes the number."""
    waits: list[int] = []

    def wait(_: object, timeout: int) -> None:
        waits.append(timeout)
        raise RuntimeError

    url = queue(wire, "written")
    models = pytest.importorskip("moto.sqs.models")
    monkeypatch.setattr(models.Queue, "wait_for_messages", wait)
    body = json.dumps({"QueueUrl": url})[:-1] + f', "WaitTimeSeconds": {seconds}}}'
    headers = {"X-Amz-Target": "AmazonSQS.ReceiveMessage", "Content-Type": "application/x-amz-json-1.0"}
    request = sign(wire._keys, "sqs", "us-east-1", "POST", "/", headers, body.encode())
    assert server.sandbox.handle(request).answer.status in {200, 400}
    assert waits == []


# --- other operations that wait -------------------------------------------------------------------------------------

WAITING = {
    "awslambda": "functions are never run: `handlers` replaces the method",
    "batch": "SubmitJob is closed, and without jobs there is nothing to wait for",
    "batch_simple": "waits only for MOTO_SIMPLE_BATCH_FAIL_AFTER, which is removed from the environment",
    "sqs": "asked with WaitTimeSeconds 0 only",
    "stepfunctions": "in `parser` alone, which runs state machines and is switched off",
    "swf": "`handlers` replaces the sleep",
}


def _waits(path: Path) -> bool:
    """Whether code in this file calls a function that waits."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)) if "sleep(" in text or "wait" in text else ():
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in {"sleep", "wait", "wait_for", "wait_for_messages"}:
                return True
    return False


def test_it_is_known_what_in_moto_waits() -> None:
    """The list of moto files that wait is complete; a new one in a served service makes this test fail."""
    spec = find_spec("moto")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    served = {entry.module for entry in SERVED.values()} | {"core", "batch_simple", "awslambda_simple", "utilities"}
    found = {name for name in served if any(_waits(path) for path in (folder / name).rglob("*.py"))}
    assert sorted(WAITING) == sorted(found)


def test_a_function_of_lambda_is_run_by_no_other_service_either() -> None:
    """Lambda functions called by SNS, SQS, S3 and streams are never run: moto would run them in Docker."""
    handlers.load("lambda")
    models = pytest.importorskip("moto.awslambda.models")
    assert models.LambdaFunction._invoke_lambda(None, event="{}") == ("", False, "")


# --- the queue of waiting polls ------------------------------------------------------------------------------------


class Bench:
    """Named clients that wait, with a clock that the test moves."""

    def __init__(self, most: int = 100) -> None:
        self.now = 0.0
        self.asked: list[str] = []
        self.delivered: list[tuple[str, bytes]] = []
        self.gone: set[str] = set()
        self.found: dict[str, deque[bytes]] = {}
        self.cost = 0.0
        self.waiting: Waiting[str] = Waiting(
            lambda client, answer: self.delivered.append((client, answer.body)),
            self.gone.__contains__,
            most,
            lambda: self.now,
        )

    def wait(self, client: str, source: str, seconds: float = 10) -> None:
        """Add a waiting client."""
        self.waiting.add(client, EMPTY, Wait(seconds, source, lambda: self._ask(source)))

    def _ask(self, source: str) -> HttpAnswer | None:
        self.asked.append(source)
        self.now += self.cost
        found = self.found.get(source)
        return EMPTY._replace(body=found.popleft()) if found else None

    def look(self) -> None:
        """Check the waiting clients after the pause."""
        self.now += self.waiting.pause(3600)
        self.waiting.look()


def test_of_one_source_only_the_first_is_asked_about() -> None:
    """With 200 polls of one queue, each round checks the queue only once."""
    bench = Bench(1000)
    for number in range(200):
        bench.wait(str(number), "queue")
    bench.look()
    assert bench.asked == ["queue"]
    assert bench.delivered == []


def test_the_oldest_is_served_first() -> None:
    """Messages go to the clients that have waited longest, one message each."""
    bench = Bench()
    for client in ("a", "b", "c"):
        bench.wait(client, "queue")
    bench.found["queue"] = deque([b"1", b"2"])
    bench.look()
    assert bench.delivered == [("a", b"1"), ("b", b"2")]
    assert len(bench.waiting) == 1


def test_a_look_is_short_and_the_next_one_goes_on() -> None:
    """One round over the waiting queues takes limited time; the next round continues at the queue where it stopped."""
    bench = Bench(1000)
    bench.cost = 0.005
    for number in range(40):
        bench.wait(f"client {number}", str(number), seconds=1000)
    bench.look()
    assert bench.asked == ["0", "1", "2", "3"]
    assert bench.waiting.pause(3600) >= 3 * 0.02
    for _ in range(9):
        bench.look()
    assert sorted(set(bench.asked), key=int) == [str(number) for number in range(40)]


def test_what_is_delivered_is_not_paused_for() -> None:
    """After a check that found a message, the next check follows in the loop's next turn without a pause."""
    bench = Bench()
    bench.cost = 0.015
    for number in range(4):
        bench.wait(str(number), "queue")
    bench.found["queue"] = deque([b"1", b"2", b"3", b"4"])
    bench.waiting.look()
    assert [client for client, _ in bench.delivered] == ["0", "1"]
    bench.wait("other", "other")
    assert bench.waiting.pause(3600) == 0
    for _ in range(2):
        bench.look()
    assert [client for client, _ in bench.delivered] == ["0", "1", "2", "3"]


def test_between_looks_there_is_a_pause() -> None:
    """A check for results that follows another check immediately polls no queue."""
    bench = Bench()
    bench.wait("a", "queue")
    bench.look()
    bench.waiting.look()
    assert bench.asked == ["queue"]


def test_who_is_gone_is_forgotten_and_who_waited_long_enough_is_answered() -> None:
    """A disconnected client is dropped without a check, and a timed-out client is answered after a last check."""
    bench = Bench()
    bench.wait("gone", "queue", seconds=1)
    bench.wait("late", "other", seconds=1)
    bench.gone.add("gone")
    bench.now = 2
    bench.look()
    assert bench.delivered == [("late", b"{}")]
    assert bench.asked == ["other"]
    assert len(bench.waiting) == 0


def test_too_many_end_the_oldest() -> None:
    """If too many clients wait, the client that has waited longest gets an empty answer."""
    bench = Bench(2)
    for client in ("a", "b", "c"):
        bench.now += 1
        bench.wait(client, client)
    bench.look()
    assert bench.delivered == [("a", b"{}")]
    assert len(bench.waiting) == 2


def test_polls_behind_those_that_are_ended_early_wait_for_a_later_look() -> None:
    """If three clients pipeline 1,000 polls each and only two may wait, each check ends one poll early."""
    bench = Bench(2)
    left = dict.fromkeys(("a", "b", "c"), 1000)

    def deliver(client: str, answer: HttpAnswer) -> None:
        bench.delivered.append((client, answer.body))
        left[client] -= 1
        if left[client]:
            bench.wait(client, client, seconds=1e6)

    bench.waiting = Waiting(deliver, bench.gone.__contains__, 2, lambda: bench.now)
    for client in left:
        bench.wait(client, client, seconds=1e6)
    for look in range(3000):
        if len(bench.waiting) <= 2:
            break
        bench.look()
        assert len(bench.delivered) == look + 1
    assert len(bench.waiting) == 2
    assert 0 in left.values()
