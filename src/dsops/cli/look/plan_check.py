"""`dsops plan --check`: evaluate whether policies from files allow each hop, before anything is deployed."""

from __future__ import annotations

from typing import Final

from dsops.arn import parse_arn
from dsops.cli.framework.command import Arguments
from dsops.cli.look.plan_check_flags import CALLER, IDENTITY_POLICY, POLICIES, SANDBOX, TRUST_POLICY
from dsops.cli.policy.files import read_one_policy, read_policy_file
from dsops.errors import CheckFailed, EntityNotFound, UsageError, nearest
from dsops.plan import Plan
from dsops.plan_check.hops import Complete, hops_of
from dsops.policy import Case, CaseQuestion, CompletedQuestion, DeclaredPolicies, Policy
from dsops.policy.sources.declared import assumptions
from dsops.runtime import Runtime


def check(plan: Plan, arguments: Arguments, runtime: Runtime) -> int:
    """Print the verdict for each hop; return the exit code, 6 if one is denied."""
    from dsops.cli.look.plan_check_text import show

    files = [read_policy_file(name, runtime) for name in arguments.texts(POLICIES.name)]
    identities = _identities(plan, arguments, runtime)
    given = DeclaredPolicies(files, _trusts(plan, arguments, runtime), identities)
    complete: Complete = given.complete
    url = arguments.text(SANDBOX.name)
    if url:
        complete = _from_sandbox(given, url, runtime)
    hops = hops_of(plan, given, complete, arguments.text(CALLER.name), runtime)
    assumed = () if url else tuple(assumptions(files, has_single=bool(identities)))
    show(plan, hops, assumed, is_json=arguments.switch("--json"))
    return CheckFailed.exit_code if any(hop.verdict == "denied" for hop in hops) else 0


def _trusts(plan: Plan, arguments: Arguments, runtime: Runtime) -> dict[str, Policy]:
    trust_policies = {}
    for word in arguments.texts(TRUST_POLICY.name):
        who, policy = read_one_policy(TRUST_POLICY.name, word, "trust", runtime)
        trust_policies[_role(TRUST_POLICY.name, who, plan)] = policy
    return trust_policies


def _identities(plan: Plan, arguments: Arguments, runtime: Runtime) -> dict[str, tuple[Policy, ...]]:
    identity_policies: dict[str, tuple[Policy, ...]] = {}
    for word in arguments.texts(IDENTITY_POLICY.name):
        who, policy = read_one_policy(IDENTITY_POLICY.name, word, "identity", runtime)
        arn = _role(IDENTITY_POLICY.name, who, plan)
        identity_policies[arn] = (*identity_policies.get(arn, ()), policy)
    return identity_policies


def _role(flag: str, word: str, plan: Plan) -> str:
    """Return the ARN of a role that is named by its ARN, its name, or a store that assumes the role."""
    if parse_arn(word) is not None:
        return word
    roles = {step.name: step.role for step in plan.steps.values() if step.role.startswith("arn:")}
    roles = {arn.rpartition("/")[2]: arn for arn in roles.values()} | roles
    if word not in roles:
        meant = nearest(word, roles)
        hint = f"did you mean `{meant}`?" if meant else "write the ARN, the role's name, or the store that assumes it"
        raise UsageError(f"{flag} {word} names a role that no store of the plan assumes", hint=hint)
    return roles[word]


_OPTIONAL: Final = ("boundary", "scp", "rcp")


def _from_sandbox(given: DeclaredPolicies, url: str, runtime: Runtime) -> Complete:
    """Return a function that reads policies from a sandbox if the policy files lack them."""
    from dsops.cli.policy.live import ask_sandbox

    def complete(asked: CaseQuestion) -> CompletedQuestion:
        try:
            known = given.complete(asked)
        except EntityNotFound:
            known = CompletedQuestion(asked, {}, ())
        missing = {each.place for each in known.unread}
        # In `known.policies`, an empty list of these types means unknown: the sandbox may have such a policy.
        missing |= {place for place in _OPTIONAL if not known.policies.get(place)}
        whole = {place: groups for place, groups in known.policies.items() if place not in missing}
        (completed,) = ask_sandbox([(Case("", 0, asked, {}, None), whole)], url, "", runtime)
        return completed

    return complete
