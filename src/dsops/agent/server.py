"""The agent's server: accepts clients of this user, runs their requests in threads, and ends when idle.

One thread reads from all clients without blocking. Only a complete request gets a thread, and only one of these
threads computes at a time. A client that is slow, silent or gone, or that sends garbled data, uses up a descriptor for
a few seconds but does not delay others.
"""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Lock
from time import monotonic

from dsops.agent import AGAIN, DECLINED, HELLO, LONGEST, REQUEST, send, unpack
from dsops.agent import client as agent_client
from dsops.agent.client import peer_uid
from dsops.agent.request import DECLINE, AgentAnswer, AgentRequest, ClientLimits, RequestClient, Work
from dsops.agent.start import locked
from dsops.agent.thread_pool import Crew

_LONGEST_WAIT_SECONDS = 3600.0
"""The longest timeout for poll(2), whose milliseconds have 31 bits: longer waits are split into steps of an hour."""

_UNLIMITED = 1 << 31
SPARE_DESCRIPTORS = 64
"""Descriptors kept free for files, programs and connections to AWS."""

_PULSE_SECONDS = 2.0
"""How often clients get an ALIVE frame; a client gives up after five such intervals without a frame."""

_RELIEF_SECONDS = 0.05
"""How often the server checks whether one request blocks the others."""

_LOOK_SECONDS = 0.1
"""How often a full server checks whether it can take more clients."""


