"""Facts about users, roles, resources and accounts from any source, with the reasons for missing facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from dsops.policy.language.policy import Policy
from dsops.policy.simulation.case import Place
from dsops.policy.simulation.uncertain import Unread

Kind = Literal["role", "user"]

ANY_ACCOUNT: Final = "*"
"""The account of users and roles in a template, because a template does not name its account."""


class PolicyText(NamedTuple):
    """A policy's unparsed text. The name is a managed policy's ARN, or an inline policy's name and owner."""

    name: str
    text: str


class Entity(NamedTuple):
    """A user or a role."""

    arn: str
    """The ARN, including the path."""
    unique_id: str
    boundary_arn: str
    """The ARN of the permissions boundary; "" when there is none."""
    tags: Mapping[str, str]
    trust_policy: str
    """A role's trust policy as JSON; "" for a user."""
    max_session_seconds: int = 0
    """A role's maximum session duration in seconds; 0 when unknown."""


class Attached(NamedTuple):
    """The policies of a user or role. A field that is None is unknown, and its `unread_...` field says why."""

    entity: Entity | None
    identity: tuple[PolicyText | Policy, ...]
    """The identity policies that could be read, including those of the user's groups."""
    boundary: PolicyText | Policy | None
    unread_entity: str
    """Why ARN, id, tags and trust policy are unknown; "" when they are known."""
    unread_identity: tuple[str, ...]
    """The reasons why some or all identity policies are missing."""
    unread_boundary: str
    """Why the existence or content of the boundary is unknown; "" when both are known."""
    is_template: bool = False
    """Whether the entity comes from a template. Such an entity has no id, and other stacks may attach more policies."""
    trust: Policy | None = None
    """A role's trust policy from a file. It takes precedence over the text in `entity`."""
    unread_trust: str = ""
    """Why the trust policy can't be used."""


class ResourcePolicy(NamedTuple):
    """A resource's policy and tags. Never contains the resource's content."""

    policy: PolicyText | Policy | None
    tags: tuple[tuple[str, str], ...]
    unread_policy: str
    """Why the existence or content of the policy is unknown; "" when both are known."""
    unread_tags: str


class AccountPlace(NamedTuple):
    """An account's place in its organization, and the control policies that apply to it."""

    organization_id: str | None
    """The organization's id; None when it could not be read, "" for an account in no organization."""
    path: str
    """The path as in `aws:PrincipalOrgPaths`, `o-.../r-.../ou-.../`; "" when absent or unreadable."""
    levels: Mapping[Place, Sequence[Sequence[PolicyText | Policy]]] | None
    """The SCPs and RCPs that apply to the account, from the root down; None when they could not be read."""
    unread: str
    """Why something could not be read; "" when everything was read."""


class Needs(NamedTuple):
    """The facts that a question needs.

    A kind is None where that policy type does not apply, or where the policy was given with the question.
    """

    caller: str
    """The ARN of the user or role whose policies apply. For a federated user's session it is the session's own ARN."""
    caller_kind: Literal["role", "user", "federated-session"] | None
    resource: str
    """The ARN of the resource."""
    resource_kind: Literal["role", "secret", "key", "other"] | None
    action: str
    callers_account: str
    """The account whose service control policies limit the caller."""
    resources_account: str
    """The account whose resource control policies protect the resource."""


class Facts(NamedTuple):
    """The facts for `Needs` from one source.

    A field is None if the fact was not needed or the source does not have it.
    """

    caller: Attached | None = None
    role: Attached | None = None
    """The facts about the resource, if it is a role."""
    resource: ResourcePolicy | None = None
    """The facts about the resource, if it is not a role."""
    callers_account: AccountPlace | None = None
    resources_account: AccountPlace | None = None
    unread: tuple[Unread, ...] = ()
    """Further facts that the source does not know."""
