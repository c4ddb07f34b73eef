"""The user's identity that is proven by a verified web identity token or SAML assertion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class IdentityProof(NamedTuple):
    """A user's identity from a token or assertion that a trusted identity provider signed."""

    provider: str
    """The principal in trust policies: the provider's ARN, or the name of a built-in provider."""
    issuer: str
    subject: str
    audience: str
    session_keys: Mapping[str, tuple[str, ...]]
    """Condition keys that the session keeps, such as `HOST:sub` and `saml:sub`."""
    other_keys: Mapping[str, tuple[str, ...]]
    """Condition keys that are only available while the trust policy is evaluated."""
    tags: tuple[tuple[str, str], ...]
    transitive_keys: tuple[str, ...]
    source_identity: str
    session_name: str = ""
    """SAML only: the session's name, which the provider sets and not the request."""
    longest_seconds: int | None = None
    """SAML only: the provider's limit for the session's length, in seconds."""
    subject_type: str = ""
    name_qualifier: str = ""
    """SAML only: a qualifier that distinguishes users of different providers that have the same subject."""
    assertion_id: str = ""
