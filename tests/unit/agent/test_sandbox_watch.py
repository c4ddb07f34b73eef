"""Whether a sandbox has ended, by the `Server` header of its run, and how often that is checked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dsops.agent.sandbox_watch import SandboxWatch, has_ended
from dsops.cache import CredentialCache
from dsops.credentials import Credentials, SandboxRun
from dsops.secret import Secret
from tests.loop import Time
from tests.ports import unused_port
from tests.stubs.server import Answer, StubServer

if TYPE_CHECKING:
    from tests.fakes import FixedClock

SERVER = "dsops-sandbox/8e0c55aa"


@pytest.fixture
def sandbox() -> Iterator[StubServer]:
    """A server with the header of one run of a sandbox."""
    with StubServer(lambda _: Answer(headers=(("server", SERVER),))) as server:
        yield server


def cache_with(clock: FixedClock, *sandboxes: SandboxRun | None) -> CredentialCache:
    """A cache with one session of each sandbox; None stands for AWS."""
    cache = CredentialCache(clock)

    async def issue(_may_ask: bool) -> Credentials:  # noqa: FBT001 (the cache's own call)
        end = clock() + timedelta(hours=1)
        session = Credentials("ASIAEXAMPLE", Secret("s"), Secret("t"), end, issued_at=clock())
        return session.from_source("", sandbox=sandboxes[number])

    for number in range(len(sandboxes)):
        Time().run(cache.obtain(str(number), issue))
    return cache


def test_a_running_sandbox_has_not_ended(sandbox: StubServer) -> None:
    """A sandbox whose `Server` header has not changed counts as running, and the check sends no credentials."""
    assert not has_ended(SandboxRun(sandbox.url, SERVER))
    (seen,) = sandbox.seen
    assert (seen.method, seen.target) == ("GET", "/_sandbox/health")
    assert {name.lower() for name, _ in seen.headers} == {"host", "connection"}


@pytest.mark.parametrize("server", ["dsops-sandbox/00000000", "dsops-sandbox", "nginx", ""])
def test_another_server_at_the_address_means_that_it_has_ended(sandbox: StubServer, server: str) -> None:
    """If another run of a sandbox, or another program, listens at the address, the sandbox has ended."""
    assert has_ended(SandboxRun(sandbox.url, server))


def test_a_port_without_a_listener_means_that_it_has_ended() -> None:
    """If nothing listens at the address, the sandbox has ended."""
    assert has_ended(SandboxRun(f"http://127.0.0.1:{unused_port()}", SERVER))
    assert has_ended(SandboxRun(f"http://127.0.0.1:{unused_port()}".replace("http:", "https:"), SERVER))


@pytest.mark.parametrize("answer", [Answer(is_silent=True), Answer(raw=b""), Answer(raw=b"\x00" * 50_000)])
def test_silence_is_not_the_end_and_rubbish_is(answer: Answer) -> None:
    """A sandbox that does not answer counts as running; a malformed answer means that the sandbox has ended."""
    with StubServer(lambda _: answer) as server:
        assert has_ended(SandboxRun(server.url, SERVER)) == (not answer.is_silent)


def test_only_the_sessions_of_an_ended_sandbox_are_dropped(sandbox: StubServer, clock: FixedClock) -> None:
    """Sessions of AWS and of a running sandbox stay in the cache."""
    running, ended = SandboxRun(sandbox.url, SERVER), SandboxRun(f"http://127.0.0.1:{unused_port()}", SERVER)
    cache = cache_with(clock, None, running, ended)
    SandboxWatch().drop_ended(cache)
    assert [session.credentials.sandbox for session in cache.held()] == [None, running]


def test_a_sandbox_is_checked_once_a_second_unless_it_has_to_be_known(sandbox: StubServer, clock: FixedClock) -> None:
    """Requests in quick succession share one check; `agent status` makes its own check; AWS is never asked."""
    watch, cache = SandboxWatch(), cache_with(clock, SandboxRun(sandbox.url, SERVER))
    for _ in range(5):
        watch.drop_ended(cache)
    assert len(sandbox.seen) == 1
    watch.drop_ended(cache, is_fresh=True)
    assert len(sandbox.seen) == 2
    watch.drop_ended(cache_with(clock, None), is_fresh=True)
    assert len(sandbox.seen) == 2
