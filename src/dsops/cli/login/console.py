"""`dsops console`: print or open a link that signs in to the AWS console as the role of a store."""

from __future__ import annotations

from dsops.arn import partition_of_region
from dsops.aws.apis.signin import LINK_SECONDS, console_page, federation_endpoint, signin_link
from dsops.aws.http.client import make_client
from dsops.cli.framework.command import CONFIG, NO_AGENT, REASON, SESSION_ENVIRONMENT, Arguments, Command, Flag, Operand
from dsops.cli.framework.output import answer, answer_json, note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import issue, load_config, plan_session
from dsops.errors import UsageError
from dsops.pipeline.execution import carry_out
from dsops.pipeline.plans import require_session
from dsops.resolve.console import partition_of_session, refuse_chained, refuse_other_sts, refuse_session
from dsops.runtime import Runtime

_SHORTEST_SECONDS, _LONGEST_SECONDS = 900, 43_200
_OWN_ENDPOINT = "DSOPS_SIGNIN_ENDPOINT"


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name, seconds = arguments.operand("STORE"), arguments.integer("--duration")
    if seconds is not None and not _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS:
        hint = f"leave out `--duration`, or write for example `--duration {_LONGEST_SECONDS}`"
        raise UsageError(f"`--duration` must be {_SHORTEST_SECONDS} to {_LONGEST_SECONDS} seconds", hint=hint)
    plan = plan_session(load_config(arguments, runtime, names=(name,)), name, arguments, runtime)
    require_session(plan, name)
    region = plan.steps[name].region
    # Flags are checked first, so that a wrong flag fails before any call is made.
    own = arguments.text("--endpoint")
    if not own:
        hint = f"name the federation endpoint with `--endpoint` or {_OWN_ENDPOINT}; a sandbox's is /_sandbox/federation"
        refuse_other_sts(plan, name, runtime, hint)
    federation_endpoint(partition_of_region(region), own)
    console_page(partition_of_region(region), region, arguments.text("--destination"))
    refuse_chained(plan, name, seconds)
    credentials = issue(plan, name, arguments, runtime)
    partition = partition_of_session(credentials, region)
    refuse_session(credentials, seconds)
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
        note(f"for {LINK_SECONDS // 60} minutes this link signs in anyone who has it: keep it to yourself")
    return 0


def _open(link: str) -> None:
    import webbrowser

    if not webbrowser.open(link):
        raise UsageError("no browser could be opened", hint="leave out `--open` to print the link")


COMMAND = Command(
    help=(
        "Print a link that opens the AWS console as the role of a store.\n"
        "\n"
        "Anyone who has the link can sign in with it for fifteen minutes. With --open, the link is passed to\n"
        "the browser as an argument, and not printed.\n"
        "\n"
        "The console session lasts as long as the role session, or --duration, up to the maximum of the role."
    ),
    run=_run,
    is_audited=True,
    flags=(
        CONFIG,
        SESSION_ENVIRONMENT,
        NO_AGENT,
        REASON,
        Flag("--open", "open the link in the browser instead of printing it", "switch"),
        Flag("--destination", "the page of the console to open", value="URL"),
        Flag("--duration", "how long the console session lasts, 900 to 43200", "integer", value="SECONDS"),
        Flag(
            "--endpoint",
            "use this federation endpoint instead of the one of AWS",
            value="URL",
            own_variable=_OWN_ENDPOINT,
        ),
        Flag("--min-ttl", "minimum remaining lifetime of the role session", "seconds", value="SECONDS"),
    ),
    operands=(Operand("STORE", "the name of a store of the configuration"),),
)
