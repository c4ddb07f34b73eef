"""Find ARNs of other accounts in the parameters: moto may follow any of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dsops.arn import is_account_id, parse_arn
from dsops.sandbox.authorization.parameter_values import Parameters

_READ_BEFORE = {
    # The policy simulator only names these resources.
    "iam": frozenset({"CallerArn", "ResourceArns", "ResourceOwner"}),
    "kms": frozenset({"KeyId", "SourceKeyId", "DestinationKeyId", "TargetKeyId"}),
    "secretsmanager": frozenset({"SecretId"}),
}
"""Parameters that the service's module has resolved already, or that the operation does not access."""


def foreign_arns(
    prefix: str, parameters: Parameters, account: str, asked_arns: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield (ARN, account) of the service's resources in other accounts that no question covers yet.

    A resource inside a covered one counts as covered, and so does its parent: a subscription of a topic.
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
