"""`dsops console`: a link that opens the AWS console as the role of a store."""

from __future__ import annotations

from dsops.arn import Partition, parse_arn, partition_named, partition_of_region
from dsops.aws.apis.signin import LINK_SECONDS, console_page, federation_endpoint, signin_link
from dsops.aws.http.client import make_client
from dsops.cli.framework.command import CONFIG, NO_AGENT, REASON, SESSION_ENVIRONMENT, Arguments, Command, Flag, Operand
from dsops.cli.framework.output import answer, answer_json, note
from dsops.cli.framework.project import issue, load_config, plan_session
from dsops.cli.framework.world import DONE
from dsops.cli.look.whoami import session_endpoint
from dsops.credentials import Credentials
from dsops.endpoint import is_aws_host, parse_address
from dsops.errors import ConsoleRefused, UsageError
from dsops.pipeline.execution import carry_out
from dsops.pipeline.plans import require_session
from dsops.plan import Plan
from dsops.runtime import Runtime

_SHORTEST_SECONDS, _LONGEST_SECONDS = 900, 43_200
_OWN_ENDPOINT = "DSOPS_SIGNIN_ENDPOINT"


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name, seconds = arguments.operand("STORE"), arguments.integer("--duration")
    if seconds is not None and not _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS:
        hint = f"leave it out, or write such as `--duration {_LONGEST_SECONDS}`"
        raise UsageError(f"`--duration` is {_SHORTEST_SECONDS} to {_LONGEST_SECONDS} seconds", hint=hint)
    plan = plan_session(load_config(arguments, runtime), name, arguments, runtime)
    require_session(plan, name)
    region = plan.steps[name].region
    # First of all: what is wrong with these must not cost a call.
    own = arguments.text("--endpoint")
    if not own:
        _refuse_other_sts(plan, name, runtime)
    federation_endpoint(partition_of_region(region), own)
    console_page(partition_of_region(region), region, arguments.text("--destination"))
    _refuse_chained(plan, name, seconds)
    credentials = issue(plan, name, arguments, runtime)
    partition = _partition(credentials, region)
    _refuse_who_can_not(credentials, seconds)
    endpoint = federation_endpoint(partition, own)
    page = console_page(partition, region, arguments.text("--destination"))
    link = carry_out(signin_link(make_client(runtime), credentials, endpoint, page, seconds), runtime)
    runtime.report(DONE)
    if arguments.switch("--open"):
        _open(link.reveal())
    elif arguments.switch("--json"):
        answer_json({"url": link.reveal(), "arn": credentials.arn or None, "valid_seconds": LINK_SECONDS})
    else:
        answer(link.reveal())
        note(f"for {LINK_SECONDS // 60} minutes this link signs in whoever has it: give it to nobody")
    return 0


def _partition(credentials: Credentials, region: str) -> Partition:
    arn = parse_arn(credentials.arn)
    return (partition_named(arn.partition) if arn else None) or partition_of_region(region)


def _refuse_other_sts(plan: Plan, name: str, runtime: Runtime) -> None:
    """A session of some other STS, such as a sandbox's, is none of AWS's business."""
    address = parse_address(session_endpoint(plan, name, runtime).url)
    if address is None or not is_aws_host(address.host):
        raise UsageError(
            f"store `{name}` has its session from another place than AWS, and AWS can't sign it in",
            hint=f"name who can with `--endpoint` or {_OWN_ENDPOINT}; a sandbox has one at /_sandbox/federation",
        )


def _refuse_chained(plan: Plan, name: str, seconds: int | None) -> None:
    """The guide: a session that temporary credentials have asked for takes no duration of its own."""
    step = plan.steps[name]
    while step.type != "aws.sts" and step.credentials_from:
        step = plan.steps[step.credentials_from]
    if seconds is not None and step.is_chained:
        raise UsageError(
            f"`--duration` can't be given for store `{name}`",
            why="its role is assumed with another role's session: the console lasts as long as this one's",
            hint="leave out `--duration`",
        )


def _refuse_who_can_not(credentials: Credentials, seconds: int | None) -> None:
    """Only roles and federated users have a way into the console without a password."""
    arn = parse_arn(credentials.arn)
    kind = arn.resource_type if arn else ""
    if not credentials.is_temporary or kind in {"user", "root"}:
        what = "a session of GetSessionToken" if credentials.is_temporary else "a long-term key"
        raise ConsoleRefused(
            f"{what} does not open the console",
            why="AWS signs in roles and federated users only",
            hint="name a store with a `role_arn`",
        )
    if seconds is not None and kind == "federated-user":
        raise UsageError(
            "`--duration` can't be given for a federated user",
            why="the console lasts as long as its session",
            hint="set `duration_seconds` on the store",
        )


def _open(link: str) -> None:
    import webbrowser

    if not webbrowser.open(link):
        raise UsageError("there is no browser to open", hint="leave out `--open`: the link is printed then")


COMMAND = Command(
    help=(
        "Prints a link that opens the AWS console as the role of a store. For fifteen minutes the link\n"
        "signs in whoever has it. With --open the browser gets it, as a word of its command line, and\n"
        "nothing is printed.\n\n"
        "The console lasts as long as the session, or --duration, where the role's own limit allows that."
    ),
    run=_run,
    is_audited=True,
    flags=(
        CONFIG,
        SESSION_ENVIRONMENT,
        NO_AGENT,
        REASON,
        Flag("--open", "open it in the browser instead of printing it", "switch"),
        Flag("--destination", "the page of the console to go to", value="URL"),
        Flag("--duration", "how long the console lasts, 900 to 43200", "integer", value="SECONDS"),
        Flag("--endpoint", "the federation endpoint instead of AWS's", value="URL", own_variable=_OWN_ENDPOINT),
        Flag("--min-ttl", "do not use credentials that end sooner", "seconds", value="SECONDS"),
    ),
    operands=(Operand("STORE", "the name of a store of the configuration"),),
)
