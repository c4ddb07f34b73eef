"""Policies and their statements as values, compiled, with the line of every statement."""

from __future__ import annotations

from typing import Literal

from dsops.errors import Problem
from dsops.policy.language.conditions import Condition
from dsops.policy.language.elements import Actions, ResourceElement
from dsops.policy.language.principals import Principals
from dsops.startup import NamedTuple

PolicyKind = Literal["identity", "trust", "session", "resource", "boundary", "scp", "rcp"]

Effect = Literal["Allow", "Deny"]


class Statement(NamedTuple):
    """One statement. `line` is where it begins in its document, from 1."""

    sid: str
    effect: Effect
    principals: Principals | None
    actions: Actions
    resources: ResourceElement | None
    """None in a trust policy and where a resource policy leaves it out: what carries the policy is meant."""
    conditions: tuple[Condition, ...]
    line: int


class Policy(NamedTuple):
    """A document that AWS would accept.

    `name` is how decisions speak of it: a name, a file, or the ARN that a managed policy has.
    """

    name: str
    kind: PolicyKind
    version: str
    statements: tuple[Statement, ...]


class ParsedPolicy(NamedTuple):
    """What reading a document gave: a policy or problems, in line order."""

    policy: Policy | None
    problems: tuple[Problem, ...]
    aws_message: str
    """IAM's own words in MalformedPolicyDocument, as far as they are known; "" when there is no problem."""


KIND_WORDS: dict[PolicyKind, str] = {
    "identity": "identity-based policy",
    "trust": "role trust policy",
    "session": "session policy",
    "resource": "resource-based policy",
    "boundary": "permissions boundary",
    "scp": "service control policy",
    "rcp": "resource control policy",
}
"""What AWS's own sentences call each kind."""
