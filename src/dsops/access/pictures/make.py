"""Make a graph of principals and the roles that they can assume, small enough to be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from dsops.access.questions.answer import AccessAnswer
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import AccessCaller, caller_of
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.naming import account_text, arn_text, caller_text
from dsops.access.questions.outside import is_anyone
from dsops.access.questions.path import ways_from
from dsops.access.questions.who_can import WayStep, who_can
from dsops.arn import parse_arn

NodeKind = Literal["user", "role", "provider", "service", "outside", "resource"]


class AccessNode(NamedTuple):
    """A principal, or the resource that is the goal."""

    key: str
    """The ARN of a user, role, provider or resource; for others the name."""
    kind: NodeKind
    text: str
    """The name in words."""
    account: str = ""
    """The account's id; "" for a principal outside of the facts."""
    frame: str = ""
    """The account's id and name."""


class AccessEdge(NamedTuple):
    """One request that a principal can make: it assumes a role, or does something with the goal."""

    start: str
    end: str
    action: str
    verdict: str
    """`yes`, `conditional` or `unknown`."""
    is_open: bool
    """Whether the caller is anyone, or an account that is not among the facts."""
    conditions: tuple[str, ...] = ()
    """The conditions that are still open; values of secret keys are hidden."""


class AccessGraph(NamedTuple):
    """Nodes in order of importance, and the edges between them."""

    title: str
    nodes: tuple[AccessNode, ...]
    edges: tuple[AccessEdge, ...]
    left_out: int = 0
    """The number of principals and roles that are not drawn, because there are too many or they are too far away."""


Path = Sequence[WayStep]


def graph_of_goal(
    evaluator: Evaluator, assumptions: Assumptions, action: str, resource: str, limits: tuple[int, int]
) -> AccessGraph:
    """Return how principals reach a goal. `limits` are the maximum numbers of nodes and of steps; 0 for no limit."""
    found = who_can(evaluator, assumptions, action, resource)
    title = f"who can {action} on {arn_text(evaluator.world, resource)}"
    return _Making(evaluator, resource).graph(title, [way.steps for way in found.ways], limits)


def graph_of_principal(
    evaluator: Evaluator, assumptions: Assumptions, principal: str, limits: tuple[int, int]
) -> AccessGraph:
    """Return the roles that a user or role can become, given by its ARN."""
    caller = caller_of(evaluator.world.identities[principal])
    ways = ways_from(assumptions, caller)
    title = f"what {caller_text(evaluator.world, caller)} can become"
    return _Making(evaluator, "").graph(title, [way.steps for way in ways], limits)


def graph_of_all(evaluator: Evaluator, assumptions: Assumptions, limits: tuple[int, int]) -> AccessGraph:
    """Return who can assume which role, without AWS's services."""
    steps = [
        WayStep(assumption.caller, assumption.action, identity.arn, assumption.answer)
        for identity in evaluator.world.identities.values()
        if identity.kind == "role"
        for assumption in assumptions.of(identity.arn)
        if assumption.caller.principal.kind != "service"
    ]
    return _Making(evaluator, "").graph("who can assume which role", [(step,) for step in steps], limits)


class _Making:
    """A graph under construction."""

    def __init__(self, evaluator: Evaluator, goal: str) -> None:
        self._world = evaluator.world
        self._goal = goal
        self._nodes: dict[str, AccessNode] = {}
        self._edges: dict[tuple[str, str, str], AccessEdge] = {}

    def graph(self, title: str, paths: Iterable[Path], limits: tuple[int, int]) -> AccessGraph:
        """Return the graph of the most important paths: those from outside first, then those between accounts."""
        most_nodes, most_steps = limits
        all_names: set[str] = set()
        for path in sorted(paths, key=self._rank):
            names = {name for step in path for name in (step.caller.name, self._end(step))}
            all_names |= names
            new = names - self._nodes.keys()
            if (most_steps and len(path) > most_steps) or (most_nodes and len(self._nodes) + len(new) > most_nodes):
                continue
            for step in path:
                self._add(step)
        left_out = len(all_names - self._nodes.keys())
        return AccessGraph(title, tuple(self._nodes.values()), tuple(self._edges.values()), left_out)

    def _rank(self, path: Path) -> tuple[int, int, int]:
        """Return the order of a path: from outside, across accounts, and short ones first."""
        first = path[0]
        is_across = any(_account_of(step.resource) not in ("", step.caller.principal.account) for step in path)
        rank = 0 if is_anyone(first.caller, first.answer) else 1 if first.caller.outside else 2 if is_across else 3
        return rank, sum(step.answer.verdict != "yes" for step in path), len(path)

    def _end(self, step: WayStep) -> str:
        """Return the role that a step assumes, or the goal, of which a step can name only a part."""
        return self._goal if self._goal and step.resource not in self._world.identities else step.resource

    def _add(self, step: WayStep) -> None:
        start, end = step.caller.name, self._end(step)
        if start not in self._nodes:
            self._nodes[start] = self._of_caller(step.caller)
        if end not in self._nodes:
            self._nodes[end] = self._of_arn(end)
        is_open = bool(step.caller.outside) or is_anyone(step.caller, step.answer)
        is_open = is_open or step.caller.principal.kind == "anonymous"
        edge = AccessEdge(start, end, step.action, step.answer.verdict, is_open, _conditions(step.answer))
        self._edges.setdefault((start, end, step.action), edge)

    def _of_caller(self, caller: AccessCaller) -> AccessNode:
        text = caller_text(self._world, caller)
        if caller.outside or caller.principal.kind == "anonymous":
            return AccessNode(caller.name, "outside", text)
        if caller.identity is not None and not caller.group:
            return self._of_arn(caller.name)
        kind: NodeKind = "service" if caller.principal.kind == "service" else "provider"
        return AccessNode(caller.name, kind, text)

    def _of_arn(self, arn: str) -> AccessNode:
        known = self._world.identities.get(arn)
        account = known.account if known is not None else _account_of(arn)
        resource = self._world.resources.get(arn)
        account = resource.account if resource is not None else account
        frame = account_text(self._world, account) if account else ""
        kind: NodeKind = "resource" if known is None else known.kind
        text = arn_text(self._world, arn)
        # The frame names the account.
        return AccessNode(arn, kind, text.removesuffix(f" of {frame}") if frame else text, account, frame)


def _account_of(arn: str) -> str:
    parsed = parse_arn(arn)
    return parsed.account if parsed is not None else ""


def _conditions(answer: AccessAnswer) -> tuple[str, ...]:
    """Return the open conditions in words. The values of secret keys are hidden."""
    texts = (
        f"{'unless' if opened.effect == 'Deny' else 'if'} {opened.condition.key} {opened.condition.operator} "
        f"{', '.join(opened.condition.shown_values)}"
        for opened in answer.open
    )
    return tuple(dict.fromkeys(texts))
