"""Find the IAM actions of CloudTrail's events, and the actions that have no event.

CloudTrail names a service by its endpoint and a call by its operation. Both can differ from the action's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from dsops.policy import lower_case
from dsops.request.resources.s3_actions import ON_BUCKET, ON_OBJECT
from dsops.request.wire.models import SIGNED_AS, operation_names
from dsops.service_reference import ActionUse, ServiceReference

_PREFIXES: Final[Mapping[str, str]] = {
    "data.iot": "iot",
    "iotdata": "iot",
    "models.lex": "lex",
    "monitoring": "cloudwatch",
    "runtime.lex": "lex",
    "streams.dynamodb": "dynamodb",
    "tagging": "tag",
}
"""The service in eventSource -> the prefix of its actions, where they differ."""

_SOURCES: Final = {prefix: source for source, prefix in _PREFIXES.items() if "." not in source}
_VERSION: Final = re.compile(r"_?20[0-9]{2}_?[0-9]{2}_?[0-9]{2}(?:v[0-9])?\Z")
"""The version at the end of events of Lambda (`GetFunction20150331v2`) and CloudFront (`..._05_31`)."""
_ALIASES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "kms": {"ReEncrypt": ("ReEncryptFrom", "ReEncryptTo")},
    "lambda": {"Invoke": ("InvokeFunction",), "InvokeAsync": ("InvokeFunction",)},
    "s3": {
        **{operation: (action,) for operation, action in ON_BUCKET.items()},
        **ON_OBJECT,
        "CopyObject": ("GetObject", "PutObject"),
        "UploadPartCopy": ("GetObject", "PutObject"),
        "DeleteObjects": ("DeleteObject",),
        "ListBuckets": ("ListAllMyBuckets",),
        "DeleteBucketPublicAccessBlock": ("PutBucketPublicAccessBlock",),
        "DeleteAccountPublicAccessBlock": ("PutAccountPublicAccessBlock",),
    },
    "sns": {"PublishBatch": ("Publish",)},
    "sqs": {
        "ChangeMessageVisibilityBatch": ("ChangeMessageVisibility",),
        "DeleteMessageBatch": ("DeleteMessage",),
        "SendMessageBatch": ("SendMessage",),
    },
}
"""Prefix -> event -> the actions that it needs, where the names differ. Sources: the services' API references."""


class Catalogue:
    """Names of actions, by AWS's service reference if it is installed."""

    def __init__(self, reference: ServiceReference | None) -> None:
        self._reference = reference
        self._names: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
        self._eventless: dict[str, tuple[str, ...]] = {}

    @property
    def is_complete(self) -> bool:
        """Whether all actions of all services are known."""
        return self._reference is not None

    def prefix_of(self, source: str) -> str:
        """Return the prefix of the actions of an event's service; "" if AWS has no such service."""
        prefix = _PREFIXES.get(source, source)
        is_known = self._reference is None or prefix in self._reference.services()
        return prefix if is_known and re.fullmatch("[a-z0-9-]+", prefix) else ""

    def actions_of(self, prefix: str, event: str) -> tuple[str, ...]:
        """Return the actions that an event needs; () if they are unknown."""
        names = _ALIASES.get(prefix, {}).get(event)
        for choice in (names,) if names else ((event,), (_VERSION.sub("", event),)):
            actions = tuple(self.spelled(f"{prefix}:{name}") for name in choice)
            if all(actions):
                return actions
        return ()

    def spelled(self, action: str) -> str:
        """Return the action in AWS's spelling; "" if AWS has no such action."""
        if self._reference is None:
            return action if re.fullmatch("[A-Za-z0-9-]+:[A-Za-z0-9]+", action) else ""
        use = self.use_of(action)
        return f"{lower_case(action).partition(':')[0]}:{use.name}" if use is not None else ""

    def use_of(self, action: str) -> ActionUse | None:
        """Return the resources of an action; None if they are unknown."""
        prefix, _, name = lower_case(action).partition(":")
        return self._reference.use_of(prefix, name) if self._reference is not None else None

    def prefixes(self) -> tuple[str, ...]:
        """Return the prefixes of all services; () if they are unknown."""
        return tuple(sorted(self._reference.services())) if self._reference is not None else ()

    def names_of(self, prefix: str, patterns: tuple[str, ...] = ("*",)) -> tuple[str, ...]:
        """Return the actions of a service that one of the patterns matches, in AWS's spelling."""
        key = (prefix, patterns)
        if key not in self._names:
            self._names[key] = self._read_names(prefix, patterns)
        return self._names[key]

    def _read_names(self, prefix: str, patterns: tuple[str, ...]) -> tuple[str, ...]:
        service = self._reference.service(prefix) if self._reference is not None else None
        if service is None:
            return ()
        expressions = [re.compile(re.escape(lower_case(pattern)).replace(r"\*", ".*")) for pattern in patterns]
        return tuple(
            f"{prefix}:{facts.name}"
            for lower, facts in service.actions.items()
            if any(expression.fullmatch(lower) for expression in expressions)
        )

    def eventless(self, prefix: str) -> tuple[str, ...]:
        """Return the actions of a service that are no operation of its API, so that no event has their name.

        For a service whose operations are unknown, these are all of its actions.
        """
        if prefix not in self._eventless:
            operations = _operations(prefix)
            self._eventless[prefix] = tuple(
                action for action in self.names_of(prefix) if lower_case(action.partition(":")[2]) not in operations
            )
        return self._eventless[prefix]


@cache
def _operations(prefix: str) -> frozenset[str]:
    """Return the operations of a service and the actions of its aliases, in lower case."""
    services = SIGNED_AS.get(_SOURCES.get(prefix, prefix), ())
    try:
        names = {name for service in services for name in operation_names(service)}
    except ModuleNotFoundError:  # Without botocore, no API operation is known, so none can be listed.
        return frozenset()
    aliases = {action for actions in _ALIASES.get(prefix, {}).values() for action in actions} if names else set()
    return frozenset(map(lower_case, names | aliases))
