"""Parse an account's resources in one region: KMS keys, secrets with policies and keys, parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf
from typing import Final

from dsops.arn import parse_arn
from dsops.document import Node, Sequence
from dsops.sandbox.seed.model import SeedKmsKey, SeedRegion, SeedSecret
from dsops.sandbox.seed.policy_nodes import PolicyNodes

REGION_KEYS: Final = tuple("keys secrets binary_secrets secret_policies secret_keys parameters parameter_keys".split())
DEFAULT_SECRET_KEY: Final = "alias/aws/secretsmanager"
"""The key of secrets that name no key, which other accounts can't use."""
_SECRET_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_KEY_NAME: Final = re.compile(r"(?!aws/)[A-Za-z0-9/_-]{1,250}")
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def read_region(nodes: PolicyNodes, keys: MappingOf[str, Node], path: str) -> SeedRegion:
    """Parse the sections of one region, which are at `path` in the seed."""
    kms_keys = {
        key.text: _kms_key(nodes, key.text, value, f"{path}.keys.{key.text}", key.line)
        for key, value in nodes.entries(keys.get("keys"), f"{path}.keys")
    }
    policies = {
        key.text: nodes.policy(value, f"{path}.secret_policies.{key.text}", "resource")
        for key, value in nodes.entries(keys.get("secret_policies"), f"{path}.secret_policies")
    }
    secret_keys = _named_keys(nodes, keys, "secret_keys", path, kms_keys)
    secrets: dict[str, SeedSecret] = {}
    for section, read in (("secrets", nodes.value), ("binary_secrets", nodes.base64_text)):
        for key, value in nodes.entries(keys.get(section), f"{path}.{section}"):
            inner = f"{path}.{section}.{key.text}"
            if not _SECRET_NAME.fullmatch(key.text):
                nodes.note(key.line, inner, f"`{key.text}` is not a secret's name", "letters, digits and /_+=.@-")
            content, is_text = read(value, inner), section == "secrets"
            secrets[key.text] = SeedSecret(
                content if is_text else None,
                None if is_text else content,
                policies.get(key.text),
                secret_keys.get(key.text, ""),
            )
    parameters = _parameters(nodes, keys.get("parameters"), f"{path}.parameters")
    parameter_keys = _named_keys(nodes, keys, "parameter_keys", path, kms_keys)
    for section, named, names_present, noun in (
        ("secret_policies", policies, secrets, "secret"),
        ("secret_keys", secret_keys, secrets, "secret"),
        ("parameter_keys", parameter_keys, parameters, "parameter"),
    ):
        for name in named:
            if name not in names_present:
                nodes.note(keys[section].line, f"{path}.{section}.{name}", f"there is no {noun} of that name")
    for name in parameter_keys:
        if isinstance(parameters.get(name), tuple):
            text = "a StringList is not encrypted, so it has no key"
            nodes.note(keys["parameter_keys"].line, f"{path}.parameter_keys.{name}", text)
    return SeedRegion(secrets, parameters, kms_keys, parameter_keys)


def _kms_key(nodes: PolicyNodes, name: str, node: Node, path: str, line: int) -> SeedKmsKey:
    if not _KEY_NAME.fullmatch(name):
        nodes.note(line, path, f"`{name}` is not a key's name", "letters, digits and /_-, not beginning with aws/")
    keys = nodes.keys(node, path, ("id", "policy"))
    return SeedKmsKey(
        nodes.matching(keys, "id", path, _KEY_ID.fullmatch, "like 1234abcd-12ab-34cd-56ef-1234567890ab"),
        nodes.policy(keys["policy"], f"{path}.policy", "resource") if "policy" in keys else None,
    )


def _parameters(nodes: PolicyNodes, node: Node | None, path: str) -> dict[str, str | tuple[str, ...]]:
    """Return parameter name -> value, where a list becomes a StringList."""
    values: dict[str, str | tuple[str, ...]] = {}
    for key, value in nodes.entries(node, path):
        inner = f"{path}.{key.text}"
        if "/" in key.text and not key.text.startswith("/"):
            nodes.note(key.line, inner, f"`{key.text}` is a path without its first slash", f"write /{key.text}")
        values[key.text] = (
            tuple(nodes.texts(value, inner)) if isinstance(value, Sequence) else nodes.value(value, inner)
        )
    return values


def _named_keys(
    nodes: PolicyNodes, keys: MappingOf[str, Node], section: str, path: str, kms_keys: MappingOf[str, SeedKmsKey]
) -> dict[str, str]:
    """Return secret or parameter name -> the name of its key in `kms_keys`, or the ARN of any key."""
    key_names = {}
    for key, value in nodes.entries(keys.get(section), f"{path}.{section}"):
        inner = f"{path}.{section}.{key.text}"
        name = nodes.text(value, inner)
        arn = parse_arn(name)
        is_known = name in kms_keys or name == DEFAULT_SECRET_KEY or (arn is not None and arn.service == "kms")
        if name and not is_known:
            hint = "name one of those, or write an ARN"
            nodes.note(value.line, inner, f"there is no key `{name}` under `keys`", hint)
        key_names[key.text] = name
    return key_names
