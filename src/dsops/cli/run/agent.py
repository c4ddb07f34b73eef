"""`dsops agent`: start, stop and show the process that keeps sessions in memory."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence

from dsops.agent import client
from dsops.agent.process import drop_environment, harden, inherited_listener, own_listener, unsafe_folder
from dsops.agent.remote import ask_running
from dsops.agent.start import start
from dsops.cli.framework.command import Arguments, Command, Flag, Group
from dsops.cli.framework.output import Json, answer, answer_json, answer_sentence, note, table, tell
from dsops.errors import AgentUnavailable
from dsops.runtime import Runtime
from dsops.text import counted, duration_text


def _run(arguments: Arguments, runtime: Runtime) -> int:
    """Run the agent in this process, on the socket that its parent process bound, or on a new socket."""
    harden()
    descriptor = arguments.integer("--listener")
    listener = own_listener(runtime.environ) if descriptor is None else inherited_listener(descriptor)
    drop_environment()
    # The import comes after the environment was dropped: libcurl and OpenSSL read variables when they are loaded.
    from dsops.agent.work import serve
    from dsops.cli.run.command_lines import ClientLines

    serve(
        listener,
        ClientLines(),
        runtime.now,
        idle_seconds=arguments.seconds("--idle"),
        metrics_port=arguments.integer("--metrics-port"),
        show_metrics_port=lambda port: tell(f"metrics: {_metrics_url(port)}"),
    )
    return 0


def _place(runtime: Runtime) -> tuple[str, str]:
    folder = client.folder_of(runtime.environ)
    return folder, client.address_in(folder)


def _start(arguments: Arguments, runtime: Runtime) -> int:
    """Start the agent, unless it is running."""
    folder, address = _place(runtime)
    if os.path.lexists(folder) and not client.is_safe(folder):
        raise unsafe_folder(folder)
    connection = start(address, client.connect, arguments.text("--idle")) if client.make_folder(folder) else None
    if connection is None:
        why, hint = (
            f"the agent can't listen in {folder}",
            "check that the folder is yours and that its disk is not full",
        )
        raise AgentUnavailable("the agent could not be started", why=why, hint=hint)
    connection.close()
    port = arguments.integer("--metrics-port")
    if port is not None:
        answer(_metrics_url(int(ask_running("metrics-port", str(port))[0])))
    return 0


def _metrics_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/metrics"


def _metrics(arguments: Arguments, _runtime: Runtime) -> int:
    """Print the agent's metrics."""
    fields = ask_running("metrics", *(["sandbox"] if arguments.switch(SANDBOX.name) else []))
    if not fields:
        raise AgentUnavailable("no agent is running, so there are no metrics", hint="`dsops agent start` starts one")
    sys.stdout.write(fields[0].decode())
    return 0


def _stop(_arguments: Arguments, _runtime: Runtime) -> int:
    """Stop the agent, if it is running."""
    ask_running("stop")
    return 0


def _clear(_arguments: Arguments, _runtime: Runtime) -> int:
    """Remove all sessions and values from the agent's cache."""
    ask_running("clear")
    return 0


def _status(arguments: Arguments, runtime: Runtime) -> int:
    """Show the cached sessions."""
    fields = ask_running("status")
    all_sessions = [json.loads(field) for field in fields[3:]]
    sessions = [session for session in all_sessions if arguments.switch(SANDBOX.name) or not session["is_of_sandbox"]]
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
        answer_sentence("no agent is running")
    else:
        count = counted(len(sessions), "session")
        values = f" and {counted(int(fields[1]), 'value')} of secrets" if int(fields[1]) else ""
        answer_sentence(f"agent {fields[0].decode()} holds {count}{values}")
        if sessions:
            answer(table(_HEADINGS, [_row(session) for session in sessions], least=("USES", "HOP", "KEY")))
    if len(sessions) < len(all_sessions):
        note(f"{counted(len(all_sessions) - len(sessions), 'session')} of a sandbox not shown: `--sandbox` shows them")
    return 0


_HEADINGS = ("STORE", "HOP", "KEY", "SESSION", "EXPIRES IN", "USES")


def _row(session: Mapping[str, Json]) -> Sequence[str]:
    left = session["seconds_left"]
    return (
        str(session["store"] or session.get("source") or "(base)"),
        str(session["hop"] or ""),
        str(session["key_id"]),
        str(session["arn"] or ""),
        duration_text(left) if isinstance(left, int) else "never",
        str(session["uses"]),
    )


IDLE = Flag(
    "--idle",
    "end the agent after this time without a request (default 3600)",
    "seconds",
    value="SECONDS",
    own_variable="DSOPS_AGENT_IDLE",
)

METRICS_PORT = Flag(
    "--metrics-port",
    ("serve metrics on this port of 127.0.0.1, to every user of this machine; 0 picks a free port"),
    "port",
    value="N",
    own_variable="DSOPS_AGENT_METRICS_PORT",
)

SANDBOX = Flag(
    "--sandbox", "include metrics of sandboxes on this machine", "switch", own_variable="DSOPS_AGENT_SANDBOX"
)

COMMAND = Group(
    help=(
        "The agent keeps the sessions of stores in memory for the next run, as ssh-agent keeps keys.\n"
        "`dsops exec` starts it when needed. It writes no session to disk, and ends after an hour without a\n"
        "request."
    ),
    commands={
        "start": Command(
            ("Start the agent if it does not run. --metrics-port works for an agent that runs already, too."),
            _start,
            (IDLE, METRICS_PORT),
        ),
        "stop": Command("End the agent and forget every session that it keeps.", _stop),
        "status": Command("Show whether the agent runs, and its sessions without their secrets.", _status, (SANDBOX,)),
        "metrics": Command(
            ("Print the metrics of the agent as OpenMetrics text; with --sandbox those of sandbox requests too."),
            _metrics,
            (SANDBOX,),
        ),
        "clear": Command("Make the agent forget all sessions; it keeps running.", _clear),
        "run": Command(
            "Run the agent in the foreground, for systemd or launchd.",
            _run,
            (
                IDLE,
                METRICS_PORT,
                Flag(
                    "--listener", "the file descriptor of a socket that is already listening", "integer", value="NUMBER"
                ),
            ),
        ),
    },
)
"""The command group `dsops agent`."""
