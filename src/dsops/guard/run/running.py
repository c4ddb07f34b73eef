"""The guard of one command, put together: keys, authority, gate, server, audit trail and recording."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from dsops.credentials import Credentials
from dsops.dumps import close_memory
from dsops.endpoint import better_address, is_loopback, parse_address
from dsops.errors import UsageError, VariableInvalid
from dsops.guard.authority import Authority
from dsops.guard.caller import GuardCaller
from dsops.guard.decision import GuardDecision
from dsops.guard.gate import PolicyGate
from dsops.guard.hosts import Network
from dsops.guard.http.upstream import Network as UpstreamNetwork
from dsops.guard.placeholder import new_placeholder
from dsops.guard.run.approvals import Approvals, AskUser
from dsops.guard.run.attendant import GuardAttendant
from dsops.guard.run.child_variables import ENDPOINT, guarded_variables
from dsops.guard.run.limits import RunLimits
from dsops.guard.run.trail import act_of, denial_text
from dsops.guard.run.trust_file import write_trust_file
from dsops.guard.run.unix_socket import PORT, open_socket
from dsops.guard.server import GuardServer
from dsops.guard.targets import EndpointOverride
from dsops.policy import ANY_CHARACTER, ANY_TEXT, LimitingPolicies
from dsops.recording.decisions import calls_of
from dsops.recording.recorder import RunRecorder
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.service_reference import ServiceReference

_MOST_SHOWN = 20
"""The most denials that are shown on the terminal. The audit trail has all of them."""


class GuardOptions(NamedTuple):
    """What a guarded command may do, and with which identity."""

    store: str
    caller: GuardCaller
    policies: LimitingPolicies
    reference: ServiceReference
    network: Network
    """Which other hosts the command may reach: `aws` for none, `all`, or patterns of host names."""
    limits: RunLimits
    listen: tuple[str, int] | socket.socket | str = ("127.0.0.1", 0)
    """Where to serve: an address and port (0 for a free port), a listening socket, or the path of a Unix socket."""
    certificates: str = ""
    """Where to write the certificates that the command trusts; "" for a temporary file."""
    recorder: RunRecorder | None = None
    show: Callable[[str], None] = lambda _: None
    """Shows a line to the user."""
    ask: AskUser | None = None
    """Asks the user about a request that the policies neither allow nor deny, in the loop that watches the command."""


class RunningGuard:
    """A guard that serves one command, from its creation to `close`."""

    def __init__(self, options: GuardOptions, session: Callable[[], Credentials | None], runtime: Runtime) -> None:
        """Start the server. Raises ConfigError for an unusable endpoint or certificate, UsageError for an address."""
        close_memory()
        self._options = options
        self._runtime = runtime
        self._shown: set[str] = set()
        self._keys = new_placeholder()
        self.attendant = GuardAttendant(self.close)
        approvals = options.ask and Approvals(options.ask, self.attendant.post, options.reference)
        authority = Authority(runtime.now())
        gate = PolicyGate(
            self._keys,
            session,
            options.caller,
            options.policies,
            options.reference,
            network=options.network,
            endpoint_override=override_of(runtime.environ),
            limit=options.limits.refusal,
            now=runtime.now,
            on_decision=self._decided,
            ask=approvals.approve if approvals else None,
        )
        self._trust_file, self._delete_trust_file = write_trust_file(
            authority.certificate, runtime.environ, runtime.folder, options.certificates
        )
        try:
            self._server = self._started(gate, authority)
        except BaseException:
            self._delete_trust_file()
            raise

    def _started(self, gate: PolicyGate, authority: Authority) -> GuardServer:
        listen, runtime = self._options.listen, self._runtime
        try:
            opened = open_socket(listen) if isinstance(listen, str) else listen
            network = UpstreamNetwork(runtime.environ, runtime.folder)
            server = GuardServer(gate, authority, network, listen=opened, report=self._bug)
            server.start()
        except OSError as error:
            why = (error.strerror or "unknown reason").lower()
            hint = "leave out the port to use a free one, or name an address of this machine"
            if isinstance(listen, str):
                hint = f"name another file: dsops can't make a socket at {listen}"
            raise UsageError("the guard can't listen on the address of `--listen`", why=why, hint=hint) from error
        return server

    def variables(self, empty_file: str) -> dict[str, Secret]:
        """Return the variables that send the command's requests to the guard."""
        is_unix = isinstance(self._options.listen, str)
        host, port = ("127.0.0.1", PORT) if is_unix else self._server.address
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return guarded_variables(url, self._trust_file, self._keys, empty_file, self._runtime.environ)

    def close(self) -> None:
        """End the server, within a second, and delete the file with the certificates."""
        self._server.close()
        self._delete_trust_file()
        if isinstance(self._options.listen, str):
            with suppress(OSError):
                os.unlink(self._options.listen)
        if self._options.recorder is not None:
            self._options.recorder.close()

    def _decided(self, decision: GuardDecision) -> None:
        """Record a decision. Runs in the server's thread."""
        if self._options.recorder is not None:
            caller = self._options.caller.arn
            for call in calls_of(decision, caller, any_text=ANY_TEXT, any_character=ANY_CHARACTER):
                self._options.recorder.add(call)
        self.attendant.post(lambda: self._note(decision))

    def _note(self, decision: GuardDecision) -> None:
        """Write a decision to the audit trail, and show a denial once. Runs in the loop that watches the command."""
        journal = self._runtime.journal
        if journal is not None:
            journal.add(act_of(decision, caller=self._options.caller.arn, store=self._options.store))
            journal.write()
        if decision.outcome != "allowed":
            text = denial_text(decision)
            if text not in self._shown and len(self._shown) < _MOST_SHOWN:
                self._shown.add(text)
                self._options.show(text)

    def _bug(self, error: BaseException) -> None:
        self.attendant.post(lambda: self._options.show(f"internal error in the guard: {type(error).__name__}"))


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
