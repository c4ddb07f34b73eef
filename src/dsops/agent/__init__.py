"""The agent keeps sessions in memory and runs the pipeline for clients of its socket.

This package also contains the agent's client. This file has the frames that both sides exchange: a warm run imports it
anyway, and a module of its own would slow down every run.

Input: a client's environment with its command line (`client`) or a request (`messages`). Output: the environment of a
command, values, or a session. Nothing is written to disk. The package also renews and serves the session of a running
command (`renewal`, `serve`). `cli`, `doctor`, `testing` and `__main__` may import it; the parser of command lines is
passed in (`command_lines`).
"""

from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

REQUEST, HELLO, NOTE, EVENT, ASK, CHOOSE, TYPED, NO_ANSWER, RESULT, FAILED, DECLINED, ALIVE, CODE = b"RHNEQLTUXFDAC"
"""The kinds of frames.

From the client:

- REQUEST
- TYPED: what the user typed, or the chosen position for CHOOSE
- NO_ANSWER: the user typed nothing

From the agent:

- HELLO: the request was received
- NOTE: text for stderr
- EVENT: a progress event
- ASK: a question to the user
- CHOOSE: a list from which the user chooses
- ALIVE: the agent is still working
- CODE: an MFA code may be used for this request

From the agent, at the end of the request:

- RESULT
- FAILED: an error, see `failure`
- DECLINED: the client has to do the work itself
"""

LONGEST = 1 << 23
"""Maximum bytes of a frame: an environment has at most 6 MiB on Linux (three quarters of the stack limit)."""

SILENT_SECONDS = 10.0
"""How long a working agent may send nothing, and how long a frame may take to arrive.

A working agent sends ALIVE every two seconds, so a silent agent is suspended or hangs.
"""

AGAIN = b"again"
"""Sent with DECLINED by an agent of another version, or one about to end: the client then asks a new agent."""

DEAF = (DECLINED, b"deaf")
STUCK = (DECLINED, b"stuck")
"""The client's own results: no agent responds, or the agent stopped responding after it may have used an MFA code.

An MFA code works only once, so the client must not repeat a request with the result STUCK.
"""


def pack(fields: "list[bytes]") -> bytes:
    """Encode the fields: each field is preceded by its length in four bytes."""
    return b"".join([part for field in fields for part in (len(field).to_bytes(4, "big"), field)])


def unpack(data: bytes) -> "list[bytes]":
    """Decode the fields. Raises ValueError for bytes that `pack` can't have made."""
    fields, position = [], 0
    while position < len(data):
        end = position + 4 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data) or position + 4 > len(data):
            raise ValueError("a frame ends within a field")
        fields.append(data[position + 4 : end])
        position = end
    return fields


def send(connection: "_socket.socket", kind: int, data: bytes = b"") -> None:
    """Sends a frame: its kind, its length, its data."""
    connection.sendall(bytes((kind,)) + len(data).to_bytes(4, "big") + data)


def receive(connection: "_socket.socket", seconds: float = SILENT_SECONDS) -> "tuple[int, bytes] | None":
    """Return the next frame; None at the end of the stream.

    Raises TimeoutError if a frame is not complete within `seconds`, another OSError for a broken connection,
    ValueError for a frame that is too long.
    """
    until = monotonic() + seconds
    head = _read(connection, 5, until)
    if head is None:
        return None
    length = int.from_bytes(head[1:], "big")
    if length > LONGEST:
        raise ValueError("a frame is too long")
    data = _read(connection, length, until)
    return None if data is None else (head[0], data)


def _read(connection: "_socket.socket", length: int, until: float) -> "bytes | None":
    parts = []
    while length:
        left = until - monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(min(length, 1 << 18))
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
