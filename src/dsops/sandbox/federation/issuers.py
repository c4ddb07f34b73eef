"""The sandbox's own token issuers: they sign web identity tokens for the issuers that a seed names.

Only the issuer is fake, not the protocol: the result is a JSON Web Token (RFC 7519) that verifies against the
issuer's key set (RFC 7517), and the sandbox's own STS verifies it in no other way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dsops.sandbox.saml.issuer import SamlIssuer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

GITHUB = "https://token.actions.githubusercontent.com"
"""The issuer of GitHub Actions' tokens."""

_RSA_BITS = 2048
_ALGORITHM = "RS256"


class Issuers:
    """The token issuers of this sandbox. The caller holds the world's lock."""

    def __init__(self) -> None:
        self._keys: dict[str, RSAPrivateKey | None] = {}
        self._published: dict[str, Mapping[str, Any]] = {}
        self.saml = SamlIssuer()

    def add_own(self, url: str) -> None:
        """Add an issuer for which the sandbox signs; its key is generated at the first token."""
        self._keys.setdefault(url, None)

    def publish(self, url: str, key_set: Mapping[str, Any]) -> None:
        """Set the public keys of an issuer outside the sandbox."""
        self._published[url] = key_set

    @property
    def own(self) -> Iterable[str]:
        """The URLs of the issuers for which the sandbox signs."""
        return tuple(self._keys)

    def key_set(self, url: str) -> Mapping[str, Any] | None:
        """Return the issuer's JSON Web Key Set; None when it is unknown."""
        if url in self._published:
            return self._published[url]
        if url not in self._keys:
            return None
        from jwt.algorithms import RSAAlgorithm

        key = RSAAlgorithm.to_jwk(self._key(url).public_key(), as_dict=True)
        return {"keys": [{**key, "kid": self._key_id(url), "alg": _ALGORITHM, "use": "sig"}]}

    def mint(self, url: str, claims: Mapping[str, object], now: float, seconds: int) -> str:
        """Issue a token of one of the `own` issuers; `claims` override the defaults."""
        import jwt

        moment = int(now)
        default_claims = {"iss": url, "iat": moment, "nbf": moment, "exp": moment + seconds, "jti": str(uuid4())}
        # Not `jwt.encode`: it refuses some invalid claims that a careless issuer could sign.
        content = json.dumps({**default_claims, **claims}).encode()
        return jwt.PyJWS().encode(content, self._key(url), _ALGORITHM, headers={"kid": self._key_id(url)})

    def _key(self, url: str) -> RSAPrivateKey:
        key = self._keys[url]
        if key is None:
            key = self._keys[url] = _new_key(url)
        return key

    def _key_id(self, url: str) -> str:
        return f"sandbox-{list(self._keys).index(url) + 1}"


@cache
def _new_key(_url: str) -> RSAPrivateKey:
    """Generate the issuer's key, which all sandboxes of this process share.

    Generating a key takes 0.1 s of processor time, which many tests with a sandbox each would pay each time.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return generate_private_key(65537, _RSA_BITS)


def github_claims(repository: str, ref: str, environment: str, event: str) -> dict[str, object]:
    """Return the claims of a GitHub Actions job's token (GitHub Docs, "OpenID Connect reference")."""
    owner = repository.partition("/")[0]
    subject = f"repo:{repository}:ref:{ref}"
    if environment:
        subject = f"repo:{repository}:environment:{environment}"
    elif event == "pull_request":
        subject = f"repo:{repository}:pull_request"
    claims: dict[str, object] = {
        "sub": subject,
        "ref": ref,
        "repository": repository,
        "repository_owner": owner,
        "event_name": event,
        "workflow": "sandbox",
        "actor": owner,
        "run_id": "1",
        "run_number": "1",
        "run_attempt": "1",
        "job_workflow_ref": f"{repository}/.github/workflows/sandbox.yml@{ref}",
        "runner_environment": "self-hosted",
    }
    return claims | ({"environment": environment} if environment else {})
