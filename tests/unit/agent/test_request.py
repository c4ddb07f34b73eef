"""The client's connection, as the thread that works on its request sees it."""

from __future__ import annotations

import socket
from time import monotonic

from dsops.agent.request import ClientLimits, RequestClient


def test_a_client_that_is_gone_is_seen() -> None:
    """A closed connection is detected without sending the client a message or consuming its typed input."""
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
