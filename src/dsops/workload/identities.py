"""The identities that tokens prove: a Kubernetes pod with its service account, or a SPIFFE ID."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from dsops.errors import TokenInvalid
from dsops.workload.jwt import ALGORITHMS
from dsops.workload.verifier import TokenVerifier

KUBERNETES_AUDIENCE: Final = "pods.eks.amazonaws.com"
"""The audience of the tokens that EKS Pod Identity mounts into pods."""

SVID_ALGORITHMS: Final = (*ALGORITHMS, "PS256", "PS384", "PS512")
"""The algorithms of the standard JWT-SVID, section 3."""

SVID_USE: Final = "jwt-svid"
"""The `use` of a trust domain's keys for JWT-SVIDs (SPIFFE Trust Domain and Bundle, 4.2.2)."""


class PodIdentity(NamedTuple):
    """A pod and its service account, from a token that Kubernetes has bound to the pod."""

    namespace: str
    service_account: str
    pod: str
    pod_uid: str
    node: str
    """The name of the pod's node; "" before Kubernetes 1.30."""


def pod_identity(verifier: TokenVerifier, text: str, now: datetime) -> PodIdentity:
    """Return the identity that a service-account token proves. Raises TokenInvalid.

    A token that is not bound to a pod (`kubectl create token`, or a Secret of the old kind) is refused.
    """
    claims = verifier.verify(text, now)
    bound = claims.get("kubernetes.io")
    if not isinstance(bound, Mapping):
        raise TokenInvalid("the token was not issued for a Kubernetes service account", "claims")
    identity = PodIdentity(
        _text(bound.get("namespace")),
        _name(bound, "serviceaccount", "name"),
        _name(bound, "pod", "name"),
        _name(bound, "pod", "uid"),
        _name(bound, "node", "name"),
    )
    if not all(identity[:4]):
        raise TokenInvalid("the token is not bound to a pod", "claims")
    if claims.get("sub") != f"system:serviceaccount:{identity.namespace}:{identity.service_account}":
        raise TokenInvalid("the token's subject (`sub`) is another service account than its claims name", "claims")
    return identity


def spiffe_identity(verifier: TokenVerifier, trust_domain: str, text: str, now: datetime) -> str:
    """Return the SPIFFE ID that a JWT-SVID proves, of the trust domain `spiffe://NAME`. Raises TokenInvalid."""
    subject = verifier.verify(text, now).get("sub")
    # The keys of one trust domain must not sign identities of another trust domain.
    if not isinstance(subject, str) or not subject.startswith(f"{trust_domain}/"):
        raise TokenInvalid(f"the token's subject is not in the trust domain {trust_domain}", "claims")
    return subject


def _name(bound: Mapping[str, Any], part: str, name: str) -> str:
    found = bound.get(part)
    return _text(found.get(name)) if isinstance(found, Mapping) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""
