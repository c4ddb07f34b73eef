"""`dsops login` and `dsops logout`: somebody's login to IAM Identity Center, for the stores that work with it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from threading import Thread
from typing import NamedTuple

from dsops.aws.client import make_client
from dsops.aws.sso import Portal, logout
from dsops.aws.sso_cache import Token, read_token, remove_file, token_path, write_token
from dsops.aws.sso_login import Place, by_browser, by_device, log_in
from dsops.aws.sso_oidc import REDIRECT_URI, Device
from dsops.aws.sso_session import Session
from dsops.cli.command import CONFIG, Arguments, Command, Flag, Operand
from dsops.cli.loopback import Loopback
from dsops.cli.output import answer, answer_json, clean, note, tell
from dsops.cli.project import carry_out, load_config, plan_one_store
from dsops.cli.whoami import duration_text
from dsops.cli.world import DONE
from dsops.errors import ConfigError, LoginFailed, LoginRequired, ServiceError, UsageError
from dsops.model import Config
from dsops.plan import Step
from dsops.runtime import Runtime
from dsops.stores.endpoints import endpoint_of
from dsops.stores.sso_login import session_of

_SECONDS = 600
"""How long a person may take in the browser: as long as the codes of AWS's device flow are good."""

_PATH = REDIRECT_URI.removeprefix("http://127.0.0.1")


class Wanted(NamedTuple):
    """A login that somebody wants to begin or end."""

    session: Session
    step: Step
    """A store that works with it; its own address and time limits count."""
    stores: tuple[str, ...]
    """All stores of the configuration that work with it, as far as is known."""


def _log_in(arguments: Arguments, runtime: Runtime) -> int:
    if arguments.switch("--device") and arguments.switch("--no-browser"):
        raise UsageError("`--device` opens no browser anyway", hint="leave out `--no-browser`")
    wanted = _wanted(arguments, runtime, "login")
    client = make_client(runtime)
    place = Place(client, endpoint_of(wanted.step, "sso-oidc", runtime, wanted.session.region), wanted.session)
    if _wants_device(arguments, runtime):
        token = _by_device(place, runtime)
    else:
        seconds = arguments.seconds("--timeout") or _SECONDS
        opens = not arguments.switch("--no-browser")
        token = by_browser_or_device(place, runtime, opens=opens, seconds=seconds)
    write_token(token_path(wanted.session, runtime.environ, runtime.folder), wanted.session, token)
    runtime.report(DONE)
    _show(arguments, wanted, token)
    return 0


def _log_out(arguments: Arguments, runtime: Runtime) -> int:
    wanted = _wanted(arguments, runtime, "logout")
    session = wanted.session
    path = token_path(session, runtime.environ, runtime.folder)
    token = read_token(path, session).token
    down: ServiceError | None = None
    if token is not None:
        endpoint = endpoint_of(wanted.step, "sso", runtime, session.region)
        try:
            carry_out(logout(Portal(make_client(runtime), endpoint, token.access_token)), runtime)
        except LoginRequired:
            pass  # it had ended already
        except ServiceError as error:
            down = error
    remove_file(path)  # also one that holds no token, and would be in the way
    runtime.report(DONE)
    if down is not None:
        down.retell(
            f"the token is removed from this machine, but the login goes on: {down.message}",
            hint="end it on the access portal, or wait for its end",
        )
        raise down
    if arguments.switch("--json"):
        answer_json({**_value(wanted), "was_logged_in": token is not None})
    else:
        answer(clean(f"{session.shown} has ended" if token is not None else f"nobody had logged in: {session.shown}"))
        if token is not None:
            note("sessions that came of it go on until their end; `dsops agent clear` has the agent forget them")
    return 0


# --- which login is meant ---------------------------------------------------------------------------------------


def _wanted(arguments: Arguments, runtime: Runtime, command: str) -> Wanted:
    """The one login that the store leads to; without a store, the only one that there is."""
    config, name = load_config(arguments, runtime), arguments.operand("STORE")
    plan = plan_one_store(config, name, runtime) if name else None
    every, failures = _logins(config, runtime)
    if plan is not None:
        steps = [step for step in plan.steps.values() if step.type == "aws.sso"]
        if not steps:
            hint = f"stores with a login are {', '.join(_names(every))}" if every else ""
            raise UsageError(f"store `{name}` needs no login", hint=hint, where=config.stores[name].where)
        session = session_of(steps[0].settings, runtime.environ, runtime.folder)
        stores = next((each.stores for each in every if each.session == session), (steps[0].name,))
        return Wanted(session, steps[0], stores)
    if not every and failures:
        raise failures[0]
    if not every:
        raise UsageError("no store of the configuration has a login", hint="a login is for stores of the type aws.sso")
    if len(every) > 1:
        commands = ", ".join(f"`dsops {command} {each.stores[0]}`" for each in every)
        raise UsageError("there are several logins, and none is named", hint=f"it is one of {commands}")
    return every[0]


def _logins(config: Config, runtime: Runtime) -> tuple[list[Wanted], list[ConfigError]]:
    """Every login of the configuration, with its stores; and what is wrong with stores that have none therefore."""
    found: dict[Session, list[Step]] = {}
    failures: list[ConfigError] = []
    for name, store in config.stores.items():
        if store.type != "aws.sso":
            continue
        try:
            step = plan_one_store(config, name, runtime, shows_notes=False).steps[name]
        except ConfigError as error:
            failures.append(error)
            continue
        found.setdefault(session_of(step.settings, runtime.environ, runtime.folder), []).append(step)
    logins = [Wanted(session, steps[0], tuple(step.name for step in steps)) for session, steps in found.items()]
    return logins, failures


