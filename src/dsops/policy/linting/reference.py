"""The linter's interface to AWS's service reference: services, actions, condition keys, resources."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol


class ActionFacts(NamedTuple):
    """One action of a service."""

    name: str
    keys: frozenset[str]
    """Condition keys of the action and of its resources, in lower case. `${...}` or `<...>` stands for any text."""
    arns: tuple[str, ...]
    """The ARN formats of the resources that the action supports; () when it requires `*`."""


class ServiceFacts(NamedTuple):
    """One service of AWS."""

    actions: Mapping[str, ActionFacts]
    """The actions by name in lower case."""
    keys: Mapping[str, str]
    """Condition keys (written as in ActionFacts) with their types (a `keys.KeyType`)."""


class AuthorizationReference(Protocol):
    """AWS's Service Authorization Reference, or a part of it."""

    def services(self) -> Collection[str]:
        """Return the prefixes of all services, in lower case."""

    def service(self, prefix: str) -> ServiceFacts | None:
        """Return the service with the given prefix (in lower case)."""

    def key_owner(self, lower: str) -> ServiceFacts | None:
        """Return the service that owns a condition key whose prefix is not a service's prefix.

        For example, the key `saml:aud` belongs to STS.
        """
