"""Compiled policies and statements, with the line of every statement."""

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
    """One compiled statement. `line` is its first line in the document, counted from 1."""

    sid: str
    effect: Effect
    principals: Principals | None
    actions: Actions
    resources: ResourceElement | None
    """The Resource element; None in a trust policy, and in a resource policy that omits it.

    A resource policy without a Resource element applies to its own resource.
    """
    conditions: tuple[Condition, ...]
    line: int


class Policy(NamedTuple):
    """A policy that AWS would accept.

    `name` identifies the policy in decisions: it is a name, a file, or a managed policy's ARN.
    """

    name: str
    kind: PolicyKind
    version: str
    statements: tuple[Statement, ...]


class ParsedPolicy(NamedTuple):
    """The result of parsing a document: a policy, or problems in line order."""

    policy: Policy | None
    problems: tuple[Problem, ...]
    aws_message: str
    """The message of IAM's MalformedPolicyDocument error, if it is known; "" if there is no problem."""


KIND_WORDS: dict[PolicyKind, str] = {
    "identity": "identity-based policy",
    "trust": "role trust policy",
    "session": "session policy",
    "resource": "resource-based policy",
    "boundary": "permissions boundary",
    "scp": "service control policy",
    "rcp": "resource control policy",
}
"""The kinds of policies, as AWS's messages name them."""
