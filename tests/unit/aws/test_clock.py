"""Ask AWS for the time, without credentials."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dsops.aws.http.clock import ServerProbe, glance_at, time_at
from tests.fakes import NOON
from tests.stubs.authority import Authority
from tests.stubs.server import Answer, StubServer
from tests.unit.aws.scene import Scene, endpoint_at


@pytest.mark.parametrize("status", [200, 302, 403])
def test_whatever_is_answered_has_the_time(status: int) -> None:
    """The time is read from the Date of any response, even an error or redirect; the request is unsigned."""
    answer = Answer(status, headers=(("Date", "Tue, 24 Nov 2026 12:00:00 GMT"),))
    with StubServer(lambda _: answer) as server:
        scene = Scene()
        server_time = scene.run(time_at(scene.client, endpoint_at(server, "sts")))

    assert NOON == server_time
    assert [""] == [seen.header("Authorization") for seen in server.seen]


def test_a_time_that_can_not_be_asked_is_none() -> None:
    """If nothing listens at the address, the time is None."""
    with StubServer(lambda _: Answer()) as server:
        endpoint = endpoint_at(server, "sts")
    scene = Scene()

    assert scene.run(time_at(scene.client, endpoint)) is None


@pytest.mark.parametrize(
    ("shown", "ahead"), [("11:59:59", 0.0), ("12:00:00", 0.0), ("12:02:00", 120), ("11:50:00", -599)]
)
def test_how_far_a_clock_is_ahead_is_what_is_certain(shown: str, ahead: float) -> None:
    """The reported clock difference is only the part that is certain.

    A Date has whole seconds, so the server's time may be up to a second later.
    """
    with StubServer(lambda _: Answer(headers=(("Date", f"Tue, 24 Nov 2026 {shown} GMT"),))) as server:
        scene = Scene()
        glance = scene.run(glance_at(scene.client, endpoint_at(server, "sts")))

    assert ahead == glance.ahead_seconds
    assert glance.certificate_end is None


def test_a_server_without_a_time_tells_none() -> None:
    """A response without a Date header gives None as the time."""
    with StubServer(lambda _: Answer()) as server:
        scene = Scene()
        assert scene.run(glance_at(scene.client, endpoint_at(server, "sts"))) == ServerProbe(None, 0.0, None)


def test_the_certificate_is_the_servers_own(authority: Authority) -> None:
    """`glance_at` returns the expiry of the server's own certificate, read on a new connection.

    In the test the server's certificate ends in a day, and the authority's in two.
    """
    with StubServer(lambda _: Answer(), tls=authority.server()) as server:
        scene = Scene({"AWS_CA_BUNDLE": str(authority.bundle)})
        endpoint = endpoint_at(server, "sts")

        async def twice() -> tuple[ServerProbe, ServerProbe]:
            await glance_at(scene.client, endpoint)
            return await glance_at(scene.client, endpoint), await glance_at(
                scene.client, endpoint, asks_certificate=True
            )

        unasked, with_certificate = scene.run(twice())

    assert unasked.certificate_end is None
    assert with_certificate.certificate_end is not None
    assert timedelta(hours=23) < with_certificate.certificate_end - datetime.now(UTC) < timedelta(hours=25)
