"""AWS's services as the linter sees them: their actions, condition keys and resources, passed in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol


class ActionFacts(NamedTuple):
    """One action of a service."""

    name: str
    keys: frozenset[str]
    """Its condition keys and those of its resources, in lower case; `${...}` or `<...>` stands for any text."""
    arns: tuple[str, ...]
    """The ARN formats of resources that it can be restricted to; () when it is only allowed on `*`."""


class ServiceFacts(NamedTuple):
    """One service."""

    actions: Mapping[str, ActionFacts]
    """By name in lower case."""
    keys: Mapping[str, str]
    """Condition keys, as in ActionFacts, and their types in the words of `keys.KeyType`."""


class AuthorizationReference(Protocol):
    """AWS's Service Authorization Reference, or a part of it."""

    def services(self) -> Collection[str]:
        """The prefixes of all services, in lower case."""

    def service(self, prefix: str) -> ServiceFacts | None:
        """The service with that prefix, in lower case."""

    def key_owner(self, lower: str) -> ServiceFacts | None:
        """The service that has a condition key whose prefix is not the service's own: saml:aud is one of STS."""