class AgentServer:
    """Serves one listening socket until it is stopped, or reaches its idle timeout."""

    def __init__(
        self,
        listener: socket.socket,
        work: Work,
        limits: ClientLimits = ClientLimits(),  # noqa: B008 - a constant
        *,
        code: Callable[[], object] = lambda: _place_of(agent_client.__file__),
    ) -> None:
        """Serve `listener`; `work` runs in threads, and `code` identifies the dsops that is installed now.

        At the end, the socket file is unlinked unless it belongs to another agent by then.
        """
        self._listener = listener
        self._work = work
        self._limits = limits
        self._address: str = listener.getsockname()
        self._place = _place_of(self._address)
        self._mark = agent_client.stamp()
        self._code = code
        self._own_code = code()
        self._selector = selectors.DefaultSelector()
        self._unread: dict[socket.socket, _Unread] = {}
        self._crew = Crew(self._serve, limits)
        files = os.sysconf("SC_OPEN_MAX")
        self._highest = (files if files > 0 else _UNLIMITED) - SPARE_DESCRIPTORS
        self._is_ending = False
        self._is_listening = False
        self._look_at = 0.0
        self._served: set[RequestClient] = set()
        self._served_changed = Lock()
        self._pulse_at = 0.0
        self._last_asked = monotonic()
        self._wake, self._woken = os.pipe()

    def run(self) -> None:
        """Serve until the agent is stopped or idle."""
        self._listener.setblocking(False)
        os.set_blocking(self._wake, False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._listen(True)
        self._crew.start()
        try:
            while not self._is_ending:
                self._turn()
                if self._is_idle():
                    self._end()
            self._drain()
        finally:
            self._crew.end(self._limits.ending_seconds)
            for connection in self._unread:
                connection.close()
            self._selector.close()
            self._listener.close()
            os.close(self._wake)
            os.close(self._woken)

    def stop(self) -> None:
        """Stop the server, from any thread."""
        self._is_ending = True
        os.write(self._woken, b".")

    def _turn(self) -> None:
        now = monotonic()
        waits = [unread.until - now for unread in self._unread.values()]
        waits.append(self._last_asked + self._limits.idle_seconds - now)
        if not self._is_listening:
            waits.append(_LOOK_SECONDS)
        if self._crew.load:
            waits.append(max(0.0, self._pulse_at - now))
        if self._crew.is_waited_for:
            waits.append(_RELIEF_SECONDS)
        events = self._selector.select(min(_LONGEST_WAIT_SECONDS, max(0.0, min(waits))) + 0.001)
        if self._is_ending:
            # Ends the server without waiting for its turn, so that the socket file is removed at once.
            self._take(events)
        elif events:
            with self._crew.reading():
                self._take(events)
        self._crew.relieve()
        self._pulse()
        now = monotonic()
        if not self._is_listening and not self._is_ending and now >= self._look_at:
            self._listen(True)
        for connection in [late for late, unread in self._unread.items() if unread.until <= now]:
            self._drop(connection)

    def _take(self, events: Sequence[tuple[selectors.SelectorKey, int]]) -> None:
        """Accept clients, and read from those that have sent something."""
        for key, _ in events:
            if key.fileobj is self._listener:
                self._accept()
            elif key.fd == self._wake:
                os.read(self._wake, 4096)
            elif isinstance(key.fileobj, socket.socket):
                self._read(key.fileobj)

    def _accept(self) -> None:
        while len(self._unread) + self._crew.load < self._limits.clients:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                # no file descriptor is free for a connection
                break
            if peer_uid(connection) != os.geteuid() or connection.fileno() > self._highest:
                # The client belongs to another user, or too few descriptors are left for its request: the connection is
                # closed, and the client does the work itself.
                connection.close()
                continue
            connection.setblocking(False)
            self._unread[connection] = _Unread(monotonic() + self._limits.reading_seconds)
            self._read(connection)  # most clients have already sent their request when they connect
        # Stop accepting clients for now: they wait in the kernel's queue until the next check.
        self._listen(False)
        self._look_at = monotonic() + _LOOK_SECONDS

    def _listen(self, is_open: bool) -> None:  # noqa: FBT001 - on and off
        if is_open and not self._is_listening:
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif not is_open and self._is_listening:
            self._selector.unregister(self._listener)
        self._is_listening = is_open

    def _read(self, connection: socket.socket) -> None:
        unread = self._unread[connection]
        try:
            part = connection.recv(1 << 18)
        except BlockingIOError:
            self._watch(connection, unread)
            return
        except OSError:
            part = b""
        unread.data += part
        length = unread.length()
        if not part or length < 0 or self._held_bytes() > self._limits.unread_bytes:
            self._drop(connection)
        elif len(unread.data) >= length:
            self._forget(connection)
            self._last_asked = monotonic()
            self._crew.take(connection, bytes(unread.data[5:length]))
        else:
            self._watch(connection, unread)

    def _watch(self, connection: socket.socket, unread: _Unread) -> None:
        """Read from the client when it sends more."""
        if not unread.is_watched:
            self._selector.register(connection, selectors.EVENT_READ)
            unread.is_watched = True

    def _held_bytes(self) -> int:
        return self._crew.held_bytes + sum(len(unread.data) for unread in self._unread.values())

    def _forget(self, connection: socket.socket) -> None:
        if self._unread.pop(connection).is_watched:
            self._selector.unregister(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._forget(connection)
        connection.close()

    def _pulse(self) -> None:
        """Sends ALIVE to the waiting clients, every two seconds."""
        if monotonic() < self._pulse_at:
            return
        self._pulse_at = monotonic() + _PULSE_SECONDS
        with self._served_changed:
            callers = list(self._served)
        for caller in callers:
            caller.pulse()

    def _serve(self, connection: socket.socket, data: bytes) -> None:
        with connection:
            try:
                asked = self._parse(data)
                if asked is None:
                    return
                if isinstance(asked, AgentAnswer):
                    send(connection, asked.kind, asked.data)
                    return
                send(connection, HELLO)
                connection.settimeout(self._limits.writing_seconds)
                client = RequestClient(connection, self._limits, self._crew.outside, self._crew.after_others)
                with self._serving(client) as caller:
                    caller.answer(self._work(asked, caller))
            except Exception:  # noqa: BLE001 - the thread goes on, and the client does the work itself
                # The client is usually gone or does not read; the issued session stays cached for later requests.
                return
            finally:
                self._last_asked = monotonic()

    @contextmanager
    def _serving(self, caller: RequestClient) -> Iterator[RequestClient]:
        with self._served_changed:
            self._served.add(caller)
        try:
            yield caller
        finally:
            with self._served_changed:
                self._served.discard(caller)
            caller.leave()

    def _parse(self, data: bytes) -> AgentRequest | AgentAnswer | None:
        """Parse a request.

        Returns an answer if the client has another dsops version, and None for an invalid request.
        """
        try:
            mark, folder, watches, count, *rest = unpack(data)
            number = int(count)
        except ValueError:
            return None
        if mark != self._mark:
            if self._code() == self._own_code:
                # The agent runs the installed dsops, and this client was started before an upgrade. The agent does not
                # end because of such a client: the sessions of all other clients would be lost.
                return DECLINE
            self._unlink()
            self.stop()
            return AgentAnswer(DECLINED, AGAIN)
        if not 0 < number <= len(rest):
            return None
        return AgentRequest(folder, watches == b"1", rest[:number], rest[number:])

    def _is_idle(self) -> bool:
        is_busy = bool(self._unread) or self._crew.load > 0
        return not is_busy and monotonic() - self._last_asked >= self._limits.idle_seconds

    def _end(self) -> None:
        """Begin to shut down: unlink the socket file, so that a later client starts a new agent."""
        self._unlink()
        self._is_ending = True

    def _drain(self) -> None:
        """Serve the clients that connected before the socket was unlinked."""
        self._unlink()
        until = monotonic() + self._limits.ending_seconds
        self._accept()
        self._listen(False)
        while self._unread and monotonic() < until:
            self._turn()

    def _unlink(self) -> None:
        if not self._address:
            return
        address, self._address = self._address, ""
        with suppress(OSError), locked(address):
            if _place_of(address) == self._place:
                os.unlink(address)


def _place_of(path: str) -> tuple[int, int, int] | None:
    """Identify the file at that path, to notice later that another file has replaced it."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


class _Unread:
    """A request that is being received."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.data = bytearray()
        self.is_watched = False
        """Whether the selector watches the connection."""

    def length(self) -> int:
        """Return the length of the request, or of its header while the header is incomplete; -1 if invalid."""
        if len(self.data) < 5:
            return 5 if not self.data or self.data[0] == REQUEST else -1
        length = int.from_bytes(self.data[1:5], "big")
        return 5 + length if self.data[0] == REQUEST and length <= LONGEST else -1
