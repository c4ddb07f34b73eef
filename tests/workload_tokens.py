"""Tokens of a Kubernetes cluster and of a SPIFFE trust domain, signed with keys made for the tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CLUSTER = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
TRUST_DOMAIN = "spiffe://example.org"


class TokenIssuer:
    """Signs tokens with one key on the curve P-256."""

    def __init__(self, kid: str = "one", use: str = "sig") -> None:
        self.kid = kid
        self._use = use
        self.key = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key."""
        return {**ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True), "kid": self.kid, "use": self._use}

    @property
    def key_set(self) -> dict[str, Any]:
        """The key set."""
        return {"keys": [self.jwk]}

    def sign(self, claims: Mapping[str, object], **header: object) -> str:
        """A token with these claims; `header` overrides the header's fields."""
        content = json.dumps(claims).encode()
        return jwt.PyJWS().encode(content, self.key, "ES256", headers={"kid": self.kid, **header})


def pod_claims(pod: str = "app-1", /, **others: object) -> dict[str, object]:
    """The claims of a token that Kubernetes projects into a pod of the service account `shop/app`."""
    moment = int(NOW.timestamp())
    return {
        "iss": CLUSTER,
        "sub": "system:serviceaccount:shop:app",
        "aud": ["pods.eks.amazonaws.com"],
        "iat": moment,
        "nbf": moment,
        "exp": moment + 3600,
        "kubernetes.io": {
            "namespace": "shop",
            "serviceaccount": {"name": "app", "uid": "5c5b"},
            "pod": {"name": pod, "uid": f"uid-of-{pod}"},
            "node": {"name": "node-1", "uid": "4d4c"},
        },
        **others,
    }


def svid_claims(**others: object) -> dict[str, object]:
    """The claims of a JWT-SVID of `spiffe://example.org/app`."""
    moment = int(NOW.timestamp())
    return {"sub": f"{TRUST_DOMAIN}/app", "aud": ["dsops-node"], "iat": moment, "exp": moment + 300, **others}


def encoded(part: bytes) -> str:
    """A part of a token: base64url without padding."""
    return base64.urlsafe_b64encode(part).decode().rstrip("=")
