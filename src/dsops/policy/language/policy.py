"""A policy document -> a Policy, compiled and with the line of every statement; or every problem it has."""

from __future__ import annotations

from typing import Literal

from dsops.document import Document, parse_json
from dsops.errors import PolicyInvalid, Problem, Where
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


def parse_policy(text: str, kind: PolicyKind, *, name: str = "", file: str = "") -> Policy:
    """The policy that this JSON text is; PolicyInvalid with every problem when it isn't one."""
    checked = check_policy(parse_json(text, file or name), kind, name=name, file=file)
    if checked.policy is not None:
        return checked.policy
    raise PolicyInvalid(
        f"{name or file or 'this'} is no {KIND_WORDS[kind]} that AWS accepts",
        why=f"AWS would answer MalformedPolicyDocument: {checked.aws_message}",
        where=Where(file, checked.problems[0].where.line) if file else None,
        problems=checked.problems,
    )


def check_policy(document: Document, kind: PolicyKind, *, name: str = "", file: str = "") -> ParsedPolicy:
    """The policy that a document is, JSON or YAML, or all that stands against it."""
    from dsops.policy.language.grammar import read

    return read(document, kind, name=name or file, file=file or name)


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
