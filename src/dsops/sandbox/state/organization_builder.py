"""Create a seed's organization in moto's backend, which also serves the Organizations API."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dsops.errors import SandboxUnavailable
from dsops.extras import install_command
from dsops.request.stored_policies import NOTHING_ALLOWED, StoredPolicy
from dsops.sandbox.state.organizations import (
    IAM,
    MODULE,
    ROOT_FEATURES,
    Organizations,
    PolicyType,
    RootFeature,
    backend_of,
)

if TYPE_CHECKING:
    from moto.organizations import models as moto_organizations

    _Node = moto_organizations.FakeOrganizationalUnit | moto_organizations.FakeAccount

_FULL_ACCESS: Mapping[PolicyType, str] = {
    "SERVICE_CONTROL_POLICY": "p-FullAWSAccess",
    "RESOURCE_CONTROL_POLICY": "p-RCPFullAWSAccess",
}
"""The policies that AWS attaches to every root, organizational unit and account by default."""
_MANAGEMENT, _MEMBER = "000000000000", "000000000001"
_DENIES = StoredPolicy("probe", NOTHING_ALLOWED)


class SeedNode(NamedTuple):
    """A root, organizational unit or account of an organization, with its children."""

    name: str = ""
    """The name of an account; "" if the account's id is also the name."""
    service_control: tuple[StoredPolicy, ...] = ()
    resource_control: tuple[StoredPolicy, ...] = ()
    has_full_access: bool = True
    """Whether AWS's FullAWSAccess policy is attached, as it is by default."""
    accounts: tuple[tuple[str, SeedNode], ...] = ()
    units: tuple[tuple[str, SeedNode], ...] = ()


class SeedOrganization(NamedTuple):
    """The organization that a seed describes."""

    management_account: str
    root: SeedNode = SeedNode()
    organization_id: str = ""
    """The organization's id; "" if an id is to be generated."""
    feature_set: Literal["ALL", "CONSOLIDATED_BILLING"] = "ALL"
    delegated_administrators: tuple[tuple[str, str], ...] = ()
    """Pairs of a member account and the service for which it is the delegated administrator."""
    root_access: tuple[RootFeature, ...] = ()
    """The features of centralized root access that are enabled."""


@cache
def organization_models() -> Any:  # Any: the type of a module that is imported late
    """Check moto's Organizations models and return them.

    The returned models accept IAM for trusted access and for delegated administrators. Raises SandboxUnavailable if
    the check fails.
    """
    models = _taught_models()
    try:
        problem = _probe()
    except Exception as error:  # noqa: BLE001 - a changed moto can raise any exception
        problem = f"{type(error).__name__}: {error}"
    finally:
        dict.pop(models.organizations_backends, _MANAGEMENT, None)
        models.organizations_backends.master_accounts.pop(_MEMBER, None)
    if problem:
        raise SandboxUnavailable(
            "the sandbox's organizations do not work with the installed version of moto",
            why=problem,
            hint=f"install the version that dsops requires: {install_command('sandbox')}",
        )
    return models


def plant_organization(organizations: Organizations, seed: SeedOrganization, partition: str) -> None:
    """Create the organization with its accounts and policies. Does not catch moto's exceptions for invalid seeds."""
    organization_models()
    OrganizationBuilder(seed.management_account, partition).plant(organizations, seed)


@cache
def _taught_models() -> Any:
    models = import_module(MODULE)
    for services in (models.FakeServiceAccess.TRUSTED_SERVICES, models.FakeDelegatedAdministrator.SUPPORTED_SERVICES):
        if IAM not in services:
            services.append(IAM)
    return models


