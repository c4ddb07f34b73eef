"""`dsops plan --check`: whether each hop can work with the policies given, before anything is deployed."""

from __future__ import annotations

from dsops.arn import parse_arn
from dsops.cli.framework.command import Arguments
from dsops.cli.look.plan_check_files import read_one_policy, read_policy_file
from dsops.cli.look.plan_check_flags import CALLER, IDENTITY_POLICY, POLICIES, SANDBOX, TRUST_POLICY
from dsops.cli.look.plan_check_hops import Complete, hops_of
from dsops.cli.look.plan_check_policies import GivenPolicies, PlanQuestion, assumptions
from dsops.errors import CheckFailed, EntityNotFound, UsageError, nearest
from dsops.plan import Plan
from dsops.policy.language.policy import Policy
from dsops.policy.simulate import Case, CaseQuestion
from dsops.runtime import Runtime


def check(plan: Plan, arguments: Arguments, runtime: Runtime) -> int:
    """Shows the answer for each hop, and gives the exit code: 6 when one is denied."""
    from dsops.cli.look.plan_check_text import show

    files = [read_policy_file(name, runtime) for name in arguments.texts(POLICIES.name)]
    identities = _identities(plan, arguments, runtime)
    given = GivenPolicies(files, _trusts(plan, arguments, runtime), identities)
    complete: Complete = given.complete
    url = arguments.text(SANDBOX.name)
    if url:
        complete = _from_sandbox(given, url, runtime)
    hops = hops_of(plan, given, complete, arguments.text(CALLER.name), runtime)
    assumed = () if url else tuple(assumptions(files, has_single=bool(identities)))
    show(plan, hops, assumed, is_json=arguments.switch("--json"))
    return CheckFailed.exit_code if any(hop.verdict == "denied" for hop in hops) else 0


def _trusts(plan: Plan, arguments: Arguments, runtime: Runtime) -> dict[str, Policy]:
    found = {}
    for word in arguments.texts(TRUST_POLICY.name):
        who, policy = read_one_policy(TRUST_POLICY.name, word, "trust", runtime)
        found[_role(TRUST_POLICY.name, who, plan)] = policy
    return found


def _identities(plan: Plan, arguments: Arguments, runtime: Runtime) -> dict[str, tuple[Policy, ...]]:
    found: dict[str, tuple[Policy, ...]] = {}
    for word in arguments.texts(IDENTITY_POLICY.name):
        who, policy = read_one_policy(IDENTITY_POLICY.name, word, "identity", runtime)
        arn = _role(IDENTITY_POLICY.name, who, plan)
        found[arn] = (*found.get(arn, ()), policy)
    return found


def _role(flag: str, word: str, plan: Plan) -> str:
    """The ARN that is meant by itself, by a store that assumes the role, or by the role's name."""
    if parse_arn(word) is not None:
        return word
    roles = {step.name: step.role for step in plan.steps.values() if step.role.startswith("arn:")}
    roles = {arn.rpartition("/")[2]: arn for arn in roles.values()} | roles
    if word not in roles:
        meant = nearest(word, roles)
        hint = f"did you mean `{meant}`?" if meant else "write the ARN, the role's name, or the store that assumes it"
        raise UsageError(f"{flag} {word}: no store of the plan assumes a role of that name", hint=hint)
    return roles[word]


def _from_sandbox(given: GivenPolicies, url: str, runtime: Runtime) -> Complete:
    """Asks a sandbox for what the files don't say."""
    from dsops.cli.policy.live import ask_sandbox

    def complete(asked: CaseQuestion) -> PlanQuestion:
        try:
            known = given.complete(asked)
        except EntityNotFound:
            known = PlanQuestion(asked, {}, ())
        missing = {each.place for each in known.unread}
        whole = {place: groups for place, groups in known.policies.items() if place not in missing}
        (found,) = ask_sandbox([(Case("", 0, asked, {}, None), whole)], url, "", runtime)
        return PlanQuestion(found.asked, found.policies, found.unread)

    return complete
