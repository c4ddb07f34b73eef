"""An AWS client, driver and keys that talk to a stub server; pauses advance a fake clock instead of sleeping."""

from __future__ import annotations

from collections.abc import Coroutine
from time import monotonic
from typing import Any, TypeVar

from dsops.aws.http.call import Client, make_client
from dsops.aws.http.transport import open_driver
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.secret import Secret
from dsops.tasks import run
from tests.fakes import FixedClock, Reports, make_runtime
from tests.stubs.server import StubServer

T = TypeVar("T")

USER = Credentials("AKIAEXAMPLEEXAMPLE01", Secret("user/secret"))
SESSION = Credentials("ASIAEXAMPLEEXAMPLE02", Secret("session/secret"), Secret("session/token=="))


class Scene:
    """Runs coroutines against stub servers; `paused` lists the pauses that the client made between attempts."""

    def __init__(
        self, environ: dict[str, str] | None = None, *, total_timeout_ms: int = 30_000, chance: float = 0.5
    ) -> None:
        self.clock = FixedClock()
        self._time = 0.0
        self.paused: list[float] = []
        self.reports = Reports()
        runtime = make_runtime(
            environ, now=self.clock, random=lambda: chance, report=self.reports, monotonic=self._passed
        )
        self.client: Client = make_client(runtime, total_timeout_ms=total_timeout_ms)
        self.driver = open_driver(environ or {})

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result; pauses take no real time."""
        return run(work, self.driver, sleep=self._sleep, clock=lambda: self._time)

    def _passed(self) -> float:
        """The clock: real time (for a silent server) plus the pauses so far."""
        return monotonic() + self._time

    def _sleep(self, seconds: float) -> None:
        self.paused.append(seconds)
        self._time += seconds


def endpoint_at(server: StubServer, service: str = "sts", region: str = "us-east-1") -> Endpoint:
    """The stub server as the endpoint of a service."""
    return resolve_endpoint(service, region, {}, endpoint_url=server.url)
