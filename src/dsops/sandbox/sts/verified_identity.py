"""What a token or an assertion says once it was verified: all that STS knows of whoever sent it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class IdentityProof(NamedTuple):
    """Who somebody is, by the word of an identity provider."""

    provider: str
    """The provider's ARN, or the name of one that every account knows; what a trust policy names."""
    issuer: str
    subject: str
    audience: str
    session_keys: Mapping[str, tuple[str, ...]]
    """Condition keys that the session keeps: `HOST:sub`, `saml:sub`."""
    other_keys: Mapping[str, tuple[str, ...]]
    """Condition keys that only the trust policy sees."""
    tags: tuple[tuple[str, str], ...]
    transitive_keys: tuple[str, ...]
    source_identity: str
    session_name: str = ""
    """SAML: the session is named by the provider, not by the request."""
    longest_seconds: int | None = None
    """SAML: how long the provider wants the session to last at most."""
    subject_type: str = ""
    name_qualifier: str = ""
    """SAML: tells the subjects of one provider from those of another."""
    assertion_id: str = ""
