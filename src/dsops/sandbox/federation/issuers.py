"""Token issuers that sign web identity tokens for the issuer URLs in a seed.

The tokens are real JSON Web Tokens (RFC 7519) that verify against the issuer's key set (RFC 7517); only the issuer is
fake. The sandbox's own STS verifies these tokens in the same way as tokens of any other issuer.
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
    """The token issuers of this sandbox. Callers must hold `World.lock`."""

    def __init__(self) -> None:
        self._keys: dict[str, RSAPrivateKey | None] = {}
        self._published: dict[str, Mapping[str, Any]] = {}
        self.saml = SamlIssuer()

    def add_own(self, url: str) -> None:
        """Add an issuer whose tokens the sandbox signs. Its key is generated when the first token is issued."""
        self._keys.setdefault(url, None)

    def publish(self, url: str, key_set: Mapping[str, Any]) -> None:
        """Store the public keys of an external issuer, whose tokens the sandbox can't sign."""
        self._published[url] = key_set

    def published(self, url: str) -> str:
        """Return the external issuer's public keys as JSON text; "" if none were stored."""
        key_set = self._published.get(url)
        return "" if key_set is None else json.dumps(key_set)

    @property
    def own(self) -> Iterable[str]:
        """The URLs of the issuers whose tokens the sandbox signs."""
        return tuple(self._keys)

    def key_set(self, url: str) -> Mapping[str, Any] | None:
        """Return the issuer's JSON Web Key Set, or None for an unknown issuer."""
        if url in self._published:
            return self._published[url]
        if url not in self._keys:
            return None
        from jwt.algorithms import RSAAlgorithm

        key = RSAAlgorithm.to_jwk(self._key(url).public_key(), as_dict=True)
        return {"keys": [{**key, "kid": self._key_id(url), "alg": _ALGORITHM, "use": "sig"}]}

    def mint(self, url: str, claims: Mapping[str, object], now: float, seconds: int) -> str:
        """Issue a token as one of the sandbox's `own` issuers; `claims` override the default claims."""
        import jwt

        moment = int(now)
        default_claims = {"iss": url, "iat": moment, "nbf": moment, "exp": moment + seconds, "jti": str(uuid4())}
        # `jwt.encode` refuses some invalid claims that a careless issuer could sign, so PyJWS is used instead.
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
    """Generate the issuer's RSA key. All sandboxes of this process share the key.

    Generating a key takes 0.1 s of processor time. Without sharing, every test that starts a sandbox would spend this
    time.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return generate_private_key(65537, _RSA_BITS)


def github_claims(repository: str, ref: str, environment: str, event: str) -> dict[str, object]:
    """Return the claims of the token that GitHub Actions issues to a job (GitHub Docs, "OpenID Connect reference")."""
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
