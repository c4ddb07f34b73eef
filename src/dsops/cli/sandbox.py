"""`dsops sandbox ...`: a local AWS that says no as AWS does."""

from __future__ import annotations

import os
import signal
from time import sleep
from types import FrameType
from typing import TYPE_CHECKING

from dsops.cli import sandbox_env, sandbox_mint
from dsops.cli.command import Arguments, Command, Flag, Group, Operand
from dsops.cli.output import answer, answer_json, note, tell
from dsops.cli.sandbox_approve import APPROVE
from dsops.cli.sandbox_env import AS
from dsops.cli.sandbox_mint import PORT
from dsops.errors import ConfigNotFound, ExtraMissing, UsageError
from dsops.runtime import Runtime, user_name

if TYPE_CHECKING:
    from dsops.sandbox.seed_model import Seed
    from dsops.sandbox.server import Server

SEED = Flag(
    "--seed", "what the sandbox starts with: a YAML file of accounts, users, roles and secrets",
    value="FILE", own_variable="DSOPS_SANDBOX_SEED",
)  # fmt: skip
FROM = Flag(
    "--from", "start with whatever this dsops.yaml needs to work, with invented values",
    value="FILE", own_variable="DSOPS_SANDBOX_FROM",
)  # fmt: skip
HOST = Flag(
    "--host", "the address to listen on", value="ADDRESS", default="127.0.0.1", own_variable="DSOPS_SANDBOX_HOST"
)
EVENTS = Flag(
    "--events", "how many calls to remember", kind="integer", value="N", default="10000",
    own_variable="DSOPS_SANDBOX_EVENTS",
)  # fmt: skip
THROTTLE = Flag(
    "--throttle", "requests a second that a service takes from each account and region: sts=5,secretsmanager=2",
    value="SERVICE=RATE", own_variable="DSOPS_SANDBOX_THROTTLE",
)  # fmt: skip
AUTHORIZATION_IDS = Flag(
    "--authorization-ids", "services whose refusals carry an authorization id (AWS's preview): iam,sts; or all",
    value="SERVICE", own_variable="DSOPS_SANDBOX_AUTHORIZATION_IDS",
)  # fmt: skip
LAST = Flag(
    "--last", "how many to show; 0 for all", kind="integer", value="N", default="1", own_variable="DSOPS_SANDBOX_LAST"
)
LAST_EVENTS = LAST._replace(default="20")
FOLLOW = Flag(
    "--follow", "go on with every call as it is made, until Ctrl-C", kind="switch",
    own_variable="DSOPS_SANDBOX_FOLLOW",
)  # fmt: skip
ACCOUNT = Flag(
    "--account", "only what is in this account's trail", value="ID", own_variable="DSOPS_SANDBOX_ACCOUNT"
)
ADVANCE = Flag(
    "--advance", "move on by so many seconds", kind="seconds", value="SECONDS", own_variable="DSOPS_SANDBOX_ADVANCE"
)
NOW = Flag(
    "--now", "go to this moment, such as 2026-07-13T10:00:00Z", value="TIME", own_variable="DSOPS_SANDBOX_NOW"
)


_DEFAULT_PORT = 4566
_FOLLOWING_SECONDS = 0.3


def _open(arguments: Arguments, runtime: Runtime, *, host: str = "127.0.0.1", port: int = 0) -> Server:
    """A sandbox that listens, with what --seed or --from asks for in it."""
    seed_file, config_file = arguments.text("--seed"), arguments.text("--from")
    if seed_file and config_file:
        raise UsageError("--seed and --from exclude each other", hint="a seed file can hold all that --from makes")
    try:
        from dsops.sandbox.launch import open_server, read_seed_file
        from dsops.sandbox.seed_model import Seed
    except ModuleNotFoundError as error:
        hint = "install it: pip install 'dsops[sandbox]'"
        raise ExtraMissing("the sandbox is not installed", why=f"{error.name} is missing", hint=hint) from error
    seed = Seed()
    if seed_file:
        seed = read_seed_file(seed_file)
    elif config_file:
        seed = _seed_from(config_file, runtime)
    seed = seed._replace(throttle={**seed.throttle, **_rates(arguments.text("--throttle"))})
    if arguments.text("--authorization-ids"):
        seed = seed._replace(authorization_ids=_with_ids(arguments.text("--authorization-ids")))
    return open_server(seed, host=host, port=port, kept_events=arguments.integer("--events") or 0)


