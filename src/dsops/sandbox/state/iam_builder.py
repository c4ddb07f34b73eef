"""Create users, roles, policies and MFA devices directly in moto's IAM, without requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from dsops.arn import PARTITIONS
from dsops.request.question import Tags
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.state.world import Role, User, World, view_role, view_user

if TYPE_CHECKING:
    from dsops.sandbox.state.iam_backend import SandboxUser

_REGION_OF_PARTITION = {partition.name: partition.global_region for partition in PARTITIONS}


class IamBuilder:
    """Creates IAM resources in one sandbox. Does not catch moto's exceptions for invalid resources."""

    def __init__(self, world: World) -> None:
        self._world = world

    def add_user(self, account: str, name: str, path: str = "/", tags: Tags = (), unique_id: str = "") -> User:
        """Create a user without keys or policies."""
        backend = self._world.backend(account)
        region = _REGION_OF_PARTITION[self._world.partitions[account]]
        user = backend.create_user(region, name, path, [{"Key": key, "Value": value} for key, value in tags])
        user.id = unique_id or user.id
        return view_user(user)

    def add_key(self, user: User, key_id: str, secret: str) -> None:
        """Create an access key for the user. A `key_id` or `secret` of "" is generated."""
        backend = self._world.backend(user.account)
        key = backend.create_access_key(user.name)
        if key_id:
            del backend.access_keys[key.access_key_id]
            key.access_key_id = key_id
            backend.access_keys[key_id] = key
        key.secret_access_key = secret or key.secret_access_key

    def add_mfa_device(self, user: User, path: str, name: str, seed: str) -> str:
        """Create and enable a virtual MFA device; return its serial number. A `seed` of "" is generated."""
        backend = self._world.backend(user.account)
        device = backend.create_virtual_mfa_device(name, path)
        device.base32_string_seed = seed or device.base32_string_seed
        backend.enable_mfa_device(user.name, device.serial_number, "000000", "000000")
        return device.serial_number

    def add_group(self, account: str, name: str) -> None:
        """Create a group without members or policies."""
        self._world.backend(account).create_group(name)

    def join_group(self, user: User, group: str) -> None:
        """Add the user to the group."""
        self._world.backend(user.account).add_user_to_group(group, user.name)

    def add_role(
        self,
        account: str,
        name: str,
        trust: str,
        path: str = "/",
        tags: Tags = (),
        max_seconds: int = 3600,
        unique_id: str = "",
    ) -> Role:
        """Create a role without policies."""
        backend = self._world.backend(account)
        tag_list = [{"Key": key, "Value": value} for key, value in tags]
        role = backend.create_role(name, trust, path, None, "", tag_list, str(max_seconds))
        if unique_id:
            del backend.roles[role.id]
            role.id = unique_id
            backend.roles[unique_id] = role
        return view_role(role)

    def add_oidc_provider(self, account: str, url: str, client_ids: Sequence[str]) -> str:
        """Create an OpenID Connect provider; return its ARN."""
        backend = self._world.backend(account)
        return backend.create_open_id_connect_provider(url, [], list(client_ids), []).arn

    def add_saml_provider(self, account: str, name: str, metadata: str) -> str:
        """Create a SAML identity provider; return its ARN."""
        return self._world.backend(account).create_saml_provider(name, metadata).arn

    def add_policy(self, account: str, path: str, name: str, text: str) -> str:
        """Create a managed policy; return its ARN."""
        return self._world.backend(account).create_policy("", path, text, name, []).arn

    def put_policy(self, account: str, kind: str, holder: str, policy: StoredPolicy) -> None:
        """Put an inline policy on a `user`, `group` or `role`; attach a managed policy if `policy.text` is ""."""
        backend = self._world.backend(account)
        if policy.text:
            put = {"user": backend.put_user_policy, "group": backend.put_group_policy, "role": backend.put_role_policy}
            put[kind](holder, policy.name, policy.text)
            return
        self._world.bring_in(account, policy.name)
        if kind == "user":
            backend.attach_user_policy(policy.name, holder)
        elif kind == "group":
            backend.attach_group_policy(policy.name, holder)
        else:
            backend.attach_role_policy(policy.name, holder)

    def set_user_boundary(self, user: User, arn: str | None) -> None:
        """Set or remove a user's permissions boundary."""
        owner = cast("SandboxUser", self._world.backend(user.account).users[user.name])
        owner.permissions_boundary_arn = arn

    def set_role_boundary(self, role: Role, arn: str | None) -> None:
        """Set or remove a role's permissions boundary."""
        self._world.backend(role.account).roles[role.unique_id].permissions_boundary_arn = arn
