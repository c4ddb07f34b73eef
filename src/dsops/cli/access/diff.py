"""`dsops access diff`: which access a change opens, and which it closes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from dsops.access.changes.compare import Comparison, compare
from dsops.access.facts.cdk_folder import read_cdk_folder
from dsops.access.facts.templates import read_plan
from dsops.access.facts.world import OrganizationFacts, merge_worlds, overlaid
from dsops.cli.access.diff_values import comparison_value, sarif_value
from dsops.cli.access.diff_words import github_lines, markdown_lines, text_lines
from dsops.cli.access.facts import FROM, load_worlds
from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.output import answer, answer_json
from dsops.cli.framework.process_runtime import DONE
from dsops.errors import CheckFailed, UsageError
from dsops.pipeline.policy_file import read_policy
from dsops.runtime import Runtime

BEFORE = Operand("BEFORE", "a file or folder with accounts and policies before the change", is_required=False)
AFTER = Operand("AFTER", "a file or folder with accounts and policies after the change", is_required=False)
PLAN = Flag(
    "--plan",
    "compare before and after a Terraform plan, the output of `terraform show -json`; takes no BEFORE and AFTER",
    value="FILE",
    own_variable="DSOPS_ACCESS_PLAN",
)
CDK = Flag(
    "--cdk",
    "compare the resources in `--from` with the stacks that `cdk synth` wrote into this folder",
    value="FOLDER",
    own_variable="DSOPS_ACCESS_CDK",
)
FORMAT = Flag(
    "--format",
    "the output format; --json is the same as `--format json`",
    value="FORMAT",
    choices=("text", "markdown", "github", "sarif", "json"),
    own_variable="DSOPS_ACCESS_FORMAT",
)
FAIL_ON = Flag(
    "--fail-on",
    "exit with 6 if the change adds access of any kind, public access, or a way to gain permissions",
    value="WHAT",
    choices=("new-access", "public", "escalation"),
    own_variable="DSOPS_ACCESS_FAIL_ON",
)

_ESCALATION: Final = "escalation"
_LINES: Final[Mapping[str, Callable[[OrganizationFacts, Comparison], list[str]]]] = {
    "text": text_lines,
    "markdown": markdown_lines,
    "github": github_lines,
}


def _run(arguments: Arguments, runtime: Runtime) -> int:
    before, after = _sides(arguments, runtime)
    base = load_worlds(arguments.texts("--from"), runtime)
    if base:
        merged = merge_worlds(base)
        before, after = overlaid(merged, before), overlaid(merged, after)
    has_escalations = arguments.text("--fail-on") == _ESCALATION
    comparison = compare(before, after, runtime.now(), has_escalations=has_escalations)
    runtime.report(DONE)
    chosen = "json" if arguments.switch("--json") else arguments.text("--format") or "text"
    if chosen == "json":
        answer_json(comparison_value(comparison))
    elif chosen == "sarif":
        answer_json(
            sarif_value(
                after, comparison, arguments.text("--plan") or arguments.text("--cdk") or arguments.operand(AFTER.name)
            )
        )
    else:
        for line in _LINES[chosen](after, comparison):
            answer(line)
    return CheckFailed.exit_code if _is_failure(arguments.text("--fail-on"), comparison) else 0


def _is_failure(what: str, comparison: Comparison) -> bool:
    if what == "public":
        return any(change.is_public for change in comparison.opened)
    if what == _ESCALATION:
        return bool(comparison.escalations)
    return bool(what) and bool(comparison.opened)


def _sides(arguments: Arguments, runtime: Runtime) -> tuple[OrganizationFacts, OrganizationFacts]:
    names = arguments.operand(BEFORE.name), arguments.operand(AFTER.name)
    plan, cdk = arguments.text("--plan"), arguments.text("--cdk")
    if plan and (cdk or any(names)):
        raise UsageError(
            f"`--plan` can't be combined with {'`--cdk`' if cdk else 'BEFORE and AFTER'}",
            why="a Terraform plan contains the state before and after the change",
            hint=f"leave out {cdk or names[0]}, or `--plan {plan}`",
        )
    if plan:
        return _sides_of_plan(plan, runtime)
    if cdk and any(names):
        raise UsageError(
            "`--cdk` can't be combined with BEFORE and AFTER",
            hint=f"to compare two folders, leave out `--cdk`: dsops access diff {names[0]} {cdk}",
        )
    if cdk:
        return _sides_of_cdk(cdk, arguments, runtime)
    if not all(names):
        raise UsageError(
            "the accounts and policies before or after the change are missing",
            hint="name two files, BEFORE and AFTER, or a Terraform plan: `--plan FILE`",
        )
    before, after = load_worlds(names, runtime)
    return before, after


def _sides_of_plan(name: str, runtime: Runtime) -> tuple[OrganizationFacts, OrganizationFacts]:
    """Return the facts of a plan's prior state and of its planned values."""
    return read_plan(read_policy(name, runtime), name)


def _sides_of_cdk(folder: str, arguments: Arguments, runtime: Runtime) -> tuple[OrganizationFacts, OrganizationFacts]:
    """Return no facts for the side before, which is all of `--from`, and the facts of the stacks."""
    if not arguments.texts("--from"):
        hint = (
            "name accounts and policies from before the change with `--from`, or compare two folders: "
            "`dsops access diff old/cdk.out cdk.out`"
        )
        raise UsageError("there is nothing to compare the stacks with", hint=hint)
    return OrganizationFacts({}, {}, {}), read_cdk_folder(os.path.join(runtime.folder, folder))


DIFF = Command(
    help=(
        "Print who gains access to a resource or a role by a change, and who loses it.\n"
        "For each new access, the roles to assume on the way and the former reason of the refusal are shown.\n"
        "`--from` adds accounts and policies that do not change, such as the rest of the organization.\n\n"
        "  dsops access diff before.json after.json\n"
        "  terraform show -json plan.out > plan.json\n"
        "  dsops access diff --plan plan.json --from details.json\n"
        "  dsops access diff --plan plan.json --format markdown --fail-on public\n"
        "  cdk synth && dsops access diff --cdk cdk.out --from facts/"
    ),
    run=_run,
    flags=(FROM, PLAN, CDK, FORMAT, FAIL_ON),
    operands=(BEFORE, AFTER),
)
