"""`dsops guard`: serve the guard to a container or another process."""

from __future__ import annotations

import os

from dsops.cli.framework.command import (
    CONFIG,
    CREDENTIALS,
    ENVIRONMENT,
    NAME,
    NO_AGENT,
    REASON,
    Arguments,
    Command,
    Flag,
    Group,
)
from dsops.cli.framework.output import say
from dsops.cli.run.guard_flags import CERTIFICATES, GUARD, GUARD_FLAGS, ISOLATE, UNIX, VARIABLES
from dsops.cli.run.program import load_target
from dsops.environment import REGION, ChildIdentity
from dsops.errors import FileNotWritten, UsageError
from dsops.input_file import reason
from dsops.process.serving import serve_until_signal
from dsops.runtime import Runtime

_OF_THIS_MACHINE = frozenset(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"))
"""Variables with paths of this machine, which a container does not have."""


def _serve(arguments: Arguments, runtime: Runtime) -> int:
    """Serve the guard until Ctrl-C, and write the files that its clients need."""
    from dsops.cli.run import exec_session

    if not arguments.texts(GUARD):
        raise UsageError("the guard has no policy", hint=f"name one: {GUARD} policy.json, or {GUARD} read-only")
    target, config = load_target(arguments, runtime)
    if not target.store:
        raise UsageError("the guard needs a session", hint="name a store: dsops guard serve --credentials STORE")
    folder = _folder(arguments, runtime)
    plan = exec_session.plan_with_session(target, config, arguments, runtime)
    session = exec_session.fetch_with_session(plan, target.store, arguments, runtime)
    variables = session.identity.variables
    _write(os.path.join(folder, VARIABLES), session.identity)
    url, socket = variables["AWS_ENDPOINT_URL"].reveal(), arguments.text("--listen")
    if socket.startswith(UNIX):
        say(f"dsops: the guard serves at {socket} until Ctrl-C; a client reaches it at {url} once that is forwarded")
    else:
        say(f"dsops: the guard serves at {url} until Ctrl-C")
    say(f"dsops: a client needs the variables in {os.path.join(folder, VARIABLES)}, and {CERTIFICATES} beside it")
    serve_until_signal(session.attendants)
    return 0


def _folder(arguments: Arguments, runtime: Runtime) -> str:
    folder = os.path.join(runtime.folder, arguments.text("--out"))
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        hint = "name another folder with `--out`"
        raise FileNotWritten(f"`{folder}` can't be created", why=reason(error), hint=hint) from error
    return folder


def _write(path: str, identity: ChildIdentity) -> None:
    """Write the variables in the format of `docker run --env-file`, with mode 0600."""
    from dsops.render.file import write_private

    values = {name: value.reveal() for name, value in identity.variables.items() if name not in _OF_THIS_MACHINE}
    if identity.region:
        values |= dict.fromkeys(REGION, identity.region)
    write_private(path, "".join(f"{name}={value}\n" for name, value in values.items()).encode())


SERVE = Command(
    help=(
        "Run a guard for the AWS requests of a container or another program, until Ctrl-C.\n"
        "\n"
        "  dsops guard serve --credentials dev --guard guard.yaml --listen 172.17.0.1 --out guard\n"
        '  docker run --env-file guard/guard.env -v "$PWD/guard/guard.pem:$PWD/guard/guard.pem" IMAGE\n'
        "\n"
        "The variables in guard.env give the client placeholder keys and the address of the guard. Every\n"
        "program that has them can send the requests that the policies allow, as long as the guard runs."
    ),
    run=_serve,
    is_audited=True,
    flags=(
        CONFIG,
        ENVIRONMENT,
        NO_AGENT,
        REASON,
        Flag(CREDENTIALS, "sign the requests with the session of this store", value="STORE"),
        *[flag for flag in GUARD_FLAGS if flag.name != ISOLATE],
        Flag(
            "--listen",
            "listen on this address of the machine (default 127.0.0.1), or on a Unix socket: unix:PATH",
            value="ADDRESS",
        ),
        Flag("--out", "the folder for guard.env and guard.pem", value="FOLDER", default="."),
        Flag("--min-ttl", "minimum remaining lifetime of the session at the start", "seconds", value="SECONDS"),
    ),
    operands=(NAME,),
)

COMMAND = Group(
    help="Check the AWS requests of programs against policies, and sign the allowed ones.", commands={"serve": SERVE}
)
