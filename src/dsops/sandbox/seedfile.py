"""A seed file (YAML) -> Seed, checked like a configuration: every problem at once, each with its line.

    accounts:
      "123456789012":
        users: {alice: {mfa: {name: alice-phone}, policies: [...]}}
        roles: {Deploy: {trust: {...}, policies: [...]}}
        secrets: {prod/db: {password: invented}}

docs/reference/sandbox-seed.md has all keys.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Iterator
from collections.abc import Mapping as MappingOf
from typing import Final

from dsops.arn import is_account_id, parse_arn, partition_named, partition_of_region
from dsops.document import Document, Mapping, Node, Scalar, Sequence, parse_json, parse_yaml, to_json
from dsops.errors import Problem, SeedInvalid, Where
from dsops.iam.policy import PolicyKind, check_policy
from dsops.sandbox import totp
from dsops.sandbox.backends import PolicyText
from dsops.sandbox.seed_model import (
    ADMIN,
    DEFAULT_REGION,
    Seed,
    SeedAccount,
    SeedDevice,
    SeedKey,
    SeedRegion,
    SeedRole,
    SeedSecret,
    SeedUser,
)
from dsops.sandbox.world import Tags

_NAME: Final = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_PATH: Final = re.compile(r"/|/[\x21-\x7e]+/")
_KEY_ID: Final = re.compile(r"(?!ASIA)[A-Z0-9_]{16,128}")
_SECRET_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_ROOT_KEYS: Final = ("accounts", "region", "default_identity")
_ACCOUNT_KEYS: Final = (
    "partition", "root", "users", "groups", "roles", "policies", "regions", "secrets", "binary_secrets",
    "secret_policies", "parameters",
)  # fmt: skip
_REGION_KEYS: Final = ("secrets", "binary_secrets", "secret_policies", "parameters")
_KEY_KEYS: Final = ("access_key_id", "secret_access_key")
_USER_KEYS: Final = (
    "id", "path", *_KEY_KEYS, "mfa", "source_ip", "groups", "tags", "policies", "boundary",
)  # fmt: skip
_ROLE_KEYS: Final = (
    "id", "path", "trust", "source_ip", "tags", "policies", "boundary", "max_session_duration",
)  # fmt: skip


def read_seed(text: str, file: str) -> Seed:
    """The seed that the text describes; SeedInvalid with every problem when it can't be used."""
    document = parse_yaml(text, file)
    reader = _Reader(file)
    reader.problems += document.problems
    seed = Seed()
    if document.root is not None:
        seed = reader.seed(document.root)
    elif not document.problems:
        reader.note(0, "", "the seed is empty", 'the least is `accounts: {"123456789012": {}}`')
    if reader.problems:
        raise SeedInvalid(
            f"{file} can't seed a sandbox", problems=tuple(sorted(reader.problems, key=lambda found: found.where.line))
        )
    return seed


