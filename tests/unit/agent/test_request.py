"""A request's client, as whoever works for it sees it."""

from __future__ import annotations

import socket
from time import monotonic

from dsops.agent.request import ClientLimits, RequestClient


def test_a_client_that_is_gone_is_seen() -> None:
    """Without asking it anything; of one that has typed something nothing is taken."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(10)
        began = monotonic()
        caller = RequestClient(ours, ClientLimits())
        assert not caller.has_left()
        theirs.sendall(b"typed")
        assert not caller.has_left()
        assert ours.recv(16) == b"typed"
        theirs.close()
        assert caller.has_left()
        assert monotonic() - began < 5
    assert caller.has_left()
