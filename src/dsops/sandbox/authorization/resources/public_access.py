"""Whether a bucket policy is public in the sense of S3 Block Public Access.

Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage", "The meaning of public".
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Final

from dsops.policy import Condition, Statement, lower_case
from dsops.sandbox.authorization.authorizer import compiled

_FIXING_KEYS: Final = frozenset(
    """
    aws:sourceip aws:sourcearn aws:sourcevpc aws:sourcevpce aws:sourceowner aws:sourceaccount aws:userid
    aws:principalorgid aws:principalorgpaths aws:principalaccount aws:principalarn
    s3:x-amz-server-side-encryption-aws-kms-key-id s3:dataaccesspointarn s3:dataaccesspointaccount
    """.split()
)
_FIXING_OPERATORS: Final = frozenset(
    {"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress"}
)
_WIDEST: Final = {4: 8, 6: 32}
"""IP version -> minimum prefix length of a range that is not public."""


def is_public(text: str) -> bool:
    """Whether a statement allows principals that it does not restrict. An unparsable policy is not public."""
    return any(_is_open(statement) for statement in compiled(text, "resource", "a bucket's policy").statements)


def _is_open(statement: Statement) -> bool:
    principals = statement.principals
    if statement.effect != "Allow" or principals is None:
        return False
    if not principals.is_everyone and not principals.is_negated:
        return False
    return not any(_is_fixed(condition) for condition in statement.conditions)


def _is_fixed(condition: Condition) -> bool:
    """Whether the condition can only be met by one of a few values."""
    # With a modifier (ForAllValues:, IfExists) a missing key meets it, too.
    if lower_case(condition.key) not in _FIXING_KEYS or lower_case(condition.operator) not in _FIXING_OPERATORS:
        return False
    return all(_is_narrow(value) for value in condition.values)


def _is_narrow(value: str) -> bool:
    if any(mark in value for mark in ("*", "?", "${")):
        return False
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        return True
    return network.prefixlen >= _WIDEST[network.version]
