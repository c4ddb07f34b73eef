"""`dsops access public` and `external`: what is reachable from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dsops.access.facts.world import OrganizationFacts
from dsops.access.questions.assuming import ASSUME, Assumptions
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.naming import arn_text, caller_text
from dsops.access.questions.outside import OutsideUse, acl_gaps, external_uses, foreign_grants, public_uses
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
from dsops.cli.framework.command import Arguments, Command
from dsops.cli.framework.output import Json, answer, answer_json
from dsops.cli.framework.screen import heading
from dsops.errors import CheckFailed
from dsops.runtime import Runtime
from dsops.text import counted

_Find = Callable[[Evaluator, Assumptions], tuple[OutsideUse, ...]]


def _public(arguments: Arguments, runtime: Runtime) -> int:
    return _show(arguments, runtime, public_uses, "reachable by anyone")


def _external(arguments: Arguments, runtime: Runtime) -> int:
    return _show(arguments, runtime, external_uses, "reachable by accounts that are not among the facts")


def _show(arguments: Arguments, runtime: Runtime, find: _Find, words: str) -> int:
    world = load_world(arguments, runtime)
    uses = find(*questions_of(world, runtime))
    gaps = [gap for gap in world.gaps if gap.place in ("identities", "resources", "resource", "trust")]
    gaps += [*acl_gaps(world), *foreign_grants(world), *(gap for use in uses for gap in use.answer.gaps)]
    if arguments.switch("--json"):
        answer_json({"uses": [_value(use) for use in uses], "not_known": gaps_value(gaps)})
    else:
        resources = {use.resource for use in uses}
        answer(heading(f"{counted(len(resources), 'resource')} {words}", 1))
        _print(world, uses)
        print_gaps(world, gaps, 0)
    return CheckFailed.exit_code if uses and find is public_uses else 0


def _print(world: OrganizationFacts, uses: Sequence[OutsideUse]) -> None:
    by_caller: dict[str, list[OutsideUse]] = {}
    for use in uses:
        by_caller.setdefault(use.caller.name, []).append(use)
    for of_caller in [*by_caller.values()][:MOST_PRINTED]:
        print_line(caller_text(world, of_caller[0].caller), 2)
        for use in of_caller[:MOST_PRINTED]:
            is_bare = use.caller.outside and use.action == ASSUME and not use.needs_external_id
            note = ", without external ID" if is_bare else ""
            print_line(f"{use.action} on {arn_text(world, use.resource)}{note}", 4)
            print_conditions([use.answer])
        print_more(len(of_caller), 4)
    print_more(len(by_caller), 2)


def _value(use: OutsideUse) -> Json:
    return {
        "principal": use.caller.name,
        "action": use.action,
        "resource": use.resource,
        "needs_external_id": use.needs_external_id,
        **answer_value(use.answer),
    }


PUBLIC = Command(
    help=(
        "Print what anyone can do: without credentials, or from any AWS account.\n"
        "A token that any customer of an identity provider can get counts as anyone's, too. The exit code is\n"
        "6 if the list is not empty.\n\n"
        "  dsops access public --from details.json"
    ),
    run=_public,
    flags=(FROM,),
)
EXTERNAL = Command(
    help=(
        "Print what external accounts can do: those that a policy names and `--from` does not contain.\n"
        "Roles that an external account can assume without an external ID are marked.\n\n"
        "  dsops access external --from details.json"
    ),
    run=_external,
    flags=(FROM,),
)
