"""The agent's pool of HTTP drivers works with and without pycurl."""

from __future__ import annotations

import pytest

from dsops import tasks
from dsops.agent.drivers import Drivers
from dsops.aws.http import transport
from dsops.aws.http.wire import Response, WireRequest
from tests.stubs.server import Answer, StubServer


@pytest.mark.parametrize("has_pycurl", [True, False])
def test_the_pool_sends_requests(monkeypatch: pytest.MonkeyPatch, *, has_pycurl: bool) -> None:
    """Without pycurl, the agent sends requests with urllib3, and a later request reuses the connection."""
    if not has_pycurl:
        monkeypatch.setattr(transport, "pycurl", None)
    drivers = Drivers()
    with StubServer(lambda seen: Answer(body=seen.body)) as server:
        request = WireRequest("POST", server.url, (), b"fine")

        async def work() -> bytes:
            response = await tasks.transfer(request)
            assert isinstance(response, Response)
            return response.body

        assert [drivers.run(work()), drivers.run(work())] == [b"fine", b"fine"]
        assert server.connections == 1
