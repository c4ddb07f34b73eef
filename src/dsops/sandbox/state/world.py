"""Read accounts, users, roles and their policies from moto's IAM backends.

Only modules of this package depend on moto, such as `iam_backend`, `estate`, `fence` and `secrets`. Attributes of
moto's objects are read without default values: if a version of moto drops or renames an attribute, the sandbox must
stop. With a default value, a permissions boundary would be ignored. `probe.py` checks the attributes before the first
request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple, cast

from dsops.arn import Arn, parse_arn
from dsops.request.question import Tags
from dsops.request.stored_policies import NOTHING_ALLOWED, StoredPolicy
from dsops.sandbox.state import fence
from dsops.sandbox.state.iam_backend import aws_policies, default_version, iam_models, policies_of, reset
from dsops.sandbox.state.organizations import Organizations
from dsops.sandbox.state.role_table import roles_of

if TYPE_CHECKING:
    from moto.iam import models as moto_iam

    from dsops.sandbox.state.iam_backend import SandboxUser


OF_GROUP = " of group "
"""Between the name of an inline policy and the name of its group. Neither can contain a space."""


class User(NamedTuple):
    """The current state of an IAM user."""

    account: str
    name: str
    unique_id: str
    arn: str
    tags: Tags


class Role(NamedTuple):
    """The current state of an IAM role."""

    account: str
    name: str
    unique_id: str
    arn: str
    trust: str
    max_session_duration: int
    tags: Tags


class PrincipalGrants(NamedTuple):
    """The identity policies and permissions boundary of a user or role."""

    identity: tuple[StoredPolicy, ...]
    """The inline and managed policies. For a user, these include the policies of the user's groups."""
    boundary: StoredPolicy | None


class LongTermKey(NamedTuple):
    """A user's long-term access key."""

    user: User
    secret: str
    is_active: bool


class MfaDevice(NamedTuple):
    """A virtual MFA device that is enabled for a user."""

    serial: str
    seed: str


class OidcProvider(NamedTuple):
    """An OpenID Connect provider of an account."""

    arn: str
    host_and_path: str
    """The URL without `https://`, with which the names of the provider's condition keys begin."""
    client_ids: tuple[str, ...]


class SamlProvider(NamedTuple):
    """A SAML identity provider of an account."""

    arn: str
    account: str
    name: str
    metadata: str
    """The SAML metadata document as uploaded."""


