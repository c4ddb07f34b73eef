"""`dsops node`: serve sessions and secrets to the workloads of a machine."""

from __future__ import annotations

import os

from dsops.cli.framework.command import Arguments, Command, Flag, Group
from dsops.cli.framework.output import Json, answer, answer_json, answer_sentence, note, say, table
from dsops.runtime import Runtime
from dsops.startup import TYPE_CHECKING
from dsops.text import counted

if TYPE_CHECKING:
    from dsops.node.configuration import NodeConfig
    from dsops.node.workloads import Workload

_FILE = Flag("--node", "the configuration file of the node", value="FILE", default="/etc/dsops/node.yaml")


def _serve(arguments: Arguments, runtime: Runtime) -> int:
    """Serve the node's addresses until a signal ends the process."""
    from dsops.agent.process import harden
    from dsops.node.configuration import load_node_config
    from dsops.node.issuer import NodeIssuer
    from dsops.node.metrics import NodeMetrics
    from dsops.node.service import NodeService, read_stores
    from dsops.process.serving import serve_until_signal
    from dsops.runtime import no_choice, no_prompt, no_terminal

    harden()
    node = load_node_config(os.path.join(runtime.folder, arguments.text(_FILE.name)), runtime.environ)
    runtime = runtime._replace(ask=no_prompt, confirm=no_terminal, choose=no_choice)
    config = read_stores(node, runtime)
    _show_notes(node)
    metrics = NodeMetrics(runtime.now().timestamp())
    runtime = runtime._replace(measure=metrics.agent.measure)
    service = NodeService(node, NodeIssuer(config, runtime), runtime, metrics)
    if node.metrics_port is not None:
        say(f"dsops: metrics at http://127.0.0.1:{metrics.agent.serve(node.metrics_port)}/metrics")
    for address, endpoint in zip(node.listen, service.endpoints, strict=True):
        say(f"dsops: the node serves at {f'unix:{address.path}' if address.path else endpoint.url}")
    serve_until_signal(service.attendants)
    return 0


def _check(arguments: Arguments, runtime: Runtime) -> int:
    """Check the configuration, and show what each workload may have."""
    from dsops.node.configuration import load_node_config
    from dsops.node.service import read_stores

    node = load_node_config(os.path.join(runtime.folder, arguments.text(_FILE.name)), runtime.environ)
    read_stores(node, runtime)
    _show_notes(node)
    if arguments.switch("--json"):
        answer_json({"workloads": [_entry(node, workload) for workload in node.workloads]})
        return 0
    answer_sentence(f"{counted(len(node.workloads), 'workload')} in {node.file}")
    answer(
        table(
            ("WORKLOAD", "CALLER", "STORES", "SECRETS"),
            [
                (workload.name, _rule(workload), ", ".join(workload.stores), _secrets(workload))
                for workload in node.workloads
            ],
        )
    )
    return 0


def _status(arguments: Arguments, runtime: Runtime) -> int:
    """Ask the running node for its sessions, and show them."""
    from dsops.node.configuration import load_node_config
    from dsops.node.status import ask_status

    node = load_node_config(os.path.join(runtime.folder, arguments.text(_FILE.name)), runtime.environ)
    sessions = ask_status(node)
    if arguments.switch("--json"):
        answer_json({"sessions": sessions})
        return 0
    answer_sentence(counted(len(sessions), "session"))
    rows = [
        (
            str(session["store"]),
            ", ".join(map(str, session["workloads"])),
            " ".join(map(str, session["caller"].values())),
            *(str(session.get(name, "")) for name in ("state", "renews", "expires", "key", "error")),
        )
        for session in sessions
    ]
    if rows:
        answer(table(("STORE", "WORKLOADS", "CALLER", "STATE", "RENEWS", "EXPIRES", "KEY", "ERROR"), rows))
    return 0


def _show_notes(node: NodeConfig) -> None:
    """Say which workloads get nothing, because this process may not examine the processes of other users."""
    from dsops.node.service import need_root

    names = need_root(node)
    if names and os.geteuid() != 0:
        note(f"`unit`, `cgroup` and `gid` need a node that runs as root: {', '.join(names)} may get nothing")


def _rule(workload: Workload) -> str:
    """Return the properties that a caller of the workload must have."""
    words = [
        f"{name} {value}"
        for name, value in zip(workload.peer._fields, workload.peer, strict=True)
        if value not in {None, ""}
    ]
    if workload.token_check is not None:
        words.append(str(workload.token_check))
    return ", ".join(words)


def _secrets(workload: Workload) -> str:
    rule = workload.secrets
    return f"{rule.store}: {', '.join(rule.names)}" if rule is not None else ""


def _entry(node: NodeConfig, workload: Workload) -> Json:
    rule = workload.secrets
    return {
        "name": workload.name,
        **workload.peer._asdict(),
        "token_file": None if workload.token_check is not None else os.path.join(node.tokens, workload.name),
        "stores": list(workload.stores),
        "secrets": None if rule is None else {"store": rule.store, "names": list(rule.names)},
    }


COMMAND = Group(
    help=(
        "Serve short-lived sessions and secrets to the processes of a machine: each role is assumed once for\n"
        "all of them. A file says which workload may have which stores. The AWS SDKs need two variables:\n"
        "\n"
        "  AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:8484/credentials\n"
        "  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/run/dsops-node/tokens/WORKLOAD"
    ),
    commands={
        "serve": Command(
            "Serve the sessions and secrets of the node's file, until a signal ends the process.",
            _serve,
            (_FILE,),
            is_audited=True,
        ),
        "check": Command("Check the node's file, and show what each workload may have.", _check, (_FILE,)),
        "status": Command(
            "Show the sessions of the running node: their workloads, when they are renewed, and errors.\n"
            "Only root and the user of the node get an answer.",
            _status,
            (_FILE,),
        ),
    },
)
"""The command group `dsops node`."""
