"""Select an environment's AWS variables, for formats that contain only AWS keys."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dsops.errors import ValueUnusable
from dsops.render import text_of
from dsops.secret import Secret

# AWS SDKs and Tools Reference Guide, "Process credential provider": an SDK never refreshes keys without Expiration.
_MEMBERS = {
    "AWS_ACCESS_KEY_ID": "AccessKeyId",
    "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
    "AWS_SESSION_TOKEN": "SessionToken",
    "AWS_CREDENTIAL_EXPIRATION": "Expiration",
}
_REQUIRED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_NOTHING = Secret("")


def keys_of(values: Mapping[str, Secret], format_name: str) -> dict[str, Secret]:
    """Return only the AWS variables; a missing token is "". Raises ValueUnusable without key id or secret key."""
    missing = [name for name in _REQUIRED if values.get(name, _NOTHING) == _NOTHING]
    if missing:
        raise ValueUnusable(
            f"the environment can't be written as {format_name}: it has no {' and no '.join(missing)}",
            why=f"{format_name} contains AWS credentials only",
            hint="for a store's session, use `dsops credentials STORE`; for other variables, use another format",
        )
    aws_values = {name: values[name] for name in _MEMBERS if name in values}
    return {"AWS_SESSION_TOKEN": _NOTHING, **aws_values}


def process(keys: Mapping[str, Secret]) -> bytes:
    """Return the JSON that a `credential_process` must print."""
    texts = {member: text_of(name, keys[name], "JSON") for name, member in _MEMBERS.items() if name in keys}
    value = {"Version": 1, **{member: text for member, text in texts.items() if text}}
    return f"{json.dumps(value, indent=2)}\n".encode()
