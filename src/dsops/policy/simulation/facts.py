"""Facts about users, roles, resources and accounts, with the reason for each fact that a source could not read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from dsops.policy.language.policy import Policy
from dsops.policy.simulation.case import Place
from dsops.policy.simulation.uncertain import Unread

Kind = Literal["role", "user"]

ANY_ACCOUNT: Final = "*"
"""The account id of users and roles in a template, which does not name its account."""


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
    """The policies of a user or role. If a field is None, its value is unknown and the `unread_...` field says why."""

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
    """Whether the entity comes from a template. If so, it has no id yet, and other stacks may attach more policies."""
    trust: Policy | None = None
    """A role's trust policy from a file. It takes precedence over the text in `entity`."""
    unread_trust: str = ""
    """Why the trust policy can't be used; "" if it can."""


class ResourcePolicy(NamedTuple):
    """A resource's policy and tags. Never contains the resource's content."""

    policy: PolicyText | Policy | None
    tags: tuple[tuple[str, str], ...]
    unread_policy: str
    """Why the existence or content of the policy is unknown; "" when both are known."""
    unread_tags: str


class AccountPlace(NamedTuple):
    """An account's position in its organization, and the control policies that apply to it."""

    organization_id: str | None
    """The organization's id; None when it could not be read, "" for an account in no organization."""
    path: str
    """The path as in `aws:PrincipalOrgPaths`, `o-.../r-.../ou-.../`; "" if there is none or it is unread."""
    levels: Mapping[Place, Sequence[Sequence[PolicyText | Policy]]] | None
    """The SCPs and RCPs that apply to the account, from the root down; None when they could not be read."""
    unread: str
    """Why a field could not be read; "" if all were read."""


class Needs(NamedTuple):
    """The facts that a question needs.

    `caller_kind` is None if no policies of the caller are needed, and `resource_kind` is None if no policy of the
    resource is needed: because it does not apply to the question, or because the question already contains it.
    """

    caller: str
    """The ARN of the user or role whose policies apply; for a federated user, the ARN of the session itself."""
    caller_kind: Literal["role", "user", "federated-session"] | None
    resource: str
    """The ARN of the resource."""
    resource_kind: Literal["role", "secret", "key", "other"] | None
    action: str
    callers_account: str
    """The account of the caller: its service control policies limit the caller."""
    resources_account: str
    """The account of the resource: its resource control policies protect the resource."""


class Facts(NamedTuple):
    """The facts for `Needs` from one source.

    A field is None if the question does not need the fact, or if the source does not have it.
    """

    caller: Attached | None = None
    role: Attached | None = None
    """The facts about the role; None if the resource is not a role."""
    resource: ResourcePolicy | None = None
    """The facts about the resource; None if it is a role."""
    callers_account: AccountPlace | None = None
    resources_account: AccountPlace | None = None
    unread: tuple[Unread, ...] = ()
    """Other facts that the source does not know."""
