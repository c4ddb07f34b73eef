"""Read AWS Organizations from moto's backend: an account's membership and the policies that apply to it.

Sources: AWS Organizations User Guide, "Service control policies", "Resource control policies" and "Services that
support RCPs" (September 2026). The seed and the Organizations API write to this backend. Without an organization,
moto's module is not loaded, and the check costs each request only two lookups. Attributes are read without default
values, as in `world`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from dsops.policy.evaluation.control import has_resource_control
from dsops.request.stored_policies import StoredPolicy

if TYPE_CHECKING:
    from moto.organizations import models as moto_organizations

    Node = moto_organizations.FakeOrganizationalUnit | moto_organizations.FakeAccount

MODULE = "moto.organizations.models"
IAM = "iam.amazonaws.com"
"""The service principal of IAM. Its delegated administrator manages root access."""

RootFeature = Literal["RootCredentialsManagement", "RootSessions"]
ROOT_FEATURES: tuple[RootFeature, ...] = ("RootCredentialsManagement", "RootSessions")

PolicyType = Literal["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
Levels = tuple[tuple[StoredPolicy, ...], ...]
"""The policies of the root, of each organizational unit, and of the account. Every level must allow a request."""


class Membership(NamedTuple):
    """The position of an account in its organization."""

    organization_id: str
    path: str
    """The value of `aws:PrincipalOrgPaths`, such as `o-.../r-.../ou-.../`."""
    management_account: str


class Organizations:
    """Reads all organizations of this sandbox. Callers must hold `World.lock`."""

    def __init__(self) -> None:
        self._root_features: dict[str, frozenset[RootFeature]] = {}

    @property
    def are_used(self) -> bool:
        """Whether moto's Organizations module is loaded. Without this module no organization exists."""
        return MODULE in sys.modules

    def membership(self, account: str) -> Membership | None:
        """Return the account's membership in its organization; None if the account is in no organization."""
        backend = backend_of(account)
        if backend is None or backend.org is None:
            return None
        nodes = _path_from_root(backend, account)
        if not nodes:
            return None
        path = "/".join([backend.org.id, *(node.id for node in nodes[:-1]), ""])
        return Membership(backend.org.id, path, backend.org.master_account_id)

    def node_arns(self, account: str) -> tuple[str, ...]:
        """Return the ARNs of root, organizational units and account, in this order; () outside an organization."""
        backend = backend_of(account)
        return () if backend is None else tuple(node.arn for node in _path_from_root(backend, account))

    def service_control(self, account: str) -> Levels:
        """Return the SCPs that apply to the account's principals; () for a management account."""
        return _levels(account, "SERVICE_CONTROL_POLICY")

    def resource_control(self, account: str, action: str) -> Levels:
        """Return the RCPs that apply to the account's resources; () if RCPs do not support the action."""
        if not has_resource_control(action):
            return ()
        return _levels(account, "RESOURCE_CONTROL_POLICY")

    def is_delegated_administrator(self, account: str, service: str = "") -> bool:
        """Whether a member account administers a service for its organization; "" means any service."""
        backend = backend_of(account)
        if backend is None:
            return False
        own = [admin for admin in backend.admins if admin.account.id == account]
        return any(service in admin.services or not service for admin in own)

    def policy_type(self, account: str, policy_id: str) -> str:
        """Return the type of a policy in the account's organization; "" if the id is unknown."""
        backend = backend_of(account)
        policies = [] if backend is None else backend.policies
        return next((str(policy.type) for policy in policies if policy.id == policy_id), "")

    def trusts_service(self, account: str, service: str) -> bool:
        """Whether the account's organization has enabled trusted access for a service."""
        backend = backend_of(account)
        return backend is not None and any(trusted["ServicePrincipal"] == service for trusted in backend.services)

    def has_all_features(self, account: str) -> bool:
        """Whether the account's organization has all features enabled, not only consolidated billing."""
        backend = backend_of(account)
        return backend is not None and backend.org is not None and backend.org.feature_set == "ALL"

    def root_features(self, organization_id: str) -> frozenset[RootFeature]:
        """Return the enabled features of centralized root access, which are stored here because moto lacks them."""
        return self._root_features.get(organization_id, frozenset())

    def switch_root_feature(self, organization_id: str, feature: RootFeature, *, is_on: bool) -> None:
        """Enable or disable a feature of centralized root access."""
        other_features = self.root_features(organization_id) - {feature}
        self._root_features[organization_id] = other_features | {feature} if is_on else other_features

    def name_and_email(self, account: str) -> tuple[str, str]:
        """Return an account's name and email in its organization; ("", "") outside an organization."""
        backend = backend_of(account)
        members = [] if backend is None else backend.accounts
        return next(((member.name, member.email) for member in members if member.id == account), ("", ""))

    def accounts(self) -> Iterator[tuple[str, str]]:
        """Yield (account, partition) for all member accounts, including those that the Organizations API created."""
        if self.are_used:
            for account, (_, partition) in list(_backends().master_accounts.items()):
                yield account, partition


def _backends() -> moto_organizations.OrganizationsBackendDict:
    backends: moto_organizations.OrganizationsBackendDict = sys.modules[MODULE].organizations_backends
    return backends


def backend_of(account: str) -> moto_organizations.OrganizationsBackend | None:
    """Return the backend of the account's organization; None without an organization. Creates no backend."""
    if MODULE not in sys.modules:
        return None
    backends = _backends()
    owner, partition = backends.master_accounts.get(account, (account, ""))
    by_partition = dict.get(backends, owner)
    if by_partition is None:
        return None
    candidates = dict.values(by_partition) if not partition else [dict.get(by_partition, partition)]
    return next((backend for backend in candidates if backend is not None and backend.org is not None), None)


def _path_from_root(backend: moto_organizations.OrganizationsBackend, account: str) -> list[Node]:
    """Return the root, the organizational units and the account, in this order; [] if the account is no member."""
    member = next((candidate for candidate in backend.accounts if candidate.id == account), None)
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
    backend = backend_of(account)
    if backend is None or backend.org is None or backend.org.feature_set != "ALL":
        return ()
    if account == backend.org.master_account_id:
        return ()
    nodes = _path_from_root(backend, account)
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
    """Whether EnablePolicyType was called for this policy type on the root."""
    enabled: list[dict[str, str]] = root.policy_types  # type: ignore[attr-defined]  # the root is a FakeRoot
    return any(entry["Type"] == policy_type and entry["Status"] == "ENABLED" for entry in enabled)


def policy_arn(policy: moto_organizations.FakePolicy) -> str:
    """Return the policy's ARN as AWS's errors show it.

    moto's ARN of an AWS managed policy contains the management account, which is replaced here.
    """
    if not policy.aws_managed:
        return policy.arn
    partition = policy.arn.split(":", 2)[1]
    return f"arn:{partition}:organizations::aws:policy/{policy.type.lower()}/{policy.id}"
