"""Replace `session_policy: auto` by a policy that allows exactly what the plan does with the session.

The policy is part of the session's fingerprint, as an explicit policy is. So an environment that reads different
secrets gets a different session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dsops.arn import parse_arn
from dsops.errors import ConfigError, LimitExceeded, SessionForNothing
from dsops.plan.draft import Draft
from dsops.plan.findings import PlanFindings
from dsops.plan.references import canonical_reference, region_of
from dsops.plan.required_permissions import SecretRead, by_source, session_needs, users_of
from dsops.plan.statements import compact, policy, statements_of
from dsops.plan.types import Fingerprint, Plan, SecretReference, Step
from dsops.schema import OWN_POLICY

COVERS = "session_policy_covers"
"""The setting that describes in words what a generated session policy allows."""

POLICY_CHARACTERS = 2048


def write_own_policies(
    drafts: Mapping[str, Draft], reads: Iterable[tuple[str, SecretReference, bool]], findings: PlanFindings
) -> None:
    """Replace each `session_policy: auto` by a policy; report policies that allow nothing or are too long.

    Each entry of `reads` is a tuple: the store, the reference as written, and whether the secret may be missing.
    """
    steps = {name: draft.step(Fingerprint("")) for name, draft in drafts.items()}
    # Problems with references are reported later, where variables are planned.
    scratch = PlanFindings()
    secret_reads = [
        SecretRead(name, canonical_reference(steps[name], reference, steps[name].where, scratch), may_be_missing)
        for name, reference, may_be_missing in reads
        if name in steps
    ]
    sources = by_source(steps)
    for name, draft in drafts.items():
        if draft.settings.get("session_policy") == OWN_POLICY:
            _write(draft, users_of(name, sources), steps, secret_reads, findings)


def policy_of_reads(plan: Plan, store: str) -> str:
    """Return a policy for exactly what the plan does with a store's session; "" if it does nothing with the session.

    The policy also covers the sessions that are opened with the store's session.
    """
    sources = by_source(plan.steps)
    users = users_of(store, sources)
    users += [plan.steps[store]] if plan.steps[store].type.read_action else []
    reads = [
        SecretRead(variable.step, variable.reference, variable.optional or variable.default is not None)
        for variable in plan.variables
        if variable.reference is not None and any(step.name == variable.step for step in users)
    ]
    role = parse_arn(str(plan.steps[store].settings.get("role_arn", "")))
    statements = statements_of(session_needs(users, role.account if role else "", plan.steps, reads))
    return compact(policy(statements)) if statements else ""


def _write(
    draft: Draft, users: list[Step], steps: Mapping[str, Step], reads: list[SecretRead], findings: PlanFindings
) -> None:
    where, path = draft.place.where("session_policy"), draft.place.path_of("session_policy")
    own = [read for read in reads if any(step.name == read.step for step in users)]
    readers = [steps[read.step] for read in own]
    strange = next((step for step in readers if not step.operation and not step.type.read_action), None)
    if strange is not None:
        message = f"`auto` does not know what store `{strange.name}` asks AWS for: its type is {strange.type.name}"
        findings.add(ConfigError, where, path, message, "write out what the session may do")
        return
    role = parse_arn(str(draft.settings.get("role_arn", "")))
    statements = statements_of(session_needs(users, role.account if role else "", steps, own))
    if not statements:
        message = "`auto` lets a session do what is done with it here, and that is nothing"
        hint = (
            "name an environment that reads through it with `--env` (in Python: `environment=`); or write out what the "
            "session may do, or leave `session_policy` out"
        )
        findings.add(SessionForNothing, where, path, message, hint)
        return
    text = compact(policy(statements))
    if len(text) > POLICY_CHARACTERS:
        message = (
            f"the policy that `auto` stands for has {len(text)} characters, and the most is {POLICY_CHARACTERS} "
            f"(the AssumeRole API reference): it is for {_covers(users, own, steps)}"
        )
        hint = (
            "let a second aws.sts store assume the same role, and read a part of the secrets through that; "
            "or write a policy with wildcards, by which the session may read more than it has to"
        )
        findings.add(LimitExceeded, where, path, message, hint)
    for settings in (draft.settings, draft.identity):
        settings["session_policy"] = text
    draft.settings[COVERS] = _covers(users, own, steps)


def _covers(users: list[Step], reads: list[SecretRead], steps: Mapping[str, Step]) -> str:
    """Describe what the policy allows, such as `3 secrets in 1 region, and 1 role`."""
    parts = []
    by_noun: dict[str, set[tuple[str, str]]] = {}
    for read in reads:
        step = steps[read.step]
        if step.type.read_action:
            region = region_of(read.reference.key, step)
            by_noun.setdefault(step.type.read_noun, set()).add((region, read.reference.key))
    for noun, keys in sorted(by_noun.items(), reverse=True):
        regions = {region for region, _ in keys}
        parts.append(f"{_counted(len(keys), noun)} in {_counted(len(regions), 'region')}")
    roles = {str(step.settings["role_arn"]) for step in users if "role_arn" in step.settings}
    if roles:
        parts.append(_counted(len(roles), "role"))
    return " and ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
