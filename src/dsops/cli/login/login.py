"""`dsops login`: log in to IAM Identity Center, for the stores that use the login."""

from __future__ import annotations

import sys

from dsops.aws.identity.sso_cache import Token, token_path, write_token
from dsops.aws.sso_login import LoginService
from dsops.cli.framework.command import CONFIG, PICK, Arguments, Command, Flag
from dsops.cli.framework.output import answer_json, answer_sentence, note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.login.new_login import SSO_REGION, YES, add_to_aws_config, ask_for_login
from dsops.cli.login.requested_login import START_URL, STORE, login_value, requested_login
from dsops.cli.login.sso_login import LONGEST_SECONDS, by_browser_or_device, by_code
from dsops.config.file_lock import locked
from dsops.errors import UsageError
from dsops.runtime import Runtime
from dsops.stores.browser import can_open_browser
from dsops.stores.endpoints import endpoint_of
from dsops.stores.login_groups import RequestedLogin, client_of


def _run(arguments: Arguments, runtime: Runtime) -> int:
    if arguments.switch("--device") and arguments.switch("--no-browser"):
        raise UsageError(
            "`--no-browser` has no effect with `--device`, which opens no browser", hint="leave out `--no-browser`"
        )
    known = requested_login(arguments, runtime, "login")
    login = known or ask_for_login(arguments, runtime)
    endpoint = endpoint_of(login.step, "sso-oidc", runtime, login.session.region)
    service = LoginService(client_of(login, runtime), endpoint, login.session)
    if _wants_device(arguments, runtime):
        token = by_code(service, runtime)
    else:
        seconds = arguments.seconds("--timeout") or LONGEST_SECONDS
        opens = not arguments.switch("--no-browser")
        token = by_browser_or_device(service, runtime, opens=opens, seconds=seconds)
    path = token_path(login.session, runtime.environ, runtime.folder)
    with locked(
        path
    ):  # without the lock, a renewal of the previous login could end after this login and replace its token
        write_token(path, login.session, token)
    runtime.report(DONE)
    if known is None:
        add_to_aws_config(login.session, runtime)
    _show(arguments, login, token)
    return 0


def _wants_device(arguments: Arguments, runtime: Runtime) -> bool:
    if arguments.switch("--device"):
        return True
    if arguments.switch("--no-browser") or can_open_browser(runtime.environ, sys.platform):
        return False
    note("no browser can be opened here: using a code instead")
    return True


def _show(arguments: Arguments, login: RequestedLogin, token: Token) -> None:
    until = f"{token.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    is_renewed = token.refresh_token is not None
    if arguments.switch("--json"):
        answer_json({**login_value(login), "expiration": until, "is_renewed": is_renewed})
        return
    then = ", then renewed without you as long as the portal allows" if is_renewed else ""
    answer_sentence(f"logged in at {login.session.start_url} until {until}{then}")
    if login.stores:
        answer_sentence(f"stores: {', '.join(login.stores)}")
    else:
        answer_sentence("`dsops import sso` makes a store of each account and permission set that you may use")


COMMAND = Command(
    help=(
        "Log in to IAM Identity Center for the stores of the type aws.sso, and for the AWS CLI and SDKs,\n"
        "which use the same token. All stores with the same sso-session or start URL share a login. STORE may\n"
        "be left out if the configuration has only one login, or has none and ~/.aws/config has only one.\n"
        "\n"
        "If no login is known at all, dsops asks for the start URL and the region of the instance, or takes\n"
        "--start-url and --sso-region. After the login it adds them to ~/.aws/config as an sso-session, so\n"
        "that neither dsops nor the AWS CLI asks again.\n"
        "\n"
        "The address is printed, and a browser opens it and returns the result to a port of 127.0.0.1.\n"
        "Without a browser, a code is shown that can be approved on any device."
    ),
    run=_run,
    changes_who=True,
    flags=(
        CONFIG,
        PICK,
        START_URL,
        SSO_REGION,
        YES,
        Flag("--device", "show a code that can be approved on any device", "switch", own_variable="DSOPS_LOGIN_DEVICE"),
        Flag(
            "--no-browser", "print the address instead of opening it", "switch", own_variable="DSOPS_LOGIN_NO_BROWSER"
        ),
        Flag(
            "--timeout",
            "how long to wait for the browser (default 600)",
            "seconds",
            value="SECONDS",
            own_variable="DSOPS_LOGIN_TIMEOUT",
        ),
    ),
    operands=(STORE,),
)
