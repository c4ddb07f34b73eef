"""Workloads, the rules that say which callers belong to each of them, and the search for a caller's workload.

A caller belongs to a workload only if both its peer and its token match. The token is the content of the workload's
token file, or a token that a `TokenCheck` verifies.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from hmac import compare_digest
from typing import NamedTuple, Protocol

from dsops.errors import Where
from dsops.node.peer import Peer
from dsops.secret import Secret


class PeerRule(NamedTuple):
    """The properties that a caller's peer must have; None and "" match every peer of this machine."""

    uid: int | None = None
    gid: int | None = None
    """The effective group id."""
    unit: str = ""
    """The systemd unit of the system's manager, such as `web.service`."""
    cgroup: str = ""
    """The path of a cgroup; processes in cgroups below it match, too."""

    @property
    def needs_processes(self) -> bool:
        """Whether the peer's processes have to be examined, in addition to its user."""
        return self.gid is not None or bool(self.unit or self.cgroup)

    def admits(self, peer: Peer) -> bool:
        """Whether the peer has all properties; with several processes, each of them must have them."""
        if self.uid is not None and peer.uid != self.uid:
            return False
        if not self.needs_processes:
            return True
        processes = peer.processes
        return bool(processes) and all(
            (self.gid is None or process.gid == self.gid)
            and (not self.unit or process.unit == self.unit)
            and (not self.cgroup or f"{process.cgroup}/".startswith(f"{self.cgroup}/"))
            for process in processes
        )


class TokenSubject(NamedTuple):
    """What a verified token proves about its holder."""

    text: str
    """The subject, such as `system:serviceaccount:shop:app`; "" for the token of a token file."""
    facts: tuple[tuple[str, str], ...] = ()
    """Further facts for the audit trail, such as the pod's name."""
    variables: tuple[tuple[str, str], ...] = ()
    """The facts as variables for the texts of stores, such as KUBERNETES_POD_NAME."""
    pod_uid: str = ""
    """The uid of the pod in which the caller must be; "" if any process may use the token."""


class TokenCheck(Protocol):
    """Verifies tokens that callers get from another system, such as Kubernetes or SPIRE."""

    def subject_of(self, token: bytes, now: datetime) -> TokenSubject | None:
        """Return what the token proves; None if it is not of this workload. Never blocks."""

    def seconds(self) -> float | None:
        """Return the seconds until `refresh` has work to do; None for none."""

    def refresh(self) -> None:
        """Load keys that have changed, and set the next time. Runs in a thread, and may block. Raises DsopsError."""


class SecretRule(NamedTuple):
    """The secrets that a workload may read."""

    store: str
    """A store of the type aws.secretsmanager."""
    names: tuple[str, ...]
    """Patterns of names or ARNs; `*` matches any text."""

    def admits(self, secret_id: str) -> bool:
        """Whether the id, as the caller wrote it, matches a pattern."""
        return any(fnmatchcase(secret_id, pattern) for pattern in self.names)


class Workload(NamedTuple):
    """One kind of caller, and what it may have."""

    name: str
    peer: PeerRule
    token_check: TokenCheck | None
    """Verifies the token of each request; None if the token is that of the workload's token file."""
    token_owner: int
    """The uid that owns the token file."""
    stores: tuple[str, ...]
    """The stores whose sessions the workload may have. The first is the default."""
    secrets: SecretRule | None
    where: Where


_OF_FILE = TokenSubject("")


class NodeCaller(NamedTuple):
    """An identified caller: its workload, and facts for the audit trail."""

    workload: Workload
    peer: Peer
    subject: TokenSubject
    """What the caller's token proves."""


class Workloads:
    """The workloads of a node, with the tokens of their token files."""

    def __init__(self, workloads: Sequence[Workload], tokens: dict[str, Secret]) -> None:
        """`tokens` maps the name of each workload without a token check to the token of its file."""
        self.all = tuple(workloads)
        self._tokens = {name: token.reveal_bytes() for name, token in tokens.items()}

    def find(self, peer: Peer, token: bytes, now: datetime) -> NodeCaller | None:
        """Return the caller; None unless both the peer and the token match the same workload.

        The token is compared first. It takes the same time for each wrong token, and the processes of a peer are
        examined only for callers with the right token.
        """
        for workload in self.all:
            subject = self._proven(workload, token, now)
            if subject is None or not workload.peer.admits(peer):
                continue
            if not subject.pod_uid or peer.is_in_pod(subject.pod_uid):
                return NodeCaller(workload, peer, subject)
        return None

    def _proven(self, workload: Workload, token: bytes, now: datetime) -> TokenSubject | None:
        """Return what the token proves for the workload, or None."""
        if workload.token_check is not None:
            return workload.token_check.subject_of(token, now)
        return _OF_FILE if compare_digest(token, self._tokens[workload.name]) else None
