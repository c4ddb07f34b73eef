"""Facts about users, roles, resources and accounts from any source, and reasons for the missing ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from dsops.policy.language.policy import Policy
from dsops.policy.simulation.case import Place
from dsops.policy.simulation.uncertain import Unread

Kind = Literal["role", "user"]

ANY_ACCOUNT: Final = "*"
"""The account of a template's users and roles: the template does not name it."""


class PolicyText(NamedTuple):
    """A policy that is not parsed yet. A managed one is named by its ARN, an inline one by its name and owner."""

    name: str
    text: str


class Entity(NamedTuple):
    """A user or a role."""

    arn: str
    """The ARN with the path."""
    unique_id: str
    boundary_arn: str
    """Empty when there is no permissions boundary."""
    tags: Mapping[str, str]
    trust_policy: str
    """The trust policy of a role, as JSON; "" for a user."""
    max_session_seconds: int = 0
    """The maximum session duration of a role; 0 where it is unknown."""


class Attached(NamedTuple):
    """The policies of a user or role. A part that is None is unknown; `unread_...` says why."""

    entity: Entity | None
    identity: tuple[PolicyText | Policy, ...]
    """Those that could be read, its groups' included."""
    boundary: PolicyText | Policy | None
    unread_entity: str
    """Why its ARN, id, tags and trust policy are not known; "" when they are."""
    unread_identity: tuple[str, ...]
    """Why some or all of the identity-based policies are missing."""
    unread_boundary: str
    """Why it is not known whether there is a boundary, or what it says; "" when it is."""
    is_template: bool = False
    """Whether it comes from a template, where entities have no id and others may attach more policies."""
    trust: Policy | None = None
    """A role's trust policy from a file; it counts before the text in `entity`."""
    unread_trust: str = ""
    """Why the trust policy can't be used."""


class ResourcePolicy(NamedTuple):
    """A resource's own policy and tags. Never its content."""

    policy: PolicyText | Policy | None
    tags: tuple[tuple[str, str], ...]
    unread_policy: str
    """Why it is not known whether there is a policy, or what it says; "" when it is."""
    unread_tags: str


class AccountPlace(NamedTuple):
    """An account's place in its organization, and the control policies above it."""

    organization_id: str | None
    """None when that could not be read, "" for an account in no organization."""
    path: str
    """As `aws:PrincipalOrgPaths` has it, `o-.../r-.../ou-.../`; "" when there is none or it could not be read."""
    levels: Mapping[Place, Sequence[Sequence[PolicyText | Policy]]] | None
    """The `scp` and `rcp` that bind the account, from the root down; None when they could not be read."""
    unread: str
    """Why something could not be read; "" when everything was."""


class Needs(NamedTuple):
    """The facts that answer a question.

    A kind is None where such a policy does not apply, or came with the question.
    """

    caller: str
    """The ARN of the user or role whose policies apply; a federated user's session has its own ARN."""
    caller_kind: Literal["role", "user", "federated-session"] | None
    resource: str
    """The ARN of the resource."""
    resource_kind: Literal["role", "secret", "key", "other"] | None
    action: str
    callers_account: str
    """The account whose service control policies bind the caller."""
    resources_account: str
    """The account whose resource control policies bind the resource."""


class Facts(NamedTuple):
    """The answer to `Needs` from one source; None for facts that were not needed, or that the source never has."""

    caller: Attached | None = None
    role: Attached | None = None
    """The role, where the resource is one."""
    resource: ResourcePolicy | None = None
    """The resource, where it is something else."""
    callers_account: AccountPlace | None = None
    resources_account: AccountPlace | None = None
    unread: tuple[Unread, ...] = ()
    """Further parts that the source does not know."""
