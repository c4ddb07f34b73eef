"""Query moto's IAM for trust policies, policy attachments and the resources that belong to a user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, cast

from dsops.policy import lower_case
from dsops.sandbox.resource_policies.principals import Carrier
from dsops.sandbox.state.role_table import roles_of
from dsops.sandbox.state.world import Role, User, World

if TYPE_CHECKING:
    from moto.iam import models as moto_iam

    from dsops.sandbox.state.iam_backend import SandboxUser


class EntityRelations:
    """Queries about the IAM resources of one sandbox."""

    def __init__(self, world: World) -> None:
        self._world = world

    def trust_policies(self) -> Iterator[Carrier]:
        """Yield the trust policies of all roles."""
        for account in self._world.partitions:
            for role in self._world.backend(account).roles.values():
                yield Carrier(role.assume_role_policy_document, partial(_set_trust, role))

    def move_tags(self, before: User, after: User) -> None:
        """Move a renamed user's tags to the new ARN, because moto stores tags by ARN and does not move them."""
        tagger = self._world.backend(after.account).tagger
        tagger.delete_all_tags_for_resource(before.arn)
        tagger.tag_resource(after.arn, [{"Key": key, "Value": value} for key, value in before.tags])

    def has_name_like(self, account: str, kind: str, name: str) -> bool:
        """Whether a `User`, `Group` or `Role` with this name exists, ignoring case."""
        backend = self._world.backend(account)
        if kind == "Role":
            return roles_of(backend).has_like(name)
        owners: Mapping[str, moto_iam.User | moto_iam.Group] = backend.users if kind == "User" else backend.groups
        return lower_case(name) in {lower_case(owner.name) for owner in owners.values()}

    def description_of(self, role: Role) -> str:
        """Return the role's description."""
        return self._world.backend(role.account).roles[role.unique_id].description

    def is_attached(self, account: str, arn: str) -> bool:
        """Whether a managed policy is attached to a user, group or role, or serves as a permissions boundary."""
        backend = self._world.backend(account)
        owners: list[moto_iam.User | moto_iam.Role] = [*backend.users.values(), *backend.roles.values()]
        boundaries = {cast("SandboxUser | moto_iam.Role", owner).permissions_boundary_arn for owner in owners}
        holders = [*owners, *backend.groups.values()]
        return arn in boundaries or any(arn in holder.managed_policies for holder in holders)

    def attached(self, account: str, kind: str, name: str) -> frozenset[str]:
        """Return the ARNs of managed policies attached to a `User`, `Role` or `Group`; empty if it does not exist."""
        backend = self._world.backend(account)
        if kind == "Role":
            owner: moto_iam.User | moto_iam.Role | moto_iam.Group | None = roles_of(backend).named(name)
        else:
            owner = backend.users.get(name) if kind == "User" else backend.groups.get(name)
        return frozenset() if owner is None else frozenset(owner.managed_policies)

    def belongings(self, user: User) -> Mapping[str, bool]:
        """Map each cleanup step to whether the user's deletion requires it.

        The steps have the names that IAM uses in its error message.
        """
        backend = self._world.backend(user.account)
        owner = backend.users[user.name]
        return {
            "delete access keys": bool(owner.access_keys),
            "delete MFA device": bool(owner.mfa_devices),
            "remove users from group": any(owner in group.users for group in backend.groups.values()),
        }


def _set_trust(role: moto_iam.Role, text: str) -> None:
    role.assume_role_policy_document = text
