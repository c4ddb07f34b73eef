"""A case of a table: a question, the places of its policies, and the expected answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from dsops.document import Node
from dsops.policy.evaluation.consulted import PolicyType
from dsops.policy.language.policy import PolicyKind
from dsops.policy.language.principals import Principal

Place = PolicyKind
"""The place of a policy is its kind; `trust` and `resource` are two kinds of a resource's policy."""

Verdict = Literal["allow", "deny", "explicit-deny", "implicit-deny", "unknown"]
"""`deny` stands for either denial: in expectations, and where unread facts leave open which one it is."""

EXPECTATIONS: Final[tuple[Verdict, ...]] = ("allow", "deny", "explicit-deny", "implicit-deny")

POLICY_TYPES: Final[dict[str, PolicyType]] = {
    "identity": "identity-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "resource": "resource-based policy",
    "trust": "role trust policy",
    "scp": "service control policy",
    "rcp": "resource control policy",
}
"""The type of policy in each place, in AWS's words."""


class PolicySource(NamedTuple):
    """The location of a policy's text."""

    file: str
    """The file; the table itself for a policy written in it; "" for AWS's FullAWSAccess."""
    node: Node | None
    """The document, for a policy written in the table."""
    line: int
    """The line of the case that refers to it."""
    path: str
    """Its path from the top of the table."""


Groups = tuple[tuple[PolicySource, ...], ...]
"""Levels of an organization, or layers of a session: each must allow, by any of its policies."""


class CaseQuestion(NamedTuple):
    """A question to policies: who calls which action on which resource, with which condition keys."""

    principal: Principal
    action: str
    resource: str
    resource_account: str
    context: Mapping[str, tuple[str, ...]]
    """Condition keys that the author sets, and their values; () for a key that must be absent."""

    def __repr__(self) -> str:
        # Values stay out: one of them may be an external ID.
        keys = ", ".join(self.context)
        return f"Asked({self.principal!r}, {self.action} on {self.resource}, with {keys})"


class Expected(NamedTuple):
    """The expected answer; "" and 0 where any value will do."""

    verdict: Verdict
    decided_by: PolicyType | Literal[""] = ""
    sid: str = ""
    statement_line: int = 0


class Case(NamedTuple):
    """One row of a table."""

    name: str
    line: int
    asked: CaseQuestion
    policies: Mapping[Place, Groups]
    """The policies by place, for the places that the author names; a place without groups has no policy."""
    expected: Expected | None
