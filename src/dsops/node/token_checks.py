"""Check that a caller's token proves the workload's identity: a Kubernetes service account, or a SPIFFE ID."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from dsops.errors import TokenInvalid
from dsops.node.workloads import TokenSubject
from dsops.workload.identities import PodIdentity, pod_identity, spiffe_identity
from dsops.workload.verifier import TokenVerifier

POD_VARIABLES: Final = (
    "KUBERNETES_NAMESPACE",
    "KUBERNETES_SERVICE_ACCOUNT",
    "KUBERNETES_POD_NAME",
    "KUBERNETES_POD_UID",
    "KUBERNETES_NODE_NAME",
)
"""The variables for the texts of stores, which have facts of the caller's pod."""

SPIFFE_VARIABLE: Final = "SPIFFE_ID"
"""The variable that has the caller's SPIFFE ID."""


class _KeyedCheck:
    """A check whose keys are those of its verifier."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    def seconds(self) -> float | None:
        """Return the seconds until the keys are due."""
        return self._verifier.keys.seconds()

    def refresh(self) -> None:
        """Load the keys if they are due. Raises DsopsError."""
        self._verifier.keys.refresh()


class KubernetesCheck(_KeyedCheck):
    """Accepts the tokens that Kubernetes projects into pods of one service account."""

    def __init__(
        self,
        verifier: TokenVerifier,
        namespace: str,
        service_account: str,
        *,
        node: str = "",
        checks_process: bool = True,
    ) -> None:
        """With `node`, only tokens of pods of this node are accepted.

        With `checks_process`, the caller must be in the pod for which the token was issued.
        """
        super().__init__(verifier)
        self._wanted = (namespace, service_account)
        self._node = node
        self._checks_process = checks_process

    def __str__(self) -> str:
        return f"service account {'/'.join(self._wanted)}"

    def subject_of(self, token: bytes, now: datetime) -> TokenSubject | None:
        """Return the pod that the token proves, if it is of the service account; None otherwise."""
        try:
            pod = pod_identity(self._verifier, token.decode("latin-1"), now)
        except TokenInvalid:
            return None
        if (pod.namespace, pod.service_account) != self._wanted or (self._node and pod.node != self._node):
            return None
        return _subject(pod, checks_process=self._checks_process)


class SpiffeCheck(_KeyedCheck):
    """Accepts the JWT-SVIDs of one SPIFFE ID."""

    def __init__(self, verifier: TokenVerifier, spiffe_id: str) -> None:
        super().__init__(verifier)
        self._spiffe_id = spiffe_id
        self._trust_domain = trust_domain_of(spiffe_id)

    def __str__(self) -> str:
        return self._spiffe_id

    def subject_of(self, token: bytes, now: datetime) -> TokenSubject | None:
        """Return the SPIFFE ID if the token proves it; None otherwise."""
        try:
            found = spiffe_identity(self._verifier, self._trust_domain, token.decode("latin-1"), now)
        except TokenInvalid:
            return None
        return TokenSubject(found, variables=((SPIFFE_VARIABLE, found),)) if found == self._spiffe_id else None


def trust_domain_of(spiffe_id: str) -> str:
    """Return the trust domain of a SPIFFE ID, such as `spiffe://example.org`."""
    return "/".join(spiffe_id.split("/", 3)[:3])


def _subject(pod: PodIdentity, *, checks_process: bool) -> TokenSubject:
    values = (pod.namespace, pod.service_account, pod.pod, pod.pod_uid, pod.node)
    facts = tuple(zip(("namespace", "service_account", "pod", "pod_uid", "node"), values, strict=True))
    text = f"system:serviceaccount:{pod.namespace}:{pod.service_account}"
    variables = tuple(zip(POD_VARIABLES, values, strict=True))
    return TokenSubject(text, facts, variables, pod.pod_uid if checks_process else "")