class World:
    """The accounts of this sandbox with their users and roles. Callers must hold `lock`."""

    def __init__(self) -> None:
        fence.prepare()
        reset()
        self.lock = RLock()
        self.organizations = Organizations()
        self.partitions: dict[str, str] = {}
        """Account -> the account's partition."""
        self.source_ips: dict[str, str] = {}
        """Unique id of a user or role -> the source address to assume for this principal's requests."""
        self.root_keys: dict[str, tuple[str, str]] = {}
        """Access key id of a root user -> (account, secret). Stored here because moto has no root user."""
        self.closed_sts_regions: dict[str, frozenset[str]] = {}
        """Account -> the regions in which the account has deactivated STS."""
        self._used_steps: dict[str, int] = {}
        self._backends: dict[str, moto_iam.IAMBackend] = {}

    def add_account(self, account: str, partition: str = "aws") -> None:
        """Add an account without users or roles."""
        self.partitions[account] = partition
        self._backends.pop(account, None)

    def adopt_accounts(self) -> None:
        """Add the accounts that were created through the Organizations API."""
        for account, partition in self.organizations.accounts():
            self.partitions.setdefault(account, partition)

    def backend(self, account: str) -> moto_iam.IAMBackend:
        """Return moto's IAM backend of an account in this sandbox."""
        backend = self._backends.get(account)
        if backend is None:
            # The backend is cached, because moto takes a lock and searches all its services at each access.
            backend = self._backends[account] = iam_models().iam_backends[account][self.partitions[account]]
        return backend

    def long_term_key(self, key_id: str) -> LongTermKey | None:
        """Return the access key with that id, in any account; None if it does not exist."""
        for account in self.partitions:
            backend = self.backend(account)
            if key_id in backend.access_keys:
                # A renamed user's keys still have the old name, so the other users are searched, too.
                named = backend.users.get(backend.access_keys[key_id].user_name or "")
                for user in chain(() if named is None else (named,), backend.users.values()):
                    for key in user.access_keys:
                        if key.access_key_id == key_id:
                            return LongTermKey(view_user(user), key.secret_access_key, key.status == "Active")
        return None

    def keys_of(self, user: User) -> list[tuple[str, str]]:
        """Return (key id, secret) pairs of the user's active access keys."""
        keys = self.backend(user.account).users[user.name].access_keys
        return [(key.access_key_id, key.secret_access_key) for key in keys if key.status == "Active"]

    def user_named(self, account: str, name: str) -> User | None:
        """Return the user with this name; None if the user does not exist."""
        if account not in self.partitions:
            return None
        stored_user = self.backend(account).users.get(name)
        return None if stored_user is None else view_user(stored_user)

    def user_at(self, arn: str) -> User | None:
        """Return the user with exactly this ARN, including the path; None if no user has this ARN."""
        parts = parse_arn(arn)
        user = None if parts is None else self.user_named(parts.account, parts.resource_name)
        return user if user is not None and user.arn == arn else None

    def user_with_id(self, account: str, unique_id: str) -> User | None:
        """Return the user with that AIDA id; None if the user was deleted, even if a new user has the same name."""
        users = self.backend(account).users.values()
        return next((view_user(user) for user in users if user.id == unique_id), None)

    def role_with_id(self, account: str, unique_id: str) -> Role | None:
        """Return the role with that AROA id; None if the role was deleted, even if a new role has the same name."""
        stored_role = self.backend(account).roles.get(unique_id)
        return None if stored_role is None else view_role(stored_role)

    def role_named(self, account: str, name: str) -> Role | None:
        """Return the role of that name, whatever its path."""
        if account not in self.partitions:
            return None
        stored_role = roles_of(self.backend(account)).named(name)
        return None if stored_role is None else view_role(stored_role)

    def role_at(self, arn: str) -> Role | None:
        """Return the role with exactly this ARN, including the path; None if no role has this ARN."""
        parts = parse_arn(arn)
        if parts is None or self.partitions.get(parts.account) != parts.partition:
            return None
        stored_role = roles_of(self.backend(parts.account)).named(parts.resource_name)
        return None if stored_role is None or stored_role.arn != arn else view_role(stored_role)

    def has_principal(self, principal: str) -> bool:
        """Whether a policy's principal exists. Principals of accounts outside this sandbox are assumed to exist."""
        arn = parse_arn(principal)
        if arn is None or arn.service != "iam" or arn.account not in self.partitions:
            return True
        if arn.partition != self.partitions[arn.account]:
            return False
        if arn.resource_type == "role":
            return self.role_at(principal) is not None
        return arn.resource_type != "user" or self.user_at(principal) is not None

    def grants_of_user(self, user: User) -> PrincipalGrants:
        """Return the identity policies and permissions boundary of a user."""
        backend = self.backend(user.account)
        owner = cast("SandboxUser", backend.users[user.name])
        texts = list(policies_of(owner))
        for group in backend.groups.values():
            if owner in group.users:
                # The user may have an inline policy of the same name.
                names = {name: f"{name}{OF_GROUP}{group.name}" for name in group.policies}
                texts += [StoredPolicy(names.get(name, name), text) for name, text in policies_of(group)]
        return PrincipalGrants(tuple(texts), self.boundary(user.account, owner.permissions_boundary_arn))

    def boundary_arn(self, account: str, *, role: str, user: str) -> str:
        """Return the ARN of the permissions boundary of a role or, if there is no such role, of a user."""
        found_role, found_user = self.role_named(account, role), self.user_named(account, user)
        if found_role is not None:
            boundary = self.grants_of_role(found_role).boundary
        else:
            boundary = None if found_user is None else self.grants_of_user(found_user).boundary
        return "" if boundary is None else boundary.name

    def arn_named(self, account: str, kind: str, name: str) -> str:
        """Return the ARN of an entity such as a `role`, `group` or `instance-profile`; "" if it does not exist."""
        if kind in {"role", "user"}:
            principal = self.role_named(account, name) if kind == "role" else self.user_named(account, name)
            return "" if principal is None else principal.arn
        backend = self.backend(account)
        names_and_arns: Iterable[tuple[str, str]] = [(group.name, group.arn) for group in backend.groups.values()]
        if kind == "instance-profile":
            names_and_arns = [(profile.name, profile.arn) for profile in backend.instance_profiles.values()]
        elif kind == "server-certificate":
            names_and_arns = [(certificate.cert_name, certificate.arn) for certificate in backend.certificates.values()]
        return next((arn for other, arn in names_and_arns if other == name), "")

    def grants_of_role(self, role: Role) -> PrincipalGrants:
        """Return the current identity policies and boundary of a role, which also apply to existing sessions."""
        owner = self.backend(role.account).roles[role.unique_id]
        return PrincipalGrants(tuple(policies_of(owner)), self.boundary(role.account, owner.permissions_boundary_arn))

    def managed_policy(self, account: str, arn: str) -> StoredPolicy | None:
        """Return the default version of a managed policy, owned by the account or by AWS."""
        own_policy = self.backend(account).managed_policies.get(arn)
        if own_policy is not None:
            return default_version(own_policy)
        aws_policy = self._aws_policy(account, arn)
        return None if aws_policy is None else StoredPolicy(arn, json.dumps(aws_policy[1]["Document"]))

    def boundary(self, account: str, arn: str | None) -> StoredPolicy | None:
        """Return the boundary with that ARN, or None if `arn` is None. A deleted boundary allows nothing."""
        if not arn:
            return None
        return self.managed_policy(account, arn) or StoredPolicy(arn, NOTHING_ALLOWED)

    def oidc_provider(self, account: str, url: str) -> OidcProvider | None:
        """Return the account's OpenID Connect provider for that URL."""
        if account not in self.partitions:
            return None
        host_and_path = url.removeprefix("https://")
        for provider in self.backend(account).open_id_providers.values():
            if provider.url == host_and_path:
                return OidcProvider(provider.arn, host_and_path, tuple(provider.client_id_list))
        return None

    def saml_provider(self, arn: str) -> SamlProvider | None:
        """Return the SAML provider with that ARN."""
        parts = parse_arn(arn)
        if parts is None or parts.resource_type != "saml-provider" or parts.account not in self.partitions:
            return None
        for provider in self.backend(parts.account).saml_providers.values():
            if provider.arn == arn:
                return SamlProvider(arn, parts.account, provider.name, provider.saml_metadata_document or "")
        return None

    def saml_providers(self, account: str) -> list[str]:
        """Return the ARNs of the account's SAML providers."""
        if account not in self.partitions:
            return []
        return [provider.arn for provider in self.backend(account).saml_providers.values()]

    def bring_in(self, account: str, arn: str) -> None:
        """Copy an AWS managed policy into moto's backend so that it can be attached; ignore an unknown ARN."""
        aws_policy = self._aws_policy(account, arn)
        backend = self.backend(account)
        if aws_policy is not None and arn not in backend.managed_policies:
            name, data = aws_policy
            backend.managed_policies[arn] = iam_models().AWSManagedPolicy.from_data(
                name, account, self.partitions[account], dict(data)
            )

    def bring_in_all(self, account: str) -> None:
        """Copy all AWS managed policies into moto's backend, for an operation that lists them."""
        for path_and_name in aws_policies():
            self.bring_in(account, f"arn:{self.partitions[account]}:iam::aws:policy{path_and_name}")

    def _aws_policy(self, account: str, arn: str) -> tuple[str, Mapping[str, object]] | None:
        parts = parse_arn(arn)
        if parts is None or parts.account != "aws" or parts.partition != self.partitions[account]:
            return None
        return aws_policies().get(parts.resource.removeprefix("policy"))

    def mfa_devices_of(self, user: User) -> Iterator[MfaDevice]:
        """Yield the virtual MFA devices that are enabled for the user."""
        backend = self.backend(user.account)
        for serial in backend.users[user.name].mfa_devices:
            device = backend.virtual_mfa_devices.get(serial)
            if device is not None:
                yield MfaDevice(serial, device.base32_string_seed)

    def virtual_mfa_device(self, serial: str) -> MfaDevice | None:
        """Return a virtual MFA device of any account, enabled or not."""
        for account in self.partitions:
            device = self.backend(account).virtual_mfa_devices.get(serial)
            if device is not None:
                return MfaDevice(serial, device.base32_string_seed)
        return None

    def use_step(self, serial: str, step: int) -> bool:
        """Mark the MFA code of a time step as used; return False if this code or a later code was used before."""
        if step <= self._used_steps.get(serial, -1):
            return False
        self._used_steps[serial] = step
        return True

    def forget_used_codes(self) -> None:
        """Make all used MFA codes valid again."""
        self._used_steps.clear()


def user_arn(account: str, partition: str, name: str, path: str = "/") -> str:
    """Return the ARN of a user, even if the user does not exist."""
    return str(Arn(partition, "iam", "", account, f"user{path}{name}"))


def view_user(user: moto_iam.User) -> User:
    """Convert moto's user to a `User`."""
    return User(user.account_id, user.name, user.id, user.arn, _tags(user.tags or ()))


def view_role(role: moto_iam.Role) -> Role:
    """Convert moto's role to a `Role`."""
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
