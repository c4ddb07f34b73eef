"""Identity providers of the sandbox's own: they hold the keys of issuers that a seed names, and sign as they would.

The authority is played, the protocol is not: what comes out is a JSON Web Token (RFC 7519) that anybody can verify
against the issuer's key set (RFC 7517), and the sandbox's own STS has no other way of knowing it.
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
    """What this sandbox knows of token issuers. Whoever calls holds the world's lock."""

    def __init__(self) -> None:
        self._keys: dict[str, RSAPrivateKey | None] = {}
        self._published: dict[str, Mapping[str, Any]] = {}
        self.saml = SamlIssuer()

    def add_own(self, url: str) -> None:
        """An issuer that the sandbox plays; its key is made when it signs for the first time."""
        self._keys.setdefault(url, None)

    def publish(self, url: str, key_set: Mapping[str, Any]) -> None:
        """The public keys of an issuer whose private ones somebody else holds."""
        self._published[url] = key_set

    @property
    def own(self) -> Iterable[str]:
        """The URLs of those that the sandbox plays."""
        return tuple(self._keys)

    def key_set(self, url: str) -> Mapping[str, Any] | None:
        """The JSON Web Key Set that the issuer publishes; None when there is no way to it."""
        if url in self._published:
            return self._published[url]
        if url not in self._keys:
            return None
        from jwt.algorithms import RSAAlgorithm

        key = RSAAlgorithm.to_jwk(self._key(url).public_key(), as_dict=True)
        return {"keys": [{**key, "kid": self._key_id(url), "alg": _ALGORITHM, "use": "sig"}]}

    def mint(self, url: str, claims: Mapping[str, object], now: float, seconds: int) -> str:
        """A token of that issuer, one of `own`; `claims` win over what is put in by itself."""
        import jwt

        moment = int(now)
        own = {"iss": url, "iat": moment, "nbf": moment, "exp": moment + seconds, "jti": str(uuid4())}
        # Not `jwt.encode`, which refuses claims that a careless issuer can very well sign.
        content = json.dumps({**own, **claims}).encode()
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
    """The issuer's key, the same in every sandbox of this process, as GitHub's is the same for every AWS account.

    Making one takes a tenth of a second of processor time, which many tests with a sandbox each would pay each time.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return generate_private_key(65537, _RSA_BITS)


def github_claims(repository: str, ref: str, environment: str, event: str) -> dict[str, object]:
    """What a job of GitHub Actions has in its token (GitHub Docs, "OpenID Connect reference")."""
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
