"""Takes over a command line from the native launcher (`launcher/main.rs`), which has become this process.

The first word is `--launcher=STATE:PATH`. PATH is how the launcher was started, and STATE how far it has come:

- `` (empty): it has sent nothing to the agent.
- `asked,DESCRIPTOR,SECONDS,CODE`: it has sent the request; the next frame is unread, and may take SECONDS. CODE is 1 if
  the agent may have used an MFA code.
- `failed`: the agent ended while the launcher talked to it.
- `declined`: the agent has answered, and this process has to do the work itself.
- `answered,DESCRIPTOR,CODE`: the descriptor is a pipe with the part of the answer that could not be written, and CODE
  is the exit code of the command.
- `interrupted`: Ctrl-C interrupted `hook-load`, and the shell needs the names of the files to watch.

The launcher has blocked SIGINT. A `!` before STATE says that SIGINT was already blocked when the launcher started. It
then stays blocked.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import os
import sys
from stat import S_IFIFO, S_IFMT, S_IFSOCK

from dsops.agent import DEAF, STUCK, client
from dsops.startup import NamedTuple

WORD = "--launcher="
"""The beginning of the first word of a process that was the launcher."""


class Handover(NamedTuple):
    """How far the launcher has come."""

    is_agent_wanted: bool = True
    """Whether the agent may still do the work."""
    begun: "client.Begun | None" = None
    """Ends the request that the launcher has begun."""
    unwritten: "tuple[bytes, int] | None" = None
    """The part of the answer that is not on stdout yet, and the exit code."""
    is_interrupted: bool = False


def take(words: "list[str]") -> Handover:
    """Remove the launcher's word from the command line, and return its state.

    A state that the launcher can't have written counts as an empty state.
    """
    state, _, sys.argv[0] = words.pop(0)[len(WORD) :].partition(":")
    if not state.startswith("!"):
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGINT])
    name, *values = state.removeprefix("!").split(",")
    try:
        if name == "asked":
            descriptor, seconds, has_code = values
            silent = STUCK if has_code == "1" else DEAF
            return Handover(begun=_listener(_connection(_left(descriptor, S_IFSOCK)), float(seconds), silent))
        if name == "answered":
            descriptor, code = values
            with open(_left(descriptor, S_IFIFO), "rb") as pipe:
                return Handover(unwritten=(pipe.read(), int(code)))
    except (OSError, ValueError):
        return Handover()
    return Handover(
        is_agent_wanted=name != "declined",
        begun=(lambda _person: None) if name == "failed" else None,
        is_interrupted=name == "interrupted",
    )


def _left(descriptor: str, kind: int) -> int:
    """Return the descriptor's number. Raises ValueError or OSError unless the launcher can have left it."""
    number = int(descriptor)
    if number <= 2 or S_IFMT(os.fstat(number).st_mode) != kind:  # 0 to 2 are the standard streams
        raise ValueError("no descriptor of the launcher")
    return number


def _listener(connection: "_socket.socket", seconds: float, silent: "tuple[int, bytes]") -> "client.Begun":
    """Return a function that reads the frames of the launcher's request to the end."""

    def listen(person: "client.Person") -> "tuple[int, bytes] | None":
        try:
            return client.listen(connection, person, seconds, silent)
        except OSError:
            return None
        finally:
            connection.close()

    return listen


def _connection(descriptor: int) -> "_socket.socket":
    """Return the launcher's connection. Raises OSError unless an agent of this user is at its other end."""
    connection = _socket.socket(fileno=descriptor)
    if connection.family != _socket.AF_UNIX or client.peer_uid(connection) != os.geteuid():
        connection.detach()
        raise OSError("no connection to an agent")
    os.set_inheritable(descriptor, False)
    return connection
