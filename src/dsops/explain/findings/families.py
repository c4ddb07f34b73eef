"""Map condition keys to the cause of a failed condition, and causes to words."""

from __future__ import annotations

from typing import Final

from dsops.policy import lower_case

# Pairs of a condition key's prefix and its cause. In `_CLAIMS`, the first item is a suffix.
_KEYS: Final = (
    ("sts:externalid", "external-id"),
    ("aws:multifactorauth", "mfa"),
    ("aws:sourceip", "source-address"),
    ("aws:vpcsourceip", "source-address"),
    ("aws:sourcevpc", "network"),
    ("aws:vpce", "network"),
    ("aws:principalorg", "organization"),
    ("aws:resourceorg", "organization"),
    ("aws:requesttag/", "session-tags"),
    ("aws:tagkeys", "session-tags"),
    ("sts:transitivetagkeys", "session-tags"),
    ("aws:principaltag/", "principal-tag"),
    ("aws:resourcetag/", "resource-tag"),
    ("iam:resourcetag/", "resource-tag"),
    ("secretsmanager:resourcetag/", "resource-tag"),
    ("aws:currenttime", "time"),
    ("aws:epochtime", "time"),
    ("aws:tokenissuetime", "session-revoked"),
    ("sts:rolesessionname", "session-name"),
    ("sts:sourceidentity", "source-identity"),
    ("aws:sourceidentity", "source-identity"),
    ("aws:requestedregion", "region"),
    ("aws:principal", "principal-condition"),
    ("aws:user", "principal-condition"),
    ("saml:", "saml-condition"),
)
_CLAIMS: Final = ((":aud", "token-audience"), (":sub", "token-subject"))


def family_of(key: str) -> str:
    """Return the cause for a condition key; `condition` for keys without a specific cause."""
    key = lower_case(key)
    cause_of_key = next((cause for beginning, cause in _KEYS if key.startswith(beginning)), "")
    return cause_of_key or next((cause for end, cause in _CLAIMS if key.endswith(end)), "condition")


WORDS: Final = {
    "external-id": ("asks for an external ID, and none was sent", "asks for another external ID than was sent"),
    "mfa": ("asks for MFA, and the call has none", "asks for MFA, and the session has none or too old a one"),
    "source-address": ("lets only some addresses in",) * 2,
    "network": ("lets only some networks in",) * 2,
    "organization": ("lets only one organization in",) * 2,
    "session-tags": ("asks for session tags that were not sent", "asks for other session tags than were sent"),
    "principal-tag": ("asks for a tag that the caller does not have", "asks for another value of the caller's tag"),
    "time": ("allows it at another time",) * 2,
    "session-name": ("asks for another session name",) * 2,
    "source-identity": ("asks for a source identity, and none was sent", "asks for another source identity"),
    "token-audience": ("asks for an audience that the token lacks", "asks for another audience than the token's"),
    "token-subject": ("asks for a subject that the token lacks", "asks for another subject than the token's"),
}
"""Two phrases for each cause: for a call without the value, and for a call with a wrong value."""

ORDER: Final = {
    "external-id": 0,
    "mfa": 1,
    "session-tags": 2,
    "source-identity": 3,
    "session-name": 4,
    "region": 5,
    "token-audience": 6,
    "token-subject": 7,
}
"""The order in which causes are named: first the causes that a change of the configuration can fix."""
