"""The tightened policies of `dsops access unused` as JSON, Terraform and CloudFormation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from dsops.access.unused.find import Unused, UnusedAccess
from dsops.cli.framework.output import json_text
from dsops.cli.policy.output_files import plain
from dsops.grants import ManagedPolicy
from dsops.grants.cloudformation import template_of_policy
from dsops.grants.terraform import terraform_of_policy
from dsops.plan.statements import policy
from dsops.version import __version__

FORMATS: Final = ("json", "terraform", "cloudformation")
_ENDINGS: Final = {"json": "json", "terraform": "tf", "cloudformation": "template.json"}
_NAME_LENGTH: Final = 128
"""The maximum length of the name of a managed policy (IAM API reference, CreatePolicy)."""


def policy_text(entry: UnusedAccess, format_name: str) -> str:
    """Return the tightened policy of a user or role."""
    identity = entry.identity
    if format_name == "json" or not entry.tightened.statements:
        return json_text(plain(policy([*entry.tightened.statements])))
    header = f"What {identity.arn} used: made by dsops {__version__}, `dsops access unused`"
    name = f"{identity.name[: _NAME_LENGTH - len('-used')]}-used"
    managed = ManagedPolicy(name, f"What the {identity.kind} {identity.name} used", entry.tightened.statements)
    if format_name == "terraform":
        return terraform_of_policy(managed, header).rstrip("\n")
    return json_text(plain(template_of_policy(managed, header, {})))


def policy_files(unused: Unused, format_name: str) -> Iterator[tuple[str, str]]:
    """Yield the path and text of a file for each user and role that needs a policy."""
    for entry in unused.entries:
        if entry.tightened.statements:
            identity = entry.identity
            name = re.sub(r"[^A-Za-z0-9+=,.@_-]", "_", identity.name)
            path = f"{identity.account}/{identity.kind}-{name}.{_ENDINGS[format_name]}"
            yield path, f"{policy_text(entry, format_name)}\n"
