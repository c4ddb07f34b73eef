"""`dsops agent`: the process that keeps sessions in memory; started by `exec` where there is none."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence

from dsops.agent import client
from dsops.agent.client import FAILED, RESULT, unpack
from dsops.agent.failure import unpack_error
from dsops.agent.start import listen, locked, make_folder, start
from dsops.cli.framework.command import Arguments, Command, Flag, Group
from dsops.cli.framework.output import Json, answer, answer_json, note, table, tell
from dsops.errors import AgentUnavailable, UsageError
from dsops.runtime import Runtime
from dsops.text import counted, duration_text

_WRITING_SECONDS = 60.0
"""How long an agent that ends waits for lines that are being written: longer than the trail's lock is waited for."""


def _run(arguments: Arguments, runtime: Runtime) -> int:
    """Serves in this process: on the socket that its parent bound, or on one of its own."""
    from dsops.cli.run.agent_guard import forget_world, shut_in

    shut_in()
    descriptor = arguments.integer("--listener")
    listener = _own_listener(runtime) if descriptor is None else _given_listener(descriptor)
    forget_world()
    # libcurl and OpenSSL look at the environment when they are loaded.
    from dsops.agent.request import ClientLimits
    from dsops.agent.server import SPARE_DESCRIPTORS, AgentServer
    from dsops.cli.run.agent_work import SessionKeeper

    if 0 < os.sysconf("SC_OPEN_MAX") < 2 * SPARE_DESCRIPTORS:
        raise AgentUnavailable("the agent may open too few files", hint="raise the hard limit: `ulimit -Hn`")
    keeper = SessionKeeper(runtime.now)
    idle_seconds = arguments.seconds("--idle")
    limits = ClientLimits() if idle_seconds is None else ClientLimits(idle_seconds=idle_seconds)
    server = AgentServer(listener, keeper.work, limits)
    keeper.end = server.stop
    port = arguments.integer("--metrics-port")
    if port is not None:
        tell(f"metrics: {_metrics_url(keeper.metrics.serve(port))}")
    try:
        server.run()
    finally:
        keeper.writer.finish(_WRITING_SECONDS)
    return 0


def _given_listener(descriptor: int) -> socket.socket:
    try:
        listener = socket.socket(fileno=descriptor)
        if listener.family == socket.AF_UNIX and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return listener
    except (OSError, OverflowError, ValueError):
        pass
    raise UsageError(f"`--listener {descriptor}` is no listening socket", hint="leave it out: the agent makes its own")


def _own_listener(runtime: Runtime) -> socket.socket:
    folder, address = _place(runtime)
    if not make_folder(folder):
        raise _no_folder(folder)
    try:
        with locked(address):
            other = client.connect(address)
            if other is not None:
                other.close()
                raise AgentUnavailable("an agent is running already", hint="`dsops agent stop` ends it")
            return listen(address)
    except OSError as error:
        why, hint = (error.strerror or "").lower(), "is its folder yours? commands do without an agent"
        raise AgentUnavailable(f"the agent can't listen on {address}", why=why, hint=hint) from error


def _place(runtime: Runtime) -> tuple[str, str]:
    folder = client.folder_of(runtime.environ)
    return folder, client.address_in(folder)


def _no_folder(folder: str) -> AgentUnavailable:
    return AgentUnavailable(
        f"the agent's folder {folder} is not safe",
        why="it has to be a folder of yours that nobody else can enter, and no link",
        hint=f"look at it with `ls -ld {folder}`, and remove it if nobody needs it",
    )


def _start(arguments: Arguments, runtime: Runtime) -> int:
    """Starts one unless there is one."""
    folder, address = _place(runtime)
    if os.path.lexists(folder) and not client.is_safe(folder):
        raise _no_folder(folder)
    connection = start(folder, address, arguments.text("--idle"))
    if connection is None:
        why, hint = f"nothing can listen in {folder}", "is that folder yours, and its disk not full?"
        raise AgentUnavailable("the agent could not be started", why=why, hint=hint)
    connection.close()
    port = arguments.integer("--metrics-port")
    if port is not None:
        answer(_metrics_url(int(_tell("metrics-port", str(port))[0])))
    return 0


def _metrics_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/metrics"


def _metrics(arguments: Arguments, _runtime: Runtime) -> int:
    """Prints what it has counted."""
    fields = _tell("metrics", *(["sandbox"] if arguments.switch(SANDBOX.name) else []))
    if not fields:
        raise AgentUnavailable("no agent is running, so nothing was counted", hint="`dsops agent start` starts one")
    sys.stdout.write(fields[0].decode())
    return 0


