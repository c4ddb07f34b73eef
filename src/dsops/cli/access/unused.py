"""`dsops access unused`: what users and roles were allowed and never used, and policies without it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from dsops.access.facts.world import OrganizationFacts
from dsops.access.questions.naming import find_principal
from dsops.access.unused.calls import LoggedCall
from dsops.access.unused.catalogue import Catalogue
from dsops.access.unused.find import Unused, find_unused
from dsops.access.unused.kept import BlindSpots
from dsops.audit.cloudtrail.permission_questions import COVERAGE, PERMISSION_USES
from dsops.audit.report import Answer, AuditReport
from dsops.cli.access.facts import FROM, load_world, questions_of
from dsops.cli.access.unused_policies import FORMATS, policy_files, policy_text
from dsops.cli.access.unused_text import LogPeriod, print_unused, print_warnings, unused_value
from dsops.cli.audit.records import time_of
from dsops.cli.audit.report import logs_of, reported
from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.output import answer, answer_json
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.policy.output_files import write_files
from dsops.errors import CheckFailed, UsageError
from dsops.runtime import PartCount, Runtime
from dsops.service_reference import open_reference
from dsops.text import counted

LOGS = Operand("LOGS", "a CloudTrail log file, or a folder of log files", is_repeatable=True)
PRINCIPAL = Flag(
    "--principal",
    "show only this user or role: an ARN, a name, or `role/Name`",
    value="NAME",
    own_variable="DSOPS_ACCESS_PRINCIPAL",
)
SINCE = Flag(
    "--since",
    "use only events after this time (`90d`, or a timestamp)",
    value="TIME",
    own_variable="DSOPS_ACCESS_SINCE",
)
DATA_EVENTS = Flag(
    "--data-events-logged",
    "count data actions without an event as unused: the logs contain all data events",
    "switch",
    own_variable="DSOPS_ACCESS_DATA_EVENTS_LOGGED",
)
FORMAT = Flag(
    "--format",
    "print the tightened policy of `--principal`, or with `--out` of each user and role, in this format",
    value="FORMAT",
    choices=FORMATS,
    own_variable="DSOPS_ACCESS_POLICY_FORMAT",
)
OUT = Flag(
    "--out",
    "write the tightened policies into this folder, with a subfolder for each account (default format: json)",
    value="DIRECTORY",
    own_variable="DSOPS_ACCESS_POLICIES",
)


class _Logs(NamedTuple):
    calls: list[LoggedCall]
    services: tuple[str, ...]
    period: LogPeriod


def _run(arguments: Arguments, runtime: Runtime) -> int:
    chosen, folder = arguments.text("--format"), arguments.text("--out")
    if chosen and not folder and not arguments.text("--principal"):
        raise UsageError(
            "`--format` needs `--principal` or `--out`: it prints the policy of one user or role",
            hint="choose it with `--principal`, or write all policies into a folder with `--out`",
        )
    world = load_world(arguments, runtime)
    only = find_principal(world, arguments.text("--principal")) if arguments.text("--principal") else ""
    logs = _read_logs(arguments, runtime)
    catalogue = Catalogue(open_reference())
    spots = BlindSpots(catalogue, logs.services, has_data_events=arguments.switch("--data-events-logged"))
    unused = _find(logs, world, spots, only, runtime)
    if arguments.switch("--json"):
        answer_json(unused_value(unused, logs.period, spots))
    elif folder:
        write_files(dict(policy_files(unused, chosen or "json")), folder, runtime)
    elif chosen:
        answer(policy_text(unused.entries[0], chosen))
    else:
        print_unused(world, unused, logs.period)
    print_warnings(unused, logs.period, spots)
    return CheckFailed.exit_code if unused.proof.lost else 0


def _find(logs: _Logs, world: OrganizationFacts, spots: BlindSpots, only: str, runtime: Runtime) -> Unused:
    evaluator, _ = questions_of(world, runtime)
    number = 1 if only else len(world.identities)
    parts = PartCount(runtime.report, "checks.made", counted(number, "principal"), number)
    unused = find_unused(logs.calls, evaluator, spots, only=only, report_done=parts.add)
    runtime.report(DONE)
    return unused


def _read_logs(arguments: Arguments, runtime: Runtime) -> _Logs:
    """Read the logs. Raises UsageError for logs from which it can't be told what is unused."""
    sources, files = logs_of(arguments, runtime)
    since = time_of(arguments.text("--since"), runtime.now()) if arguments.text("--since") else None
    questions = (PERMISSION_USES, COVERAGE)
    report = reported(
        files, sources, runtime, since=since, by="role", questions=questions, session="", has_details=True
    )
    uses, coverage = report.answers
    period = _period(report, since)
    _check_reads(coverage)
    services = tuple(str(row["service"]) for row in coverage.records())
    return _Logs([_call(row) for row in uses.rows], services, period)


def _period(report: AuditReport, since: datetime | None) -> LogPeriod:
    """Return the time that the logs cover. Raises UsageError if no call is in it."""
    if report.first is None or report.last is None or (since is not None and since > report.last):
        raise UsageError(
            "the logs contain no call" + (f" after {since:%Y-%m-%dT%H:%M:%SZ}" if since is not None else ""),
            hint="name logs from a time when the roles were used",
        )
    first = max(report.first, since) if since is not None else report.first
    return LogPeriod(first, report.last, report.unreadable, report.skipped)


def _check_reads(coverage: Answer) -> None:
    rows = [row for row in coverage.records() if row["category"] == "Management"]
    if rows and not any(row["reads"] for row in rows):
        raise UsageError(
            "the logs contain no event of an action that reads",
            why="a trail can log only write events; then every Get, List and Describe would look unused",
            hint="use the logs of a trail that logs all management events (ReadWriteType: All)",
        )


def _call(row: tuple[object, ...]) -> LoggedCall:
    principal, service, name, resources, calls, first, last = row
    if not isinstance(calls, int) or not isinstance(first, datetime) or not isinstance(last, datetime):
        raise TypeError("a row of the question permission-uses has other types")
    return LoggedCall(str(principal), str(service), str(name), str(resources), calls, first, last)


UNUSED = Command(
    help=(
        "Print which permissions users and roles never used, by CloudTrail logs, and policies without them.\n"
        "Such a tightened policy keeps the used actions, and those that the logs do not record, such as data\n"
        "events. The policy engine evaluates each logged call with the tightened policy. The exit code is 6\n"
        "if a call that AWS allowed would be denied.\n\n"
        "  dsops access unused logs/ --from details.json --since 90d\n"
        "  dsops access unused logs/ --from details.json --principal role/Deploy --format terraform\n"
        "  dsops access unused logs/ --from details.json --out policies"
    ),
    run=_run,
    flags=(FROM, PRINCIPAL, SINCE, DATA_EVENTS, FORMAT, OUT),
    operands=(LOGS,),
)
