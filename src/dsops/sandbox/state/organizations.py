"""AWS Organizations as moto's backend holds it: which accounts belong together, and which policies bind them.

AWS Organizations User Guide, "Service control policies", "Resource control policies" and "Services that support RCPs"
(September 2026). The seed and the Organizations API write to the one backend that is read here. As long as there is
none, nothing of it is loaded and a request pays two look-ups. Attributes are read without defaults, as in `world`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from dsops.policy.evaluation.control import has_resource_control
from dsops.sandbox.state.iam_backend import StoredPolicy

if TYPE_CHECKING:
    from moto.organizations import models as moto_organizations

    Node = moto_organizations.FakeOrganizationalUnit | moto_organizations.FakeAccount

MODULE = "moto.organizations.models"
IAM = "iam.amazonaws.com"
"""The service whose delegated administrator manages root access; AWS's own name for it."""

RootFeature = Literal["RootCredentialsManagement", "RootSessions"]
ROOT_FEATURES: tuple[RootFeature, ...] = ("RootCredentialsManagement", "RootSessions")

PolicyType = Literal["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
Levels = tuple[tuple[StoredPolicy, ...], ...]
"""Root, organizational units, account; each has to allow."""


class Membership(NamedTuple):
    """An account's place in an organization."""

    organization_id: str
    path: str
    """As `aws:PrincipalOrgPaths` has it: `o-.../r-.../ou-.../`."""
    management_account: str


class Organizations:
    """Every organization of this sandbox. Whoever calls holds the world's lock."""

    def __init__(self) -> None:
        self._root_features: dict[str, frozenset[RootFeature]] = {}

    @property
    def are_used(self) -> bool:
        """Whether there may be an organization at all."""
        return MODULE in sys.modules

    def membership(self, account: str) -> Membership | None:
        """Where in which organization the account is."""
        backend = _backend_of(account)
        if backend is None or backend.org is None:
            return None
        nodes = _way_down(backend, account)
        if not nodes:
            return None
        path = "/".join([backend.org.id, *(node.id for node in nodes[:-1]), ""])
        return Membership(backend.org.id, path, backend.org.master_account_id)

    def node_arns(self, account: str) -> tuple[str, ...]:
        """Root, organizational units and account above and of it, as policies are attached to them; () for none."""
        backend = _backend_of(account)
        return () if backend is None else tuple(node.arn for node in _way_down(backend, account))

    def service_control(self, account: str) -> Levels:
        """The SCPs that bind the principals of an account; none for a management account."""
        return _levels(account, "SERVICE_CONTROL_POLICY")

    def resource_control(self, account: str, action: str) -> Levels:
        """The RCPs that bind an account's resources when this is done to them."""
        if not has_resource_control(action):
            return ()
        return _levels(account, "RESOURCE_CONTROL_POLICY")

    def is_delegated_administrator(self, account: str, service: str = "") -> bool:
        """Whether a member account administers a service for its organization; "" for any service."""
        backend = _backend_of(account)
        if backend is None:
            return False
        own = [admin for admin in backend.admins if admin.account.id == account]
        return any(service in admin.services or not service for admin in own)

    def policy_type(self, account: str, policy_id: str) -> str:
        """Of a policy of the account's organization; "" when it has none of that id."""
        backend = _backend_of(account)
        policies = [] if backend is None else backend.policies
        return next((str(policy.type) for policy in policies if policy.id == policy_id), "")

    def trusts_service(self, account: str, service: str) -> bool:
        """Whether the account's organization has trusted access for a service."""
        backend = _backend_of(account)
        return backend is not None and any(one["ServicePrincipal"] == service for one in backend.services)

    def has_all_features(self, account: str) -> bool:
        """Whether the account's organization is more than consolidated billing."""
        backend = _backend_of(account)
        return backend is not None and backend.org is not None and backend.org.feature_set == "ALL"

    def root_features(self, organization_id: str) -> frozenset[RootFeature]:
        """Which parts of centralized root access are switched on. moto knows nothing of them."""
        return self._root_features.get(organization_id, frozenset())

    def switch_root_feature(self, organization_id: str, feature: RootFeature, *, is_on: bool) -> None:
        """Switches a part of centralized root access on or off."""
        kept = self.root_features(organization_id) - {feature}
        self._root_features[organization_id] = kept | {feature} if is_on else kept

    def name_and_email(self, account: str) -> tuple[str, str]:
        """Of an account in its organization; "" and "" for one that is in none."""
        backend = _backend_of(account)
        members = [] if backend is None else backend.accounts
        return next(((one.name, one.email) for one in members if one.id == account), ("", ""))

    def accounts(self) -> Iterator[tuple[str, str]]:
        """Every member account and its partition, those that the Organizations API made included."""
        if self.are_used:
            for account, (_, partition) in list(_backends().master_accounts.items()):
                yield account, partition


def _backends() -> moto_organizations.OrganizationsBackendDict:
    backends: moto_organizations.OrganizationsBackendDict = sys.modules[MODULE].organizations_backends
    return backends


def _backend_of(account: str) -> moto_organizations.OrganizationsBackend | None:
    """The backend that holds the account's organization: its management account's. None is ever made here."""
    if MODULE not in sys.modules:
        return None
    backends = _backends()
    owner, partition = backends.master_accounts.get(account, (account, ""))
    held = dict.get(backends, owner)
    if held is None:
        return None
    found = dict.values(held) if not partition else [dict.get(held, partition)]
    return next((backend for backend in found if backend is not None and backend.org is not None), None)


def _way_down(backend: moto_organizations.OrganizationsBackend, account: str) -> list[Node]:
    """Root, organizational units, account; empty when the account isn't there."""
    member = next((one for one in backend.accounts if one.id == account), None)
    if member is None:
        return []
    units = {unit.id: unit for unit in backend.ou}
    nodes: list[Node] = [member]
    parent = units.get(member.parent_id)
    while parent is not None and len(nodes) <= len(units):
        nodes.append(parent)
        parent = units.get(parent.parent_id or "")
    return nodes[::-1]


def _levels(account: str, policy_type: PolicyType) -> Levels:
    backend = _backend_of(account)
    if backend is None or backend.org is None or backend.org.feature_set != "ALL":
        return ()
    if account == backend.org.master_account_id:
        return ()
    nodes = _way_down(backend, account)
    root = next((unit for unit in backend.ou if unit.id == backend.org.root_id), None)
    if not nodes or root is None or not _is_enabled(root, policy_type):
        return ()
    return tuple(
        tuple(
            StoredPolicy(policy_arn(policy), str(policy.content))
            for policy in node.attached_policies
            if policy.type == policy_type
        )
        for node in nodes
    )


def _is_enabled(root: moto_organizations.FakeOrganizationalUnit, policy_type: str) -> bool:
    """A type of policy counts once EnablePolicyType was called for the root."""
    enabled: list[dict[str, str]] = root.policy_types  # type: ignore[attr-defined]  # the root is a FakeRoot
    return any(one["Type"] == policy_type and one["Status"] == "ENABLED" for one in enabled)


def policy_arn(policy: moto_organizations.FakePolicy) -> str:
    """As refusals name it. moto gives AWS's own policies an ARN of the management account."""
    if not policy.aws_managed:
        return policy.arn
    partition = policy.arn.split(":", 2)[1]
    return f"arn:{partition}:organizations::aws:policy/{policy.type.lower()}/{policy.id}"