def _rates(text: str) -> dict[str, float]:
    """`sts=5,secretsmanager=2`."""
    from dsops.sandbox.throttle import read_rate, why_not_limited

    rates = {}
    for part in text.split(",") if text else ():
        service, _, number = part.strip().partition("=")
        rate = read_rate(number)
        if rate is None or not service:
            raise UsageError(f"`{part}` is no limit", hint="write --throttle SERVICE=RATE, such as sts=5")
        why = why_not_limited(service)
        if why:
            raise UsageError(f"`--throttle {part.strip()}`: {why}")
        rates[service] = rate
    return rates


def _with_ids(text: str) -> frozenset[str]:
    """`iam,sts`, or `all`."""
    from dsops.sandbox.models import EVERY_SERVICE, why_unknown

    services = frozenset(part.strip() for part in text.split(","))
    for why in filter(None, (why_unknown(service, EVERY_SERVICE) for service in sorted(services))):
        raise UsageError(f"`--authorization-ids {text}`: {why}", hint="write such as iam,sts, or all")
    return services


def _seed_from(config_file: str, runtime: Runtime) -> Seed:
    from dsops.cli.project import show_notes
    from dsops.config import load
    from dsops.seed import seed_from_config
    from dsops.stores import StoreTypes

    types = StoreTypes()
    try:
        config = load(folder=runtime.folder, environ=runtime.environ, named=config_file, types=types)
    except ConfigNotFound as error:
        error.retell(error.message, hint="check the file that `--from` names")
        raise
    found = seed_from_config(
        config, environ=runtime.environ, user=user_name(), timestamp=runtime.timestamp, store_types=types
    )
    show_notes((*config.notes, *found.notes))
    return found.seed


