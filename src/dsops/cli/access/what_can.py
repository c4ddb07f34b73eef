"""`dsops access what-can` and `path`: what a principal can do, and how it becomes a role."""

from __future__ import annotations

from collections.abc import Iterable

from dsops.access.facts.world import Gap, OrganizationFacts
from dsops.access.questions.answer import AccessAnswer
from dsops.access.questions.caller import AccessCaller, caller_of
from dsops.access.questions.naming import arn_text, caller_text, find_principal
from dsops.access.questions.path import refusal, ways_from
from dsops.access.questions.what_can import ResourceUse, WhatCan, what_can
from dsops.access.questions.who_can import Way
from dsops.cli.access.answers import (
    MOST_PRINTED,
    actions_text,
    condition_texts,
    gaps_value,
    print_conditions,
    print_gaps,
    print_line,
    print_lines,
    print_more,
    reason_text,
    steps_value,
)
from dsops.cli.access.facts import FROM, load_world, questions_of
from dsops.cli.framework.command import Arguments, Command, Operand
from dsops.cli.framework.output import Json, answer, answer_json
from dsops.cli.framework.screen import heading
from dsops.errors import CheckFailed
from dsops.runtime import Runtime
from dsops.text import clean, counted

PRINCIPAL = Operand("PRINCIPAL", "a user or role: its ARN, its name, or `role/Name`")
START = Operand("FROM", "the user or role to start from: its ARN, its name, or `role/Name`")
GOAL = Operand("TO", "the role to reach: its ARN, its name, or `role/Name`")


def _what_can(arguments: Arguments, runtime: Runtime) -> int:
    world = load_world(arguments, runtime)
    caller = _caller(world, arguments.operand(PRINCIPAL.name))
    found = what_can(*questions_of(world, runtime), caller)
    if arguments.switch("--json"):
        answer_json(
            {
                "principal": caller.name,
                "roles": [_way_value(way) for way in found.roles],
                "uses": [_use_value(use) for use in found.uses],
                "not_known": gaps_value(_gaps(found)),
            }
        )
    else:
        _print(world, found)
    return 0


def _caller(world: OrganizationFacts, text: str) -> AccessCaller:
    return caller_of(world.identities[find_principal(world, text)])


def _gaps(found: WhatCan) -> list[Gap]:
    return [*found.gaps, *(gap for use in found.uses for gap in use.answer.gaps)]


def _print(world: OrganizationFacts, found: WhatCan) -> None:
    name = caller_text(world, found.caller)
    answer(heading(clean(f"{name} can become {counted(len(found.roles), 'role')}"), 1))
    for way in found.roles[:MOST_PRINTED]:
        _print_role(world, way)
    print_more(len(found.roles), 2)
    by_resource: dict[str, list[ResourceUse]] = {}
    for use in found.uses:
        by_resource.setdefault(use.resource, []).append(use)
    count = counted(len(by_resource), "resource")
    answer(f"\n{heading(clean(f'{name} can use {count}'), 1)}")
    for resource, of_resource in [*by_resource.items()][:MOST_PRINTED]:
        print_line(arn_text(world, resource), 2)
        by_way: dict[tuple[str, ...], list[ResourceUse]] = {}
        for use in of_resource:
            by_way.setdefault((_through(world, use.way), *condition_texts(_answers(use))), []).append(use)
        for (through, *conditions), uses in by_way.items():
            print_line(f"{actions_text(use.action for use in uses)}{through}", 4)
            print_lines(conditions, 6)
    print_more(len(by_resource), 2)
    print_gaps(world, _gaps(found), 0)


def _print_role(world: OrganizationFacts, way: Way) -> None:
    before = [arn_text(world, step.resource) for step in way.steps[:-1]]
    through = f", through {', then '.join(before)}" if before else ""
    print_line(f"{arn_text(world, way.steps[-1].resource)}{through}", 2)
    print_conditions(step.answer for step in way.steps)


def _through(world: OrganizationFacts, way: Way) -> str:
    return f", as {arn_text(world, way.steps[-1].resource)}" if way.steps else ""


def _answers(use: ResourceUse) -> list[AccessAnswer]:
    return [*(step.answer for step in use.way.steps), use.answer]


def _way_value(way: Way) -> Json:
    return {"role": way.steps[-1].resource, "verdict": way.verdict, "steps": steps_value(way)}


def _use_value(use: ResourceUse) -> Json:
    verdicts: Iterable[str] = (use.answer.verdict, use.way.verdict)
    return {
        "resource": use.resource,
        "action": use.action,
        "verdict": next((verdict for verdict in ("unknown", "conditional") if verdict in verdicts), "yes"),
        "roles": [step.resource for step in use.way.steps],
    }


def _path(arguments: Arguments, runtime: Runtime) -> int:
    world = load_world(arguments, runtime)
    evaluator, assumptions = questions_of(world, runtime)
    caller = _caller(world, arguments.operand(START.name))
    goal = find_principal(world, arguments.operand(GOAL.name))
    way = next((way for way in ways_from(assumptions, caller) if way.steps[-1].resource == goal), None)
    if arguments.switch("--json"):
        value = _way_value(way) if way is not None else None
        answer_json({"principal": caller.name, "role": goal, "way": value})
    elif way is None:
        answer(heading(clean(f"{caller_text(world, caller)} can't become {arn_text(world, goal)}"), 1))
        print_line(f"AssumeRole by itself: {reason_text(refusal(evaluator, caller, goal))}", 2)
    else:
        answer(heading(clean(f"{caller_text(world, caller)} can become {arn_text(world, goal)}"), 1))
        for step in way.steps:
            print_line(f"{step.action} on {arn_text(world, step.resource)}", 2)
            print_conditions([step.answer])
    return 0 if way is not None else CheckFailed.exit_code


WHAT_CAN = Command(
    help=(
        "Print the roles that a user or role can become, and what it can do with the known resources.\n"
        "The actions are those that read, change or use a resource's content, such as secrets, keys, buckets,\n"
        "queues, topics, tables and functions.\n\n"
        "  dsops access what-can alice --from seed.yaml\n"
        "  dsops access what-can role/Deploy --from details.json --json"
    ),
    run=_what_can,
    flags=(FROM,),
    operands=(PRINCIPAL,),
)
PATH = Command(
    help=(
        "Print how a user or role becomes a role, by assuming one role after the other.\n"
        "If that is not possible, the command prints why AWS refuses AssumeRole, and its exit code is 6.\n\n"
        "  dsops access path alice role/Admin --from seed.yaml"
    ),
    run=_path,
    flags=(FROM,),
    operands=(START, GOAL),
)
