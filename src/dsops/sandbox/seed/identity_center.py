"""Parse a seed's `identity_center`: users, permission sets, and assignments in accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from typing import Final

from dsops.arn import partition_of_region
from dsops.document import Node, Scalar, Sequence
from dsops.errors import nearest
from dsops.sandbox.seed.identity_center_model import (
    DEFAULT_START_URL,
    SeedAssignment,
    SeedCenterUser,
    SeedIdentityCenter,
    SeedPermissionSet,
)
from dsops.sandbox.seed.policy_nodes import PolicyNodes, is_policy_arn

_KEYS: Final = (
    "start_url",
    "region",
    "users",
    "permission_sets",
    "assignments",
    "auto_approve",
    "rotates_refresh_tokens",
)
_SET_KEYS: Final = ("policies", "session_duration", "boundary")
_ASSIGNMENT_KEYS: Final = ("account", "permission_set", "users")
_START_URL: Final = re.compile(r"https://[a-z0-9.-]+(?:/[\w.-]+)*", re.ASCII)
# The user name becomes the session name (STS API Reference, AssumeRole). Identity Center allows longer names.
_USER: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
# The syntax of a permission set's name in CreatePermissionSet (IAM Identity Center API Reference).
_PERMISSION_SET: Final = re.compile(r"[\w+=,.@-]{1,32}", re.ASCII)


class IdentityCenterReader:
    """Parses the seed's `identity_center` section. The seed's reader collects the problems."""

    def __init__(self, reader: PolicyNodes, partitions: MappingOf[str, str], region: str) -> None:
        """`partitions` maps the seed's accounts to their partitions; `region` is the seed's region."""
        self._reader = reader
        self._partitions = partitions
        self._region = region

    def read(self, node: Node) -> SeedIdentityCenter:
        """Parse the section; report problems to the reader."""
        reader, path = self._reader, "identity_center"
        keys = reader.keys(node, path, _KEYS)
        users = tuple(self._users(keys.get("users"), f"{path}.users"))
        if not users:
            reader.note(
                node.line, f"{path}.users", "`users` is empty, so no user could log in", "add `users: {alice: {}}`"
            )
        sets = tuple(self._permission_sets(keys.get("permission_sets"), f"{path}.permission_sets"))
        region = reader.region(keys["region"], f"{path}.region") if "region" in keys else self._region
        assignments = tuple(
            self._assignments(
                keys.get("assignments"),
                f"{path}.assignments",
                [user.name for user in users],
                [permission_set.name for permission_set in sets],
                partition_of_region(region).name,
            )
        )
        approver = ""
        if "auto_approve" in keys:
            names = [user.name for user in users]
            approver = self._known_name(keys["auto_approve"], f"{path}.auto_approve", "user", names)
        start_url = reader.matching(keys, "start_url", path, _START_URL.fullmatch, f"like {DEFAULT_START_URL}")
        rotates = reader.matching(
            keys, "rotates_refresh_tokens", path, lambda text: text in {"true", "false"}, "true or false"
        )
        return SeedIdentityCenter(
            users,
            sets,
            assignments,
            start_url or DEFAULT_START_URL,
            region,
            approver,
            rotates_refresh_tokens=rotates == "true",
        )

    def _users(self, node: Node | None, path: str) -> Iterator[SeedCenterUser]:
        for key, value in self._reader.entries(node, path):
            inner = f"{path}.{key.text}"
            if not _USER.fullmatch(key.text):
                self._reader.note(
                    key.line, inner, f"`{key.text}` is not a user's name", "2 to 64 letters, digits and +=,.@_-"
                )
            keys = self._reader.keys(value, inner, ("email", "attributes"))
            email = self._reader.matching(keys, "email", inner, lambda text: "@" in text, "an address with an @")
            yield SeedCenterUser(key.text, email, self._reader.tags(keys.get("attributes"), f"{inner}.attributes"))

    def _permission_sets(self, node: Node | None, path: str) -> Iterator[SeedPermissionSet]:
        reader = self._reader
        for key, value in reader.entries(node, path):
            inner = f"{path}.{key.text}"
            if not _PERMISSION_SET.fullmatch(key.text):
                reader.note(
                    key.line,
                    inner,
                    f"`{key.text}` is not a permission set's name",
                    "at most 32 letters, digits and +=,.@_-",
                )
            keys = reader.keys(value, inner, _SET_KEYS)
            seconds = reader.matching(keys, "session_duration", inner, _is_duration, "between 3600 and 43200")
            yield SeedPermissionSet(
                key.text,
                reader.policies(keys.get("policies"), f"{inner}.policies"),
                int(seconds or 3600),
                reader.matching(keys, "boundary", inner, is_policy_arn, "the ARN of a managed policy"),
            )

    def _assignments(
        self, node: Node | None, path: str, users: list[str], sets: list[str], partition: str
    ) -> Iterator[SeedAssignment]:
        if node is None or (isinstance(node, Scalar) and node.kind == "null"):
            return
        if not isinstance(node, Sequence):
            self._reader.note(node.line, path, "this must be a list", "each item is {account, permission_set, users}")
            return
        for index, item in enumerate(node.items):
            inner = f"{path}[{index}]"
            keys = self._reader.keys(item, inner, _ASSIGNMENT_KEYS)
            for name in _ASSIGNMENT_KEYS:
                if name not in keys:
                    self._reader.note(item.line, f"{inner}.{name}", f"`{name}` is missing")
            if len(keys) < len(_ASSIGNMENT_KEYS):
                continue
            account = self._known_name(keys["account"], f"{inner}.account", "account", list(self._partitions))
            if account and self._partitions[account] != partition:
                self._reader.note(
                    keys["account"].line,
                    f"{inner}.account",
                    f"account {account} is in {self._partitions[account]}, the Identity Center in {partition}",
                )
            yield SeedAssignment(
                account,
                self._known_name(keys["permission_set"], f"{inner}.permission_set", "permission set", sets),
                tuple(self._members(keys["users"], f"{inner}.users", users)),
            )

    def _members(self, node: Node, path: str, users: list[str]) -> Iterator[str]:
        if not isinstance(node, Sequence):
            self._reader.note(node.line, path, "this must be a list")
            return
        for index, item in enumerate(node.items):
            yield self._known_name(item, f"{path}[{index}]", "user", users)

    def _known_name(self, node: Node, path: str, noun: str, names: list[str]) -> str:
        """Return the name if it is in `names`; otherwise report a problem and return ""."""
        name = self._reader.text(node, path)
        if name in names or not name:
            return name
        suggestion = nearest(name, names)
        self._reader.note(
            node.line, path, f"there is no {noun} `{name}`", f"did you mean `{suggestion}`?" if suggestion else ""
        )
        return ""


def _is_duration(text: str) -> bool:
    return text.isascii() and text.isdigit() and 3600 <= int(text) <= 43200
