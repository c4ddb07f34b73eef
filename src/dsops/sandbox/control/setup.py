"""Create the resources that a seed describes in a sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterable

from dsops.errors import SandboxRefusal, SandboxUnavailable, SeedInvalid
from dsops.request.lookups import SecretLocation
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.federation.issuers import Issuers
from dsops.sandbox.seed.identity_center_model import SeedIdentityCenter
from dsops.sandbox.seed.identity_center_setup import plant_instance
from dsops.sandbox.seed.model import ADMIN, FULL_RIGHTS, Seed, SeedAccount, SeedKey, SeedUser
from dsops.sandbox.seed.region_setup import plant_region
from dsops.sandbox.seed.roles_anywhere import SeedRolesAnywhere
from dsops.sandbox.seed.roles_anywhere_setup import plant_roles_anywhere
from dsops.sandbox.state.iam_builder import IamBuilder
from dsops.sandbox.state.organization_builder import SeedOrganization
from dsops.sandbox.state.world import World

_CORRECT = "correct that part of the seed"


def plant(sandbox: Sandbox, seed: Seed) -> None:
    """Create the seed's resources in an empty sandbox. Raises SeedInvalid for resources that moto's IAM refuses."""
    with sandbox.world.lock:
        sandbox.region = seed.region
        sandbox.default_account = seed.accounts[0].account
        sandbox.default_identity = seed.default_identity
        sandbox.throttle.limit(seed.throttle)
        sandbox.authorization_records.services = seed.authorization_ids
        for account in seed.accounts:
            sandbox.world.add_account(account.account, account.partition)
        for account in seed.accounts:
            try:
                _plant_account(sandbox.world, IamBuilder(sandbox.world), account)
            except Exception as error:  # moto's exceptions have no base class of their own below Exception
                raise SeedInvalid(
                    f"account {account.account} of the seed can't be created", why=str(error), hint=_CORRECT
                ) from error
            _add_issuers(sandbox.issuers, account)
            _plant_saml_providers(sandbox, account)
            sandbox.world.closed_sts_regions[account.account] = frozenset(account.closed_sts_regions)
            if account.has_outbound_federation:
                sandbox.sts.outbound.enable(account.account)
            for region, region_seed in account.regions.items():
                plant_region(
                    sandbox.secret_storage,
                    sandbox.keys,
                    account.partition,
                    SecretLocation(account.account, region),
                    region_seed,
                )
            if account.roles_anywhere is not None:
                _plant_roles_anywhere(sandbox, account.account, account.roles_anywhere, seed.region)
        if seed.organization is not None:
            _plant_organization(sandbox.world, seed.organization)
        if seed.identity_center is not None:
            _plant_identity_center(sandbox, seed.identity_center, seed.region)
        sandbox.seed = _with_keys(sandbox.world, seed)


def plant_again(sandbox: Sandbox) -> None:
    """Take the sandbox back to its seed. Users keep their access keys and MFA devices; all sessions end."""
    seed = sandbox.seed
    if seed is not None:
        sandbox.empty()
        plant(sandbox, seed)


def _with_keys(world: World, seed: Seed) -> Seed:
    """Return the seed with the ids, access keys and MFA secrets that were generated for its users."""
    accounts = []
    for account in seed.accounts:
        named = {user.name: user for user in account.users}
        names = [*named, *({ADMIN} - named.keys())]
        users = (_with_key(world, account.account, named.get(name, SeedUser(name))) for name in names)
        accounts.append(account._replace(users=tuple(users)))
    return seed._replace(accounts=tuple(accounts))


def _with_key(world: World, account: str, seed_user: SeedUser) -> SeedUser:
    user = world.user_named(account, seed_user.name)
    if user is None:
        return seed_user
    secrets = {device.serial: device.seed for device in world.mfa_devices_of(user)}
    devices = []
    for device in seed_user.devices:
        serial = next((each for each in secrets if each.endswith(f":mfa{device.path}{device.name}")), "")
        devices.append(device._replace(seed=secrets.get(serial, device.seed)))
    keys = [SeedKey(*key) for key in world.keys_of(user)]
    return seed_user._replace(key=keys[0] if keys else seed_user.key, unique_id=user.unique_id, devices=tuple(devices))


def _plant_organization(world: World, organization: SeedOrganization) -> None:
    from dsops.sandbox.state.organization_builder import plant_organization

    owner = organization.management_account
    try:
        plant_organization(world.organizations, organization, world.partitions[owner])
    except SandboxUnavailable:
        raise
    except Exception as error:
        raise SeedInvalid("the organization of the seed can't be created", why=str(error), hint=_CORRECT) from error


def _plant_roles_anywhere(sandbox: Sandbox, account: str, section: SeedRolesAnywhere, region: str) -> None:
    records, now = sandbox.roles_anywhere.records, sandbox.clock.now()
    try:
        plant_roles_anywhere(records, sandbox.world, account, section, region, now)
    except SandboxRefusal as error:
        message = f"`roles_anywhere` of account {account} in the seed can't be created"
        raise SeedInvalid(message, why=error.message, hint=_CORRECT) from error


def _plant_identity_center(sandbox: Sandbox, center: SeedIdentityCenter, region: str) -> None:
    membership = sandbox.world.organizations.membership(sandbox.default_account)
    owner = sandbox.default_account if membership is None else membership.management_account
    whole = center._replace(region=center.region or region)
    try:
        instance = plant_instance(sandbox.world, whole, sandbox.issuers.saml.metadata, owner)
    except Exception as error:
        raise SeedInvalid(
            "the IAM Identity Center of the seed can't be created", why=str(error), hint=_CORRECT
        ) from error
    sandbox.identity_center.instance = instance


def _plant_account(world: World, planter: IamBuilder, account: SeedAccount) -> None:
    owner = account.account
    if account.root is not None:
        world.root_keys[account.root.access_key_id] = (owner, account.root.secret_access_key)
    for policy in account.policies:
        path, _, name = f"/{policy.name}".rpartition("/")
        planter.add_policy(owner, f"{path}/", name, policy.text)
    # A provider without client ids is Google or Cognito, which every account has already.
    for provider in (provider for provider in account.oidc_providers if provider.client_ids):
        planter.add_oidc_provider(owner, provider.url, provider.client_ids)
    for group, policies in account.groups.items():
        planter.add_group(owner, group)
        _put(planter, owner, "group", group, policies)
    users = account.users
    if all(user.name != ADMIN for user in users):
        users = (*users, SeedUser(ADMIN))
    for user in users:
        _plant_user(world, planter, owner, user)
    for role in account.roles:
        role_added = planter.add_role(
            owner, role.name, role.trust, role.path, role.tags, role.max_session_duration, role.unique_id
        )
        _put(planter, owner, "role", role.name, role.policies)
        if role.boundary:
            planter.set_role_boundary(role_added, role.boundary)
        if role.source_ip:
            world.source_ips[role_added.unique_id] = role.source_ip


def _add_issuers(issuers: Issuers, account: SeedAccount) -> None:
    for provider in account.oidc_providers:
        if provider.is_issued_by_sandbox:
            issuers.add_own(provider.url)
        elif provider.jwks:
            issuers.publish(provider.url, json.loads(provider.jwks))


def _plant_saml_providers(sandbox: Sandbox, account: SeedAccount) -> None:
    planter = IamBuilder(sandbox.world)
    for provider in account.saml_providers:
        metadata = provider.metadata or sandbox.issuers.saml.metadata
        planter.add_saml_provider(account.account, provider.name, metadata)


def _plant_user(world: World, planter: IamBuilder, owner: str, user: SeedUser) -> None:
    iam_user = planter.add_user(owner, user.name, user.path, user.tags, user.unique_id)
    planter.add_key(iam_user, user.key.access_key_id, user.key.secret_access_key)
    for device in user.devices:
        planter.add_mfa_device(iam_user, device.path, device.name, device.seed)
    for group in user.groups:
        planter.join_group(iam_user, group)
    policies = (*user.policies, FULL_RIGHTS) if user.name == ADMIN else user.policies
    _put(planter, owner, "user", user.name, policies)
    if user.boundary:
        planter.set_user_boundary(iam_user, user.boundary)
    if user.source_ip:
        world.source_ips[iam_user.unique_id] = user.source_ip


def _put(planter: IamBuilder, owner: str, kind: str, holder: str, policies: Iterable[StoredPolicy]) -> None:
    for policy in policies:
        planter.put_policy(owner, kind, holder, policy)
