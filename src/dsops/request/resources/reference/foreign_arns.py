"""Find ARNs of other accounts in the parameters, because moto may access any of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dsops.arn import is_account_id, parse_arn
from dsops.request.parameter_values import Parameters

_READ_BEFORE = {
    # The policy simulator evaluates policies for these ARNs; it does not access the resources.
    "iam": frozenset({"CallerArn", "ResourceArns", "ResourceOwner"}),
    "kms": frozenset({"KeyId", "SourceKeyId", "DestinationKeyId", "TargetKeyId"}),
    "secretsmanager": frozenset({"SecretId"}),
}
"""Prefix of a service's actions -> parameters in which other accounts' ARNs need no further check.

Either the service's own module has already checked them, or the operation does not access the resource.
"""


def foreign_arns(
    prefix: str, parameters: Parameters, account: str, asked_arns: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield (ARN, account) for resources of the service in other accounts that no check covers yet.

    A check on a resource also covers its children and its parent. For example, a check on a subscription covers the
    subscription's topic.
    """
    read_before: Collection[str] = _READ_BEFORE.get(prefix, ())
    for name, value in parameters.items():
        if name in read_before:
            continue
        for text in value if isinstance(value, list) else (value,):
            if not isinstance(text, str):
                continue
            arn = parse_arn(text)
            if arn is None or arn.service != prefix or arn.account == account or not is_account_id(arn.account):
                continue
            if not any(
                text.startswith(covered) or covered.startswith(text) for covered in asked_arns if covered != "*"
            ):
                yield text, arn.account
