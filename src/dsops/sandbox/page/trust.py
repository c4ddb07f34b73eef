"""The roles whose trust policies name a principal, found without parsing the trust policies of all roles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dsops.policy import Policy
from dsops.request.stored_policies import compiled
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.page.principals import OtherPrincipal, Subject
from dsops.sandbox.state.world import Role

TRUST_POLICY = "the role's trust policy"
"""The name of each trust policy in the page's questions, so that roles with the same text share its parsed form."""
_STRING = re.compile(r'"([^"]*)"')
_ROOT = re.compile(r"arn:[^:]*:iam::([0-9]+):root")
_ANY = ("*", "NotPrincipal", "\\")
"""Strings of policies that may name any principal. A backslash may be a part of an escaped letter."""


class NamedRoles:
    """Roles by the strings in their trust policies. Roles with the same policy are looked at together."""

    def __init__(self, roles: Iterable[Role]) -> None:
        self._roles: dict[str, dict[str, Role]] = {}
        """By trust policy and ARN."""
        self._policies: dict[str, list[str]] = {}
        """The trust policies by the strings in them."""
        for role in roles:
            if role.trust not in self._roles:
                for text in _strings_in(role.trust):
                    self._policies.setdefault(text, []).append(role.trust)
            self._roles.setdefault(role.trust, {})[role.arn] = role

    def naming(self, caller: Caller, subject: Subject) -> Iterator[Role]:
        """Yield the roles whose trust policy has an Allow statement that names the caller as the principal."""
        policies = (policy for text in (*_written_forms(subject), *_ANY) for policy in self._policies.get(text, ()))
        for policy in dict.fromkeys(policies):
            roles = [*self._roles[policy].values()]
            if roles and _names(roles[0], caller):
                yield from roles

    def remove(self, role: Role) -> None:
        """Remove a role, so that it is not found any more."""
        self._roles[role.trust].pop(role.arn, None)


def trust_of(role: Role) -> Policy:
    """Return the role's trust policy in parsed form."""
    return compiled(role.trust, "trust", TRUST_POLICY)


def _names(role: Role, caller: Caller) -> bool:
    named = (statement.principals for statement in trust_of(role).statements if statement.effect == "Allow")
    return any(principals is not None and principals.reach(caller.principal) for principals in named)


def _strings_in(trust: str) -> set[str]:
    """Return the strings of a document in JSON, with the account's number for the ARN of its root user."""
    strings = {_ROOT.sub(r"\1", text) for text in _STRING.findall(trust)}
    return {*strings, "\\"} if "\\" in trust else strings


def _written_forms(subject: Subject) -> tuple[str, ...]:
    """Return the strings of which a trust policy has at least one if it names the principal, without `_ANY`."""
    unique_id = "" if isinstance(subject, OtherPrincipal) else subject.unique_id
    return tuple(filter(None, (subject.arn, _ROOT.sub(r"\1", subject.arn), unique_id, subject.account)))
