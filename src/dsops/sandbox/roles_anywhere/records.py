"""The stored resources of IAM Roles Anywhere: trust anchors, profiles, revocation lists and subjects."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple
from uuid import UUID

from dsops.request.question import Tags

KindName = Literal["trust-anchor", "profile", "crl", "subject"]


class Kind(NamedTuple):
    """The names of one type of resource in ARNs, requests and responses."""

    name: KindName
    """The type in the resource's ARN."""
    member: str
    """The member of a response that contains one resource. With an `s`, it is the member that contains a list."""

    @property
    def id_name(self) -> str:
        """The member that contains the resource's id, such as `profileId`."""
        return f"{self.member}Id"

    @property
    def arn_name(self) -> str:
        """The member that contains the resource's ARN, such as `profileArn`."""
        return f"{self.member}Arn"


TRUST_ANCHOR: Final = Kind("trust-anchor", "trustAnchor")
PROFILE: Final = Kind("profile", "profile")
CRL: Final = Kind("crl", "crl")
SUBJECT: Final = Kind("subject", "subject")
KINDS: Final = (TRUST_ANCHOR, PROFILE, CRL, SUBJECT)


class Location(NamedTuple):
    """The account and region that own a resource."""

    partition: str
    region: str
    account: str


class AnywhereResource(NamedTuple):
    """One resource. `fields` has the members of the API's detail structure, except ids and times."""

    kind: Kind
    identifier: str
    location: Location
    fields: Mapping[str, object]
    created_at: float
    updated_at: float
    tags: Tags = ()

    @property
    def arn(self) -> str:
        """The resource's ARN."""
        partition, region, account = self.location
        return f"arn:{partition}:rolesanywhere:{region}:{account}:{self.kind.name}/{self.identifier}"

    @property
    def is_enabled(self) -> bool:
        """Whether the resource is enabled."""
        return self.fields.get("enabled") is True

    def text(self, name: str) -> str:
        """Return a field as text; "" if it is absent."""
        return str(self.fields.get(name, ""))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings; () if it is absent."""
        values = self.fields.get(name)
        return tuple(str(value) for value in values) if isinstance(values, list | tuple) else ()

    def changed(self, now: float, fields: Mapping[str, object]) -> AnywhereResource:
        """Return the resource with these fields replaced."""
        return self._replace(fields=MappingProxyType({**self.fields, **fields}), updated_at=now)


class AnywhereResources:
    """All resources of one sandbox. Callers must hold `World.lock`."""

    def __init__(self) -> None:
        self._by_arn: dict[str, AnywhereResource] = {}

    def add(
        self,
        kind: Kind,
        location: Location,
        fields: Mapping[str, object],
        now: float,
        *,
        tags: Tags = (),
        identifier: str = "",
    ) -> AnywhereResource:
        """Store a new resource; its id is generated if `identifier` is ""."""
        record = AnywhereResource(
            kind, identifier or new_id(), location, MappingProxyType(dict(fields)), now, now, tags
        )
        self.put(record)
        return record

    def put(self, record: AnywhereResource) -> None:
        """Store the resource in place of the one with its ARN."""
        self._by_arn[record.arn] = record

    def remove(self, record: AnywhereResource) -> None:
        """Delete the resource."""
        del self._by_arn[record.arn]

    def at(self, arn: str) -> AnywhereResource | None:
        """Return the resource with that ARN, or None."""
        return self._by_arn.get(arn)

    def find(self, kind: Kind, name: str, location: Location) -> AnywhereResource | None:
        """Return the account's resource of that type with that id or ARN, or None."""
        found = self.at(name if name.startswith("arn:") else _stub(kind, name, location).arn)
        return found if found is not None and found.kind == kind and found.location == location else None

    def all(self) -> tuple[AnywhereResource, ...]:
        """Return the resources of all accounts, oldest first."""
        return tuple(self._by_arn.values())

    def of(self, kind: Kind, location: Location) -> Iterator[AnywhereResource]:
        """Yield the account's resources of that type in one region, oldest first."""
        return (record for record in self._by_arn.values() if record.kind == kind and record.location == location)


def new_id() -> str:
    """Return a random UUID."""
    return str(UUID(bytes=os.urandom(16), version=4))


def _stub(kind: Kind, identifier: str, location: Location) -> AnywhereResource:
    return AnywhereResource(kind, identifier, location, {}, 0, 0)
