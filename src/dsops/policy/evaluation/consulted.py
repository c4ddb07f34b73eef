"""Which policies are consulted for a request, and which of them must allow.

`evaluate` decides by these rules, `reasons` explains by the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from dsops.policy.evaluation.question import Request
from dsops.policy.language.match import split_arn
from dsops.policy.language.policy import Policy
from dsops.policy.language.principals import ACCOUNT, UNNAMED, Reach
from dsops.policy.language.session_actions import assumes_role
from dsops.startup import NamedTuple

Effect = Literal["Allow", "ExplicitDeny", "ImplicitDeny"]

PolicyType = Literal[
    "identity-based policy",
    "permissions boundary",
    "session policy",
    "resource-based policy",
    "role trust policy",
    "service control policy",
    "resource control policy",
    "no policy",
]
"""The names that AWS uses in its error messages. `no policy` decides about actions open to every valid caller."""


class Policies(NamedTuple):
    """The policies that apply to a request, by type. Empty or None for a type that is absent."""

    identity: tuple[Policy, ...] = ()
    """A user's own and its groups'; a role's."""
    boundary: Policy | None = None
    session: tuple[tuple[Policy, ...], ...] = ()
    """Layers: each must allow, within a layer any policy may. A role session without any is not limited."""
    resource: Policy | None = None
    """The resource's policy; a role's trust policy for sts:AssumeRole*, TagSession and SetSourceIdentity."""
    service_control: tuple[tuple[Policy, ...], ...] = ()
    """Levels, root to account, each must allow; nothing for a management account."""
    resource_control: tuple[tuple[Policy, ...], ...] = ()
    """The same for the resource's account, RCPFullAWSAccess on each level; for services that have RCPs."""
    must_resource_allow: bool = False
    """The resource's policy must allow in its own account too, as a KMS key's; a trust policy always must."""

    def all_policies(self) -> Iterator[Policy]:
        """Every policy of every type."""
        yield from self.identity
        yield from (policy for policy in (self.boundary, self.resource) if policy is not None)
        for groups in (self.session, self.service_control, self.resource_control):
            for group in groups:
                yield from group


HAS_IDENTITY: Final = frozenset({"user", "role-session", "federated-session", "root"})
"""The kinds of principal with policies of their own. For all others the resource's policy decides alone."""

_WITH_IDENTITY_POLICIES: Final = HAS_IDENTITY - {"root"}

Group = tuple[PolicyType, tuple[Policy, ...]]
"""Policies of one type of which one must allow."""


def organization_levels(request: Request, policies: Policies) -> list[Group]:
    """RCPs, then SCPs, by level. They don't bind service-linked roles (AWS Organizations User Guide)."""
    if not (policies.resource_control or policies.service_control):
        return []
    issuer = split_arn(request.principal.issuer_arn)
    if issuer is not None and issuer[5].startswith("role/aws-service-role/"):
        return []
    groups: list[Group] = [("resource control policy", level) for level in policies.resource_control]
    groups.extend(("service control policy", level) for level in policies.service_control)
    return groups


def identity_policies(request: Request, policies: Policies) -> tuple[Policy, ...]:
    """The identity-based policies that apply: none for a root user or a caller without an account."""
    return policies.identity if request.principal.kind in _WITH_IDENTITY_POLICIES else ()


def has_boundary(request: Request, policies: Policies) -> bool:
    """Whether a permissions boundary limits the caller."""
    return policies.boundary is not None and request.principal.kind in _WITH_IDENTITY_POLICIES


def limits(request: Request, policies: Policies) -> list[Group]:
    """The boundary, which does not bind a root user, and the session's layers."""
    kind = request.principal.kind
    if kind not in HAS_IDENTITY:
        return []
    groups: list[Group] = []
    if policies.boundary is not None and has_boundary(request, policies):
        groups.append(("permissions boundary", (policies.boundary,)))
    groups.extend(("session policy", layer) for layer in policies.session)
    if not policies.session and kind == "federated-session":
        # GetFederationToken without a session policy gives none of the user's permissions: nothing allows.
        groups.append(("session policy", ()))
    return groups


def resource_type(policies: Policies) -> PolicyType:
    """`role trust policy` or `resource-based policy`, by the kind of `policies.resource`."""
    is_trust = policies.resource is not None and policies.resource.kind == "trust"
    return "role trust policy" if is_trust else "resource-based policy"


def must_resource_allow(request: Request, policies: Policies) -> bool:
    """Whether the resource's own policy must allow: across accounts, for a role's trust policy, for a KMS key."""
    return (
        policies.must_resource_allow
        or request.is_cross_account
        or request.principal.kind not in HAS_IDENTITY
        or (policies.resource is not None and policies.resource.kind == "trust")
        or assumes_role(request.action)
    )


def needs_identity(request: Request, reach: Reach) -> bool:
    """Whether the caller's own policies must allow too; depends on how closely the resource's policy names it."""
    return request.is_cross_account or reach in (UNNAMED, ACCOUNT)
