"""Reads the policy files named by flags of `dsops explain`, in addition to the policies read from AWS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dsops.arn import parse_arn
from dsops.errors import PolicyInvalid, UsageError, nearest
from dsops.explain.evidence.library import Evidence
from dsops.explain.evidence.readers import Given, read_details
from dsops.pipeline.policy_file import read_policy
from dsops.plan import Step
from dsops.policy import (
    Attached,
    Policy,
    PolicyFile,
    attached_of,
    check_policy,
    parse_policy_text,
    read_policy_source,
    shown_name,
)
from dsops.policy.simulation.facts import Kind
from dsops.runtime import Runtime

_DETAILS = ('"UserDetailList"', '"RoleDetailList"')


def evidence_of(
    steps: Iterable[Step], policy_files: Sequence[str], trust_policies: Sequence[str], runtime: Runtime
) -> Evidence:
    """Read the policies in the files of `--policies`, and the trust policies of `--trust-policy ROLE=FILE`."""
    given: Given = {}
    for file in policy_files:
        given = {**given, **_given(file, runtime)}
    trusts = dict(_trust(word, steps, runtime) for word in trust_policies)
    return Evidence(given, trusts)


def _given(file: str, runtime: Runtime) -> Given:
    """Return the users and roles in a file: a description of an account, or a template."""
    text = read_policy(file, runtime)
    if any(name in text for name in _DETAILS):
        return read_details(text, shown_name(file)).given
    hint = "one role's trust policy is given with --trust-policy ROLE=FILE"
    return dict(_people(read_policy_source(text, file, lambda name: read_policy(name, runtime), hint)))


def _people(file: PolicyFile) -> Iterator[tuple[tuple[str, Kind, str], Attached]]:
    """Yield the users and roles of a file. Users and roles of a template can have further policies in AWS."""
    for known in file.people:
        arn = parse_arn(known.arn)
        if arn is not None:
            attached = attached_of(known)
            if not file.accounts:
                more = f"other policies attached to {known.arn.rpartition('/')[2]} are not in {file.name}"
                attached = attached._replace(unread_identity=(*attached.unread_identity, more))
            yield (arn.account, known.kind, arn.resource_name), attached


def _trust(word: str, steps: Iterable[Step], runtime: Runtime) -> tuple[str, Policy]:
    """Parse `ROLE=FILE`; return the role's ARN and the policy of the file."""
    role, equals, file = word.partition("=")
    if not role or not equals or not file:
        raise UsageError(
            f"--trust-policy {word} is not ROLE=FILE", hint="write for example --trust-policy Deploy=trust.json"
        )
    arn = _role_arn(role, steps)
    checked = check_policy(parse_policy_text(read_policy(file, runtime), file), "trust", name=file, file=file)
    if checked.policy is None:
        raise PolicyInvalid(f"{file} is not a role trust policy that AWS accepts", problems=checked.problems)
    return arn, checked.policy


def _role_arn(role: str, steps: Iterable[Step]) -> str:
    """Return the ARN of a role that is named by its ARN, its name, or a store that assumes the role."""
    by_word = {step.name: step.role for step in steps if step.role.startswith("arn:")}
    by_word |= {arn.rpartition("/")[2]: arn for arn in by_word.values()}
    if parse_arn(role) is not None:
        return role
    if role not in by_word:
        meant = nearest(role, by_word)
        hint = f"did you mean `{meant}`?" if meant else "write the role's ARN, its name, or the store that assumes it"
        raise UsageError(f"--trust-policy {role} names a role that no store assumes", hint=hint)
    return by_word[role]
