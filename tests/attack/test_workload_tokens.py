"""Attack: tokens that pretend to be of another pod, issuer or time.

Each token of the list differs in one property from a token that is accepted.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from dsops.errors import TokenInvalid
from dsops.workload.identities import pod_identity
from dsops.workload.key_cache import KeyCache, parse_key_set
from dsops.workload.verifier import TokenVerifier
from tests.workload_tokens import CLUSTER, NOW, TokenIssuer, encoded, pod_claims

ISSUER = TokenIssuer()
STRANGER = TokenIssuer()
RSA_KEY = rsa.generate_private_key(65537, 2048)
P384_KEY = ec.generate_private_key(ec.SECP384R1())
KEY_SET = {
    "keys": [
        ISSUER.jwk,
        {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "rsa"},
        {**ECAlgorithm.to_jwk(P384_KEY.public_key(), as_dict=True), "kid": "p384"},
        {**ECAlgorithm.to_jwk(STRANGER.key.public_key(), as_dict=True), "kid": "encryption", "use": "enc"},
        {"kty": "oct", "kid": "secret", "k": encoded(b"known to all of the world")},
    ]
}
MOMENT = int(NOW.timestamp())


def verifier() -> TokenVerifier:
    """The verifier of the cluster."""
    keys = KeyCache(lambda: parse_key_set(json.dumps(KEY_SET).encode(), "the cluster"))
    keys.refresh()
    return TokenVerifier(keys, "pods.eks.amazonaws.com", issuer=CLUSTER)


def by_hand(header: dict[str, object], sign: Callable[[bytes], bytes], claims: bytes = b"") -> str:
    """A token that no library would sign."""
    body = claims or json.dumps(pod_claims()).encode()
    head = f"{encoded(json.dumps(header).encode())}.{encoded(body)}"
    return f"{head}.{encoded(sign(head.encode()))}"


def hs256(secret: bytes) -> Callable[[bytes], bytes]:
    """The HMAC with this secret."""
    return lambda head: hmac.digest(secret, head, "sha256")


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """The public key."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims_without(*names: str) -> dict[str, object]:
    """The claims of a pod's token without some of them."""
    return {name: value for name, value in pod_claims().items() if name not in names}


def bound_to(**parts: object) -> dict[str, object]:
    """The claims with other parts of `kubernetes.io`."""
    bound = pod_claims()["kubernetes.io"]
    assert isinstance(bound, dict)
    return pod_claims(**{"kubernetes.io": {**bound, **parts}})


