"""`dsops sandbox`: serve and use a local AWS that enforces policies as AWS does."""

from __future__ import annotations

import os
import signal
from time import sleep
from types import FrameType

from dsops.cli.framework.command import Arguments, Command, Flag, Group, Operand
from dsops.cli.framework.output import answer, answer_json, note, tell
from dsops.cli.sandbox import env as sandbox_env
from dsops.cli.sandbox import issue_tokens as sandbox_mint
from dsops.cli.sandbox.approve import APPROVE
from dsops.cli.sandbox.env import AS
from dsops.cli.sandbox.issue_tokens import PORT
from dsops.cli.sandbox.start import KEPT, START, open_sandbox
from dsops.errors import UsageError
from dsops.runtime import Runtime

HOST = Flag(
    "--host", "the address to listen on", value="ADDRESS", default="127.0.0.1", own_variable="DSOPS_SANDBOX_HOST"
)
LAST = Flag(
    "--last",
    "number of entries to show; 0 for all",
    kind="integer",
    value="N",
    default="1",
    own_variable="DSOPS_SANDBOX_LAST",
)
LAST_EVENTS = LAST._replace(default="20")
FOLLOW = Flag(
    "--follow", "print new calls as they are made, until Ctrl-C", kind="switch", own_variable="DSOPS_SANDBOX_FOLLOW"
)
ACCOUNT = Flag(
    "--account", "show only calls in the trail of this account", value="ID", own_variable="DSOPS_SANDBOX_ACCOUNT"
)
ADVANCE = Flag(
    "--advance",
    "move the clock forward by this time",
    kind="seconds",
    value="SECONDS",
    own_variable="DSOPS_SANDBOX_ADVANCE",
)
NOW = Flag(
    "--now", "set the clock to this time, such as 2026-07-13T10:00:00Z", value="TIME", own_variable="DSOPS_SANDBOX_NOW"
)


OPEN = Flag("--open", "open the sandbox's page in the browser", kind="switch", own_variable="DSOPS_SANDBOX_OPEN")

_DEFAULT_PORT = 4566
_FOLLOWING_SECONDS = 0.3


def _serve(arguments: Arguments, runtime: Runtime) -> int:
    chosen = arguments.integer("--port")
    port = _DEFAULT_PORT if chosen is None else chosen
    server = open_sandbox(arguments, runtime, host=arguments.text("--host"), port=port)
    from dsops.sandbox.control.running_sandboxes import Announcement

    signal.signal(signal.SIGTERM, _stop)
    announcement = Announcement(server.url, runtime.environ)
    try:
        answer(server.url)
        if not server.is_on_loopback:
            note("other machines can reach it: its requests need keys, and its answers are not encrypted")
        tell('in another terminal: eval "$(dsops sandbox env)"; Ctrl-C ends it')
        tell(f"its page, which shows why each call is allowed or denied: {server.page_link}")
        if arguments.switch("--open"):
            _open(server.page_link, runtime)
        server.run()
    finally:
        announcement.withdraw()
    return 0


