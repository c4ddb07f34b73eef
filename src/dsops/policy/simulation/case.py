"""One case of a simulation table: a question, the sources of its policies, and the expected answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from dsops.document import Node
from dsops.policy.evaluation.consulted import PolicyType
from dsops.policy.language.policy import PolicyKind
from dsops.policy.language.principals import Principal

Place = PolicyKind
"""The place at which a policy applies: a PolicyKind. `trust` and `resource` both mean the policy of the resource."""

Verdict = Literal["allow", "deny", "explicit-deny", "implicit-deny", "unknown"]
"""An answer in one word.

`deny` means either denial, explicit or implicit. It is used if both are expected, or if both are possible.
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
"""Place -> the policy type, as AWS's messages name it."""


class PolicySource(NamedTuple):
    """The source of a policy's text."""

    file: str
    """The name of the file that contains the policy; "" for AWS's FullAWSAccess.

    For an inline policy, it is the name of the table's file.
    """
    node: Node | None
    """The policy document of an inline policy."""
    line: int
    """The line of the case that refers to the policy."""
    path: str
    """The policy's path from the top of the table."""


Groups = tuple[tuple[PolicySource, ...], ...]
"""The levels of an organization, or the layers of a session's policies.

In each level or layer, at least one policy must allow the request.
"""


class CaseQuestion(NamedTuple):
    """A question to policies: whether they allow a request with this caller, action, resource and condition keys."""

    principal: Principal
    action: str
    resource: str
    resource_account: str
    context: Mapping[str, tuple[str, ...]]
    """The condition keys that the case's author sets, with their values; () for a key that the request must lack."""

    def __repr__(self) -> str:
        # The representation omits the values, because one of them may be an external ID.
        keys = ", ".join(self.context)
        return f"Asked({self.principal!r}, {self.action} on {self.resource}, with {keys})"


class Expected(NamedTuple):
    """The expected answer. A field that is "" or 0 accepts any value."""

    verdict: Verdict
    decided_by: PolicyType | Literal[""] = ""
    sid: str = ""
    statement_line: int = 0


class Case(NamedTuple):
    """A case of a simulation table: a question and its expected answer."""

    name: str
    line: int
    asked: CaseQuestion
    policies: Mapping[Place, Groups]
    """The policies by place. A place is missing if the author does not name it. A named place may have no policy."""
    expected: Expected | None
