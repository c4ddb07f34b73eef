"""The verified content of a web identity token or SAML assertion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class IdentityProof(NamedTuple):
    """An identity that an identity provider vouches for."""

    provider: str
    """The provider's ARN, or the name of one that every account has; the principal in a trust policy."""
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
    """SAML: the provider sets the session's name, not the request."""
    longest_seconds: int | None = None
    """SAML: the provider's limit for the session's length."""
    subject_type: str = ""
    name_qualifier: str = ""
    """SAML: tells subjects of one provider from those of another."""
    assertion_id: str = ""
