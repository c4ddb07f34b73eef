"""`dsops policy simulate`: evaluate whether a caller may perform an action, for one question or a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dsops.cli.framework.command import Arguments, Command, Flag
from dsops.cli.framework.output import note
from dsops.errors import CheckFailed, UsageError
from dsops.pipeline.policy_file import read_policy
from dsops.policy import (
    AnsweredCase,
    Case,
    CaseQuestion,
    Expected,
    Place,
    PolicySet,
    Unread,
    differences,
    read_caller,
    simulate,
)
from dsops.policy.simulation import (
    EXPECTATIONS,
    Groups,
    PolicySource,
    check_exact_action,
    question_problems,
    resource_account,
)
from dsops.runtime import Runtime

_NONE = "none"


def _flag(name: str, help_text: str, value: str, *, choices: tuple[str, ...] = (), repeatable: bool = False) -> Flag:
    variable = "DSOPS_POLICY_" + name.removeprefix("--").replace("-", "_").upper()
    return Flag(name, help_text, value=value, choices=choices, own_variable=variable, is_repeatable=repeatable)


CASES = _flag("--cases", "a table of questions with expected answers; `-` is stdin", "FILE")
ACTION = _flag("--action", "the action, such as sts:AssumeRole", "ACTION")
RESOURCE = _flag("--resource", "the ARN of the resource; leave it out for an action without a resource", "ARN")
RESOURCE_ACCOUNT = _flag("--resource-account", "the account of the resource, if its ARN does not contain it", "ACCOUNT")
PRINCIPAL = _flag("--principal", "the caller: an ARN, a service such as ec2.amazonaws.com, or `anonymous`", "ARN")
CONTEXT = _flag(
    "--context", "a condition key of the request and its value; may be repeated", "KEY=VALUE", repeatable=True
)
IDENTITY = _flag("--identity", "an identity-based policy of the caller; may be repeated", "FILE", repeatable=True)
BOUNDARY = _flag("--boundary", "the permissions boundary of the caller", "FILE")
SESSION = _flag("--session", "a session policy; may be repeated", "FILE", repeatable=True)
TRUST = _flag("--trust", "the trust policy of the role to assume", "FILE")
RESOURCE_POLICY = _flag("--resource-policy", "the resource-based policy of a resource other than a role", "FILE")
SCP = _flag(
    "--scp",
    ("service control policies of one level, separated by commas: FullAWSAccess,deny.json; may be repeated"),
    "FILES",
    repeatable=True,
)
RCP = _flag("--rcp", "resource control policies of one level, as for --scp; may be repeated", "FILES", repeatable=True)
EXPECT = _flag("--expect", "the expected answer; the exit code is 6 for another one", "ANSWER", choices=EXPECTATIONS)
LIVE = Flag(
    "--live",
    "if a policy is in no file, read it from IAM with the base credentials",
    "switch",
    own_variable="DSOPS_POLICY_LIVE",
)
SANDBOX = _flag("--sandbox", "read the other policies from a sandbox on this machine: http://127.0.0.1:4566", "URL")
FORMAT = Flag(
    "--format",
    "the output format; --json is the same as `--format json`",
    value="FORMAT",
    choices=("text", "json", "junit"),
    own_variable="DSOPS_POLICY_SIMULATE_FORMAT",
)

_OF_A_QUESTION = (
    PRINCIPAL,
    ACTION,
    RESOURCE,
    RESOURCE_ACCOUNT,
    CONTEXT,
    IDENTITY,
    BOUNDARY,
    SESSION,
    TRUST,
    RESOURCE_POLICY,
    SCP,
    RCP,
    EXPECT,
)


class CaseFile(NamedTuple):
    """The cases to evaluate, and the name of their file; "" if the command line asks the question."""

    file: str
    cases: tuple[Case, ...]


def _run(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.cli.policy.answers import show
    from dsops.policy.simulation.unknown_names import name_notes
    from dsops.service_reference import open_reference

    if arguments.switch("--live") and arguments.text("--sandbox"):
        raise UsageError(
            "--live and --sandbox can't be combined", hint="leave out --live to read the policies of the sandbox"
        )
    table = _table(arguments, runtime)
    for sentence in name_notes(table.cases, table.file, open_reference()):
        note(sentence)
    rows = _answers(table, arguments, runtime)
    chosen = arguments.text("--format") or ("json" if arguments.switch("--json") else "text")
    show(rows, table.file, chosen, now=runtime.now())
    return CheckFailed.exit_code if any(row.differences for row in rows) else 0


def _answers(table: CaseFile, arguments: Arguments, runtime: Runtime) -> list[AnsweredCase]:
    from dsops.policy import PolicyFiles

    files = PolicyFiles(table.file, arguments.text("--cases"), lambda name: read_policy(name, runtime))
    questions = [(case, files.policies(case)) for case in table.cases]
    files.raise_any()
    rows = []
    for (case, _), (asked, policies, unread) in zip(
        questions, _completed(questions, table, arguments, runtime), strict=True
    ):
        outcome = simulate(asked, policies, unread, runtime.now())
        deviations = differences(outcome, case.expected) if case.expected is not None else ()
        rows.append(AnsweredCase(case, outcome, deviations))
    return rows


_Completed = tuple[CaseQuestion, PolicySet, tuple[Unread, ...]]


def _completed(
    given: Sequence[tuple[Case, PolicySet]], table: CaseFile, arguments: Arguments, runtime: Runtime
) -> Sequence[_Completed]:
    """Complete the questions with policies from IAM or a sandbox, if `--live` or `--sandbox` is used."""
    if arguments.switch("--live"):
        from dsops.cli.policy.live import ask_aws

        return ask_aws(given, table.file, runtime)
    if arguments.text("--sandbox"):
        from dsops.cli.policy.live import ask_sandbox

        return ask_sandbox(given, arguments.text("--sandbox"), table.file, runtime)
    return [(case.asked, policies, ()) for case, policies in given]


def _table(arguments: Arguments, runtime: Runtime) -> CaseFile:
    file = arguments.text("--cases")
    if not file:
        return CaseFile("", (_question(arguments),))
    from dsops.policy import read_table, shown_name

    other_flags = [flag.name for flag in _OF_A_QUESTION if arguments.text(flag.name)]
    if other_flags:
        raise UsageError(
            f"--cases and {other_flags[0]} can't be combined",
            hint="write what applies to all cases under `defaults` in the file",
        )
    return CaseFile(shown_name(file), read_table(file, lambda name: read_policy(name, runtime)))


def _question(arguments: Arguments) -> Case:
    for flag in (PRINCIPAL, ACTION):
        if not arguments.text(flag.name):
            hint = f"{flag.name} is {flag.help}; or pass a table of questions with --cases"
            raise UsageError(f"{flag.name} is missing", hint=hint)
    try:
        principal = read_caller(arguments.text("--principal"))
        check_exact_action(arguments.text("--action"))
    except ValueError as error:
        raise UsageError(str(error)) from error
    resource = arguments.text("--resource") or "*"
    account = arguments.text("--resource-account") or resource_account(resource, principal)
    asked = CaseQuestion(
        principal, arguments.text("--action"), resource, account, _context(arguments.texts("--context"))
    )
    given = question_problems(
        asked, has_trust=bool(arguments.text("--trust")), has_resource=bool(arguments.text("--resource-policy"))
    )
    for _, problem in given:
        raise UsageError(problem)
    expected = next((known for known in EXPECTATIONS if known == arguments.text("--expect")), None)
    return Case("", 0, asked, _policies(arguments), Expected(expected) if expected else None)


def _context(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    context: dict[str, tuple[str, ...]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            # The word is not shown: it may contain the value of an external ID.
            raise UsageError(
                "a value of --context is not KEY=VALUE", hint="write for example --context aws:SourceIp=203.0.113.7"
            )
        context[key] = (*context.get(key, ()), value)
    return context


def _policies(arguments: Arguments) -> dict[Place, Groups]:
    """Return the policies named by flags. `none` means no policy; without a flag, IAM's policies may be read."""
    one_group: tuple[tuple[Place, Flag], ...] = (
        ("identity", IDENTITY),
        ("boundary", BOUNDARY),
        ("session", SESSION),
        ("trust", TRUST),
        ("resource", RESOURCE_POLICY),
    )
    levels: tuple[tuple[Place, Flag], ...] = (("scp", SCP), ("rcp", RCP))
    policies: dict[Place, Groups] = {}
    for place, flag in one_group:
        names = arguments.texts(flag.name) if flag.is_repeatable else tuple(filter(None, [arguments.text(flag.name)]))
        if names:
            policies[place] = () if names == (_NONE,) else (tuple(_source(name, flag) for name in names),)
    for place, flag in levels:
        names = arguments.texts(flag.name)
        if names:
            listed = () if names == (_NONE,) else names
            policies[place] = tuple(tuple(_source(name, flag) for name in each.split(",") if name) for each in listed)
    return policies


def _source(name: str, flag: Flag) -> PolicySource:
    return PolicySource(name, None, 0, flag.name)


SIMULATE = Command(
    help=(
        "Evaluate whether a caller may perform an action, as AWS would, and show which statement decides.\n"
        "Answers one question, or a table of questions with --cases. Policies come from files; with --live\n"
        "or --sandbox, policies without a file are read from IAM. If a policy can't be read, the answer may\n"
        "be `unknown`. Write `none` instead of a file if there is no such policy. The exit code is 6 if an\n"
        "answer is not the expected one."
    ),
    run=_run,
    flags=(*_OF_A_QUESTION, CASES, LIVE, SANDBOX, FORMAT),
)
