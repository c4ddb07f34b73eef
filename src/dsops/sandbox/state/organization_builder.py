"""A seed's organization -> moto's Organizations backend, the one that the Organizations API reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dsops.errors import SandboxUnavailable
from dsops.extras import install_command
from dsops.sandbox.state.iam_backend import NOTHING_ALLOWED, StoredPolicy
from dsops.sandbox.state.organizations import IAM, MODULE, Organizations, PolicyType, RootFeature

if TYPE_CHECKING:
    from moto.organizations import models as moto_organizations

_FULL_ACCESS: Mapping[PolicyType, str] = {
    "SERVICE_CONTROL_POLICY": "p-FullAWSAccess",
    "RESOURCE_CONTROL_POLICY": "p-RCPFullAWSAccess",
}
"""The policies that AWS attaches everywhere."""
_MANAGEMENT, _MEMBER = "000000000000", "000000000001"
_DENIES = StoredPolicy("probe", NOTHING_ALLOWED)


class SeedNode(NamedTuple):
    """A root, organizational unit or account of an organization, and what is below it."""

    name: str = ""
    """An account's; "" for its id."""
    service_control: tuple[StoredPolicy, ...] = ()
    resource_control: tuple[StoredPolicy, ...] = ()
    has_full_access: bool = True
    """AWS's FullAWSAccess is attached, as it is unless somebody detaches it."""
    accounts: tuple[tuple[str, SeedNode], ...] = ()
    units: tuple[tuple[str, SeedNode], ...] = ()


class SeedOrganization(NamedTuple):
    """An organization."""

    management_account: str
    root: SeedNode = SeedNode()
    organization_id: str = ""
    """Empty for one that is made up."""
    feature_set: Literal["ALL", "CONSOLIDATED_BILLING"] = "ALL"
    delegated_administrators: tuple[tuple[str, str], ...] = ()
    """Member account and service."""
    root_access: tuple[RootFeature, ...] = ()
    """Which parts of centralized root access are switched on."""


@cache
def organization_models() -> Any:  # a module has no type that could be named
    """moto's Organizations, taught that IAM can be trusted and administered by a member account, and tried out.

    Raises SandboxUnavailable.
    """
    models = _taught_models()
    try:
        problem = _probe()
    except Exception as error:  # noqa: BLE001 - whatever a changed moto raises
        problem = f"{type(error).__name__}: {error}"
    finally:
        dict.pop(models.organizations_backends, _MANAGEMENT, None)
        models.organizations_backends.master_accounts.pop(_MEMBER, None)
    if problem:
        raise SandboxUnavailable(
            "this moto is not one that the sandbox can hold an organization in",
            why=problem,
            hint=f"install the version that dsops names: {install_command('sandbox')}",
        )
    return models


def plant_organization(organizations: Organizations, seed: SeedOrganization, partition: str) -> None:
    """Makes it, with all its accounts and policies. moto's own exceptions come out of it for what it does not take."""
    organization_models()
    OrganizationPlanter(seed.management_account, partition).plant(organizations, seed)


@cache
def _taught_models() -> Any:
    models = import_module(MODULE)
    for services in (models.FakeServiceAccess.TRUSTED_SERVICES, models.FakeDelegatedAdministrator.SUPPORTED_SERVICES):
        if IAM not in services:
            services.append(IAM)
    return models


def _probe() -> str:
    """Makes an organization with one of everything and reads it back; what is wrong with it, "" for nothing."""
    organizations = Organizations()
    unit = SeedNode(accounts=((_MEMBER, SeedNode(service_control=(_DENIES,))),))
    OrganizationPlanter(_MANAGEMENT, "aws").plant(
        organizations,
        SeedOrganization(
            _MANAGEMENT, SeedNode(units=(("unit", unit),)), "o-probe00000", delegated_administrators=((_MEMBER, IAM),)
        ),
    )
    place = organizations.membership(_MEMBER)
    levels = organizations.service_control(_MEMBER)
    claims = {
        "organization": place is not None and place[::2] == ("o-probe00000", _MANAGEMENT),
        "path": place is not None and place.path.count("/") == 3 and "/ou-" in place.path,
        "service control policies": [len(level) for level in levels] == [1, 1, 2],
        "policy": NOTHING_ALLOWED in [policy.text for level in levels[-1:] for policy in level],
        "resource control policies": len(organizations.resource_control(_MEMBER, "s3:GetObject")) == 3,
        "management account": organizations.service_control(_MANAGEMENT) == (),
        "delegated administrator": organizations.is_delegated_administrator(_MEMBER, IAM),
        "trusted service": organizations.trusts_service(_MEMBER, IAM),
    }
    wrong = [name for name, is_so in claims.items() if not is_so]
    return f"it does not give back what was put in: {', '.join(wrong)}" if wrong else ""


