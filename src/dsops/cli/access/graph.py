"""`dsops access graph`: a picture of who can assume which role, or of how a goal is reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from dsops.access.facts.world import OrganizationFacts
from dsops.access.pictures.make import AccessGraph, PictureLimits, graph_of_all, graph_of_goal, graph_of_principal
from dsops.access.pictures.mermaid import access_mermaid
from dsops.access.pictures.open_graph import open_graph_text
from dsops.access.pictures.svg import access_svg
from dsops.access.questions.naming import find_principal, find_resource
from dsops.cli.access.facts import FROM, load_world, questions_of
from dsops.cli.access.who_can import check_action_name
from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.file_writing import write_new
from dsops.cli.framework.output import Json, answer_bytes, json_text, note
from dsops.errors import UsageError
from dsops.runtime import Runtime
from dsops.text import clean, counted

ACTION = Operand("ACTION", "draw which principals can perform this action on RESOURCE, and how", is_required=False)
RESOURCE = Operand("RESOURCE", "the ARN or name of a resource, or `*`", is_required=False)
PRINCIPAL = Flag(
    "--principal",
    "show the roles that this user or role can become: an ARN, a name, or `role/Name`",
    value="NAME",
    own_variable="DSOPS_ACCESS_PRINCIPAL",
)
FORMAT = Flag(
    "--format",
    "the output format; --json is the same as `--format json`",
    value="FORMAT",
    choices=("svg", "mermaid", "json", "opengraph"),
    own_variable="DSOPS_ACCESS_GRAPH_FORMAT",
)
OUT = Flag("--out", "write to this file instead of stdout", value="FILE", own_variable="DSOPS_ACCESS_GRAPH_OUT")
LIMIT = Flag(
    "--limit",
    "draw at most this number of principals (default 60 for svg and mermaid, all for json and opengraph)",
    value="N",
    kind="integer",
    own_variable="DSOPS_ACCESS_LIMIT",
)
DEPTH = Flag(
    "--depth",
    "draw only paths with at most this number of steps",
    value="N",
    kind="integer",
    own_variable="DSOPS_ACCESS_DEPTH",
)
_MOST_NODES: Final = 60


def _run(arguments: Arguments, runtime: Runtime) -> int:
    _check(arguments)
    chosen = "json" if arguments.switch("--json") else arguments.text("--format") or "svg"
    world = load_world(arguments, runtime)
    is_picture = chosen in ("svg", "mermaid")
    limits = PictureLimits(
        arguments.integer("--limit") or (_MOST_NODES if is_picture else 0),
        arguments.integer("--depth") or 0,
        merges_alike=is_picture,
    )
    graph = _graph(arguments, runtime, world, limits)
    text = _TEXTS[chosen](graph)
    if arguments.text("--out"):
        write_new(runtime.folder, arguments.text("--out"), text, replaces=True, how="")
    else:
        answer_bytes(text.encode())
    if graph.left_out:
        how = "name an action and a resource, or `--principal`, or raise `--limit`"
        note(f"{counted(graph.left_out, 'principal')} left out of the picture: {how}")
    if graph.not_searched:
        note(f"the escalations of {counted(graph.not_searched, 'principal')} are not known: the search has a limit")
    return 0


def _check(arguments: Arguments) -> None:
    """Raise UsageError for a combination that has no meaning."""
    action, resource = arguments.operand(ACTION.name), arguments.operand(RESOURCE.name)
    if action and not resource:
        raise UsageError("RESOURCE is missing after the action", hint=f"name a resource, or `*`: {action} RESOURCE")
    if action and arguments.text("--principal"):
        raise UsageError("ACTION and `--principal` can't be combined", hint="leave out one of the two")
    if action:
        check_action_name(action)


def _graph(arguments: Arguments, runtime: Runtime, world: OrganizationFacts, limits: PictureLimits) -> AccessGraph:
    evaluator, assumptions = questions_of(world, runtime)
    action = arguments.operand(ACTION.name)
    if action:
        resource = find_resource(world, arguments.operand(RESOURCE.name))
        return graph_of_goal(evaluator, assumptions, action, resource, limits)
    if arguments.text("--principal"):
        principal = find_principal(world, arguments.text("--principal"))
        return graph_of_principal(evaluator, assumptions, principal, limits)
    return graph_of_all(evaluator, assumptions, limits)


def _json(graph: AccessGraph) -> str:
    nodes: list[Json] = [
        {"id": node.key, "kind": node.kind, "name": clean(node.text), "account": node.account or None}
        for node in graph.nodes
    ]
    edges: list[Json] = [
        {
            "from": edge.start,
            "to": edge.end,
            "action": edge.action,
            "verdict": edge.verdict,
            "is_open": edge.is_open,
            "conditions": list(edge.conditions),
            "rules": list(edge.rules),
            "is_administrator": edge.is_administrator,
        }
        for edge in graph.edges
    ]
    missing: dict[str, Json] = {"left_out": graph.left_out, "escalations_not_searched": graph.not_searched}
    return json_text({"title": clean(graph.title), "nodes": nodes, "edges": edges, **missing}) + "\n"


_TEXTS: Final[Mapping[str, Callable[[AccessGraph], str]]] = {
    "svg": access_svg,
    "mermaid": access_mermaid,
    "json": _json,
    "opengraph": open_graph_text,
}

GRAPH = Command(
    help=(
        "Draw who can assume which role, or how principals reach a resource, or what a principal can become.\n"
        "Each account has a frame. An arrow is dotted if a request must meet a condition. An arrow is red if\n"
        "callers of unknown accounts can use it (`open`), or for an escalation (`escalates by`). In svg and\n"
        "mermaid, one arrow stands for all that differ only in the account. If there are too many arrows,\n"
        "the most important are drawn, and the number of the others is printed.\n\n"
        "  dsops access graph --from details.json --out roles.svg\n"
        "  dsops access graph secretsmanager:GetSecretValue prod/db --from seed.yaml --format mermaid\n"
        "  dsops access graph --from facts/ --format opengraph --out bloodhound.json"
    ),
    run=_run,
    flags=(FROM, PRINCIPAL, FORMAT, OUT, LIMIT, DEPTH),
    operands=(ACTION, RESOURCE),
)