def _names(every: list[Wanted]) -> list[str]:
    return [name for each in every for name in each.stores]


# --- the two ways -------------------------------------------------------------------------------------------------


def _wants_device(arguments: Arguments, runtime: Runtime) -> bool:
    if arguments.switch("--device"):
        return True
    if arguments.switch("--no-browser") or can_open_browser(runtime.environ, sys.platform):
        return False
    note("no browser can be opened here, so that a code is used")
    return True


def can_open_browser(environ: Mapping[str, str], platform: str) -> bool:
    """Whether a browser with windows can be expected: one in a text terminal can't hold the pages of a login."""
    if environ.get("BROWSER") or platform in ("darwin", "win32"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") or environ.get("WSL_DISTRO_NAME"))


def _by_device(place: Place, runtime: Runtime) -> Token:
    def show(device: Device) -> None:
        runtime.report(DONE)
        tell(clean(f"dsops: open {device.verification_uri} in any browser, and type the code {device.user_code}"))
        if device.verification_uri_complete != device.verification_uri:
            tell(clean(f"dsops: or open {device.verification_uri_complete}, and compare the code"))
        tell(f"dsops: waiting for {duration_text(device.seconds)}; Ctrl-C ends it")

    return carry_out(log_in(place, by_device(show), has_redirect=False), runtime)


def by_browser_or_device(
    place: Place,
    runtime: Runtime,
    *,
    opens: bool,
    seconds: float = _SECONDS,
    open_port: Callable[[str], Loopback] = Loopback,
) -> Token:
    """The token of a login by the browser of this machine; by a code where no port can be had for its answer."""
    try:
        loopback = open_port(_PATH)
    except OSError as error:
        note(f"no port of this machine can be had ({(error.strerror or '').lower()}), so that a code is used")
        return _by_device(place, runtime)

    def catch(page: str, state: str) -> Mapping[str, str]:
        runtime.report(DONE)
        if not opens:
            tell(clean(f"dsops: open this address in a browser of this machine:\n  {page}"))
        else:
            where = place.session.start_url
            tell(clean(f"dsops: your browser opens to log in at {where}; if it does not, open this address there:"))
            tell(clean(f"  {page}"))
            _open(page, runtime.environ)
        try:
            return loopback.wait(state, seconds)
        except LoginFailed as error:
            error.retell(error.message, hint="where the browser is on another machine, log in with `--device`")
            raise

    with loopback:
        return carry_out(log_in(place, by_browser(loopback.address, catch), has_redirect=True), runtime)


_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


def _open(page: str, environ: Mapping[str, str]) -> None:
    """Opens the browser beside what goes on here: some commands that BROWSER names end only with the page.

    In a process and a session of its own: what a browser prints is no part of our answer, and Ctrl-C ends us, not it.
    """
    import subprocess

    def work() -> None:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", _OPEN, page],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno() if sys.stderr is not None else subprocess.DEVNULL,
                start_new_session=True,
                check=False,
            )
            is_open = not done.returncode
        except (OSError, ValueError):
            is_open = False
        if not is_open:
            note("the browser could not be opened: open the address above yourself")

    Thread(target=work, daemon=True).start()


# --- what is told -------------------------------------------------------------------------------------------------


def _show(arguments: Arguments, wanted: Wanted, token: Token) -> None:
    until = f"{token.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    is_renewed = token.refresh_token is not None
    if arguments.switch("--json"):
        answer_json({**_value(wanted), "expiration": until, "is_renewed": is_renewed})
        return
    then = ", then renewed without you as long as the portal allows" if is_renewed else ""
    answer(clean(f"logged in at {wanted.session.start_url} until {until}{then}"))
    answer(clean(f"stores: {', '.join(wanted.stores)}"))


def _value(wanted: Wanted) -> dict[str, str | list[str] | None]:
    session = wanted.session
    return {
        "session": session.name or None,
        "start_url": session.start_url,
        "region": session.region,
        "stores": list(wanted.stores),
    }


_STORE = Operand("STORE", "a store with a login, or one that works with its credentials", is_required=False)

COMMAND = Command(
    help=(
        "Logs in to IAM Identity Center for the stores of the type aws.sso, and for the AWS CLI and SDKs: they\n"
        "share the token. All stores of one sso-session, or of one start URL, have one login; without STORE\n"
        "it is the only one of the configuration.\n\n"
        "A browser is opened, and what it is opened with is said before; the answer comes back to a port of\n"
        "127.0.0.1. Where there is no browser, a code is shown that can be approved on any device."
    ),
    run=_log_in,
    flags=(
        CONFIG,
        Flag(
            "--device", "show a code that can be approved on any device", "switch", own_variable="DSOPS_LOGIN_DEVICE"
        ),
        Flag(
            "--no-browser", "print the address instead of opening it", "switch",
            own_variable="DSOPS_LOGIN_NO_BROWSER",
        ),
        Flag(
            "--timeout", "how long to wait for the browser; 600", "seconds", value="SECONDS",
            own_variable="DSOPS_LOGIN_TIMEOUT",
        ),
    ),
    operands=(_STORE,),
)  # fmt: skip

LOGOUT = Command(
    help=(
        "Ends a login to IAM Identity Center, here and for the AWS CLI and SDKs, and removes its token file;\n"
        "other logins stay. Sessions that came of it go on until their end."
    ),
    run=_log_out,
    flags=(CONFIG,),
    operands=(_STORE,),
)
