"""What a guarded run loads while its command starts: the gate, the server, and the records of decisions."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import NamedTuple

from dsops.credentials import Credentials
from dsops.guard.authority import Authority
from dsops.guard.decision import GuardDecision
from dsops.guard.destinations import EndpointOverride
from dsops.guard.gate import PolicyGate
from dsops.guard.http.upstream import Network as UpstreamNetwork
from dsops.guard.placeholder import PlaceholderKeys
from dsops.guard.run.attendant import GuardAttendant
from dsops.guard.run.options import GuardOptions
from dsops.guard.run.trail import act_of, denial_text
from dsops.guard.server import GuardServer
from dsops.policy import ANY_CHARACTER, ANY_TEXT
from dsops.recording.decisions import calls_of
from dsops.runtime import Runtime

_MOST_SHOWN = 20
"""The most denials that are shown on the terminal. The audit trail has all of them."""


class ServedRun(NamedTuple):
    """One guarded run, as its server needs it."""

    options: GuardOptions
    keys: PlaceholderKeys
    session: Callable[[], Credentials | None]
    authority: Authority
    override: EndpointOverride | None
    attendant: GuardAttendant
    runtime: Runtime
    report: Callable[[BaseException], None]


def make_server(run: ServedRun, listener: socket.socket) -> GuardServer:
    """Return the server of a run, for a listening socket. It has not been started."""
    options, runtime = run.options, run.runtime
    ask = None
    if options.ask is not None:
        from dsops.guard.run.approvals import Approvals

        ask = Approvals(options.ask, run.attendant.post, options.reference).approve
    gate = PolicyGate(
        run.keys,
        run.session,
        options.caller,
        options.policies,
        options.reference,
        network=options.network,
        endpoint_override=run.override,
        limit=options.limits.refusal,
        now=runtime.now,
        on_decision=DecisionRecords(run).record,
        ask=ask,
    )
    network = UpstreamNetwork(runtime.environ, runtime.folder)
    return GuardServer(gate, run.authority, network, listen=listener, report=run.report)


class DecisionRecords:
    """Records what became of each request: in the recording, in the audit trail, and denials on the terminal."""

    def __init__(self, run: ServedRun) -> None:
        self._options = run.options
        self._attendant = run.attendant
        self._runtime = run.runtime
        self._shown: set[str] = set()

    def record(self, decision: GuardDecision) -> None:
        """Record a decision. Runs in the server's thread."""
        if self._options.recorder is not None:
            caller = self._options.caller.arn
            for call in calls_of(decision, caller, any_text=ANY_TEXT, any_character=ANY_CHARACTER):
                self._options.recorder.add(call)
        self._attendant.post(lambda: self._note(decision), can_wait=decision.outcome == "allowed")

    def _note(self, decision: GuardDecision) -> None:
        """Add a decision to the journal, and show a denial once. Runs in the loop that watches the command."""
        journal = self._runtime.journal
        if journal is not None:
            journal.add(act_of(decision, caller=self._options.caller.arn, store=self._options.store))
        if decision.outcome != "allowed":
            text = denial_text(decision)
            if text not in self._shown and len(self._shown) < _MOST_SHOWN:
                self._shown.add(text)
                self._options.show(text)
