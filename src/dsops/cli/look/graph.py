"""`dsops graph`: the credential graph of a configuration, as a text tree, Mermaid, SVG or JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from dsops.cli.framework import screen
from dsops.cli.framework.command import CONFIG, ENVIRONMENT, REASON, Arguments, Command, Flag
from dsops.cli.framework.file_writing import write_new
from dsops.cli.framework.output import (
    Json,
    answer,
    answer_bytes,
    error_text,
    error_value,
    json_text,
    note,
    shown_error,
    tell,
)
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import load_config, read_config, show_notes
from dsops.errors import CheckFailed, DsopsError, UsageError
from dsops.graph import (
    MOST_CHARACTERS,
    MOST_EDGES,
    Graph,
    GraphNode,
    Unplanned,
    edges,
    graph_text,
    make_graph,
    mermaid_text,
    plan_everything,
    svg_text,
)
from dsops.model import Config
from dsops.pipeline.execution import carry_out
from dsops.pipeline.plans import plan_named, plan_of_session
from dsops.plan import Plan
from dsops.resolve import ambient_of
from dsops.runtime import Runtime
from dsops.startup import NamedTuple
from dsops.stores import StoreTypes

STDOUT = "-"
_ENDINGS = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".txt": "text"}
_FORMATS = ("text", "mermaid", "svg")


class _Drawn(NamedTuple):
    """A graph, and the errors found by trying its hops and secrets."""

    graph: Graph
    errors: tuple[DsopsError, ...] = ()
    named_config: str = ""
    """The value of --config; "" without the flag."""


def _run(arguments: Arguments, runtime: Runtime) -> int:
    out = arguments.text("--out")
    # The format is checked first: an unknown format must fail before any call is made.
    format_name = _format(arguments)
    load = load_config if arguments.switch("--check") else read_config
    config, name = load(arguments, runtime), arguments.text("--env")
    if name:
        plans, unplanned = [plan_named(config, name, runtime)], Unplanned()
        show_notes(plans[0].notes)
    else:
        plans, unplanned = plan_everything(
            config,
            lambda environment: plan_named(config, environment, runtime),
            lambda store: plan_of_session(config, store, runtime),
        )
        for environment, why in unplanned.environments.items():
            note(f"environment `{environment}` is drawn without a plan: {why}")
    # The graph shows the source of base credentials but no digest of them, so a random HMAC key is sufficient.
    ambient = ambient_of(runtime.environ, os.urandom(32), runtime.folder)
    drawn = _Drawn(make_graph(_title(config, name), config, plans, StoreTypes(), unplanned, ambient))
    if arguments.switch("--check"):
        drawn = _try(drawn.graph, plans, runtime)._replace(named_config=arguments.text(CONFIG.name))
    runtime.report(DONE)
    is_broken = bool(drawn.errors) or (arguments.switch("--check") and bool(unplanned.environments))
    text = _TEXTS[format_name](drawn)
    if out not in {"", STDOUT}:
        write_new(runtime.folder, out, text, replaces=True, how="")
    elif format_name == "text":
        answer_bytes(_on_screen(drawn.graph, runtime).encode())
    else:
        answer_bytes(text.encode())
    _tell_what_else(drawn, text, format_name, is_shown=out in {"", STDOUT})
    return CheckFailed.exit_code if is_broken else 0


def _format(arguments: Arguments) -> str:
    """Return the format that a flag names, or that the file name's extension implies."""
    named = arguments.text("--format")
    if arguments.switch("--json"):
        if named in {"mermaid", "svg"}:
            raise UsageError(f"`--json` and `--format {named}` can't be combined", hint="leave one of them out")
        return "json"
    if named:
        return named
    ending = os.path.splitext(arguments.text("--out"))[1].lower()
    if ending and ending not in _ENDINGS:
        raise UsageError(
            f"the ending of the file name {arguments.text('--out')} is not a known format",
            hint=f"use one of the endings {', '.join(_ENDINGS)}, or set `--format`",
        )
    return _ENDINGS.get(ending, "text")


def _title(config: Config, name: str) -> str:
    path = config.files[0].shown
    return f"credentials of environment {name} ({path})" if name else f"credentials of {path}"


