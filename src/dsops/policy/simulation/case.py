"""One case of a simulation table: a question, the sources of its policies, and the expected answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from dsops.document import Node
from dsops.policy.evaluation.consulted import PolicyType
from dsops.policy.language.policy import PolicyKind
from dsops.policy.language.principals import Principal

Place = PolicyKind
"""Where a policy applies, which is its kind. `trust` and `resource` are both policies of the resource."""

Verdict = Literal["allow", "deny", "explicit-deny", "implicit-deny", "unknown"]
"""An answer in one word.

`deny` means either denial: in an expectation, and where unread facts leave open which of the two it is.
"""

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
"""The policy type that AWS's messages name for each place."""


class PolicySource(NamedTuple):
    """The source of a policy's text."""

    file: str
    """The file; the table's own file for an inline policy; "" for AWS's FullAWSAccess."""
    node: Node | None
    """The policy document of an inline policy."""
    line: int
    """The line of the case that refers to the policy."""
    path: str
    """The policy's path from the top of the table."""


Groups = tuple[tuple[PolicySource, ...], ...]
"""The levels of an organization, or the layers of a session. Each group must allow; one policy of it is enough."""


class CaseQuestion(NamedTuple):
    """A question to policies: the caller, the action, the resource and the condition keys of a request."""

    principal: Principal
    action: str
    resource: str
    resource_account: str
    context: Mapping[str, tuple[str, ...]]
    """The condition keys that the case's author sets, with their values; () for a key that must be absent."""

    def __repr__(self) -> str:
        # Values are not shown, because one of them may be an external ID.
        keys = ", ".join(self.context)
        return f"Asked({self.principal!r}, {self.action} on {self.resource}, with {keys})"


class Expected(NamedTuple):
    """The expected answer. "" and 0 mean that any value is accepted."""

    verdict: Verdict
    decided_by: PolicyType | Literal[""] = ""
    sid: str = ""
    statement_line: int = 0


class Case(NamedTuple):
    """A test case of a policy test suite: a question and its expected answer."""

    name: str
    line: int
    asked: CaseQuestion
    policies: Mapping[Place, Groups]
    """The policies by place. Only places that the author names are present; an empty place has no policy."""
    expected: Expected | None
