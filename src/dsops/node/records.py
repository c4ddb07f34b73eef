"""Writes the node's audit records: which workload, user, unit and process got which session or secret."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from dsops.credentials import Credentials
from dsops.node.issuer import SecretRequest, make_journal
from dsops.node.metrics import NodeMetrics
from dsops.node.peer import Peer
from dsops.node.workloads import NodeCaller
from dsops.runtime import Act, Event, Runtime

SESSION_GIVEN: Final = "GetCredentials"
READ_GIVEN: Final = "GetSecret"
_MOST_GIVEN: Final = 50_000
"""How many kinds of records are remembered: a session is recorded once for each workload, user and unit."""


class NodeTrail:
    """Writes records to the audit trail, and counts answers. Used by the event loop's thread."""

    def __init__(self, runtime: Runtime, metrics: NodeMetrics) -> None:
        self._runtime = runtime
        self._metrics = metrics
        self._given: OrderedDict[tuple[object, ...], None] = OrderedDict()

    def give(self, caller: NodeCaller, store: str, session: Credentials) -> None:
        """Record a session that a caller gets. Raises AuditFailed if the trail is required and can't be written."""
        self._add(
            (store, session.access_key_id, *_kind(caller)),
            Act(
                SESSION_GIVEN,
                caller=session.arn,
                key=session.access_key_id,
                facts={"store": store, "expires": session.expiration_text, **_facts(caller)},
                is_of_sandbox=session.is_of_sandbox,
            ),
        )

    def give_secret(self, caller: NodeCaller, request: SecretRequest, version_id: str) -> None:
        """Record a secret that a caller gets. Raises AuditFailed as `give` does."""
        facts = {"store": request.store, "secret": request.secret_id, "version": version_id, **_facts(caller)}
        self._add((*request, version_id, *_kind(caller)), Act(READ_GIVEN, facts=facts))

    def refuse(self, peer: Peer | None, path: str) -> None:
        """Report a request of a caller that is not identified."""
        self._metrics.refuse()
        facts = {"uid": "unknown" if peer is None or peer.uid is None else str(peer.uid), "path": path[:200]}
        self._runtime.report(Event("node.refused", facts))

    def answer(self, *, is_secret: bool, status: int) -> None:
        """Count an answer."""
        self._metrics.answer(is_secret=is_secret, status=status)

    def _add(self, key: tuple[object, ...], act: Act) -> None:
        if key in self._given:
            return
        journal = make_journal(self._runtime)
        journal.add(act)
        journal.write()
        self._given[key] = None
        while len(self._given) > _MOST_GIVEN:
            self._given.popitem(last=False)


def _kind(caller: NodeCaller) -> tuple[object, ...]:
    process = caller.peer.known_process
    return (caller.workload.name, caller.peer.uid, process.unit if process is not None else "", *caller.subject)


def _facts(caller: NodeCaller) -> dict[str, object]:
    """Return what is known about the caller. The process is known only if the workload's rule asks for it."""
    facts: dict[str, object] = {"workload": caller.workload.name, "peer_uid": caller.peer.uid}
    process = caller.peer.known_process
    if process is not None:
        facts |= {"peer_pid": process.pid, "peer_gid": process.gid, "peer_unit": process.unit}
    if caller.subject.text:
        facts |= {"subject": caller.subject.text, **dict(caller.subject.facts)}
    return facts