class _Reader:
    """Reads nodes and collects what is wrong with them."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._key_ids: dict[str, str] = {}

    def note(self, line: int, path: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(Where(self._file, line), path, message, hint))

    # --- the parts -----------------------------------------------------------------------------------------------

    def seed(self, root: Node) -> Seed:
        keys = self._keys(root, "", _ROOT_KEYS)
        region = self._region(keys["region"], "region") if "region" in keys else DEFAULT_REGION
        identity = self._text(keys["default_identity"], "default_identity") if "default_identity" in keys else ADMIN
        accounts = []
        if "accounts" not in keys:
            self.note(root.line, "accounts", "`accounts` is missing", 'add `accounts: {"123456789012": {}}`')
        for key, node in self._entries(keys.get("accounts"), "accounts"):
            path = f"accounts.{key.text}"
            if not is_account_id(key.text):
                self.note(key.line, path, f"`{key.text}` is not an account id", "12 digits, in quotes")
            accounts.append(self._account(key.text, node, path, region))
        if "accounts" in keys and not accounts:
            self.note(keys["accounts"].line, "accounts", "there is no account in it")
        return Seed(tuple(accounts), region, identity) if accounts else Seed()

    def _account(self, account: str, node: Node, path: str, region: str) -> SeedAccount:
        keys = self._keys(node, path, _ACCOUNT_KEYS)
        partition = self._text(keys["partition"], f"{path}.partition") if "partition" in keys else "aws"
        if partition_named(partition) is None:
            self.note(keys["partition"].line, f"{path}.partition", f"there is no partition `{partition}`")
        elif partition != partition_of_region(region).name and "partition" in keys:
            region = ""
        groups = {
            key.text: self._policies(value, f"{path}.groups.{key.text}")
            for key, value in self._group_entries(keys.get("groups"), f"{path}.groups")
        }
        users = tuple(
            self._user(self._name(key, f"{path}.users"), value, f"{path}.users.{key.text}", groups)
            for key, value in self._entries(keys.get("users"), f"{path}.users")
        )
        roles = tuple(
            self._role(self._name(key, f"{path}.roles"), value, f"{path}.roles.{key.text}")
            for key, value in self._entries(keys.get("roles"), f"{path}.roles")
        )
        policies = tuple(
            PolicyText(key.text, self._policy(value, f"{path}.policies.{key.text}", "identity"))
            for key, value in self._entries(keys.get("policies"), f"{path}.policies")
        )
        root = self._key(keys["root"], f"{path}.root", is_whole=True) if "root" in keys else None
        return SeedAccount(account, partition, root, users, groups, roles, policies, self._regions(keys, path, region))

    def _user(self, name: str, node: Node, path: str, groups: MappingOf[str, object]) -> SeedUser:
        keys = self._keys(node, path, _USER_KEYS)
        members = tuple(self._texts(keys.get("groups"), f"{path}.groups"))
        for group in members:
            if group not in groups:
                self.note(keys["groups"].line, f"{path}.groups", f"there is no group `{group}` in this account")
        return SeedUser(
            name,
            key=self._key(node, path),
            unique_id=self._matching(keys, "id", path, str.isalnum, "an id such as AIDAEXAMPLE"),
            path=self._path(keys, path),
            devices=tuple(self._devices(keys.get("mfa"), f"{path}.mfa")),
            source_ip=self._matching(keys, "source_ip", path, _is_address, "an IP address"),
            groups=members,
            tags=self._tags(keys.get("tags"), f"{path}.tags"),
            policies=self._policies(keys.get("policies"), f"{path}.policies"),
            boundary=self._matching(keys, "boundary", path, _is_policy_arn, "the ARN of a managed policy"),
        )

    def _role(self, name: str, node: Node, path: str) -> SeedRole:
        keys = self._keys(node, path, _ROLE_KEYS)
        trust = ""
        if "trust" in keys:
            trust = self._policy(keys["trust"], f"{path}.trust", "trust")
        else:
            self.note(node.line, f"{path}.trust", "`trust` is missing: a role has a trust policy")
        return SeedRole(
            name,
            trust,
            unique_id=self._matching(keys, "id", path, str.isalnum, "an id such as AROAEXAMPLE"),
            path=self._path(keys, path),
            source_ip=self._matching(keys, "source_ip", path, _is_address, "an IP address"),
            tags=self._tags(keys.get("tags"), f"{path}.tags"),
            policies=self._policies(keys.get("policies"), f"{path}.policies"),
            boundary=self._matching(keys, "boundary", path, _is_policy_arn, "the ARN of a managed policy"),
            max_session_duration=int(
                self._matching(keys, "max_session_duration", path, _is_duration, "between 3600 and 43200") or 3600
            ),
        )

    def _devices(self, node: Node | None, path: str) -> Iterator[SeedDevice]:
        if node is None:
            return
        for item in node.items if isinstance(node, Sequence) else (node,):
            keys = self._keys(item, path, ("name", "path", "seed"))
            if "name" not in keys:
                self.note(item.line, f"{path}.name", "`name` is missing: the device's serial number ends in it")
                continue
            seed = self._matching(keys, "seed", path, totp.is_seed, "base32, such as JBSWY3DPEHPK3PXP")
            yield SeedDevice(self._text(keys["name"], f"{path}.name"), seed, self._path(keys, path))

    def _key(self, node: Node, path: str, *, is_whole: bool = False) -> SeedKey:
        keys = dict(_named(node))
        form = "16 or more of A-Z and 0-9, not ASIA..."
        key_id = self._matching(keys, "access_key_id", path, _KEY_ID.fullmatch, form)
        secret = self._matching(keys, "secret_access_key", path, bool, "not empty")
        if is_whole:
            self._keys(node, path, _KEY_KEYS)
            for name, value in zip(_KEY_KEYS, (key_id, secret), strict=True):
                if not value:
                    self.note(node.line, f"{path}.{name}", f"`{name}` is missing")
        if key_id:
            if key_id in self._key_ids:
                self.note(keys["access_key_id"].line, path, f"{self._key_ids[key_id]} has the same access_key_id")
            self._key_ids[key_id] = path
        return SeedKey(key_id, secret)

    def _regions(self, keys: MappingOf[str, Node], path: str, region: str) -> dict[str, SeedRegion]:
        found: dict[str, SeedRegion] = {}
        for key, node in self._entries(keys.get("regions"), f"{path}.regions"):
            inner = f"{path}.regions.{key.text}"
            name = self._region(key, inner)
            found[name] = self._held(self._keys(node, inner, _REGION_KEYS), inner)
        own = self._held(keys, path)
        if own.secrets or own.parameters:
            first = next((key for key in _REGION_KEYS if key in keys), "secrets")
            if not region:
                self.note(keys[first].line, f"{path}.{first}", "say in which region: put it under `regions`")
            elif region in found:
                self.note(keys[first].line, f"{path}.{first}", f"put these under `regions.{region}` with the others")
            found[region] = own
        return found

    def _held(self, keys: MappingOf[str, Node], path: str) -> SeedRegion:
        policies = {
            key.text: self._policy(value, f"{path}.secret_policies.{key.text}", "resource")
            for key, value in self._entries(keys.get("secret_policies"), f"{path}.secret_policies")
        }
        secrets: dict[str, SeedSecret] = {}
        for section, read in (("secrets", self._value), ("binary_secrets", self._base64)):
            for key, value in self._entries(keys.get(section), f"{path}.{section}"):
                inner = f"{path}.{section}.{key.text}"
                if not _SECRET_NAME.fullmatch(key.text):
                    self.note(key.line, inner, f"`{key.text}` is not a secret's name", "letters, digits and /_+=.@-")
                content, policy = read(value, inner), policies.pop(key.text, None)
                is_text = section == "secrets"
                secrets[key.text] = SeedSecret(content if is_text else None, None if is_text else content, policy)
        for name in policies:
            self.note(keys["secret_policies"].line, f"{path}.secret_policies.{name}", "there is no secret of that name")
        parameters = {
            key.text: tuple(self._texts(value, f"{path}.parameters.{key.text}"))
            if isinstance(value, Sequence)
            else self._value(value, f"{path}.parameters.{key.text}")
            for key, value in self._entries(keys.get("parameters"), f"{path}.parameters")
        }
        return SeedRegion(secrets, parameters)

    # --- policies ------------------------------------------------------------------------------------------------

    def _policies(self, node: Node | None, path: str) -> tuple[PolicyText, ...]:
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            self.note(node.line, path, "this must be a list of policies and ARNs")
            return ()
        found = []
        for index, item in enumerate(node.items):
            inner = f"{path}[{index}]"
            if isinstance(item, Scalar) and item.text.startswith("arn:"):
                if not _is_policy_arn(item.text):
                    self.note(item.line, inner, f"`{item.text}` is not the ARN of a managed policy")
                found.append(PolicyText(item.text, ""))
                continue
            name = f"policy-{index + 1}"
            if isinstance(item, Mapping) and item.get("document") is not None:
                keys = self._keys(item, inner, ("name", "document"))
                name = self._text(keys["name"], f"{inner}.name") if "name" in keys else name
                found.append(PolicyText(name, self._policy(keys["document"], inner, "identity")))
                continue
            found.append(PolicyText(name, self._policy(item, inner, "identity")))
        return tuple(found)

    def _policy(self, node: Node, path: str, kind: PolicyKind) -> str:
        """The document as JSON text; written as YAML, or as a JSON text in YAML."""
        if isinstance(node, Scalar):
            document = parse_json(node.text, self._file)
            checked = check_policy(document, kind, name=path, file=self._file)
            text, line = node.text, node.line
        else:
            checked = check_policy(Document(node, ()), kind, name=path, file=self._file)
            text, line = to_json(node), 0
        for problem in checked.problems:
            self.note(line or problem.where.line, f"{path}.{problem.path}".rstrip("."), problem.message, problem.hint)
        return text

    # --- values --------------------------------------------------------------------------------------------------

    def _keys(self, node: Node, path: str, known: tuple[str, ...]) -> dict[str, Node]:
        """The keys of a mapping, unknown ones reported and left out; an empty value counts as an empty mapping."""
        if isinstance(node, Scalar) and node.kind == "null":
            return {}
        if not isinstance(node, Mapping):
            self.note(node.line, path, "this must be a mapping")
            return {}
        found = {}
        for key, value in node.entries:
            if key.text in known:
                found[key.text] = value
                continue
            from difflib import get_close_matches

            near = get_close_matches(key.text, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
            self.note(key.line, f"{path}.{key.text}".lstrip("."), f"unknown key `{key.text}`", hint)
        return found

    def _entries(self, node: Node | None, path: str) -> Iterator[tuple[Scalar, Node]]:
        if node is None or (isinstance(node, Scalar) and node.kind == "null"):
            return
        if not isinstance(node, Mapping):
            self.note(node.line, path, "this must be a mapping")
            return
        yield from node.entries

    def _group_entries(self, node: Node | None, path: str) -> Iterator[tuple[Scalar, Node | None]]:
        for key, value in self._entries(node, path):
            self._name(key, path)
            yield key, self._keys(value, f"{path}.{key.text}", ("policies",)).get("policies")

    def _name(self, key: Scalar, path: str) -> str:
        if not _NAME.fullmatch(key.text):
            self.note(key.line, f"{path}.{key.text}", f"`{key.text}` is not a name", "letters, digits and +=,.@_-")
        return key.text

    def _text(self, node: Node, path: str) -> str:
        if isinstance(node, Scalar) and node.kind != "null":
            return node.text
        self.note(node.line, path, "this must be a text")
        return ""

    def _texts(self, node: Node | None, path: str) -> Iterator[str]:
        if node is None:
            return
        if not isinstance(node, Sequence):
            self.note(node.line, path, "this must be a list")
            return
        for index, item in enumerate(node.items):
            yield self._text(item, f"{path}[{index}]")

    def _value(self, node: Node, _: str = "") -> str:
        """A secret's text: a scalar as it is written, anything else as compact JSON."""
        if isinstance(node, Scalar):
            return "" if node.kind == "null" else node.text
        return to_json(node)

    def _base64(self, node: Node, path: str) -> str:
        text = self._text(node, path)
        try:
            return base64.b64encode(base64.b64decode(text, validate=True)).decode()
        except (binascii.Error, ValueError):
            self.note(node.line, path, "this must be base64")
            return ""

    def _matching(
        self, keys: MappingOf[str, Node], name: str, path: str, is_valid: Callable[[str], object], what: str
    ) -> str:
        """The text under that key, "" when absent; reported when it is not `what` it should be."""
        if name not in keys:
            return ""
        text = self._text(keys[name], f"{path}.{name}")
        if not text or is_valid(text):
            return text
        # The value may be a secret.
        self.note(keys[name].line, f"{path}.{name}", f"`{name}` must be {what}")
        return ""

    def _path(self, keys: MappingOf[str, Node], path: str) -> str:
        return self._matching(keys, "path", path, _PATH.fullmatch, "like /team/") or "/"

    def _region(self, node: Node, path: str) -> str:
        region = self._text(node, path)
        if not re.fullmatch(r"[a-z]{2,4}(-[a-z]+){1,2}-\d", region):
            self.note(node.line, path, f"`{region}` is not a region", "such as eu-west-1")
        return region

    def _tags(self, node: Node | None, path: str) -> Tags:
        return tuple((key.text, self._text(value, f"{path}.{key.text}")) for key, value in self._entries(node, path))


def _named(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node, Mapping):
        for key, value in node.entries:
            yield key.text, value


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_policy_arn(text: str) -> bool:
    arn = parse_arn(text)
    return arn is not None and arn.service == "iam" and arn.resource_type == "policy"


def _is_duration(text: str) -> bool:
    return text.isascii() and text.isdigit() and 3600 <= int(text) <= 43200
