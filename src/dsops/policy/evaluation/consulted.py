"""Rules about which policies AWS consults for a request, and which of these policies must allow it.

`evaluate` uses the rules to decide, and `reasons` uses them to explain.
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
"""The types of policy, as AWS's error messages name them.

`no policy` is the type for actions that every valid caller may use.
"""


class Policies(NamedTuple):
    """The policies that apply to a request, by type. A type without policies is empty or None."""

    identity: tuple[Policy, ...] = ()
    """The identity-based policies: those of a user and of its groups, or those of a role."""
    boundary: Policy | None = None
    session: tuple[tuple[Policy, ...], ...] = ()
    """The layers of session policies. In each layer at least one policy must allow. () means no limit."""
    resource: Policy | None = None
    """The resource's policy. For sts:AssumeRole*, TagSession and SetSourceIdentity, it is the role's trust policy."""
    service_control: tuple[tuple[Policy, ...], ...] = ()
    """The SCPs by level, from root to account. Each level must allow the request. Empty for a management account."""
    resource_control: tuple[tuple[Policy, ...], ...] = ()
    """The RCPs of the resource's account, by level. Each level includes RCPFullAWSAccess.

    They are evaluated only for services that support RCPs.
    """
    must_resource_allow: bool = False
    """Whether the resource's policy must allow requests even from its own account, as a KMS key's policy must.

    A trust policy must always allow the request, even if this is False.
    """

    def all_policies(self) -> Iterator[Policy]:
        """Yield every policy of every type."""
        yield from self.identity
        yield from (policy for policy in (self.boundary, self.resource) if policy is not None)
        for groups in (self.session, self.service_control, self.resource_control):
            for group in groups:
                yield from group


HAS_IDENTITY: Final = frozenset({"user", "role-session", "federated-session", "root"})
"""The kinds of principal that have identity-based policies. For other kinds, only the resource's policy decides."""

_WITH_IDENTITY_POLICIES: Final = HAS_IDENTITY - {"root"}

Group = tuple[PolicyType, tuple[Policy, ...]]
"""A group of policies of one type. The group allows a request if at least one of its policies allows it."""


def organization_levels(request: Request, policies: Policies) -> list[Group]:
    """Return the groups of RCPs, then the groups of SCPs, each by level.

    Neither RCPs nor SCPs limit service-linked roles (AWS Organizations User Guide).
    """
    if not (policies.resource_control or policies.service_control):
        return []
    issuer = split_arn(request.principal.issuer_arn)
    if issuer is not None and issuer[5].startswith("role/aws-service-role/"):
        return []
    groups: list[Group] = [("resource control policy", level) for level in policies.resource_control]
    groups.extend(("service control policy", level) for level in policies.service_control)
    return groups


def identity_policies(request: Request, policies: Policies) -> tuple[Policy, ...]:
    """Return the identity-based policies that apply; empty for a root user or a caller without an account."""
    return policies.identity if request.principal.kind in _WITH_IDENTITY_POLICIES else ()


def has_boundary(request: Request, policies: Policies) -> bool:
    """Whether a permissions boundary limits the caller."""
    return policies.boundary is not None and request.principal.kind in _WITH_IDENTITY_POLICIES


def limits(request: Request, policies: Policies) -> list[Group]:
    """Return the permissions boundary (not for a root user) and the session policies, as groups."""
    kind = request.principal.kind
    if kind not in HAS_IDENTITY:
        return []
    groups: list[Group] = []
    if policies.boundary is not None and has_boundary(request, policies):
        groups.append(("permissions boundary", (policies.boundary,)))
    groups.extend(("session policy", layer) for layer in policies.session)
    if not policies.session and kind == "federated-session":
        # A GetFederationToken session without a session policy has none of the user's permissions, so no policy allows
        # the request.
        groups.append(("session policy", ()))
    return groups


def resource_type(policies: Policies) -> PolicyType:
    """Return the type of `policies.resource`: `role trust policy` or `resource-based policy`."""
    is_trust = policies.resource is not None and policies.resource.kind == "trust"
    return "role trust policy" if is_trust else "resource-based policy"


def must_resource_allow(request: Request, policies: Policies) -> bool:
    """Whether the resource's policy must allow the request, as for cross-account requests, roles and KMS keys."""
    return (
        policies.must_resource_allow
        or request.is_cross_account
        or request.principal.kind not in HAS_IDENTITY
        or (policies.resource is not None and policies.resource.kind == "trust")
        or assumes_role(request.action)
    )


def needs_identity(request: Request, reach: Reach) -> bool:
    """Whether the caller's identity policies must allow the request as well.

    False if the resource is in the caller's account and its policy names the user, role or session.
    """
    return request.is_cross_account or reach in (UNNAMED, ACCOUNT)