class OrganizationPlanter:
    """Over the backend of one management account."""

    def __init__(self, management_account: str, partition: str) -> None:
        self._models = _taught_models()
        self._partition = partition
        self._backend: moto_organizations.OrganizationsBackend
        self._backend = self._models.organizations_backends[management_account][partition]
        self._policies: dict[str, str] = {}
        """Name -> id: names are unique in an organization, whatever the type."""

    def plant(self, organizations: Organizations, seed: SeedOrganization) -> None:
        """The whole tree, and what is switched on."""
        backend = self._backend
        backend.create_organization(self._partition_region(), FeatureSet=seed.feature_set)
        assert backend.org is not None  # noqa: S101 - it was made in the line before
        root = next(unit for unit in backend.ou if unit.id == backend.org.root_id)
        if seed.organization_id:
            self._rename(seed.organization_id)
        for policy_type in _FULL_ACCESS if seed.feature_set == "ALL" else ():
            backend.enable_policy_type(RootId=root.id, PolicyType=policy_type)
        self._fill(root.id, seed.root)
        backend.enable_aws_service_access(ServicePrincipal=IAM)
        for account, service in seed.delegated_administrators:
            backend.register_delegated_administrator(AccountId=account, ServicePrincipal=service)
        for feature in seed.root_access:
            organizations.switch_root_feature(backend.org.id, feature, is_on=True)

    def _fill(self, parent: str, node: SeedNode) -> None:
        self._attach(parent, node)
        for account, own in node.accounts:
            self._add_account(account, parent, own)
        for name, unit in node.units:
            made = self._backend.create_organizational_unit(ParentId=parent, Name=name)
            self._fill(made["OrganizationalUnit"]["Id"], unit)

    def _add_account(self, account: str, parent: str, own: SeedNode) -> None:
        backend = self._backend
        member = next((one for one in backend.accounts if one.id == account), None)
        if member is None:
            before = set(self._models.organizations_backends.master_accounts)
            backend.create_account(AccountName=own.name or account, Email=f"{account}@example.com")
            member = backend.accounts[-1]
            owners = self._models.organizations_backends.master_accounts
            for made_up in set(owners) - before:
                owners[account] = owners.pop(made_up)
            member.id = account
            member.joined_method = "INVITED"
        member.parent_id = parent
        self._attach(account, own)

    def _attach(self, target: str, node: SeedNode) -> None:
        ids = [self._policy("SERVICE_CONTROL_POLICY", policy) for policy in node.service_control]
        ids += [self._policy("RESOURCE_CONTROL_POLICY", policy) for policy in node.resource_control]
        for policy_id in ids:
            self._backend.attach_policy(PolicyId=policy_id, TargetId=target)
        if not node.has_full_access:
            self._backend.detach_policy(PolicyId=_FULL_ACCESS["SERVICE_CONTROL_POLICY"], TargetId=target)

    def _policy(self, policy_type: PolicyType, policy: StoredPolicy) -> str:
        """The id of the policy of that name, made when it is attached for the first time."""
        known = self._policies.get(policy.name)
        if known is None:
            made = self._backend.create_policy(Name=policy.name, Description="", Type=policy_type, Content=policy.text)
            held = self._backend.get_policy_by_id(made["Policy"]["PolicySummary"]["Id"])
            # Refusals name it: the same seed gives the same text.
            known = self._policies[policy.name] = held.id = f"p-{sha256(policy.name.encode()).hexdigest()[:8]}"
        return known

    def _rename(self, organization_id: str) -> None:
        backend = self._backend
        assert backend.org is not None  # noqa: S101
        backend.org.id = organization_id
        for unit in backend.ou:
            unit.organization_id = organization_id
        for account in backend.accounts:
            account.organization_id = organization_id
        for policy in backend.policies:
            policy.organization_id = organization_id

    def _partition_region(self) -> str:
        """moto makes the partition of ARNs out of a region."""
        return {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}.get(self._partition, "us-east-1")
