"""Reads the policy files and tables of questions that the command line names."""

from __future__ import annotations

from dsops.document import parse_json
from dsops.errors import PolicyInvalid, UsageError
from dsops.pipeline.policy_file import read_policy
from dsops.policy import KIND_WORDS, Policy, PolicyFile, PolicyKind, check_policy, parse_policy_text, read_policy_source
from dsops.runtime import Runtime


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
