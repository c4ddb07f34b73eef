"""Policies as a service stores them: text with a name, parsed when they are evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from dsops.errors import PolicyInvalid
from dsops.policy import Policy, PolicyKind, parse_policy

NOTHING_ALLOWED = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}'
_REFUSES_ALL = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "%s"}]}'
_NOTHING_ALLOWED_AS: Mapping[PolicyKind, str] = {"trust": _REFUSES_ALL % "sts:*", "resource": _REFUSES_ALL % "*"}


class StoredPolicy(NamedTuple):
    """A policy document and its name or ARN."""

    name: str
    text: str


@lru_cache(maxsize=8192)
def compiled(text: str, kind: PolicyKind, name: str) -> Policy:
    """Return the parsed policy. A policy that can't be parsed becomes one that denies everything."""
    try:
        return parse_policy(text, kind, name=name)
    except PolicyInvalid:
        if kind == "rcp":
            # An RCP can't express a denial of everything, so the denial is parsed as a resource policy.
            return parse_policy(_REFUSES_ALL % "*", "resource", name=name)._replace(kind=kind)
        return parse_policy(_NOTHING_ALLOWED_AS.get(kind, NOTHING_ALLOWED), kind, name=name)
