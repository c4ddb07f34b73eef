"""What time it is for AWS, asked without credentials."""

from __future__ import annotations

import pytest

from dsops.aws.clock import time_at
from tests.fakes import NOON
from tests.stubs.server import Answer, StubServer
from tests.unit.aws.scene import Scene, endpoint_at


@pytest.mark.parametrize("status", [200, 302, 403])
def test_whatever_is_answered_has_the_time(status: int) -> None:
    """Nothing is signed, so AWS refuses or redirects; its clock is told all the same."""
    answer = Answer(status, headers=(("Date", "Tue, 24 Nov 2026 12:00:00 GMT"),))
    with StubServer(lambda _: answer) as server:
        scene = Scene()
        found = scene.run(time_at(scene.client, endpoint_at(server, "sts")))

    assert NOON == found
    assert [""] == [seen.header("Authorization") for seen in server.seen]


def test_a_time_that_can_not_be_asked_is_none() -> None:
    """Nobody listens there any more."""
    with StubServer(lambda _: Answer()) as server:
        endpoint = endpoint_at(server, "sts")
    scene = Scene()

    assert scene.run(time_at(scene.client, endpoint)) is None
