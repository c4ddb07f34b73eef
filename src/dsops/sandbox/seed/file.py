"""Parse a seed file (YAML) to a Seed; reports all problems at once, each with its line.

    accounts:
      "123456789012":
        users: {alice: {mfa: {name: alice-phone}, policies: [...]}}
        roles: {Deploy: {trust: {...}, policies: [...]}}
        secrets: {prod/db: {password: invented}}

docs/reference/sandbox.md has all keys.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from typing import Final

from dsops.arn import is_account_id, partition_named, partition_of_region
from dsops.document import Mapping, Node, Scalar, Sequence, parse_yaml
from dsops.errors import SeedInvalid
from dsops.request.stored_policies import StoredPolicy
from dsops.request.wire.models import EVERY_SERVICE, why_unknown
from dsops.sandbox.seed.identity_center import IdentityCenterReader
from dsops.sandbox.seed.model import (
    ADMIN,
    DEFAULT_REGION,
    Seed,
    SeedAccount,
    SeedDevice,
    SeedKey,
    SeedRegion,
    SeedRole,
    SeedUser,
)
from dsops.sandbox.seed.organization import OrganizationSeedReader
from dsops.sandbox.seed.policy_nodes import PolicyNodes, is_policy_arn
from dsops.sandbox.seed.providers import read_oidc_providers, read_saml_providers
from dsops.sandbox.seed.regions import REGION_KEYS, read_region
from dsops.sandbox.seed.roles_anywhere import read_roles_anywhere
from dsops.sandbox.state.rate_limits import read_rate, why_not_limited
from dsops.sandbox.sts import totp

_KEY_ID: Final = re.compile(r"(?!ASIA)[A-Z0-9_]{16,128}")
_ROOT_KEYS: Final = tuple(
    """
    accounts region default_identity organization identity_center throttle authorization_ids
    """.split()
)
_ACCOUNT_KEYS: Final = (
    "partition",
    "root",
    "users",
    "groups",
    "roles",
    "policies",
    "regions",
    *REGION_KEYS,
    "oidc_providers",
    "saml_providers",
    "roles_anywhere",
    "outbound_federation",
    "closed_sts_regions",
)
_KEY_KEYS: Final = ("access_key_id", "secret_access_key")
_USER_KEYS: Final = ("id", "path", *_KEY_KEYS, "mfa", "source_ip", "groups", "tags", "policies", "boundary")
_ROLE_KEYS: Final = ("id", "path", "trust", "source_ip", "tags", "policies", "boundary", "max_session_duration")


def read_seed(text: str, file: str, folder: str = "") -> Seed:
    """Parse the text of a seed file. Raises SeedInvalid, which lists all problems.

    Paths of policy files are relative to `folder`, by default the current folder.
    """
    document = parse_yaml(text, file)
    reader = _Reader(file, folder)
    reader.problems += document.problems
    seed = Seed()
    if document.root is not None:
        seed = reader.seed(document.root)
    elif not document.problems:
        reader.note(0, "", "the seed is empty", 'the least is `accounts: {"123456789012": {}}`')
    if reader.problems:
        in_order = sorted(reader.problems, key=lambda problem: (problem.where.file != file, problem.where))
        raise SeedInvalid(f"{file} is not a valid sandbox seed", problems=tuple(in_order))
    return seed


class _Reader(PolicyNodes):
    """Parses the accounts of a seed and their content."""

    def __init__(self, file: str, folder: str) -> None:
        super().__init__(file, folder)
        self._owners: dict[tuple[str, str], str] = {}
        """(kind of id, id) -> the path of the first principal with that id."""

    def seed(self, root: Node) -> Seed:
        keys = self.keys(root, "", _ROOT_KEYS)
        region = self.region(keys["region"], "region") if "region" in keys else DEFAULT_REGION
        identity = self.text(keys["default_identity"], "default_identity") if "default_identity" in keys else ADMIN
        accounts = []
        if "accounts" not in keys:
            self.note(root.line, "accounts", "`accounts` is missing", 'add `accounts: {"123456789012": {}}`')
        for key, node in self.entries(keys.get("accounts"), "accounts"):
            path = f"accounts.{key.text}"
            if not is_account_id(key.text):
                self.note(key.line, path, f"`{key.text}` is not an account id", "12 digits, in quotes")
            accounts.append(self._account(key.text, node, path, region))
        if "accounts" in keys and not accounts:
            self.note(keys["accounts"].line, "accounts", "`accounts` is empty")
        if not accounts:
            return Seed()
        organization = None
        if "organization" in keys:
            account_ids = [account.account for account in accounts]
            organization = OrganizationSeedReader(self, account_ids).read(keys["organization"])
        throttle = {
            key.text: self._rate(key.text, value, f"throttle.{key.text}")
            for key, value in self.entries(keys.get("throttle"), "throttle")
        }
        center = None
        if "identity_center" in keys:
            partitions = {account.account: account.partition for account in accounts}
            center = IdentityCenterReader(self, partitions, region).read(keys["identity_center"])
        ids = self._authorization_ids(keys.get("authorization_ids"))
        return Seed(tuple(accounts), region, identity, organization, throttle, center, ids)

    def _authorization_ids(self, node: Node | None) -> frozenset[str]:
        """Return the services whose denials get authorization ids, or `all`."""
        services = list(self.texts(node, "authorization_ids"))
        for why in filter(None, (why_unknown(service, EVERY_SERVICE) for service in services)):
            self.note(node.line if node is not None else 0, "authorization_ids", why, "such as [iam, sts], or [all]")
        return frozenset(services)

    def _rate(self, service: str, node: Node, path: str) -> float:
        """Return the rate limit in requests a second."""
        why = why_not_limited(service)
        if why:
            self.note(node.line, path, why)
        rate = read_rate(self.text(node, path))
        if rate is None:
            self.note(node.line, path, "this must be a number of requests a second", "such as 5 or 0.5")
        return rate or 0

    def _account(self, account: str, node: Node, path: str, region: str) -> SeedAccount:
        keys = self.keys(node, path, _ACCOUNT_KEYS)
        partition = self.text(keys["partition"], f"{path}.partition") if "partition" in keys else "aws"
        if partition_named(partition) is None:
            self.note(keys["partition"].line, f"{path}.partition", f"there is no partition `{partition}`")
        elif partition != partition_of_region(region).name and "partition" in keys:
            region = ""
        groups = {
            key.text: self.policies(value, f"{path}.groups.{key.text}")
            for key, value in self._group_entries(keys.get("groups"), f"{path}.groups")
        }
        users = tuple(
            self._user(self.name(key, f"{path}.users"), value, f"{path}.users.{key.text}", groups)
            for key, value in self.entries(keys.get("users"), f"{path}.users")
        )
        roles = tuple(
            self._role(self.name(key, f"{path}.roles"), value, f"{path}.roles.{key.text}")
            for key, value in self.entries(keys.get("roles"), f"{path}.roles")
        )
        policies = tuple(
            StoredPolicy(key.text, self.policy(value, f"{path}.policies.{key.text}", "identity"))
            for key, value in self.entries(keys.get("policies"), f"{path}.policies")
        )
        root = self._key(keys["root"], f"{path}.root", is_whole=True) if "root" in keys else None
        providers = tuple(read_oidc_providers(self, keys.get("oidc_providers"), f"{path}.oidc_providers"))
        saml_providers = tuple(read_saml_providers(self, keys.get("saml_providers"), f"{path}.saml_providers"))
        regions = self._regions(keys, path, region)
        outbound = self.matching(keys, "outbound_federation", path, ("true", "false").__contains__, "true or false")
        return SeedAccount(
            account,
            partition,
            root,
            users,
            groups,
            roles,
            policies,
            regions,
            providers,
            saml_providers,
            outbound == "true",
            tuple(self._closed_regions(keys.get("closed_sts_regions"), f"{path}.closed_sts_regions")),
            read_roles_anywhere(self, keys.get("roles_anywhere"), f"{path}.roles_anywhere"),
        )

    def _closed_regions(self, node: Node | None, path: str) -> Iterator[str]:
        """Yield the regions in which STS is deactivated; report a problem for us-east-1.

        STS can't be deactivated in us-east-1 (IAM User Guide, "Manage AWS STS in an AWS Region").
        """
        for region in self.texts(node, path):
            if region == "us-east-1" and node is not None:
                self.note(node.line, path, "STS can't be switched off in us-east-1")
            yield region

    def _user(self, name: str, node: Node, path: str, groups: MappingOf[str, object]) -> SeedUser:
        keys = self.keys(node, path, _USER_KEYS)
        members = tuple(self.texts(keys.get("groups"), f"{path}.groups"))
        for group in members:
            if group not in groups:
                self.note(keys["groups"].line, f"{path}.groups", f"there is no group `{group}` in this account")
        return SeedUser(
            name,
            key=self._key(node, path),
            unique_id=self._unique_id(keys, path, "AIDAEXAMPLE"),
            path=self.iam_path(keys, path),
            devices=tuple(self._devices(keys.get("mfa"), f"{path}.mfa")),
            source_ip=self.matching(keys, "source_ip", path, _is_address, "an IP address"),
            groups=members,
            tags=self.tags(keys.get("tags"), f"{path}.tags"),
            policies=self.policies(keys.get("policies"), f"{path}.policies"),
            boundary=self.matching(keys, "boundary", path, is_policy_arn, "the ARN of a managed policy"),
        )

    def _role(self, name: str, node: Node, path: str) -> SeedRole:
        keys = self.keys(node, path, _ROLE_KEYS)
        trust = ""
        if "trust" in keys:
            trust = self.policy(keys["trust"], f"{path}.trust", "trust")
        else:
            self.note(node.line, f"{path}.trust", "`trust` is missing: a role has a trust policy")
        return SeedRole(
            name,
            trust,
            unique_id=self._unique_id(keys, path, "AROAEXAMPLE"),
            path=self.iam_path(keys, path),
            source_ip=self.matching(keys, "source_ip", path, _is_address, "an IP address"),
            tags=self.tags(keys.get("tags"), f"{path}.tags"),
            policies=self.policies(keys.get("policies"), f"{path}.policies"),
            boundary=self.matching(keys, "boundary", path, is_policy_arn, "the ARN of a managed policy"),
            max_session_duration=int(
                self.matching(keys, "max_session_duration", path, _is_duration, "between 3600 and 43200") or 3600
            ),
        )

    def _devices(self, node: Node | None, path: str) -> Iterator[SeedDevice]:
        if node is None:
            return
        for item in node.items if isinstance(node, Sequence) else (node,):
            keys = self.keys(item, path, ("name", "path", "seed"))
            if "name" not in keys:
                self.note(item.line, f"{path}.name", "`name` is missing: the device's serial number ends in it")
                continue
            seed = self.matching(keys, "seed", path, totp.is_seed, "base32, such as JBSWY3DPEHPK3PXP")
            yield SeedDevice(self.text(keys["name"], f"{path}.name"), seed, self.iam_path(keys, path))

    def _key(self, node: Node, path: str, *, is_whole: bool = False) -> SeedKey:
        keys = dict(_named_entries(node))
        form = "16 or more of A-Z and 0-9, not ASIA..."
        key_id = self.matching(keys, "access_key_id", path, _KEY_ID.fullmatch, form)
        secret = self.matching(keys, "secret_access_key", path, bool, "not empty")
        if is_whole:
            self.keys(node, path, _KEY_KEYS)
            for name, value in zip(_KEY_KEYS, (key_id, secret), strict=True):
                if not value:
                    self.note(node.line, f"{path}.{name}", f"`{name}` is missing")
        self._claim(keys, "access_key_id", key_id, path)
        return SeedKey(key_id, secret)

    def _unique_id(self, keys: MappingOf[str, Node], path: str, example: str) -> str:
        unique_id = self.matching(keys, "id", path, str.isalnum, f"an id such as {example}")
        self._claim(keys, "id", unique_id, path)
        return unique_id

    def _claim(self, keys: MappingOf[str, Node], name: str, value: str, path: str) -> None:
        """Report an access key id or unique id that belongs to two principals, because AWS requires unique ids."""
        owner = self._owners.setdefault((name, value), path)
        if value and owner != path:
            self.note(keys[name].line, path, f"{owner} has the same {name}")

    def _regions(self, keys: MappingOf[str, Node], path: str, region: str) -> dict[str, SeedRegion]:
        regions: dict[str, SeedRegion] = {}
        for key, node in self.entries(keys.get("regions"), f"{path}.regions"):
            inner = f"{path}.regions.{key.text}"
            name = self.region(key, inner)
            regions[name] = read_region(self, self.keys(node, inner, REGION_KEYS), inner)
        own = read_region(self, keys, path)
        if own.secrets or own.parameters or own.keys:
            first = next((key for key in REGION_KEYS if key in keys), "secrets")
            if not region:
                self.note(keys[first].line, f"{path}.{first}", "name the region: put this under `regions`")
            elif region in regions:
                self.note(keys[first].line, f"{path}.{first}", f"put these under `regions.{region}` with the others")
            regions[region] = own
        return regions

    def _group_entries(self, node: Node | None, path: str) -> Iterator[tuple[Scalar, Node | None]]:
        for key, value in self.entries(node, path):
            self.name(key, path)
            yield key, self.keys(value, f"{path}.{key.text}", ("policies",)).get("policies")


def _named_entries(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node, Mapping):
        for key, value in node.entries:
            yield key.text, value


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_duration(text: str) -> bool:
    return text.isascii() and text.isdigit() and 3600 <= int(text) <= 43200
