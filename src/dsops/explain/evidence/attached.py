"""Read the policies of a user or role through the IAM API.

Policies that the credentials may not read are reported as unread, never as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dsops.aws.apis.iam import (
    AttachedPolicy,
    Iam,
    get_group_policy,
    get_policy,
    get_policy_version,
    get_role,
    get_role_policy,
    get_user,
    get_user_policy,
    list_attached_group_policies,
    list_attached_role_policies,
    list_attached_user_policies,
    list_group_policies,
    list_groups_for_user,
    list_role_policies,
    list_user_policies,
)
from dsops.errors import AccessDenied, DsopsError
from dsops.policy import Attached, Entity, PolicyText
from dsops.tasks import AsyncOnce, Work, settle, spawn


class AttachedPolicies(NamedTuple):
    """The policies that were read, and the reason for each policy that could not be read."""

    policies: tuple[PolicyText, ...]
    unread: tuple[str, ...]


class ReadsAttached(Protocol):
    """Reads the users and roles of one account."""

    async def role(self, name: str) -> Attached:
        """Return the role's policies, boundary and trust policy."""

    async def user(self, name: str) -> Attached:
        """Return the user's policies, including those of its groups, and its boundary."""


class AttachedReader:
    """Reads users and roles of one account through IAM. Each managed policy is read once."""

    def __init__(self, iam: Iam) -> None:
        self._iam = iam
        self._managed: dict[str, AsyncOnce[PolicyText]] = {}

    async def role(self, name: str) -> Attached:
        """Return the role's policies, boundary and trust policy."""
        iam, whose = self._iam, f"of role {name}"
        entity, policies = await _with_entity(
            get_role(iam, name),
            self._merged(
                self._inline(list_role_policies(iam, name), lambda policy: get_role_policy(iam, name, policy), whose),
                self._attached(list_attached_role_policies(iam, name)),
            ),
        )
        return await self._with_boundary(entity, policies)

    async def user(self, name: str) -> Attached:
        """Return the user's policies, including those of its groups, and its boundary."""
        iam, whose = self._iam, f"of user {name}"
        entity, policies = await _with_entity(
            get_user(iam, name),
            self._merged(
                self._inline(list_user_policies(iam, name), lambda policy: get_user_policy(iam, name, policy), whose),
                self._attached(list_attached_user_policies(iam, name)),
                self._of_groups(name),
            ),
        )
        return await self._with_boundary(entity, policies)

    async def managed(self, arn: str) -> PolicyText:
        """Return the default version of a managed policy."""
        return await self._managed_policy(arn)

    async def _of_groups(self, user: str) -> AttachedPolicies:
        return await self._merged(*[self._of_group(group) for group in await list_groups_for_user(self._iam, user)])

    async def _of_group(self, name: str) -> AttachedPolicies:
        iam, whose = self._iam, f"of group {name}"
        return await self._merged(
            self._inline(list_group_policies(iam, name), lambda policy: get_group_policy(iam, name, policy), whose),
            self._attached(list_attached_group_policies(iam, name)),
        )

    async def _with_boundary(self, entity: Entity | str, attached_policies: AttachedPolicies) -> Attached:
        if isinstance(entity, str):
            return Attached(None, attached_policies.policies, None, entity, attached_policies.unread, entity)
        boundary: PolicyText | None = None
        unread = ""
        if entity.boundary_arn:
            (outcome,) = await settle(self._managed_policy(entity.boundary_arn))
            boundary, unread = (None, _denial_message(outcome)) if isinstance(outcome, DsopsError) else (outcome, "")
        return Attached(entity, attached_policies.policies, boundary, "", attached_policies.unread, unread)

    async def _merged(self, *works: Work[AttachedPolicies]) -> AttachedPolicies:
        """Run the reads concurrently and merge their results."""
        policies: list[PolicyText] = []
        unread: list[str] = []
        for outcome in await settle(*works):
            if isinstance(outcome, DsopsError):
                unread.append(_denial_message(outcome))
            else:
                policies += outcome.policies
                unread += outcome.unread
        return AttachedPolicies(tuple(policies), tuple(dict.fromkeys(unread)))

    async def _inline(self, listing: Work[list[str]], get: _Get, whose: str) -> AttachedPolicies:
        names = await listing
        return _policies_of(await settle(*[_read_named(f"{name} {whose}", get(name)) for name in names]))

    async def _attached(self, listing: Work[list[AttachedPolicy]]) -> AttachedPolicies:
        return _policies_of(await settle(*[self._managed_policy(policy.arn) for policy in await listing]))

    async def _managed_policy(self, arn: str) -> PolicyText:
        reading = self._managed.setdefault(arn, AsyncOnce(lambda: _read_named(arn, self._current_version(arn))))
        return await reading.get()

    async def _current_version(self, arn: str) -> str:
        return await get_policy_version(self._iam, arn, await get_policy(self._iam, arn))


if TYPE_CHECKING:
    _Get = Callable[[str], Work[str]]


async def _read_named(name: str, reading: Work[str]) -> PolicyText:
    return PolicyText(name, await reading)


async def _with_entity(first: Work[Entity], second: Work[AttachedPolicies]) -> tuple[Entity | str, AttachedPolicies]:
    """Read a user or role and its policies concurrently.

    If the entity can't be read, the first result is the reason, a str.
    """
    entity_task, found_task = await spawn(first), await spawn(second)
    entity: Entity | str
    try:
        entity = await entity_task
    except AccessDenied as denied:
        entity = _denial_message(denied)
    return entity, await found_task


def _policies_of(outcomes: Sequence[PolicyText | DsopsError]) -> AttachedPolicies:
    policies = tuple(outcome for outcome in outcomes if isinstance(outcome, PolicyText))
    return AttachedPolicies(
        policies, tuple(_denial_message(outcome) for outcome in outcomes if isinstance(outcome, DsopsError))
    )


def _denial_message(error: DsopsError) -> str:
    """Return the message of an AccessDenied error; raise any other error."""
    if isinstance(error, AccessDenied):
        return error.message
    raise error
