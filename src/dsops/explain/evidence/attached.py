"""Read the policies of a user or role through the IAM API.

What the keys may not read is reported as unread, never as absent.
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
from dsops.tasks import Once, Work, settle, spawn


class AttachedPolicies(NamedTuple):
    """Policies that were read, and reasons why others are missing."""

    policies: tuple[PolicyText, ...]
    unread: tuple[str, ...]


class ReadsAttached(Protocol):
    """A source for the users and roles of one account."""

    async def role(self, name: str) -> Attached:
        """Return the role's policies, boundary and trust policy."""

    async def user(self, name: str) -> Attached:
        """Return the user's policies, those of its groups, and its boundary."""


class AttachedReader:
    """Reads users and roles of one account. A managed policy is read once."""

    def __init__(self, iam: Iam) -> None:
        self._iam = iam
        self._managed: dict[str, Once[PolicyText]] = {}

    async def role(self, name: str) -> Attached:
        """Return the role's policies, boundary and trust policy."""
        iam, whose = self._iam, f"of role {name}"
        entity, policies = await _both(
            get_role(iam, name),
            self._all(
                self._inline(list_role_policies(iam, name), lambda policy: get_role_policy(iam, name, policy), whose),
                self._attached(list_attached_role_policies(iam, name)),
            ),
        )
        return await self._with_boundary(entity, policies)

    async def user(self, name: str) -> Attached:
        """Return the user's policies, those of its groups, and its boundary."""
        iam, whose = self._iam, f"of user {name}"
        entity, policies = await _both(
            get_user(iam, name),
            self._all(
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
        return await self._all(*[self._of_group(group) for group in await list_groups_for_user(self._iam, user)])

    async def _of_group(self, name: str) -> AttachedPolicies:
        iam, whose = self._iam, f"of group {name}"
        return await self._all(
            self._inline(list_group_policies(iam, name), lambda policy: get_group_policy(iam, name, policy), whose),
            self._attached(list_attached_group_policies(iam, name)),
        )

    async def _with_boundary(self, entity: Entity | str, found: AttachedPolicies) -> Attached:
        if isinstance(entity, str):
            return Attached(None, found.policies, None, entity, found.unread, entity)
        boundary: PolicyText | None = None
        unread = ""
        if entity.boundary_arn:
            (outcome,) = await settle(self._managed_policy(entity.boundary_arn))
            boundary, unread = (None, _why(outcome)) if isinstance(outcome, DsopsError) else (outcome, "")
        return Attached(entity, found.policies, boundary, "", found.unread, unread)

    async def _all(self, *works: Work[AttachedPolicies]) -> AttachedPolicies:
        """Run the readings concurrently and merge their results."""
        policies: list[PolicyText] = []
        unread: list[str] = []
        for outcome in await settle(*works):
            if isinstance(outcome, DsopsError):
                unread.append(_why(outcome))
            else:
                policies += outcome.policies
                unread += outcome.unread
        return AttachedPolicies(tuple(policies), tuple(dict.fromkeys(unread)))

    async def _inline(self, listing: Work[list[str]], get: _Get, whose: str) -> AttachedPolicies:
        names = await listing
        return _found(await settle(*[_named(f"{name} {whose}", get(name)) for name in names]))

    async def _attached(self, listing: Work[list[AttachedPolicy]]) -> AttachedPolicies:
        return _found(await settle(*[self._managed_policy(policy.arn) for policy in await listing]))

    async def _managed_policy(self, arn: str) -> PolicyText:
        reading = self._managed.setdefault(arn, Once(lambda: _named(arn, self._current_version(arn))))
        return await reading.get()

    async def _current_version(self, arn: str) -> str:
        return await get_policy_version(self._iam, arn, await get_policy(self._iam, arn))


if TYPE_CHECKING:
    _Get = Callable[[str], Work[str]]


async def _named(name: str, reading: Work[str]) -> PolicyText:
    return PolicyText(name, await reading)


async def _both(first: Work[Entity], second: Work[AttachedPolicies]) -> tuple[Entity | str, AttachedPolicies]:
    """Read a user or role and its policies concurrently; a text in place of the entity says why it can't be read."""
    entity_task, found_task = await spawn(first), await spawn(second)
    entity: Entity | str
    try:
        entity = await entity_task
    except AccessDenied as denied:
        entity = _why(denied)
    return entity, await found_task


def _found(outcomes: Sequence[PolicyText | DsopsError]) -> AttachedPolicies:
    policies = tuple(outcome for outcome in outcomes if isinstance(outcome, PolicyText))
    return AttachedPolicies(policies, tuple(_why(outcome) for outcome in outcomes if isinstance(outcome, DsopsError)))


def _why(error: DsopsError) -> str:
    """The message of an AccessDenied; any other error is raised, as for every other call."""
    if isinstance(error, AccessDenied):
        return error.message
    raise error
