"""Takes over a command line from the native launcher (`launcher/main.rs`), which has become this process.

The first word is `--launcher=STATE:PATH`. PATH is how the launcher was started, and STATE how far it has come:

- `` (empty): it has sent nothing to the agent.
- `asked,DESCRIPTOR,WRITTEN`: it has sent the request on the connection, and every frame of the agent is unread. So many
  bytes of the answer are on stdout already.
- `failed`: the agent ended while the launcher talked to it.
- `declined`: the agent has answered, and this process has to do the work itself.

The launcher has blocked SIGINT. A `!` before STATE says that SIGINT was already blocked when the launcher started. It
then stays blocked.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import os
import sys
from stat import S_IFMT, S_IFSOCK

from dsops.agent import RESULT, client, pack, unpack
from dsops.startup import NamedTuple

WORD = "--launcher="
"""The beginning of the first word of a process that was the launcher."""


class Handover(NamedTuple):
    """How far the launcher has come."""

    is_agent_wanted: bool = True
    """Whether the agent may still do the work."""
    begun: "client.Begun | None" = None
    """Ends the request that the launcher has begun."""
    is_interrupted: bool = False
    """Whether Ctrl-C interrupted `hook-load`: the shell then needs the names of the files to watch."""


def take(words: "list[str]") -> Handover:
    """Remove the launcher's word from the command line, and return its state.

    A state that the launcher can't have written counts as an empty state. Raises KeyboardInterrupt after a Ctrl-C.
    """
    state, _, sys.argv[0] = words.pop(0)[len(WORD) :].partition(":")
    try:
        if not state.startswith("!"):
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGINT])
    except KeyboardInterrupt:
        if words[:1] != ["hook-load"]:
            raise
        return Handover(is_interrupted=True)
    name, *values = state.removeprefix("!").split(",")
    try:
        if name == "asked":
            descriptor, written = values
            return Handover(begun=_listener(_connection(int(descriptor)), int(written)))
    except (OSError, ValueError):
        return Handover()
    return Handover(is_agent_wanted=name != "declined", begun=(lambda _person: None) if name == "failed" else None)


def _listener(connection: "_socket.socket", written: int) -> "client.Begun":
    """Return a function that ends the launcher's request; the answer is without the bytes that are written."""

    def listen(person: "client.Person") -> "tuple[int, bytes] | None":
        try:
            frame = client.listen(connection, person)
            if frame is None or frame[0] != RESULT or not written:
                return frame
            answer, *code = unpack(frame[1])
            return RESULT, pack([answer[written:], *code])
        except OSError:
            return None
        finally:
            connection.close()

    return listen


def _connection(descriptor: int) -> "_socket.socket":
    """Return the launcher's connection. Raises OSError unless an agent of this user is at its other end."""
    # 0 to 2 are the standard streams, which are not handed over
    if descriptor <= 2 or S_IFMT(os.fstat(descriptor).st_mode) != S_IFSOCK:
        raise OSError("no descriptor of the launcher")
    connection = _socket.socket(fileno=descriptor)
    if connection.family != _socket.AF_UNIX or client.peer_uid(connection) != os.geteuid():
        connection.detach()
        raise OSError("no connection to an agent")
    os.set_inheritable(descriptor, False)
    return connection