def _open(link: str, runtime: Runtime) -> None:
    """Open the page in the default browser. If that fails, only tell so: the sandbox serves without a browser, too."""
    from dsops.errors import DsopsError
    from dsops.secret import Secret
    from dsops.stores.browser import BrowserChoice, browser_command, open_link

    choice = BrowserChoice("", "")
    try:
        open_link(Secret(link), choice, browser_command(choice, runtime), runtime)
    except DsopsError as error:
        note(f"the page was not opened: {error.message}")


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM like Ctrl-C."""
    raise KeyboardInterrupt


def _run(arguments: Arguments, runtime: Runtime) -> int:
    if not arguments.command:
        raise UsageError("there is no command to run", hint="write `dsops sandbox run -- COMMAND`")
    from dsops.process import find_command
    from dsops.process.watch import watch

    command = find_command(arguments.command[0], runtime.environ.get("PATH"))
    with open_sandbox(arguments, runtime) as server:
        from dsops.sandbox.control.client import client_environment
        from dsops.sandbox.control.launch import identity_variables

        variables = identity_variables(server, arguments.text("--as"))
        child = client_environment(runtime.environ, variables)
        environment = {os.fsencode(name): os.fsencode(value) for name, value in child.items()}
        return watch(command, arguments.command, environment, timeout_seconds=None)


def _totp(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.sandbox.control.running_sandboxes import ask, find_running

    url = find_running(arguments.integer("--port"), runtime.environ)
    answer(str(ask(url, "totp", serial=arguments.operand("SERIAL"))["code"]))
    return 0


def _decisions(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.sandbox.control.running_sandboxes import ask, find_running

    url = find_running(arguments.integer("--port"), runtime.environ)
    decisions = ask(url, "decisions", last=arguments.text("--last"))["decisions"]
    if arguments.switch("--json"):
        answer_json(decisions)
        return 0
    from dsops.cli.sandbox.record_text import decision_lines

    for decision in decisions:
        answer("\n".join(decision_lines(decision)))
    return 0


def _events(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.cli.sandbox.record_text import event_json, event_line
    from dsops.sandbox.control.running_sandboxes import ask, find_running

    url = find_running(arguments.integer("--port"), runtime.environ)
    account, is_json = arguments.text("--account"), arguments.switch("--json")
    page = ask(url, "events", last=arguments.text("--last"), account=account)
    if is_json and not arguments.switch("--follow"):
        answer_json(page["Records"])
        return 0
    while True:
        for record in page["Records"]:
            answer(event_json(record) if is_json else event_line(record))
        if not arguments.switch("--follow"):
            return 0
        sleep(_FOLLOWING_SECONDS)
        page = ask(url, "events", after=str(page["next"]), account=account)


def _clock(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.sandbox.control.running_sandboxes import ask, find_running
    from dsops.sandbox.control.running_sandboxes import tell as tell_sandbox

    now = arguments.text("--now")
    if now and not _is_moment(now):
        raise UsageError(f"`--now` can't be `{now}`", hint="write a time such as 2026-07-13T10:00:00Z")
    url = find_running(arguments.integer("--port"), runtime.environ)
    request_body: dict[str, object] = {}
    if now:
        request_body["now"] = now
    if arguments.seconds("--advance"):
        request_body["advance_seconds"] = arguments.seconds("--advance")
    answer(str((tell_sandbox(url, "clock", request_body) if request_body else ask(url, "clock"))["now"]))
    return 0


def _reset(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.sandbox.control.running_sandboxes import find_running
    from dsops.sandbox.control.running_sandboxes import tell as tell_sandbox

    tell_sandbox(find_running(arguments.integer("--port"), runtime.environ), "reset", {})
    tell("the sandbox is as its seed describes it")
    return 0


def _save(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.cli.framework.file_writing import write_new
    from dsops.sandbox.control.running_sandboxes import ask, find_running

    name = arguments.operand("FILE")
    saved = ask(find_running(arguments.integer("--port"), runtime.environ), "seed")
    how = "`--force` writes over it"
    write_new(runtime.folder, name, saved["text"], replaces=arguments.switch("--force"), how=how, is_private=True)
    for missing in saved["not_saved"]:
        note(f"not saved: {missing}")
    tell(f"wrote {name}, with the access keys and secrets of the sandbox")
    return 0


def _is_moment(text: str) -> bool:
    from datetime import datetime

    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


COMMAND = Group(
    help=(
        "A local AWS: STS, IAM and every service that moto simulates. Signatures, policies, sessions, MFA\n"
        "and expiry are enforced. Each account has a user `admin` with full rights; without --seed and\n"
        "--from, the account is 123456789012. Nothing leaves this machine."
    ),
    commands={
        "serve": Command(
            help=(
                "Serve a sandbox on a port (default 4566) until Ctrl-C, and print its address.\n"
                "Also prints the link of its page, which shows each call, every policy that was evaluated for it, and\n"
                "what would allow it."
            ),
            run=_serve,
            flags=(*START, PORT, HOST, OPEN, *KEPT),
        ),
        "run": Command(
            help=(
                "Run a command against a sandbox of its own.\n"
                "AWS_ENDPOINT_URL, the region and keys are set for the command. The sandbox ends with the command;\n"
                "the exit code is the command's."
            ),
            run=_run,
            flags=(*START, AS, *KEPT),
            takes_command=True,
        ),
        "env": sandbox_env.ENV,
        "token": sandbox_mint.TOKEN,
        "saml": sandbox_mint.SAML,
        "approve": APPROVE,
        "totp": Command(
            help="Print the current code of an MFA device of the running sandbox.",
            run=_totp,
            flags=(PORT,),
            operands=(Operand("SERIAL", "the device's serial number: arn:aws:iam::123456789012:mfa/alice"),),
        ),
        "decisions": Command(
            help=(
                "Show why the running sandbox allowed or denied the last requests.\n"
                "Shows the statement that decided, and what each statement that nearly applied requires; external\n"
                "IDs are hidden. Requests that failed before any policy was evaluated (a wrong parameter,\n"
                "token or MFA code) are shown by `dsops sandbox events` instead. Requests with a wrong signature are\n"
                "in neither list, as in CloudTrail."
            ),
            run=_decisions,
            flags=(PORT, LAST),
        ),
        "events": Command(
            help=(
                "Show the last calls as CloudTrail records them.\n"
                "--json prints the whole records, one per line with --follow. When a role of another account is\n"
                "assumed, the call is in the trails of both accounts."
            ),
            run=_events,
            flags=(PORT, LAST_EVENTS, FOLLOW, ACCOUNT),
        ),
        "clock": Command(
            help=(
                "Show or change the time of the running sandbox.\nSessions expire and MFA codes change by this clock."
            ),
            run=_clock,
            flags=(PORT, ADVANCE, NOW),
        ),
        "reset": Command(
            help=(
                "Take the running sandbox back to its seed.\n"
                "Users keep their access keys and MFA devices. All other changes are lost, and sessions end."
            ),
            run=_reset,
            flags=(PORT,),
        ),
        "save": Command(
            help=(
                "Save the present state of the running sandbox as a seed file, for `dsops sandbox serve --seed FILE`.\n"
                "The file contains an access key of each user, the seeds of MFA devices and the values of secrets, so\n"
                "only you can read it (mode 0600). What a seed can't express is printed, and named at the head of the\n"
                "file. Sessions, decisions and events are not saved."
            ),
            run=_save,
            flags=(PORT, Flag("--force", "overwrite an existing file", "switch")),
            operands=(Operand("FILE", "the file to write, such as seed.yaml"),),
        ),
    },
)
