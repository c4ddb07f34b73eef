"""The guard of one command, put together: keys, authority, address, and what is loaded while the command starts."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from dsops.credentials import Credentials
from dsops.dumps import close_memory
from dsops.endpoint import better_address, is_loopback, parse_address
from dsops.errors import UsageError, VariableInvalid
from dsops.guard.authority import Authority
from dsops.guard.destinations import EndpointOverride
from dsops.guard.placeholder import new_placeholder
from dsops.guard.run.attendant import GuardAttendant
from dsops.guard.run.child_variables import ENDPOINT, guarded_variables
from dsops.guard.run.late_server import LateServer
from dsops.guard.run.options import GuardOptions
from dsops.guard.run.trust_file import write_trust_file
from dsops.guard.run.unix_socket import PORT, open_socket
from dsops.runtime import Runtime
from dsops.secret import Secret

if TYPE_CHECKING:
    from dsops.guard.server import GuardServer


class RunningGuard:
    """A guard that serves one command, from its creation to `close`."""

    def __init__(self, options: GuardOptions, session: Callable[[], Credentials | None], runtime: Runtime) -> None:
        """Listen. The server is loaded in the turns of `attendants`, when the command has been started.

        Raises ConfigError for an unusable endpoint or certificate, UsageError for an address.
        """
        close_memory()
        self._options = options
        self._runtime = runtime
        self._session = session
        self._keys = new_placeholder()
        self._override = override_of(runtime.environ)
        self._authority = Authority(runtime.now())
        self._trust_file, self._delete_trust_file = write_trust_file(
            self._authority.certificate, runtime.environ, runtime.folder, options.certificates
        )
        try:
            self._server = self._listening()
        except BaseException:
            self._delete_trust_file()
            raise
        self._attendant = GuardAttendant(self.close, self._write_journal)
        self.attendants = (self._server, self._attendant)

    def _listening(self) -> LateServer:
        listen = self._options.listen
        try:
            opened = open_socket(listen) if isinstance(listen, str) else listen
            return LateServer(opened, self._make_server, self._bug)
        except OSError as error:
            why = (error.strerror or "unknown reason").lower()
            hint = "leave out the port to use a free one, or name an address of this machine"
            if isinstance(listen, str):
                hint = f"name another file: dsops can't make a socket at {listen}"
            raise UsageError("the guard can't listen on the address of `--listen`", why=why, hint=hint) from error

    def variables(self, empty_file: str) -> dict[str, Secret]:
        """Return the variables that send the command's requests to the guard."""
        is_unix = isinstance(self._options.listen, str)
        host, port = ("127.0.0.1", PORT) if is_unix else self._server.address
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return guarded_variables(url, self._trust_file, self._keys, empty_file, self._runtime.environ)

    def close(self) -> None:
        """End the server, within a second, and delete the file with the certificates."""
        self._server.end()
        self._delete_trust_file()
        if isinstance(self._options.listen, str):
            with suppress(OSError):
                os.unlink(self._options.listen)
        if self._options.recorder is not None:
            self._options.recorder.close()

    def _make_server(self, listener: socket.socket) -> GuardServer:
        from dsops.guard.run.serving import ServedRun, make_server

        run = ServedRun(
            self._options,
            self._keys,
            self._session,
            self._authority,
            self._override,
            self._attendant,
            self._runtime,
            self._bug,
        )
        return make_server(run, listener)

    def _write_journal(self) -> None:
        """Write the decisions of one turn to the audit trail, together."""
        if self._runtime.journal is not None:
            self._runtime.journal.write()

    def _bug(self, error: BaseException) -> None:
        self._attendant.post(lambda: self._options.show(f"internal error in the guard: {type(error).__name__}"))


def override_of(environ: Mapping[str, str]) -> EndpointOverride | None:
    """Return the endpoint that the user's own AWS_ENDPOINT_URL names, such as a sandbox; None if AWS is called.

    Raises VariableInvalid.
    """
    text = environ.get(ENDPOINT, "")
    if not text or environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    address = parse_address(text)
    if address is None or address.path.strip("/"):
        raise VariableInvalid(f"{ENDPOINT} is not an address that dsops can use", hint=f"write {better_address(text)}")
    if address.scheme == "http" and not is_loopback(address.host):
        raise VariableInvalid(
            f"{ENDPOINT} would send requests unencrypted to {address.authority}",
            why="http:// is allowed for loopback addresses only",
            hint=f"write https://{address.host}",
        )
    return EndpointOverride(address.host, address.port, address.scheme == "https")