def _probe() -> str:
    """Create an organization with policies and a delegated administrator, and read it back.

    Returns the problem, or "" if there is none.
    """
    organizations = Organizations()
    unit = SeedNode(accounts=((_MEMBER, SeedNode(service_control=(_DENIES,))),))
    OrganizationBuilder(_MANAGEMENT, "aws").plant(
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
    return f"it does not return what was stored: {', '.join(wrong)}" if wrong else ""


class OrganizationBuilder:
    """Creates an organization in the backend of one management account."""

    def __init__(self, management_account: str, partition: str) -> None:
        self._models = _taught_models()
        self._partition = partition
        self._backend: moto_organizations.OrganizationsBackend
        self._backend = self._models.organizations_backends[management_account][partition]
        self._policies: dict[str, str] = {}
        """Policy name -> id. Policy names are unique in an organization, even among different policy types."""

    def plant(self, organizations: Organizations, seed: SeedOrganization) -> None:
        """Create the tree of accounts and enable the seed's features."""
        backend = self._backend
        backend.create_organization(self._partition_region(), FeatureSet=seed.feature_set)
        assert backend.org is not None  # noqa: S101 - create_organization has just set it
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
            unit_created = self._backend.create_organizational_unit(ParentId=parent, Name=name)
            self._fill(unit_created["OrganizationalUnit"]["Id"], unit)

    def _add_account(self, account: str, parent: str, own: SeedNode) -> None:
        backend = self._backend
        member = next((candidate for candidate in backend.accounts if candidate.id == account), None)
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
        """Return the id of the policy with this name; create the policy at first use."""
        policy_id = self._policies.get(policy.name)
        if policy_id is None:
            policy_created = self._backend.create_policy(
                Name=policy.name, Description="", Type=policy_type, Content=policy.text
            )
            moto_policy = self._backend.get_policy_by_id(policy_created["Policy"]["PolicySummary"]["Id"])
            # Error messages contain the id, so it is derived from the name: one seed always leads to the same messages.
            policy_id = self._policies[policy.name] = moto_policy.id = (
                f"p-{sha256(policy.name.encode()).hexdigest()[:8]}"
            )
        return policy_id

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
        """Return a region in the partition.

        moto derives the partition of ARNs from a region; any region of the partition will do.
        """
        return {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}.get(self._partition, "us-east-1")


def read_organization(organizations: Organizations, account: str, notes: list[str]) -> SeedOrganization | None:
    """Return the account's organization as a seed describes it; None without one.

    `notes` receives what a seed can't express.
    """
    backend = backend_of(account)
    return None if backend is None or backend.org is None else _OrganizationReader(backend, notes).read(organizations)


class _OrganizationReader:
    """Reads an organization from its backend."""

    def __init__(self, backend: moto_organizations.OrganizationsBackend, notes: list[str]) -> None:
        self._backend = backend
        self._notes = notes

    def read(self, organizations: Organizations) -> SeedOrganization:
        """Return the organization with its tree of accounts and policies."""
        backend, org = self._backend, self._backend.org
        assert org is not None  # noqa: S101 - read_organization has checked it
        root = next(unit for unit in backend.ou if unit.id == org.root_id)
        has_all = org.feature_set == "ALL"
        self._note_policies(root if has_all else None)
        if len(backend.ou) > 1:
            self._note("the ids of root and organizational units, which `aws:PrincipalOrgPaths` contains")
        administrators = [(admin.account.id, service) for admin in backend.admins for service in admin.services]
        for account, service in administrators:
            if service != IAM:
                self._note(f"that account {account} administers {service}")
        features = organizations.root_features(org.id)
        return SeedOrganization(
            org.master_account_id,
            self._unit(root, has_all=has_all),
            org.id,
            "ALL" if has_all else "CONSOLIDATED_BILLING",
            tuple(pair for pair in administrators if pair[1] == IAM),
            tuple(feature for feature in ROOT_FEATURES if feature in features),
        )

    def _note(self, text: str) -> None:
        self._notes.append(f"organization: {text}")

    def _note_policies(self, root: moto_organizations.FakeOrganizationalUnit | None) -> None:
        """Tell which policies have no place in a seed, and which policy types of the root are not enabled."""
        nodes: list[_Node] = [*self._backend.ou, *self._backend.accounts]
        attached = {policy.id for node in nodes for policy in node.attached_policies}
        for policy in self._backend.policies:
            if policy.type not in _FULL_ACCESS:
                self._note(f"the policy {policy.name}, which is a {policy.type}")
            elif policy.id not in attached and not policy.aws_managed:
                self._note(f"the policy {policy.name}, which is attached to nothing")
        enabled = [] if root is None else [entry["Type"] for entry in root.policy_types]  # type: ignore[attr-defined]  # the root is a FakeRoot
        for policy_type in _FULL_ACCESS if root is not None else ():
            if policy_type not in enabled:
                self._note(f"that {policy_type} is not enabled: the seed enables it")

    def _unit(self, unit: moto_organizations.FakeOrganizationalUnit, *, has_all: bool) -> SeedNode:
        backend = self._backend
        accounts = [account for account in backend.accounts if account.parent_id == unit.id]
        units = [inner for inner in backend.ou if inner.parent_id == unit.id and inner is not unit]
        members = tuple((account.id, self._account(account, has_all=has_all)) for account in accounts)
        if unit.parent_id is None:
            # The management account is in the root by itself.
            members = tuple(member for member in members if member != (unit.master_account_id, SeedNode()))
        return self._node(unit, has_all=has_all)._replace(
            accounts=members, units=tuple((inner.name or "", self._unit(inner, has_all=has_all)) for inner in units)
        )

    def _account(self, account: moto_organizations.FakeAccount, *, has_all: bool) -> SeedNode:
        is_owner = account.id == account.master_account_id
        if account.status != "ACTIVE":
            self._note(f"that account {account.id} is {account.status}")
        if not is_owner and account.email != f"{account.id}@example.com":
            self._note(f"the email address of account {account.id}")
        name = "" if is_owner or account.name == account.id else account.name
        return self._node(account, has_all=has_all)._replace(name=name)

    def _node(self, node: _Node, *, has_all: bool) -> SeedNode:
        by_type: dict[str, list[StoredPolicy]] = {policy_type: [] for policy_type in _FULL_ACCESS}
        for policy in node.attached_policies:
            if policy.type in by_type and not policy.aws_managed:
                by_type[policy.type].append(StoredPolicy(str(policy.name), str(policy.content)))
        full = _FULL_ACCESS["SERVICE_CONTROL_POLICY"]
        return SeedNode(
            "",
            tuple(by_type["SERVICE_CONTROL_POLICY"]),
            tuple(by_type["RESOURCE_CONTROL_POLICY"]),
            not has_all or any(policy.id == full for policy in node.attached_policies),
        )
