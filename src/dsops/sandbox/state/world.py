"""Accounts, users, roles and their policies, as moto's IAM backends hold them.

With the other files that import moto (`backends`, `estate`, `fence`, `vault` ...) the only code that knows it.
Attributes are read without defaults: a moto that dropped or renamed one must stop the sandbox, not drop a boundary
(`probe.py` tries them out before anybody is served).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple, cast

from dsops.arn import Arn, parse_arn
from dsops.sandbox.state import fence
from dsops.sandbox.state.iam_backend import (
    NOTHING_ALLOWED,
    StoredPolicy,
    aws_policies,
    default_version,
    iam_models,
    policies_of,
    reset,
)
from dsops.sandbox.state.organizations import Organizations

if TYPE_CHECKING:
    from moto.iam import models as moto_iam

    from dsops.sandbox.state.iam_backend import SandboxUser


Tags = tuple[tuple[str, str], ...]


class User(NamedTuple):
    """A user as it is now."""

    account: str
    name: str
    unique_id: str
    arn: str
    tags: Tags


class Role(NamedTuple):
    """A role as it is now."""

    account: str
    name: str
    unique_id: str
    arn: str
    trust: str
    max_session_duration: int
    tags: Tags


class PrincipalGrants(NamedTuple):
    """What a user's or role's own account says it may do."""

    identity: tuple[StoredPolicy, ...]
    """Inline and managed policies, those of a user's groups included."""
    boundary: StoredPolicy | None


class LongTermKey(NamedTuple):
    """An access key of a user."""

    user: User
    secret: str
    is_active: bool


class MfaDevice(NamedTuple):
    """A virtual device that is enabled for a user."""

    serial: str
    seed: str


class OidcProvider(NamedTuple):
    """An OpenID Connect provider that an account knows."""

    arn: str
    host_and_path: str
    """Its URL without `https://`: what its condition keys begin with."""
    client_ids: tuple[str, ...]


class SamlProvider(NamedTuple):
    """A SAML identity provider that an account knows."""

    arn: str
    account: str
    name: str
    metadata: str
    """Its metadata document, as it was handed in."""


