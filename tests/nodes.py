"""A node in the test's process: its issuer is a stub, its addresses are on loopback, and a thread runs its loop."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from dsops.aws.apis.secretsmanager import SecretValue
from dsops.credentials import Credentials
from dsops.errors import AwsAnswer, SecretNotFound
from dsops.node.configuration import load_node_config
from dsops.node.issuer import SecretRequest
from dsops.node.service import NodeService
from dsops.node.sessions import SessionKey
from dsops.process.watch import Attendant
from dsops.runtime import Runtime
from dsops.secret import Secret
from tests.children import SECONDS
from tests.fakes import Acts, Reports, make_runtime

HOUR = 3600.0
ARN = "arn:aws:sts::111122223333:assumed-role/Target/node"
NOT_FOUND = AwsAnswer("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", 400, "r", "sm")
SECRET = "arn:aws:secretsmanager:us-east-1:111122223333:secret:"


def session(number: int, start: datetime, seconds: float = HOUR) -> Credentials:
    """A session with this number in its key, which lasts from `start`."""
    end = start + timedelta(seconds=seconds)
    key = f"ASIA{number:016}"
    return Credentials(key, Secret("hush-key"), Secret("hush-token"), end, issued_at=start, arn=ARN)


class StubIssuer:
    """Issues numbered sessions and secrets, or fails. Calls may wait until the test lets them go on."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC), lifetime: float = HOUR) -> None:
        self.now = now
        self.lifetime = lifetime
        self.issued = 0
        self.stores: list[str] = []
        self.reads: list[SecretRequest] = []
        self.error: Exception | None = None
        self.secrets = {"app/db": "s3cret"}
        self.go_on = threading.Event()
        self.go_on.set()

    def issue(self, key: SessionKey, old: Credentials | None, is_over: Callable[[], bool]) -> Credentials:
        """Issue a session."""
        del old, is_over
        self.stores.append(key.store)
        self._wait()
        self.issued += 1
        return session(self.issued, self.now(), self.lifetime)

    def varying(self, stores: Collection[str]) -> frozenset[str]:
        """No session depends on the caller."""
        del stores
        return frozenset()

    def read(self, request: SecretRequest) -> SecretValue:
        """Read a secret."""
        self.reads.append(request)
        self._wait()
        if request.secret_id not in self.secrets:
            raise SecretNotFound(f"there is no secret `{request.secret_id}`", aws=NOT_FOUND)
        value = Secret(self.secrets[request.secret_id])
        arn = f"{SECRET}{request.secret_id}-AbCdEf"
        return SecretValue(request.secret_id, arn, "v1", value, "request", ("AWSCURRENT",), 1569534789.046)

    def _wait(self) -> None:
        if not self.go_on.wait(SECONDS):
            raise TimeoutError
        if self.error is not None:
            raise self.error


class Loop:
    """Runs attendants in a thread until the test stops it."""

    def __init__(self, attendants: Sequence[Attendant]) -> None:
        self._attendants = attendants
        self._reader, self._writer = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            poll = select.poll()
            poll.register(self._reader, select.POLLIN)
            for attendant in self._attendants:
                for descriptor in attendant.readers():
                    poll.register(descriptor, select.POLLIN)
                for descriptor in attendant.writers():
                    poll.register(descriptor, select.POLLOUT)
            waits = [seconds for attendant in self._attendants if (seconds := attendant.seconds()) is not None]
            ready = {found for found, _ in poll.poll(1000 * min(*waits, 3600.0) + 1 if waits else None)}
            if self._reader in ready:
                return
            for attendant in self._attendants:
                attendant.turn(ready)

    def stop(self) -> None:
        """End the thread, then the attendants."""
        os.write(self._writer, b"x")
        self._thread.join(SECONDS)
        for attendant in self._attendants:
            attendant.end()
        os.close(self._reader)
        os.close(self._writer)


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: str


class RunningNode(NamedTuple):
    """A node that serves one port of loopback."""

    service: NodeService
    issuer: StubIssuer
    reports: Reports
    folder: Path

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return self.service.endpoints[0].port

    def token(self, workload: str) -> str:
        """The token in the workload's file."""
        return (self.folder / "tokens" / workload).read_text()

    def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Answer:
        """Send a request and return the answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            connection.close()

    def session(self, workload: str, path: str = "/credentials") -> Answer:
        """Ask for a session with the workload's token."""
        return self.get(path, {"Authorization": self.token(workload)})

    def secret(self, workload: str, path: str) -> Answer:
        """Ask for a secret with the workload's token."""
        return self.get(path, {"X-Aws-Parameters-Secrets-Token": self.token(workload)})


@contextmanager
def running_node(
    folder: Path,
    workloads: str,
    *,
    issuer: StubIssuer | None = None,
    listen: str = "127.0.0.1:0",
    runtime: Runtime | None = None,
    before: Callable[[RunningNode], None] = lambda _node: None,
) -> Iterator[RunningNode]:
    """Run a node with these workloads (YAML, indented by two spaces). `before` is called before its loop starts."""
    file = folder / "node.yaml"
    file.write_text(f"tokens: tokens\nlisten: [{listen}]\nworkloads:\n{workloads}")
    file.chmod(0o600)
    reports, stub = Reports(), issuer or StubIssuer()
    runtime = runtime or make_runtime(
        {"HOME": str(folder)}, now=stub.now, report=reports, journal=Acts(), folder=str(folder)
    )
    service = NodeService(load_node_config(str(file)), stub, runtime)
    node = RunningNode(service, stub, reports, folder)
    before(node)
    loop = Loop(service.attendants)
    try:
        yield node
    finally:
        stub.go_on.set()
        loop.stop()
