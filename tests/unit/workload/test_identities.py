"""Identities out of verified tokens: pods, service accounts and SPIFFE IDs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dsops.errors import TokenInvalid
from dsops.workload.identities import SVID_ALGORITHMS, SVID_USE, PodIdentity, pod_identity, spiffe_identity
from dsops.workload.key_cache import KeyCache
from dsops.workload.verifier import TokenVerifier
from tests.workload_tokens import CLUSTER, NOW, TRUST_DOMAIN, TokenIssuer, pod_claims, svid_claims


def verifier_of(issuer: TokenIssuer) -> TokenVerifier:
    """A verifier for a cluster with this issuer's keys."""
    keys = KeyCache(lambda: issuer.key_set)
    keys.refresh()
    return TokenVerifier(keys, "pods.eks.amazonaws.com", issuer=CLUSTER)


def svid_verifier_of(issuer: TokenIssuer) -> TokenVerifier:
    """A verifier for a trust domain with this issuer's keys."""
    keys = KeyCache(lambda: issuer.key_set)
    keys.refresh()
    return TokenVerifier(keys, "dsops-node", algorithms=SVID_ALGORITHMS, use=SVID_USE)


def test_a_pods_token_names_pod_and_service_account() -> None:
    """A token that is bound to a pod proves namespace, service account, pod and node."""
    issuer = TokenIssuer()
    identity = pod_identity(verifier_of(issuer), issuer.sign(pod_claims()), NOW)
    assert identity == PodIdentity("shop", "app", "app-1", "uid-of-app-1", "node-1")


def test_a_token_without_a_node_is_of_an_older_kubernetes() -> None:
    """Kubernetes before 1.30 names no node in the token."""
    issuer = TokenIssuer()
    bound = pod_claims()["kubernetes.io"]
    assert isinstance(bound, dict)
    del bound["node"]
    token = issuer.sign(pod_claims(**{"kubernetes.io": bound}))
    assert pod_identity(verifier_of(issuer), token, NOW).node == ""


def test_a_signature_is_verified_once_but_times_at_each_use() -> None:
    """A token that was verified before is refused after it expires, and after its key is gone."""
    issuer = TokenIssuer()
    now = [0.0]
    keys = KeyCache(lambda: issuer.key_set, lambda: now[0])
    keys.refresh()
    verifier = TokenVerifier(keys, "pods.eks.amazonaws.com", issuer=CLUSTER)
    token = issuer.sign(pod_claims())
    assert verifier.verify(token, NOW) is verifier.verify(token, NOW)
    with pytest.raises(TokenInvalid, match="expired"):
        verifier.verify(token, NOW + timedelta(seconds=3600))
    issuer.kid = "two"
    now[0] += 300
    keys.refresh()
    with pytest.raises(TokenInvalid, match="no key"):
        verifier.verify(token, NOW)


def test_a_new_key_is_loaded_after_its_first_token() -> None:
    """A token with an unknown key id is refused and makes the keys due; after the load it is accepted."""
    issuer = TokenIssuer()
    now = [0.0]
    keys = KeyCache(lambda: issuer.key_set, lambda: now[0])
    keys.refresh()
    verifier = TokenVerifier(keys, "pods.eks.amazonaws.com", issuer=CLUSTER)
    issuer.kid = "two"
    now[0] += 60
    token = issuer.sign(pod_claims())
    with pytest.raises(TokenInvalid, match="no key"):
        verifier.verify(token, NOW)
    assert keys.seconds() == 0
    keys.refresh()
    assert verifier.verify(token, NOW)["iss"] == CLUSTER


def test_a_jwt_svid_names_a_spiffe_id() -> None:
    """A JWT-SVID of the trust domain proves its SPIFFE ID."""
    issuer = TokenIssuer(use=SVID_USE)
    token = issuer.sign(svid_claims())
    assert spiffe_identity(svid_verifier_of(issuer), TRUST_DOMAIN, token, NOW) == f"{TRUST_DOMAIN}/app"


@pytest.mark.parametrize(
    "subject", ["spiffe://example.org.evil/app", "spiffe://example.org", "spiffe://other/app", "app", 7, None]
)
def test_a_jwt_svid_of_another_trust_domain_is_refused(subject: object) -> None:
    """The keys of a trust domain prove only identities of this trust domain."""
    issuer = TokenIssuer(use=SVID_USE)
    token = issuer.sign(svid_claims(sub=subject))
    with pytest.raises(TokenInvalid, match="subject"):
        spiffe_identity(svid_verifier_of(issuer), TRUST_DOMAIN, token, NOW)


def test_keys_for_x509_svids_do_not_verify_tokens() -> None:
    """A bundle also has keys of the X.509 authorities, which must not sign tokens."""
    issuer = TokenIssuer(use="x509-svid")
    with pytest.raises(TokenInvalid, match="not for this kind"):
        spiffe_identity(svid_verifier_of(issuer), TRUST_DOMAIN, issuer.sign(svid_claims()), NOW)
