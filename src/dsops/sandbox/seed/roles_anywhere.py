"""Parse a seed's `roles_anywhere` section: trust anchors with their CA certificates, and profiles with their roles."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from dsops.document import Node
from dsops.errors import SandboxRefusal
from dsops.input_file import read_whole, reason
from dsops.sandbox.roles_anywhere.certificates import read_bundle, read_crl
from dsops.sandbox.seed.policy_nodes import PolicyNodes, is_policy_arn

_KEYS: Final = ("region", "trust_anchors", "profiles")
_ANCHOR_KEYS: Final = ("id", "certificates", "crl", "enabled")
_PROFILE_KEYS: Final = (
    "id",
    "roles",
    "duration_seconds",
    "accept_role_session_name",
    "require_instance_properties",
    "session_policy",
    "policy_arns",
    "enabled",
)
_ID: Final = re.compile(r"[a-f0-9]{8}-(?:[a-z0-9]{4}-){3}[a-z0-9]{12}")
_NAME: Final = re.compile(r"[ a-zA-Z0-9_-]{1,255}")
_PEM: Final = "-----BEGIN "
_MOST_BYTES: Final = 1 << 20
_BOOLEANS: Final = ("true", "false")


class SeedTrustAnchor(NamedTuple):
    """A trust anchor. Its id is derived from its name if `identifier` is ""."""

    name: str
    certificates: str
    """The PEM bundle of the certificate authority."""
    identifier: str = ""
    crl: str = ""
    """A revocation list in PEM; "" without one."""
    is_enabled: bool = True


class SeedAnywhereProfile(NamedTuple):
    """A profile. Its id is derived from its name if `identifier` is ""."""

    name: str
    roles: tuple[str, ...]
    """Names of roles in the account, or ARNs."""
    identifier: str = ""
    duration_seconds: int = 3600
    accepts_role_session_name: bool = False
    requires_instance_properties: bool = False
    session_policy: str = ""
    policy_arns: tuple[str, ...] = ()
    is_enabled: bool = True


class SeedRolesAnywhere(NamedTuple):
    """An account's IAM Roles Anywhere in one region."""

    region: str
    """The region; "" for the seed's region."""
    trust_anchors: tuple[SeedTrustAnchor, ...] = ()
    profiles: tuple[SeedAnywhereProfile, ...] = ()


def read_roles_anywhere(reader: PolicyNodes, node: Node | None, path: str) -> SeedRolesAnywhere | None:
    """Parse the section; report problems to the reader. Returns None without one."""
    if node is None:
        return None
    keys = reader.keys(node, path, _KEYS)
    region = reader.region(keys["region"], f"{path}.region") if "region" in keys else ""
    return SeedRolesAnywhere(
        region,
        tuple(_anchors(reader, keys.get("trust_anchors"), f"{path}.trust_anchors")),
        tuple(_profiles(reader, keys.get("profiles"), f"{path}.profiles")),
    )


def _anchors(reader: PolicyNodes, node: Node | None, path: str) -> Iterator[SeedTrustAnchor]:
    for name, value, inner in _named(reader, node, path):
        keys = reader.keys(value, inner, _ANCHOR_KEYS)
        if "certificates" not in keys:
            reader.note(
                value.line, f"{inner}.certificates", "`certificates` is missing: PEM text, or the name of a file"
            )
        yield SeedTrustAnchor(
            name,
            _pem(reader, keys.get("certificates"), f"{inner}.certificates"),
            reader.matching(keys, "id", inner, _ID.fullmatch, "a UUID"),
            _pem(reader, keys.get("crl"), f"{inner}.crl", is_crl=True),
            _is_true(reader, keys, "enabled", inner, default=True),
        )


def _profiles(reader: PolicyNodes, node: Node | None, path: str) -> Iterator[SeedAnywhereProfile]:
    for name, value, inner in _named(reader, node, path):
        keys = reader.keys(value, inner, _PROFILE_KEYS)
        arns = tuple(reader.texts(keys.get("policy_arns"), f"{inner}.policy_arns"))
        for arn in arns:
            if not is_policy_arn(arn):
                reader.note(keys["policy_arns"].line, f"{inner}.policy_arns", f"`{arn}` is not a policy's ARN")
        policy = keys.get("session_policy")
        yield SeedAnywhereProfile(
            name,
            tuple(reader.texts(keys.get("roles"), f"{inner}.roles")),
            reader.matching(keys, "id", inner, _ID.fullmatch, "a UUID"),
            int(reader.matching(keys, "duration_seconds", inner, _is_duration, "between 900 and 43200") or 3600),
            _is_true(reader, keys, "accept_role_session_name", inner),
            _is_true(reader, keys, "require_instance_properties", inner),
            "" if policy is None else reader.policy(policy, f"{inner}.session_policy", "session"),
            arns,
            _is_true(reader, keys, "enabled", inner, default=True),
        )


def _named(reader: PolicyNodes, node: Node | None, path: str) -> Iterator[tuple[str, Node, str]]:
    """Yield name, value and path of each resource in a mapping."""
    for key, value in reader.entries(node, path):
        if not _NAME.fullmatch(key.text):
            reader.note(key.line, f"{path}.{key.text}", f"`{key.text}` is not a name", "letters, digits, spaces and _-")
        yield key.text, value, f"{path}.{key.text}"


def _is_true(reader: PolicyNodes, keys: dict[str, Node], name: str, path: str, *, default: bool = False) -> bool:
    text = reader.matching(keys, name, path, _BOOLEANS.__contains__, "true or false")
    return default if name not in keys else text == "true"


def _pem(reader: PolicyNodes, node: Node | None, path: str, *, is_crl: bool = False) -> str:
    """Return PEM text, from the seed itself or from a file beside it. Reports text that can't be used."""
    if node is None:
        return ""
    text = reader.text(node, path)
    if not text.lstrip().startswith(_PEM):
        name = os.path.join(reader.folder, text)
        try:
            text = read_whole(name, _MOST_BYTES).decode("ascii")
        except (OSError, UnicodeDecodeError) as error:
            why = reason(error) if isinstance(error, OSError) else "it is not PEM"
            reader.note(node.line, path, f"{name} can't be read: {why}")
            return ""
    try:
        read_crl(text.encode()) if is_crl else read_bundle(text)
    except SandboxRefusal as refused:
        reader.note(node.line, path, refused.message)
        return ""
    return text


def _is_duration(text: str) -> bool:
    return text.isascii() and text.isdigit() and 900 <= int(text) <= 43200
