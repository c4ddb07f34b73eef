"""ARNs of another account among the parameters: moto may look there, whatever AWS does with the parameter."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dsops.arn import is_account_id, parse_arn
from dsops.sandbox.authorization.parameter_values import Parameters

_READ_BEFORE = {
    # The policy simulator looks at nothing there.
    "iam": frozenset({"CallerArn", "ResourceArns", "ResourceOwner"}),
    "kms": frozenset({"KeyId", "SourceKeyId", "DestinationKeyId", "TargetKeyId"}),
    "secretsmanager": frozenset({"SecretId"}),
}
"""What the service's module has turned into the ARN that is meant, or what is only spoken of."""


def foreign_arns(
    prefix: str, parameters: Parameters, account: str, asked: Collection[str]
) -> Iterator[tuple[str, str]]:
    """ARN and account of what is the service's, another account's, and not asked about yet.

    Something inside of what was asked about is, and what holds it: a subscription of a topic.
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
            if not any(text.startswith(each) or each.startswith(text) for each in asked if each != "*"):
                yield text, arn.account
