"""Tell whether a bucket's policy is public as S3 Block Public Access defines it.

Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage", "The meaning of public".
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Final

from dsops.policy.language.conditions import Condition
from dsops.policy.language.letters import lower_case
from dsops.policy.language.operators import ARN_FAMILIES, STRING_FAMILIES
from dsops.policy.language.policy import Policy, Statement

_FIXING_KEYS: Final = frozenset(
    """
    aws:sourceip aws:sourcearn aws:sourcevpc aws:sourcevpce aws:sourceowner aws:sourceaccount aws:userid
    aws:principalorgid aws:principalorgpaths aws:principalaccount aws:principalarn
    s3:x-amz-server-side-encryption-aws-kms-key-id s3:dataaccesspointarn s3:dataaccesspointaccount
    """.split()
)
_FIXING_OPERATORS: Final = frozenset(map(lower_case, (*STRING_FAMILIES, *ARN_FAMILIES, "IpAddress")))
_WIDEST: Final = {4: 8, 6: 32}
"""IP version -> minimum prefix length of an address range that is not considered public."""


def is_public_policy(policy: Policy) -> bool:
    """Whether a statement of a bucket's policy allows something to everyone."""
    return any(map(_is_open, policy.statements))


def _is_open(statement: Statement) -> bool:
    principals = statement.principals
    if statement.effect != "Allow" or principals is None:
        return False
    if not principals.is_everyone and not principals.is_negated:
        return False
    return not any(_is_fixed(condition) for condition in statement.conditions)


def _is_fixed(condition: Condition) -> bool:
    """Whether the condition limits access to fixed values, which makes the statement non-public."""
    # A condition with a modifier (ForAllValues:, IfExists) is excluded, because it is also true if the key is missing.
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
