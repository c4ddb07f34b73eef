"""`dsops access escalations`: principals that can make themselves more than they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from dsops.access.escalations.chains import RouteToRole, by_principal, routes_to, steps_to_administrator
from dsops.access.escalations.find import Escalation, Escalations
from dsops.access.escalations.rules import Rule
from dsops.access.escalations.table import ESCALATION_RULES
from dsops.access.facts.world import Gap, OrganizationFacts
from dsops.access.questions.naming import arn_text, caller_text, find_principal
from dsops.cli.access.answers import (
    MOST_PRINTED,
    answer_value,
    gaps_value,
    print_conditions,
    print_gaps,
    print_line,
    print_more,
)
from dsops.cli.access.facts import FROM, load_world, questions_of
from dsops.cli.framework.command import Arguments, Command, Flag
from dsops.cli.framework.output import Json, answer, answer_json
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.screen import heading
from dsops.errors import CheckFailed, UsageError
from dsops.runtime import PartCount, Runtime
from dsops.text import clean, counted

if TYPE_CHECKING:
    from dsops.access_proof.prove import EscalationProof

_MOST_SHOWN: Final = 5
_PRINCIPAL: Final = Flag(
    "--principal",
    "show only what this user or role can gain, itself or by assuming roles",
    value="NAME",
    own_variable="DSOPS_ESCALATIONS_PRINCIPAL",
)
_RULE: Final = Flag(
    "--rule",
    "show only escalations of this rule, such as `iam-001`; may be repeated",
    value="ID",
    own_variable="DSOPS_ESCALATIONS_RULE",
    is_repeatable=True,
)
_ASSUMING: Final = Flag(
    "--include-assume",
    "also list roles that a principal can assume",
    kind="switch",
    own_variable="DSOPS_ESCALATIONS_INCLUDE_ASSUME",
)
_ALL: Final = Flag(
    "--all",
    f"print all escalations of a principal, not only the first {_MOST_SHOWN}",
    kind="switch",
    own_variable="DSOPS_ESCALATIONS_ALL",
)
_PROVE: Final = Flag(
    "--prove",
    "prove the first escalation of each rule: send its API calls to a sandbox with the same policies",
    kind="switch",
    own_variable="DSOPS_ESCALATIONS_PROVE",
)
_FAIL: Final = Flag(
    "--fail", "exit with 6 if there are escalations", kind="switch", own_variable="DSOPS_ESCALATIONS_FAIL"
)


_OUTCOMES: Final = {"proven": "proven in the sandbox", "failed": "not proven", "not provable": "not provable here"}


class _Report(NamedTuple):
    """Everything that the command prints."""

    world: OrganizationFacts
    found: Mapping[str, tuple[Escalation, ...]]
    routes: Mapping[str, tuple[RouteToRole, ...]]
    steps: Mapping[str, int]
    unchecked: tuple[Rule, ...]
    gaps: tuple[Gap, ...]
    proofs: Mapping[tuple[str, str, str], EscalationProof]
    """Maps principals, rules and targets to proofs; {} without `--prove`."""

    def proof_of(self, escalation: Escalation) -> EscalationProof | None:
        return self.proofs.get((escalation.caller.name, escalation.rule.identifier, escalation.target))


def _run(arguments: Arguments, runtime: Runtime) -> int:
    rules = _rules(arguments)
    world = load_world(arguments, runtime)
    evaluator, assumptions = questions_of(world, runtime)
    escalations = Escalations(evaluator, assumptions, rules)
    name = arguments.text("--principal")
    if name:
        found = escalations.find_from(world.identities[find_principal(world, name)])
    else:
        found = [*escalations.find(world.identities.values())]
    roles = {each.caller.name: each.caller.identity for each in found if each.caller.identity is not None}
    grouped = by_principal(found)
    report = _Report(
        world,
        grouped,
        {
            name: tuple(routes_to(assumptions, escalations.gains, role))
            for name, role in roles.items()
            if role.kind == "role"
        },
        steps_to_administrator(found, escalations.gains, world.identities),
        escalations.unchecked(),
        (*(gap for gap in world.gaps if gap.place in {"identities", "identity"}), *filter(None, [escalations.gap()])),
        _proofs(world, grouped, runtime) if arguments.switch("--prove") else {},
    )
    if arguments.switch("--json"):
        answer_json(_value(report))
    else:
        _print(report, shows_all=arguments.switch("--all"))
    return CheckFailed.exit_code if found and arguments.switch("--fail") else 0


def _proofs(
    world: OrganizationFacts, grouped: Mapping[str, Sequence[Escalation]], runtime: Runtime
) -> Mapping[tuple[str, str, str], EscalationProof]:
    """Carry out the first way of each principal by each rule."""
    from dsops.access_proof.prove import proofs_of

    firsts = [first for ways in grouped.values() for first, *_ in _by_rule(ways)]
    parts = PartCount(runtime.report, "checks.made", counted(len(firsts), "way"), len(firsts))
    proofs = {}
    for first, proof in proofs_of(world, firsts):
        proofs[first.caller.name, first.rule.identifier, first.target] = proof
        parts.add()
    runtime.report(DONE)
    return proofs


def _rules(arguments: Arguments) -> tuple[Rule, ...]:
    named = arguments.texts("--rule")
    known = {rule.identifier: rule for rule in ESCALATION_RULES}
    for identifier in named:
        if identifier not in known:
            raise UsageError(
                f"there is no rule `{identifier}`",
                why="rules have the ids of pathfinding.cloud, such as `iam-001`",
                hint="docs/reference/access-escalations.md lists all rules",
            )
    if named:
        return tuple(known[identifier] for identifier in dict.fromkeys(named))
    is_included = arguments.switch("--include-assume")
    return tuple(rule for rule in ESCALATION_RULES if is_included or rule.target != "assumed")


def _print(report: _Report, *, shows_all: bool) -> None:
    if report.found:
        answer(heading(f"{counted(len(report.found), 'principal')} can gain more permissions", 1))
    else:
        answer(heading("no principal can gain more permissions, as far as the facts say", 1))
    for name, ways in [*report.found.items()][: None if shows_all else MOST_PRINTED]:
        answer(f"\n{clean(caller_text(report.world, ways[0].caller))}")
        groups = _by_rule(ways)
        shown = len(groups) if shows_all else _MOST_SHOWN
        for group in groups[:shown]:
            _print_ways(report, group, shows_all=shows_all)
        if len(groups) > shown:
            rules = ", ".join(group[0].rule.identifier for group in groups[shown:])
            print_line(f"and in {counted(len(groups) - shown, 'other way')}: {rules}", 2)
        if report.steps.get(name, 0) > 1:
            print_line(f"becomes an administrator in {report.steps[name]} such steps", 2)
        _print_routes(report, name)
    if not shows_all:
        print_more(len(report.found), 0)
    if report.unchecked:
        types = ", ".join(dict.fromkeys(rule.resource_type.replace("-", " ") for rule in report.unchecked))
        answer("")
        print_line(f"not checked, because the facts contain no resource with a role of these types: {types}", 0)
    print_gaps(report.world, report.gaps, 0)


def _print_ways(report: _Report, ways: Sequence[Escalation], *, shows_all: bool) -> None:
    """Write the ways of one principal by one rule: all of them, or the first and the number of the others."""
    world, first = report.world, ways[0]
    more = "" if len(ways) == 1 or shows_all else f", or {counted(len(ways) - 1, 'other')}"
    for each in ways if shows_all else ways[:1]:
        print_line(f"becomes {target_text(world, each)}{more}: {each.rule.title} ({each.rule.identifier})", 2)
        print_line(requests_text(each), 6)
        print_conditions(request.answer for request in each.requests)
        if each.verdict == "unknown":
            print_line("not certain: no request was found, or a fact is missing", 6)
        print_gaps(world, each.gaps, 6)
        proof = report.proof_of(each)
        if proof is not None:
            print_line(f"{_OUTCOMES[proof.outcome]}: {proof.why}", 6)
    if first.rule.assumes:
        print_line(f"assuming that {first.rule.assumes}", 6)


def requests_text(escalation: Escalation) -> str:
    """Return the requests with the resources as in ARNs, without the account."""
    actions: dict[str, list[str]] = {}
    for request in escalation.requests:
        actions.setdefault(request.resource, []).append(request.action)
    return "; ".join(f"{' and '.join(names)} on {resource.split(':', 5)[-1]}" for resource, names in actions.items())


def target_text(world: OrganizationFacts, escalation: Escalation) -> str:
    """Return in words what the principal of an escalation becomes."""
    gain = escalation.gain
    if escalation.rule.target == "self":
        return "an administrator" if gain.is_administrator else f"more ({gain.permission})"
    name = arn_text(world, escalation.target)
    if escalation.rule.target == "group":
        name = f"a member of {name}"
    by = f" by assuming {arn_text(world, gain.by)}" if gain.by else ""
    what = "is an administrator" if gain.is_administrator else f"may do {gain.permission}"
    return f"{name}, which {what}{by}"


def _print_routes(report: _Report, name: str) -> None:
    routes = report.routes.get(name, ())
    if routes:
        texts = [caller_text(report.world, route.caller) for route in routes[:_MOST_SHOWN]]
        more = [f"{len(routes) - _MOST_SHOWN} more"] if len(routes) > _MOST_SHOWN else []
        print_line(f"can be assumed by {'; '.join([*texts, *more])}", 2)


def _by_rule(ways: Sequence[Escalation]) -> list[list[Escalation]]:
    groups: dict[str, list[Escalation]] = {}
    for each in ways:
        groups.setdefault(each.rule.identifier, []).append(each)
    return [*groups.values()]


def _value(report: _Report) -> Json:
    return {
        "principals": [
            {
                "principal": name,
                "account": ways[0].caller.principal.account or None,
                "steps_to_administrator": report.steps.get(name),
                "escalations": [_escalation_value(each, report.proof_of(each)) for each in ways],
                "assumed_by": [
                    {"principal": route.caller.name, "roles": list(route.roles)}
                    for route in report.routes.get(name, ())
                ],
            }
            for name, ways in report.found.items()
        ],
        "unchecked_rules": [rule.identifier for rule in report.unchecked],
        "not_known": gaps_value(report.gaps),
    }


def _escalation_value(each: Escalation, proof: EscalationProof | None) -> Json:
    gain = each.gain
    return {
        "rule": each.rule.identifier,
        "title": each.rule.title,
        "source": each.rule.source,
        "target": each.target,
        "through": each.through or None,
        "verdict": each.verdict,
        "is_administrator": gain.is_administrator,
        "gained": None
        if gain.is_administrator
        else {"permission": gain.permission, "action": gain.action, "resource": gain.resource},
        "by": gain.by or None,
        "requests": [
            {"action": request.action, "resource": request.resource, **answer_value(request.answer)}
            for request in each.requests
        ],
        "assumes": each.rule.assumes or None,
        "not_known": gaps_value(each.gaps),
        "proof": None if proof is None else _proof_value(proof),
    }


def _proof_value(proof: EscalationProof) -> Json:
    return {
        "outcome": proof.outcome,
        "why": proof.why,
        "calls": [
            {"principal": call.principal, "action": call.action, "error": call.error or None} for call in proof.calls
        ],
    }


ESCALATIONS = Command(
    help=(
        "Print the users and roles that can gain permissions which they do not have, and how.\n"
        "For example, they can change their own policies, create access keys of other users, or pass a role\n"
        "to a service. Each such escalation belongs to a rule, whose id is explained at pathfinding.cloud. It\n"
        "is listed only if the policies allow all its requests, and if the principal gains a permission.\n\n"
        "  dsops access escalations --from details.json\n"
        "  dsops access escalations --principal Deploy --rule lambda-001 --from details.json --json"
    ),
    run=_run,
    flags=(FROM, _PRINCIPAL, _RULE, _ASSUMING, _ALL, _PROVE, _FAIL),
)
