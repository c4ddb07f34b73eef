"""Read an account's users, groups, roles, policies and identity providers as a seed describes them.

What a seed can't express is told in a list of notes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.federation.issuers import Issuers
from dsops.sandbox.seed.model import (
    ADMIN,
    FULL_RIGHTS,
    SeedAccount,
    SeedDevice,
    SeedKey,
    SeedOidcProvider,
    SeedRole,
    SeedSamlProvider,
    SeedUser,
)
from dsops.sandbox.state.iam_backend import default_version
from dsops.sandbox.state.world import World, view_role, view_user

if TYPE_CHECKING:
    from dsops.sandbox.state.iam_backend import SandboxUser, StoredGroup, StoredRole, StoredUser

_MOST_NAMED = 5


def named(names: Collection[str]) -> str:
    """Return some names as text for a note, and how many more there are."""
    shown = sorted(names)[:_MOST_NAMED]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


class AccountReader:
    """Reads one account. `notes` receives what a seed can't express."""

    def __init__(self, world: World, issuers: Issuers, account: str, notes: list[str]) -> None:
        self._world = world
        self._issuers = issuers
        self._backend = world.backend(account)
        self._account = account
        self._notes = notes

    def read(self, center_roles: Collection[str], center_providers: Collection[str]) -> SeedAccount:
        """Return the account without its regional resources.

        `center_roles` (ids) and `center_providers` (ARNs) belong to IAM Identity Center and are left out.
        """
        backend = self._backend
        partition = self._world.partitions[self._account]
        for group in backend.groups.values():
            if group.path != "/":
                self._note(f"the path {group.path} of group {group.name}")
        self._note_others()
        roots = [
            (key_id, secret) for key_id, (owner, secret) in self._world.root_keys.items() if owner == self._account
        ]
        return SeedAccount(
            self._account,
            partition,
            SeedKey(*roots[0]) if roots else None,
            tuple(self._user(user) for user in backend.users.values()),
            {group.name: tuple(_policies(group)) for group in backend.groups.values()},
            tuple(self._role(role) for role in backend.roles.values() if role.id not in center_roles),
            tuple(self._managed_policies()),
            oidc_providers=tuple(self._oidc_providers()),
            saml_providers=tuple(self._saml_providers(center_providers)),
            closed_sts_regions=tuple(sorted(self._world.closed_sts_regions.get(self._account, ()))),
        )

    def _note(self, text: str) -> None:
        self._notes.append(f"account {self._account}: {text}")

    def _user(self, stored: StoredUser) -> SeedUser:
        user, name = view_user(stored), stored.name
        owner: SandboxUser = stored  # type: ignore[assignment]  # iam_backend replaces moto's class by this one
        keys = self._world.keys_of(user)
        if not keys:
            self._note(f"user {name} has no active access key; the seed creates one")
        if len(stored.access_keys) > 1:
            self._note(f"the other access keys of user {name}")
        for what, is_set in (
            ("the password", stored.password),
            ("the SSH keys", stored.ssh_public_keys),
            ("the signing certificates", stored.signing_certificates),
        ):
            if is_set:
                self._note(f"{what} of user {name}")
        policies = tuple(_policies(owner))
        if name == ADMIN:
            if FULL_RIGHTS not in policies:
                self._note(f"{ADMIN} lacks the policy `{FULL_RIGHTS.name}`, which the seed gives it")
            policies = tuple(policy for policy in policies if policy.name != FULL_RIGHTS.name)
        return SeedUser(
            name,
            SeedKey(*keys[0]) if keys else SeedKey("", ""),
            user.unique_id,
            stored.path,
            tuple(self._devices(stored)),
            self._world.source_ips.get(user.unique_id, ""),
            tuple(group.name for group in self._backend.groups.values() if stored in group.users),
            user.tags,
            policies,
            owner.permissions_boundary_arn or "",
        )

    def _devices(self, user: StoredUser) -> Iterator[SeedDevice]:
        for serial in user.mfa_devices:
            device = self._backend.virtual_mfa_devices.get(serial)
            if device is None:
                self._note(f"the MFA device {serial} of user {user.name}: it is not a virtual one")
                continue
            path, _, name = serial.rpartition(":mfa")[2].rpartition("/")
            yield SeedDevice(name, device.base32_string_seed, f"{path}/")

    def _role(self, stored: StoredRole) -> SeedRole:
        role = view_role(stored)
        return SeedRole(
            role.name,
            role.trust,
            role.unique_id,
            stored.path,
            self._world.source_ips.get(role.unique_id, ""),
            role.tags,
            tuple(_policies(stored)),
            stored.permissions_boundary_arn or "",
            role.max_session_duration,
        )

    def _managed_policies(self) -> Iterator[StoredPolicy]:
        own = f"arn:{self._world.partitions[self._account]}:iam::{self._account}:policy/"
        for arn, policy in self._backend.managed_policies.items():
            if arn.startswith(own):
                if len(policy.versions) > 1:
                    self._note(f"the other versions of policy {policy.name}")
                if policy.tags:
                    self._note(f"the tags of policy {policy.name}")
                yield StoredPolicy(arn.removeprefix(own), default_version(policy).text)

    def _oidc_providers(self) -> Iterator[SeedOidcProvider]:
        for provider in self._backend.open_id_providers.values():
            url = f"https://{provider.url}"
            if not provider.client_id_list:
                self._note(f"the provider {url}: it has no client id")
                continue
            if provider.tags:
                self._note(f"the tags of provider {url}")
            yield issued(self._issuers, url, tuple(provider.client_id_list))

    def _saml_providers(self, center_providers: Collection[str]) -> Iterator[SeedSamlProvider]:
        for provider in self._backend.saml_providers.values():
            if provider.arn not in center_providers:
                metadata = provider.saml_metadata_document or ""
                yield SeedSamlProvider(provider.name, "" if metadata == self._issuers.saml.metadata else metadata)

    def _note_others(self) -> None:
        """Tell which other resources of IAM the account has."""
        backend = self._backend
        enabled = {serial for user in backend.users.values() for serial in user.mfa_devices}
        others: Mapping[str, Collection[str]] = {
            "instance profiles": [profile.name for profile in backend.instance_profiles.values()],
            "server certificates": [certificate.cert_name for certificate in backend.certificates.values()],
            "account aliases": backend.account_aliases,
            "MFA devices that no user has": [serial for serial in backend.virtual_mfa_devices if serial not in enabled],
            "descriptions of roles": [role.name for role in backend.roles.values() if role.description],
        }
        for what, names in others.items():
            if names:
                self._note(f"{what}: {named(names)}")
        if backend.account_password_policy is not None:
            self._note("the password policy")
        if ADMIN not in backend.users:
            self._note(f"there is no user `{ADMIN}`; the seed creates it")


def issued(issuers: Issuers, url: str, client_ids: tuple[str, ...]) -> SeedOidcProvider:
    """Return a provider with what the sandbox knows of its issuer's keys."""
    return SeedOidcProvider(url, client_ids, url in issuers.own, issuers.published(url))


def _policies(holder: StoredUser | StoredGroup | StoredRole) -> Iterator[StoredPolicy]:
    """Yield the inline policies, and the managed ones with their ARN as name and "" as text."""
    for name, text in holder.policies.items():
        yield StoredPolicy(name, text)
    for arn in holder.managed_policies:
        yield StoredPolicy(arn, "")