GOOD = ISSUER.sign(pod_claims())
HEAD, BODY, SIGNATURE = GOOD.split(".")
ATTACKS = {
    "no signature": by_hand({"alg": "none", "kid": "one"}, lambda _: b""),
    "none in other letters": by_hand({"alg": "nOnE", "kid": "one"}, lambda _: b""),
    "HMAC with the public key": by_hand({"alg": "HS256", "kid": "one"}, hs256(pem(ISSUER.key))),
    "HMAC with the public RSA key": by_hand({"alg": "HS256", "kid": "rsa"}, hs256(pem(RSA_KEY))),
    "HMAC with a shared key of the key set": by_hand({"alg": "HS256", "kid": "secret"}, hs256(b"known to all")),
    "an algorithm that is a list": by_hand({"alg": ["ES256"], "kid": "one"}, lambda _: b"x"),
    "RSA-PSS": jwt.PyJWS().encode(json.dumps(pod_claims()).encode(), RSA_KEY, "PS256", headers={"kid": "rsa"}),
    "a stranger's key under the same id": STRANGER.sign(pod_claims()),
    "the key of another id": ISSUER.sign(pod_claims(), kid="rsa"),
    "a key of another curve": jwt.PyJWS().encode(
        json.dumps(pod_claims()).encode(), ISSUER.key, "ES256", headers={"kid": "p384"}
    ),
    "a key for encryption": STRANGER.sign(pod_claims(), kid="encryption"),
    "an unknown id": ISSUER.sign(pod_claims(), kid="two"),
    "an id that is a path": ISSUER.sign(pod_claims(), kid="../../etc/passwd"),
    "an id that is a number": by_hand({"alg": "ES256", "kid": 1}, lambda _: b"x"),
    "no id": by_hand({"alg": "ES256"}, lambda _: b"x"),
    "a key in the header": STRANGER.sign(pod_claims(), jwk=STRANGER.jwk, kid="mine"),
    "an address of keys in the header": STRANGER.sign(pod_claims(), jku="https://evil.example/keys", kid="mine"),
    "an extension in the header": ISSUER.sign(pod_claims(), crit=["exp"]),
    "other claims under the signature": f"{HEAD}.{encoded(json.dumps(pod_claims('other')).encode())}.{SIGNATURE}",
    "a claim twice": by_hand({"alg": "ES256", "kid": "one"}, lambda _: b"x", b'{"iss": "a", "iss": "b"}'),
    "expired": ISSUER.sign(pod_claims(exp=MOMENT)),
    "no end": ISSUER.sign(claims_without("exp")),
    "an end that is no number": ISSUER.sign(pod_claims(exp="never")),
    "an infinite end": ISSUER.sign(pod_claims(exp=float("inf"))),
    "an end that is true": ISSUER.sign(pod_claims(exp=True)),
    "not yet valid": ISSUER.sign(pod_claims(nbf=MOMENT + 61)),
    "issued in the future": ISSUER.sign(pod_claims(iat=MOMENT + 61)),
    "another issuer": ISSUER.sign(pod_claims(iss=f"{CLUSTER}/")),
    "no issuer": ISSUER.sign(claims_without("iss")),
    "another audience": ISSUER.sign(pod_claims(aud=["https://kubernetes.default.svc"])),
    "an audience that contains ours": ISSUER.sign(pod_claims(aud="pods.eks.amazonaws.com.evil")),
    "no audience": ISSUER.sign(claims_without("aud")),
    "an audience that is a mapping": ISSUER.sign(pod_claims(aud={"pods.eks.amazonaws.com": 1})),
    "not bound to a pod": ISSUER.sign(bound_to(pod=None)),
    "a pod without a uid": ISSUER.sign(bound_to(pod={"name": "app-1"})),
    "no Kubernetes": ISSUER.sign(claims_without("kubernetes.io")),
    "another account in the subject": ISSUER.sign(pod_claims(sub="system:serviceaccount:shop:admin")),
    "another namespace than the subject's": ISSUER.sign(bound_to(namespace="kube-system")),
    "a line break in the pod's name": ISSUER.sign(bound_to(pod={"name": "app\nroot", "uid": "u"})),
    "huge": ISSUER.sign(pod_claims(padding="x" * 8_000)),
    "deeply nested": by_hand({"alg": "ES256", "kid": "one"}, lambda _: b"x", b"[" * 5_000),
    "not ASCII": GOOD + "é",
    "a lone surrogate": GOOD + "\udc80",
    "one part": HEAD,
    "empty": "",
    "with a second token": f"{GOOD}.{GOOD}",
    "with spaces": f" {GOOD}",
}


def test_the_token_that_the_attacks_change_is_accepted() -> None:
    """The token from which the list is made proves its pod."""
    assert pod_identity(verifier(), GOOD, NOW).pod == "app-1"
    assert pod_identity(verifier(), ISSUER.sign(pod_claims(nbf=MOMENT + 60)), NOW).pod == "app-1"


@pytest.mark.parametrize("name", ATTACKS)
def test_a_forged_token_is_refused(name: str) -> None:
    """Every changed token is refused, before and after the right token was accepted."""
    checked = verifier()
    for _ in range(2):
        with pytest.raises(TokenInvalid) as caught:
            pod_identity(checked, ATTACKS[name], NOW)
        assert GOOD not in str(caught.value)
        assert SIGNATURE not in str(caught.value)
        pod_identity(checked, GOOD, NOW)


def test_a_token_of_the_past_is_refused_by_the_clock() -> None:
    """A stolen token ends with its hour."""
    with pytest.raises(TokenInvalid, match="expired"):
        pod_identity(verifier(), GOOD, datetime(2026, 11, 24, 13, 0, tzinfo=UTC))
