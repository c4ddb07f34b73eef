"""Convert the grants of a KMS key to Allow statements in the key's policy.

KMS Developer Guide, "Grants in AWS KMS" and "Grant constraints".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from dsops.policy.language.principals import check_principal
from dsops.request.lookups import Grant
from dsops.request.stored_policies import StoredPolicy

_WITHOUT_CONTEXT: Final = frozenset(
    {"DescribeKey", "GetPublicKey", "RetireGrant", "Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret"}
)
"""Grant operations that have no encryption context, so that grant constraints do not apply to them."""
_PASSES_ON: Final = "CreateGrant"
_EACH: Final = "ForAllValues:StringEquals"


@lru_cache(maxsize=1024)
def with_grants(policy: StoredPolicy, grants: tuple[Grant, ...]) -> StoredPolicy:
    """Return the policy with added statements for each grant; a policy that can't be parsed is unchanged."""
    statements = [statement for grant in grants for statement in _statements(grant)]
    if not statements:
        return policy
    try:
        document = json.loads(policy.text)
        own = document["Statement"]
    except (ValueError, KeyError, TypeError):
        return policy
    together = [*(own if isinstance(own, list) else [own]), *statements]
    return StoredPolicy(f"{policy.name} and its grants", json.dumps({**document, "Statement": together}))


def _statements(grant: Grant) -> Iterator[Mapping[str, object]]:
    if _is_principal(grant.grantee):
        plain = [name for name in grant.operations if name in _WITHOUT_CONTEXT]
        bound = [name for name in grant.operations if name not in {*_WITHOUT_CONTEXT, _PASSES_ON}]
        passing = [name for name in grant.operations if name == _PASSES_ON]
        for operations, conditions in (
            (plain, {}),
            (bound, _conditions(grant)),
            (passing, _conditions_of_passing(grant)),
        ):
            if operations:
                yield _statement(grant.grantee, operations, conditions)
    if grant.retiring and _is_principal(grant.retiring):
        yield _statement(grant.retiring, ["RetireGrant"], {})


def _statement(principal: str, operations: Sequence[str], conditions: Mapping[str, object]) -> Mapping[str, object]:
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": [f"kms:{name}" for name in operations],
        "Resource": "*",
    }
    return {**statement, "Condition": conditions} if conditions else statement


def _conditions_of_passing(grant: Grant) -> Mapping[str, Mapping[str, object]]:
    """Return the conditions under which the grant allows CreateGrant.

    The new grant must not allow more operations, and must not loosen the constraints.
    """
    own_conditions = _conditions(grant)
    conditions = {
        **own_conditions,
        _EACH: {**own_conditions.get(_EACH, {}), "kms:GrantOperations": list(grant.operations)},
    }
    if grant.context_equals:
        kind = {"kms:GrantConstraintType": "EncryptionContextEquals"}
        conditions["StringEquals"] = {**conditions["StringEquals"], **kind}
    return conditions


def _conditions(grant: Grant) -> Mapping[str, Mapping[str, object]]:
    """Return conditions that require each pair of the grant's encryption context.

    With `EncryptionContextEquals`, the conditions also forbid all other keys in the encryption context.
    """
    pairs = {f"kms:EncryptionContext:{key}": value for key, value in (*grant.context_subset, *grant.context_equals)}
    conditions: dict[str, Mapping[str, object]] = {"StringEquals": pairs} if pairs else {}
    if grant.context_equals:
        keys = [key for key, _ in grant.context_equals]
        conditions[_EACH] = {"kms:EncryptionContextKeys": keys}
    return conditions


def _is_principal(arn: str) -> bool:
    """Whether a policy can name the ARN as principal.

    Services and deleted users can't be named. This makes no difference, because they send no requests to the sandbox.
    """
    try:
        check_principal("AWS", arn)
    except ValueError:
        return False
    return arn != "*"
