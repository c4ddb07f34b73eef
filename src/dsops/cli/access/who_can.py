"""`dsops access who-can`: every principal that can do something, and how."""

from __future__ import annotations

from dsops.access.facts.world import OrganizationFacts
from dsops.access.questions.naming import arn_text, find_resource
from dsops.access.questions.who_can import WhoCan, who_can
from dsops.cli.access.answers import gaps_value, print_gaps, print_stopped, print_ways, stopped_value, way_value
from dsops.cli.access.facts import FROM, load_world, questions_of
from dsops.cli.framework.command import Arguments, Command, Operand
from dsops.cli.framework.output import answer, answer_json, note
from dsops.cli.framework.screen import heading
from dsops.errors import UsageError, nearest
from dsops.policy import ServiceFacts, check_exact_action, lower_case
from dsops.runtime import Runtime
from dsops.service_reference import open_reference
from dsops.text import clean, counted

ACTION = Operand("ACTION", "an action, such as `secretsmanager:GetSecretValue`")
RESOURCE = Operand("RESOURCE", "the ARN or name of a resource, or `*`")


def _run(arguments: Arguments, runtime: Runtime) -> int:
    action = arguments.operand(ACTION.name)
    check_action_name(action)
    world = load_world(arguments, runtime)
    resource = find_resource(world, arguments.operand(RESOURCE.name))
    found = who_can(*questions_of(world, runtime), action, resource)
    if arguments.switch("--json"):
        answer_json(
            {
                "action": action,
                "resource": resource,
                "ways": [way_value(way) for way in found.ways],
                "stopped": stopped_value(found.stopped),
                "not_known": gaps_value(found.gaps),
            }
        )
    else:
        _print(world, found)
    return 0


def check_action_name(text: str) -> None:
    """Raise UsageError unless the text names exactly one action."""
    try:
        check_exact_action(text)
    except ValueError as error:
        raise UsageError(f"`{text}` is not an action", why=str(error), hint="write `service:Action`") from error
    _note_unknown_name(text)


def _note_unknown_name(action: str) -> None:
    """Write a note about an action that AWS's reference lacks: a misspelled action is one that is never allowed."""
    reference = open_reference()
    prefix, _, name = lower_case(action).partition(":")
    if reference is None:
        return
    service = reference.service(prefix)
    known = reference.services() if service is None else service.actions
    if service is None or name not in known:
        near = nearest(prefix if service is None else name, known)
        meant = f"{near}:{action.partition(':')[2]}" if service is None else f"{prefix}:{_written(service, near)}"
        note(f"AWS's reference has no action `{clean(action)}`" + (f"; did you mean `{meant}`?" if near else ""))


def _written(service: ServiceFacts, name: str) -> str:
    return service.actions[name].name if name else ""


def _print(world: OrganizationFacts, found: WhoCan) -> None:
    certain = [way for way in found.ways if way.verdict != "unknown"]
    uncertain = [way for way in found.ways if way.verdict == "unknown"]
    what = f"{found.action} on {arn_text(world, found.resource)}"
    if certain:
        answer(heading(clean(f"{counted(len(certain), 'principal')} can {what}"), 1))
    else:
        answer(heading(clean(f"no principal can {what}, as far as the facts say"), 1))
    print_ways(world, certain)
    if uncertain:
        answer(heading(f"\n{counted(len(uncertain), 'principal')} perhaps", 1))
        print_ways(world, uncertain)
    if found.stopped:
        answer(heading("\nallowed by their own policies, and stopped", 1))
        print_stopped(world, found.stopped)
    gaps = dict.fromkeys((*found.gaps, *(gap for way in found.ways for gap in way.gaps if not gap.arn)))
    if gaps:
        answer("")
        print_gaps(world, gaps, 0)


WHO_CAN = Command(
    help=(
        "Print every principal that can do an action on a resource: directly, or by assuming roles.\n"
        "Below each principal are the conditions that its requests have to meet, such as MFA, a source\n"
        "address, or the claims of a token. Principals that a control policy, a boundary or a Deny stops are\n"
        "listed separately. If a policy could not be read and could change the answer, the answer says so.\n\n"
        "  dsops access who-can secretsmanager:GetSecretValue prod/db --from seed.yaml\n"
        "  dsops access who-can s3:GetObject arn:aws:s3:::payroll/2026.csv --from details.json --json"
    ),
    run=_run,
    flags=(FROM,),
    operands=(ACTION, RESOURCE),
)
