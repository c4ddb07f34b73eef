"""The files that `dsops explain` is given -> the policies in them, which count beside what can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dsops.arn import parse_arn
from dsops.aws.apis.iam import Entity
from dsops.cli.framework.command import Arguments
from dsops.cli.look.explain import POLICIES, TRUST_POLICY
from dsops.cli.policy.files import STDIN, parse_policy_text, read_policy
from dsops.errors import PolicyInvalid, UsageError, nearest
from dsops.explain.evidence.attached import Attached
from dsops.explain.evidence.library import Evidence
from dsops.explain.evidence.readers import Given, Kind, read_details
from dsops.plan import Step
from dsops.policy.language.policy import Policy, check_policy
from dsops.policy.sources.files import Known, PolicyFile, read_policy_text
from dsops.runtime import Runtime

_DETAILS = ('"UserDetailList"', '"RoleDetailList"')


def evidence_of(steps: Iterable[Step], arguments: Arguments, runtime: Runtime) -> Evidence:
    """The policies of files."""
    given: Given = {}
    for file in arguments.texts(POLICIES.name):
        given = {**given, **_given(file, runtime)}
    trusts = dict(_trust(word, steps, runtime) for word in arguments.texts(TRUST_POLICY.name))
    return Evidence(given, trusts)


def _given(file: str, runtime: Runtime) -> Given:
    """Users and roles: all of an account's, or those of a template."""
    text = read_policy(file, runtime)
    if any(name in text for name in _DETAILS):
        return read_details(text, STDIN if file == "-" else file).given
    hint = "one role's trust policy is given with --trust-policy ROLE=FILE"
    return dict(_people(read_policy_text(text, file, runtime, hint)))


def _people(found: PolicyFile) -> Iterator[tuple[tuple[str, Kind, str], Attached]]:
    for known in found.people:
        arn = parse_arn(known.arn)
        if arn is not None:
            yield (arn.account, known.kind, arn.resource_name), _attached(known, found)


def _attached(known: Known, found: PolicyFile) -> Attached:
    """What a template tells of somebody; others may attach more policies, so it never has all of them."""
    more = f"what else is attached to {known.arn.rpartition('/')[2]} {found.name} does not tell"
    missing = tuple(filter(None, (known.unread_identity, "" if found.accounts else more)))
    boundary_name = known.boundary.name if known.boundary is not None else ""
    return Attached(
        Entity(known.arn, known.unique_id, boundary_name, dict(known.tags), ""),
        known.identity,
        known.boundary,
        "",
        missing,
        known.unread_boundary,
        is_template=True,
        trust=known.trust,
        unread_trust=known.unread_trust,
    )


def _trust(word: str, steps: Iterable[Step], runtime: Runtime) -> tuple[str, Policy]:
    """The role's ARN, and the policy of the file."""
    role, equals, file = word.partition("=")
    if not role or not equals or not file:
        raise UsageError(f"--trust-policy {word} is not ROLE=FILE", hint="such as --trust-policy Deploy=trust.json")
    arn = _role_arn(role, steps)
    checked = check_policy(parse_policy_text(read_policy(file, runtime), file), "trust", name=file, file=file)
    if checked.policy is None:
        raise PolicyInvalid(f"{file} is no role trust policy that AWS accepts", problems=checked.problems)
    return arn, checked.policy


def _role_arn(role: str, steps: Iterable[Step]) -> str:
    """The role that is meant by an ARN, a store that assumes it, or its name."""
    by_word = {step.name: step.role for step in steps if step.role.startswith("arn:")}
    by_word |= {arn.rpartition("/")[2]: arn for arn in by_word.values()}
    if parse_arn(role) is not None:
        return role
    if role not in by_word:
        meant = nearest(role, by_word)
        hint = f"did you mean `{meant}`?" if meant else "write the role's ARN, its name, or the store that assumes it"
        raise UsageError(f"--trust-policy {role}: nothing here assumes a role of that name", hint=hint)
    return by_word[role]