def _try(graph: Graph, plans: list[Plan], runtime: Runtime) -> _Drawn:
    from dsops.doctor.graph import try_graph

    outcomes, errors = carry_out(try_graph(graph, plans, runtime), runtime)
    return _Drawn(graph._replace(outcomes=outcomes), errors)


def _on_screen(graph: Graph, runtime: Runtime) -> str:
    """Return the tree, with the width and colours of the terminal."""
    if not os.isatty(1):
        return graph_text(graph)
    has_colour = screen.has_colour(1, runtime.environ)
    try:
        columns = os.get_terminal_size(1).columns
    except OSError:
        columns = 0
    return graph_text(graph, columns=columns, has_colour=has_colour)


def _tell_what_else(drawn: _Drawn, text: str, format_name: str, *, is_shown: bool) -> None:
    """Print the errors below the tree or on stderr; add a note if the drawing exceeds Mermaid's limits."""
    for error in drawn.errors if format_name != "json" else ():
        lines = error_text(error, config=drawn.named_config)
        if format_name == "text" and is_shown:
            answer(f"\n{shown_error(lines, 1)}")
        else:
            tell(shown_error(lines, 2))
    if format_name == "mermaid" and (edges(drawn.graph) > MOST_EDGES or len(text) > MOST_CHARACTERS):
        note(
            f"Mermaid draws at most {MOST_EDGES} edges and {MOST_CHARACTERS} characters unless `maxEdges` and "
            f"`maxTextSize` are set where it runs, and this has {edges(drawn.graph)} and {len(text)}: "
            "name one environment with `--env`, or take `--format svg`"
        )


def graph_json(drawn: _Drawn) -> str:
    """Return the graph as JSON."""
    graph = drawn.graph
    ids = {node.key: f"n{number}" for number, node in enumerate(graph.nodes, 1)}
    return (
        json_text(
            {
                "title": graph.title,
                "nodes": [_node_value(graph, node, ids[node.key]) for node in graph.nodes],
                "edges": [
                    {"from": ids[node.parent], "to": ids[node.key]} for node in graph.nodes if node.parent is not None
                ],
                "errors": [error_value(error, config=drawn.named_config) for error in drawn.errors],
            }
        )
        + "\n"
    )


def _node_value(graph: Graph, node: GraphNode, node_id: str) -> Json:
    outcome = graph.outcomes.get(node.key)
    return {
        "id": node_id,
        "kind": node.kind,
        "name": node.name,
        "environment": node.environment or None,
        "account": node.account or None,
        "facts": list(node.facts),
        "where": node.where or None,
        "status": outcome.status if outcome else None,
        "told": (outcome.told or None) if outcome else None,
    }


_TEXTS: Mapping[str, Callable[[_Drawn], str]] = {
    "text": lambda drawn: graph_text(drawn.graph),
    "mermaid": lambda drawn: mermaid_text(drawn.graph),
    "svg": lambda drawn: svg_text(drawn.graph),
    "json": graph_json,
}

COMMAND = Command(
    help=(
        "Show the credential graph of a configuration, or of one environment.\n"
        "\n"
        "The graph starts from the base credentials, tokens and logins, and leads over the roles, hop by\n"
        "hop, to the stores and their variables. It contains no secret, and AWS is not called. The output is\n"
        "a text tree, a Mermaid flowchart for a Markdown page, or a self-contained SVG file.\n"
        "\n"
        "With --check, each hop is tried and each secret is read, as `dsops doctor` does. A denied hop or\n"
        "secret is marked red, with `denied` and the error's code; the exit code is 6 then.\n"
        "\n"
        "  dsops graph --env production\n"
        "  dsops graph --out credentials.svg"
    ),
    run=_run,
    flags=(
        CONFIG,
        ENVIRONMENT,
        REASON,
        Flag(
            "--format",
            "the output format (default: by the ending of the file name; text on stdout)",
            value="FORMAT",
            choices=_FORMATS,
            own_variable="DSOPS_GRAPH_FORMAT",
        ),
        Flag("--out", "write to this file instead of stdout", value="FILE", own_variable="DSOPS_GRAPH_OUT"),
        Flag(
            "--check", "try every hop and secret, and mark the denied ones", "switch", own_variable="DSOPS_GRAPH_CHECK"
        ),
    ),
)