def _serve(arguments: Arguments, runtime: Runtime) -> int:
    port = arguments.integer("--port")
    server = _open(arguments, runtime, host=arguments.text("--host"), port=_DEFAULT_PORT if port is None else port)
    from dsops.sandbox.running import Announcement

    signal.signal(signal.SIGTERM, _stop)
    announcement = Announcement(server.url, runtime.environ)
    try:
        answer(server.url)
        if not server.is_on_loopback:
            note("other machines can reach it: its requests need keys, and its answers are not encrypted")
        tell('in another terminal: eval "$(dsops sandbox env)"; Ctrl-C ends it')
        server.run()
    finally:
        announcement.withdraw()
    return 0


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Ends the server as Ctrl-C does."""
    raise KeyboardInterrupt


def _run(arguments: Arguments, runtime: Runtime) -> int:
    if not arguments.command:
        raise UsageError("there is no command to run", hint="write `dsops sandbox run -- COMMAND`")
    from dsops.process import find_command
    from dsops.process.watch import watch

    command = find_command(arguments.command[0], runtime.environ.get("PATH"))
    with _open(arguments, runtime) as server:
        from dsops.sandbox.launch import client_environment, identity_variables

        variables = identity_variables(server, arguments.text("--as"))
        child = client_environment(runtime.environ, variables)
        environment = {os.fsencode(name): os.fsencode(value) for name, value in child.items()}
        return watch(command, arguments.command, environment, timeout_seconds=None)


def _totp(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.sandbox.running import ask, find_running

    url = find_running(arguments.integer("--port"), runtime.environ)
    answer(str(ask(url, "totp", serial=arguments.operand("SERIAL"))["code"]))
    return 0


def _decisions(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.sandbox.running import ask, find_running

    url = find_running(arguments.integer("--port"), runtime.environ)
    found = ask(url, "decisions", last=arguments.text("--last"))["decisions"]
    if arguments.switch("--json"):
        answer_json(found)
        return 0
    from dsops.cli.sandbox_told import decision_lines

    for decision in found:
        answer("\n".join(decision_lines(decision)))
    return 0


def _events(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.cli.sandbox_told import event_json, event_line
    from dsops.sandbox.running import ask, find_running

    url = find_running(arguments.integer("--port"), runtime.environ)
    account, is_json = arguments.text("--account"), arguments.switch("--json")
    told = ask(url, "events", last=arguments.text("--last"), account=account)
    if is_json and not arguments.switch("--follow"):
        answer_json(told["Records"])
        return 0
    while True:
        for record in told["Records"]:
            answer(event_json(record) if is_json else event_line(record))
        if not arguments.switch("--follow"):
            return 0
        sleep(_FOLLOWING_SECONDS)
        told = ask(url, "events", after=str(told["next"]), account=account)


def _clock(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.sandbox.running import ask, find_running
    from dsops.sandbox.running import tell as tell_sandbox

    now = arguments.text("--now")
    if now and not _is_moment(now):
        raise UsageError(f"`--now` can't be `{now}`", hint="it is a moment such as 2026-07-13T10:00:00Z")
    url = find_running(arguments.integer("--port"), runtime.environ)
    wish: dict[str, object] = {}
    if now:
        wish["now"] = now
    if arguments.seconds("--advance"):
        wish["advance_seconds"] = arguments.seconds("--advance")
    answer(str((tell_sandbox(url, "clock", wish) if wish else ask(url, "clock"))["now"]))
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
        "A local AWS: STS, IAM and every service that moto serves; signatures, policies, sessions, MFA\n"
        "and expiry are enforced. There is always a user `admin` with full rights in each account;\n"
        "without --seed and --from the account is 123456789012. Nothing leaves this machine."
    ),
    commands={
        "serve": Command(
            help="Serves on a port (4566) until Ctrl-C, and prints its address.",
            run=_serve,
            flags=(SEED, FROM, PORT, HOST, EVENTS, THROTTLE, AUTHORIZATION_IDS),
        ),
        "run": Command(
            help=(
                "Runs a command against a sandbox of its own: AWS_ENDPOINT_URL, region and keys are set for it.\n"
                "The sandbox is gone after it; the exit code is the command's."
            ),
            run=_run,
            flags=(SEED, FROM, AS, EVENTS, THROTTLE, AUTHORIZATION_IDS),
            takes_command=True,
        ),
        "env": sandbox_env.ENV,
        "token": sandbox_mint.TOKEN,
        "saml": sandbox_mint.SAML,
        "approve": APPROVE,
        "totp": Command(
            help="Prints the code that an MFA device of the running sandbox shows now.",
            run=_totp,
            flags=(PORT,),
            operands=(Operand("SERIAL", "the device's serial number: arn:aws:iam::123456789012:mfa/alice"),),
        ),
        "decisions": Command(
            help=(
                "Shows why the running sandbox allowed or refused the last requests.\n"
                "That is: what decided, and what a statement that nearly applied wanted; external IDs are hidden.\n"
                "What was refused before any policy was asked (a wrong parameter, token or MFA code) is not\n"
                "here: `dsops sandbox events` has it. A wrong signature is in neither, as with CloudTrail."
            ),
            run=_decisions,
            flags=(PORT, LAST),
        ),
        "events": Command(
            help=(
                "Shows the last calls as CloudTrail records them.\n"
                "With --json whole, with --follow also one a line. A role of another account that was assumed is\n"
                "in both accounts' trails."
            ),
            run=_events,
            flags=(PORT, LAST_EVENTS, FOLLOW, ACCOUNT),
        ),
        "clock": Command(
            help="Shows the running sandbox's time, or moves it: sessions expire and MFA codes change by it.",
            run=_clock,
            flags=(PORT, ADVANCE, NOW),
        ),
    },
)
