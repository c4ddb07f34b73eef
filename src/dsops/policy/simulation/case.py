"""A case: a question, where the policies that bear on it stand, and what is expected of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from dsops.document import Node
from dsops.policy.evaluation.consulted import PolicyType
from dsops.policy.language.policy import PolicyKind
from dsops.policy.language.principals import Principal

Place = PolicyKind
"""Where a policy stands says of which kind it is: `trust` and `resource` are one place with two kinds."""

Verdict = Literal["allow", "deny", "explicit-deny", "implicit-deny", "unknown"]
"""`deny` is either of the two denials: as an expectation, and where nobody can tell which."""

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
"""The names of places, and what AWS's sentences call the policies there."""


class PolicySource(NamedTuple):
    """Where a policy's text is."""

    file: str
    """A file; the file of cases itself for a policy that is written in it; "" for AWS's FullAWSAccess."""
    node: Node | None
    """The document, where it is written in the file of cases."""
    line: int
    """Where the case refers to it."""
    path: str
    """The way there from the top of the file of cases."""


Groups = tuple[tuple[PolicySource, ...], ...]
"""Levels, or layers: each must allow, and in each any policy may."""


class CaseQuestion(NamedTuple):
    """The question: may this caller do this to that."""

    principal: Principal
    action: str
    resource: str
    resource_account: str
    context: Mapping[str, tuple[str, ...]]
    """What the author says of the request; () for a key that he wants to be absent."""

    def __repr__(self) -> str:
        # Values stay out: one of them may be an external ID.
        keys = ", ".join(self.context)
        return f"Asked({self.principal!r}, {self.action} on {self.resource}, with {keys})"


class Expected(NamedTuple):
    """What the answer should be; "" and 0 for what doesn't matter."""

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
    """The places that the author speaks of; one with no group has no policy."""
    expected: Expected | None