def _stop(_arguments: Arguments, _runtime: Runtime) -> int:
    """Ends it; none running is as good."""
    _tell("stop")
    return 0


def _clear(_arguments: Arguments, _runtime: Runtime) -> int:
    """Has it forget every session."""
    _tell("clear")
    return 0


def _status(arguments: Arguments, runtime: Runtime) -> int:
    """Shows what it holds."""
    fields = _tell("status")
    every = [json.loads(field) for field in fields[3:]]
    sessions = [each for each in every if arguments.switch(SANDBOX.name) or not each["is_of_sandbox"]]
    if arguments.switch("--json"):
        answer_json(
            {
                "is_running": bool(fields),
                "pid": int(fields[0]) if fields else None,
                "socket": _place(runtime)[1],
                "started": fields[2].decode() if fields else None,
                "values": int(fields[1]) if fields else 0,
                "sessions": sessions,
            }
        )
    elif not fields:
        answer("no agent is running")
    else:
        held = counted(len(sessions), "session")
        values = f" and {counted(int(fields[1]), 'value')} of secrets" if int(fields[1]) else ""
        answer(f"agent {fields[0].decode()} holds {held}{values}")
        if sessions:
            answer(table(_HEADINGS, [_row(each) for each in sessions]))
    if len(sessions) < len(every):
        note(f"{counted(len(every) - len(sessions), 'session')} of a sandbox not shown: `--sandbox` shows them")
    return 0


_HEADINGS = ("STORE", "HOP", "KEY", "SESSION", "EXPIRES IN", "USES")


def _row(session: Mapping[str, Json]) -> Sequence[str]:
    left = session["seconds_left"]
    return (
        str(session["store"] or "(base)"),
        str(session["hop"] or ""),
        str(session["key_id"]),
        str(session["arn"] or ""),
        duration_text(left) if isinstance(left, int) else "never",
        str(session["uses"]),
    )


def _tell(*words: str) -> Sequence[bytes]:
    """What the running agent answers; nothing where none runs. Raises the error that it answers with."""
    reply = client.ask([word.encode() for word in words], _nobody, watches=False, starts=False)
    if reply is not None and reply[0] == FAILED:
        raise unpack_error(reply[1])
    return unpack(reply[1]) if reply is not None and reply[0] == RESULT else ()


def _nobody(_kind: int, _data: bytes) -> None:
    return None


IDLE = Flag(
    "--idle",
    "end when nobody has asked for that long (3600)",
    "seconds",
    value="SECONDS",
    own_variable="DSOPS_AGENT_IDLE",
)

METRICS_PORT = Flag(
    "--metrics-port",
    "serve metrics at this port of 127.0.0.1, for every user of this machine; 0 takes a free one",
    "port",
    value="N",
    own_variable="DSOPS_AGENT_METRICS_PORT",
)

SANDBOX = Flag(
    "--sandbox", "also what was done in a sandbox on this machine", "switch", own_variable="DSOPS_AGENT_SANDBOX"
)

COMMAND = Group(
    help=(
        "The agent keeps the sessions of stores in memory, so that the next run needs no new ones: as ssh-agent does\n"
        "with keys. `dsops exec` starts it when it is needed. It writes no session to disk, and ends after an\n"
        "idle hour."
    ),
    commands={
        "start": Command(
            "Starts the agent, unless it runs. With --metrics-port it serves metrics from now on, also if it ran.",
            _start,
            (IDLE, METRICS_PORT),
        ),
        "stop": Command("Ends the agent, and with it every session that it holds.", _stop),
        "status": Command(
            "Shows whether the agent runs, and each session that it holds: never a secret part of one.",
            _status,
            (SANDBOX,),
        ),
        "metrics": Command(
            "Prints what the agent has counted, as OpenMetrics text; with --sandbox, of requests to a sandbox.",
            _metrics,
            (SANDBOX,),
        ),
        "clear": Command("Has the agent forget all sessions; it goes on running.", _clear),
        "run": Command(
            "Is the agent, in the foreground: for those who let systemd or launchd start it.",
            _run,
            (
                IDLE,
                METRICS_PORT,
                Flag("--listener", "the descriptor of a socket that listens already", "integer", value="NUMBER"),
            ),
        ),
    },
)
"""Sessions in memory."""
