"""Reads the policy files and tables of questions that the command line names."""

from __future__ import annotations

import os

from dsops.document import parse_json
from dsops.errors import PolicyInvalid, PolicyUnreadable, UsageError
from dsops.input_file import read_file, reason
from dsops.policy import (
    KIND_WORDS,
    Policy,
    PolicyFile,
    PolicyKind,
    check_policy,
    parse_policy_text,
    read_policy_source,
    shown_name,
)
from dsops.runtime import Runtime

_MAX_BYTES = 1 << 25
"""The maximum size of a policy file: IAM accepts 128 KiB, and a file of 32 MiB can be checked within a minute."""


def read_policy(name: str, runtime: Runtime) -> str:
    """Return the text of a file, or of stdin for `-`. Raises PolicyUnreadable."""
    shown = shown_name(name)
    try:
        if name == "-":
            with open(0, "rb", closefd=False) as file:
                data = file.read(_MAX_BYTES + 1)
        else:
            data = read_file(os.path.join(runtime.folder, name), _MAX_BYTES + 1, takes_pipes=True).data
    except OSError as error:
        hint = "name a file that contains the policy, or `-` for stdin"
        raise PolicyUnreadable(f"{shown} can't be read", why=reason(error), hint=hint) from error
    if len(data) > _MAX_BYTES:
        why, hint = (
            f"it has more than {_MAX_BYTES:,} bytes",
            "check that it is the right file: IAM accepts 128 KiB at most",
        )
        raise PolicyUnreadable(f"{shown} can't be checked", why=why, hint=hint)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        why = f"it is not UTF-8: byte {error.start + 1} belongs to no character"
        raise PolicyUnreadable(f"{shown} can't be checked", why=why, hint="save it as UTF-8") from error


def read_policy_file(name: str, runtime: Runtime) -> PolicyFile:
    """Return the users and roles of a file. Raises PolicyUnreadable, or PolicyInvalid for an unknown format."""
    hint = "one policy is given with --trust-policy ROLE=FILE or --identity-policy WHO=FILE"
    return read_policy_source(read_policy(name, runtime), name, lambda file: read_policy(file, runtime), hint)


def read_one_policy(flag: str, word: str, kind: PolicyKind, runtime: Runtime) -> tuple[str, Policy]:
    """Return the user, role or resource and the policy of an argument `WHO=FILE`."""
    who, equals, file = word.rpartition("=")
    if not equals or not who or not file:
        raise UsageError(f"`{flag} {word}` is not WHO=FILE", hint=f"write for example {flag} Deploy=policy.json")
    text = read_policy(file, runtime)
    # Comments in JSON are accepted: deployment tools remove them before they send the policy.
    document = parse_json(text, file, comments=True) if file.endswith(".jsonc") else parse_policy_text(text, file)
    checked = check_policy(document, kind, name=file, file=file)
    if checked.policy is None:
        raise PolicyInvalid(f"{file} is not a valid {KIND_WORDS[kind]}", problems=checked.problems)
    return who, checked.policy