class World:
    """The accounts of this sandbox. Whoever calls holds `lock`."""

    def __init__(self) -> None:
        fence.prepare()
        reset()
        self.lock = RLock()
        self.organizations = Organizations()
        self.partitions: dict[str, str] = {}
        """Account -> the partition that it lives in."""
        self.source_ips: dict[str, str] = {}
        """Unique id of a user or role -> the address that stands in for where its requests come from."""
        self.root_keys: dict[str, tuple[str, str]] = {}
        """Key id of an account's root user -> account, secret. moto has no root user."""
        self.closed_sts_regions: dict[str, frozenset[str]] = {}
        """Account -> where it has switched STS off."""
        self._used_steps: dict[str, int] = {}
        self._role_ids: dict[str, str] = {}
        self._backends: dict[str, moto_iam.IAMBackend] = {}

    # --- reading ---------------------------------------------------------------------------------------------

    def add_account(self, account: str, partition: str = "aws") -> None:
        """Makes an account, empty."""
        self.partitions[account] = partition
        self._backends.pop(account, None)

    def adopt_accounts(self) -> None:
        """Takes in the accounts that the Organizations API has made."""
        for account, partition in self.organizations.accounts():
            self.partitions.setdefault(account, partition)

    def backend(self, account: str) -> moto_iam.IAMBackend:
        """moto's IAM of an account that is one of ours."""
        known = self._backends.get(account)
        if known is None:
            # moto takes a lock and looks through all its services each time.
            known = self._backends[account] = iam_models().iam_backends[account][self.partitions[account]]
        return known

    def long_term_key(self, key_id: str) -> LongTermKey | None:
        """The key, if some user of some account has it."""
        for account in self.partitions:
            backend = self.backend(account)
            if key_id in backend.access_keys:
                for user in backend.users.values():
                    for key in user.access_keys:
                        if key.access_key_id == key_id:
                            return LongTermKey(view_user(user), key.secret_access_key, key.status == "Active")
        return None

    def keys_of(self, user: User) -> list[tuple[str, str]]:
        """(key id, secret) of the user's active keys."""
        keys = self.backend(user.account).users[user.name].access_keys
        return [(key.access_key_id, key.secret_access_key) for key in keys if key.status == "Active"]

    def user_named(self, account: str, name: str) -> User | None:
        """The user of that name."""
        if account not in self.partitions:
            return None
        found = self.backend(account).users.get(name)
        return None if found is None else view_user(found)

    def user_at(self, arn: str) -> User | None:
        """The user with exactly that ARN, path included."""
        parts = parse_arn(arn)
        user = None if parts is None else self.user_named(parts.account, parts.resource_name)
        return user if user is not None and user.arn == arn else None

    def user_with_id(self, account: str, unique_id: str) -> User | None:
        """The user with that AIDA id; None when it was deleted, whoever has its name now."""
        users = self.backend(account).users.values()
        return next((view_user(user) for user in users if user.id == unique_id), None)

    def role_with_id(self, account: str, unique_id: str) -> Role | None:
        """The role with that AROA id; None when it was deleted, whichever has its name now."""
        found = self.backend(account).roles.get(unique_id)
        return None if found is None else view_role(found)

    def role_named(self, account: str, name: str) -> Role | None:
        """The role of that name, whatever its path."""
        if account not in self.partitions:
            return None
        roles = self.backend(account).roles.values()
        return next((view_role(role) for role in roles if role.name == name), None)

    def role_at(self, arn: str) -> Role | None:
        """The role with exactly that ARN, path included."""
        parts = parse_arn(arn)
        if parts is None or self.partitions.get(parts.account) != parts.partition:
            return None
        roles = self.backend(parts.account).roles
        known = roles.get(self._role_ids.get(arn, ""))
        if known is None or known.arn != arn:
            known = next((role for role in roles.values() if role.arn == arn), None)
            if known is None:
                return None
            self._role_ids[arn] = known.id
        return view_role(known)

    def has_principal(self, principal: str) -> bool:
        """Whether a principal of a policy exists, as far as this sandbox knows: of accounts elsewhere all do."""
        arn = parse_arn(principal)
        if arn is None or arn.service != "iam" or arn.account not in self.partitions:
            return True
        if arn.partition != self.partitions[arn.account]:
            return False
        if arn.resource_type == "role":
            return self.role_at(principal) is not None
        return arn.resource_type != "user" or self.user_at(principal) is not None

    def grants_of_user(self, user: User) -> PrincipalGrants:
        """The policies that bind a user."""
        backend = self.backend(user.account)
        owner = cast("SandboxUser", backend.users[user.name])
        holders: list[moto_iam.User | moto_iam.Group] = [owner]
        holders += [group for group in backend.groups.values() if owner in group.users]
        texts = [text for holder in holders for text in policies_of(holder)]
        return PrincipalGrants(tuple(texts), self.boundary(user.account, owner.permissions_boundary_arn))

    def grants_of_role(self, role: Role) -> PrincipalGrants:
        """The policies that bind a role and every session of it, those issued before a change included."""
        owner = self.backend(role.account).roles[role.unique_id]
        return PrincipalGrants(tuple(policies_of(owner)), self.boundary(role.account, owner.permissions_boundary_arn))

    def managed_policy(self, account: str, arn: str) -> StoredPolicy | None:
        """The default version of a managed policy that principals of this account may use: its own or AWS's."""
        held = self.backend(account).managed_policies.get(arn)
        if held is not None:
            return default_version(held)
        found = self._aws_policy(account, arn)
        return None if found is None else StoredPolicy(arn, json.dumps(found[1]["Document"]))

    def boundary(self, account: str, arn: str | None) -> StoredPolicy | None:
        """The boundary of that ARN, None for none; one that can't be found allows nothing."""
        if not arn:
            return None
        return self.managed_policy(account, arn) or StoredPolicy(arn, NOTHING_ALLOWED)

    def oidc_provider(self, account: str, url: str) -> OidcProvider | None:
        """The account's provider of that URL."""
        if account not in self.partitions:
            return None
        host_and_path = url.removeprefix("https://")
        for provider in self.backend(account).open_id_providers.values():
            if provider.url == host_and_path:
                return OidcProvider(provider.arn, host_and_path, tuple(provider.client_id_list))
        return None

    def saml_provider(self, arn: str) -> SamlProvider | None:
        """The provider of that ARN."""
        parts = parse_arn(arn)
        if parts is None or parts.resource_type != "saml-provider" or parts.account not in self.partitions:
            return None
        for provider in self.backend(parts.account).saml_providers.values():
            if provider.arn == arn:
                return SamlProvider(arn, parts.account, provider.name, provider.saml_metadata_document or "")
        return None

    def saml_providers(self, account: str) -> list[str]:
        """The ARNs of the account's SAML providers."""
        if account not in self.partitions:
            return []
        return [provider.arn for provider in self.backend(account).saml_providers.values()]

    # --- managed policies of AWS -------------------------------------------------------------------------------

    def bring_in(self, account: str, arn: str) -> None:
        """Makes moto know a managed policy of AWS that is about to be attached; nothing when there is none such."""
        found = self._aws_policy(account, arn)
        backend = self.backend(account)
        if found is not None and arn not in backend.managed_policies:
            name, data = found
            backend.managed_policies[arn] = iam_models().AWSManagedPolicy.from_data(
                name, account, self.partitions[account], dict(data)
            )

    def bring_in_all(self, account: str) -> None:
        """Makes moto know every managed policy of AWS, for an operation that lists them."""
        for path_and_name in aws_policies():
            self.bring_in(account, f"arn:{self.partitions[account]}:iam::aws:policy{path_and_name}")

    def _aws_policy(self, account: str, arn: str) -> tuple[str, Mapping[str, object]] | None:
        parts = parse_arn(arn)
        if parts is None or parts.account != "aws" or parts.partition != self.partitions[account]:
            return None
        return aws_policies().get(parts.resource.removeprefix("policy"))

    # --- MFA -------------------------------------------------------------------------------------------------

    def mfa_devices_of(self, user: User) -> Iterator[MfaDevice]:
        """The virtual devices enabled for the user."""
        backend = self.backend(user.account)
        for serial in backend.users[user.name].mfa_devices:
            device = backend.virtual_mfa_devices.get(serial)
            if device is not None:
                yield MfaDevice(serial, device.base32_string_seed)

    def virtual_mfa_device(self, serial: str) -> MfaDevice | None:
        """A virtual device of any account, enabled or not."""
        for account in self.partitions:
            device = self.backend(account).virtual_mfa_devices.get(serial)
            if device is not None:
                return MfaDevice(serial, device.base32_string_seed)
        return None

    def use_step(self, serial: str, step: int) -> bool:
        """Marks a time step's code as used; False when this code was used before: a code is good once."""
        if step <= self._used_steps.get(serial, -1):
            return False
        self._used_steps[serial] = step
        return True

    def forget_used_codes(self) -> None:
        """Every code is unused again."""
        self._used_steps.clear()


def user_arn(account: str, partition: str, name: str, path: str = "/") -> str:
    """The ARN of a user, existing or not."""
    return str(Arn(partition, "iam", "", account, f"user{path}{name}"))


def view_user(user: moto_iam.User) -> User:
    """moto's user as a value."""
    return User(user.account_id, user.name, user.id, user.arn, _tags(user.tags or ()))


def view_role(role: moto_iam.Role) -> Role:
    """moto's role as a value."""
    return Role(
        role.account_id,
        role.name,
        role.id,
        role.arn,
        role.assume_role_policy_document,
        int(role.max_session_duration or 3600),
        _tags(role.tags),
    )


def _tags(tags: Sequence[Mapping[str, str]]) -> Tags:
    return tuple((tag["Key"], tag["Value"]) for tag in tags)
