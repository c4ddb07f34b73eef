"""`dsops console`: print or open a link that signs in to the AWS console as the role of a store."""

from __future__ import annotations

from collections.abc import Callable

from dsops.arn import Partition, partition_of_region
from dsops.aws.apis.console_services import service_page
from dsops.aws.apis.signin import LINK_SECONDS, console_page, federation_endpoint, signin_link
from dsops.aws.http.call import make_client
from dsops.cli.framework.command import (
    CONFIG,
    NO_AGENT,
    PICK,
    REASON,
    SESSION_ENVIRONMENT,
    Arguments,
    Command,
    Flag,
    Operand,
)
from dsops.cli.framework.output import answer, answer_json, note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import issue, load_config, plan_session
from dsops.errors import UsageError
from dsops.pipeline.execution import carry_out
from dsops.pipeline.plans import dangerous_steps, require_session
from dsops.plan import Plan
from dsops.resolve.console import partition_of_session, refuse_chained, refuse_other_sts, refuse_session
from dsops.runtime import Runtime
from dsops.stores.browser import BROWSERS, BrowserChoice, browser_command, open_link

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
    page_of = _page_of(arguments)
    choice = _browser_of(name, plan, arguments)
    command = browser_command(choice, runtime) if choice is not None else ()
    own = arguments.text("--endpoint")
    if not own:
        refuse_other_sts(plan, name, runtime, _OWN_ENDPOINT)
    federation_endpoint(partition_of_region(region), own)
    page_of(partition_of_region(region), region)
    refuse_chained(plan, name, seconds)
    credentials = issue(plan, name, arguments, runtime)
    partition = partition_of_session(credentials, region)
    refuse_session(credentials, seconds)
    endpoint = federation_endpoint(partition, own)
    page = page_of(partition, region)
    link = carry_out(signin_link(make_client(runtime), credentials, endpoint, page, seconds), runtime)
    runtime.report(DONE)
    if choice is not None:
        open_link(link, choice, command, runtime)
    elif arguments.switch("--json"):
        answer_json({"url": link.reveal(), "arn": credentials.arn or None, "valid_seconds": LINK_SECONDS})
    else:
        answer(link.reveal())
        note(f"for {LINK_SECONDS // 60} minutes this link signs in anyone who has it: keep it to yourself")
    return 0


def _page_of(arguments: Arguments) -> Callable[[Partition, str], str]:
    """Return a function that maps a partition and region to the console page to open. Raises UsageError."""
    service, destination = arguments.text("--service"), arguments.text("--destination")
    if not service:
        return lambda partition, region: console_page(partition, region, destination)
    if destination:
        raise UsageError("`--service` and `--destination` both name a page", hint="leave out one of the two")
    return lambda partition, region: service_page(console_page(partition, region), service)


def _browser_of(store: str, plan: Plan, arguments: Arguments) -> BrowserChoice | None:
    """Return the browser that opens the link; None to print the link."""
    has_container = arguments.switch("--container")
    if arguments.switch("--url") or not (has_container or arguments.switch("--open")):
        return None
    is_dangerous = plan.steps[store] in dangerous_steps(plan)
    return BrowserChoice(arguments.text("--browser"), store if has_container else "", is_dangerous=is_dangerous)


COMMAND = Command(
    help=(
        "Print a link that opens the AWS console as the role of a store.\n"
        "\n"
        "  dsops console prod --service iam --open\n"
        "\n"
        "Anyone who has the link can sign in with it for fifteen minutes. With --open or --container, the\n"
        "link is neither printed nor passed as an argument of a process: the browser fetches it from dsops.\n"
        "\n"
        "With --container, each store has its own cookies, so that several sessions can be open side by side.\n"
        "Chrome uses a profile for each store. Firefox uses a container tab, and needs the add-on\n"
        "`Open external links in a container`.\n"
        "\n"
        "The console session lasts as long as the role session, or --duration, up to the maximum of the role."
    ),
    run=_run,
    is_audited=True,
    flags=(
        CONFIG,
        PICK,
        SESSION_ENVIRONMENT,
        NO_AGENT,
        REASON,
        Flag(
            "--service",
            "the service to open, such as iam, ec2 or logs",
            value="SERVICE",
            short="-s",
            own_variable="DSOPS_CONSOLE_SERVICE",
        ),
        Flag("--open", "open the link in the browser instead of printing it", "switch"),
        Flag(
            "--container",
            "open the console in a container tab, or a browser profile, that only this store uses",
            "switch",
            own_variable="DSOPS_CONSOLE_CONTAINER",
        ),
        Flag("--browser", "the browser to open", choices=BROWSERS, own_variable="DSOPS_CONSOLE_BROWSER"),
        Flag(
            "--url",
            "print the link, even if a variable sets --open or --container",
            "switch",
            own_variable="DSOPS_CONSOLE_URL",
        ),
        Flag("--destination", "the page of the console to open", value="URL"),
        Flag("--duration", "how long the console session lasts, 900 to 43200", "integer", value="SECONDS"),
        Flag("--endpoint", "use this federation endpoint instead of AWS's", value="URL", own_variable=_OWN_ENDPOINT),
        Flag("--min-ttl", "minimum remaining lifetime of the role session", "seconds", value="SECONDS"),
    ),
    operands=(Operand("STORE", "the name of a store of the configuration"),),
)
