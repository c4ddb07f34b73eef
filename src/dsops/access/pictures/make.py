"""Make a graph of principals and the roles that they can assume, small enough to be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

from dsops.access.pictures.alike import groups_of, names_of, nearest_of, nodes_alike
from dsops.access.pictures.steps import PicturePath, PictureStep, escalation_paths, searched
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import AccessCaller, caller_of
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.naming import account_text, arn_text, caller_text
from dsops.access.questions.path import ways_from
from dsops.access.questions.who_can import Way, who_can
from dsops.arn import parse_arn

NodeKind = Literal["user", "role", "group", "provider", "service", "outside", "resource"]


class AccessNode(NamedTuple):
    """A principal, or the resource that is the goal."""

    key: str
    """The ARN of a user, role, group, provider or resource; for others the name."""
    kind: NodeKind
    text: str
    """The name in words."""
    account: str = ""
    """The account's id; "" for a principal outside of the facts."""
    frame: str = ""
    """The account's id and name."""
    alike: int = 0
    """The number of nodes that are not drawn because they are like this one, in other accounts."""


class AccessEdge(NamedTuple):
    """What a principal can do: assume a role, do something with the goal, or become another identity."""

    start: str
    end: str
    action: str
    verdict: str
    """`yes`, `conditional` or `unknown`."""
    is_open: bool
    """Whether the caller is anyone, or an account that is not among the facts."""
    conditions: tuple[str, ...] = ()
    """The conditions that are still open; values of secret keys are hidden."""
    rules: tuple[str, ...] = ()
    """The ids of the rules of an escalation; () for other requests. An escalation may end where it starts."""
    is_administrator: bool = False
    """Whether an escalation leads to an administrator."""


class PictureLimits(NamedTuple):
    """What a picture leaves out."""

    nodes: int = 0
    """The maximum number of nodes; 0 for no limit."""
    steps: int = 0
    """The maximum number of steps of a way; 0 for no limit."""
    merges_alike: bool = False
    """Whether of ways that differ only in their accounts one is drawn."""


class AccessGraph(NamedTuple):
    """Nodes in order of importance, and the edges between them."""

    title: str
    nodes: tuple[AccessNode, ...]
    edges: tuple[AccessEdge, ...]
    left_out: int = 0
    """The number of principals and roles that are not drawn, because there are too many or they are too far away."""
    alike: int = 0
    """The number of those that are not drawn because they are like one that is drawn, in another account."""
    not_searched: int = 0
    """The number of principals whose escalations are unknown, because the search has a limit."""


_MOST_RULES: Final = 3


def escalation_text(rules: tuple[str, ...]) -> str:
    """Return in words by which rules a principal can become another identity."""
    more = f" and {len(rules) - _MOST_RULES} more" if len(rules) > _MOST_RULES else ""
    return f"escalates by {', '.join(rules[:_MOST_RULES])}{more}"


def graph_of_goal(
    evaluator: Evaluator, assumptions: Assumptions, action: str, resource: str, limits: PictureLimits
) -> AccessGraph:
    """Return how principals reach a goal, and the escalations to these principals."""
    found = who_can(evaluator, assumptions, action, resource)
    title = f"who can {action} on {arn_text(evaluator.world, resource)}"
    paths = [_steps_of(way, evaluator, resource) for way in found.ways]
    able = {way.caller.name for way in found.ways}
    accounts = {way.caller.principal.account for way in found.ways}
    near = (identity for identity in evaluator.world.identities.values() if identity.account in accounts)
    search = searched(evaluator, assumptions)
    escalations = [each for each in search.find(near) if each.caller.name not in able]
    paths += escalation_paths(each for each in escalations if each.target in able)
    return _Making(evaluator).graph(title, paths, limits)._replace(not_searched=len(search.left_out))


def graph_of_principal(
    evaluator: Evaluator, assumptions: Assumptions, principal: str, limits: PictureLimits
) -> AccessGraph:
    """Return the roles that a user or role, given by its ARN, can become, and its escalations."""
    identity = evaluator.world.identities[principal]
    caller = caller_of(identity)
    paths = [_steps_of(way, evaluator, "") for way in ways_from(assumptions, caller)]
    search = searched(evaluator, assumptions)
    paths += escalation_paths(search.find_from(identity))
    graph = _Making(evaluator).graph(f"what {caller_text(evaluator.world, caller)} can become", paths, limits)
    return graph._replace(not_searched=len(search.left_out))


def graph_of_all(evaluator: Evaluator, assumptions: Assumptions, limits: PictureLimits) -> AccessGraph:
    """Return who can assume which role, without AWS's services, and all escalations."""
    identities = evaluator.world.identities.values()
    paths: list[PicturePath] = [
        (PictureStep(assumption.caller, identity.arn, assumption.action, (assumption.answer,)),)
        for identity in identities
        if identity.kind == "role"
        for assumption in assumptions.of(identity.arn)
        if assumption.caller.principal.kind != "service"
    ]
    search = searched(evaluator, assumptions)
    paths += escalation_paths(search.find(identities))
    graph = _Making(evaluator).graph("who can assume which role", paths, limits)
    return graph._replace(not_searched=len(search.left_out))


def _steps_of(way: Way, evaluator: Evaluator, goal: str) -> PicturePath:
    """Return the steps of a way. They end at the roles that they assume, or at the goal, of which one names a part."""
    return tuple(
        PictureStep(
            step.caller,
            goal if goal and step.resource not in evaluator.world.identities else step.resource,
            step.action,
            (step.answer,),
        )
        for step in way.steps
    )


class _Making:
    """A graph under construction."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._world = evaluator.world
        self._nodes: dict[str, AccessNode] = {}
        self._edges: dict[tuple[str, str, str, bool], AccessEdge] = {}

    def graph(self, title: str, paths: Iterable[PicturePath], limits: PictureLimits) -> AccessGraph:
        """Return the graph of the most important paths: see `_rank`."""
        all_names: set[str] = set()
        represented: set[str] = set()
        for group in self._groups(paths, limits):
            names = {name for path in group for name in names_of(path)}
            all_names |= names
            path = nearest_of(group, self._nodes) if len(group) > 1 else group[0]
            new = {*names_of(path)} - self._nodes.keys()
            is_too_much = bool(limits.nodes) and len(self._nodes) + len(new) > limits.nodes
            if is_too_much or (limits.steps and len(path) > limits.steps):
                continue
            represented |= names
            for step in path:
                self._add(step)
            for name, number in zip(names_of(path), nodes_alike(group), strict=True):
                node = self._nodes[name]
                self._nodes[name] = node._replace(alike=max(node.alike, number))
        return AccessGraph(
            title,
            tuple(self._nodes.values()),
            tuple(self._edges.values()),
            len(all_names - represented),
            len(represented - self._nodes.keys()),
        )

    def _groups(self, paths: Iterable[PicturePath], limits: PictureLimits) -> Iterator[list[PicturePath]]:
        ordered = sorted(paths, key=self._rank)
        return iter(groups_of(ordered)) if limits.merges_alike else ([path] for path in ordered)

    def _rank(self, path: PicturePath) -> tuple[int, bool, int, int]:
        """Return the order of a path: from anyone, from other accounts, escalations, across accounts, and the rest.

        The second and later escalations of a principal come last. Of equal ones, those to administrators and short
        ones come first.
        """
        first = path[0]
        is_across = any(_account_of(step.end) not in ("", step.caller.principal.account) for step in path)
        if first.rules:
            rank = 5 if first.is_further else 2
        else:
            rank = 0 if first.is_from_anyone else 1 if first.caller.outside else 3 if is_across else 4
        return rank, not first.is_administrator, sum(step.verdict != "yes" for step in path), len(path)

    def _add(self, step: PictureStep) -> None:
        start, end = step.caller.name, step.end
        if start not in self._nodes:
            self._nodes[start] = self._of_caller(step.caller)
        if end not in self._nodes:
            self._nodes[end] = self._of_arn(end)
        is_open = bool(step.caller.outside) or step.is_from_anyone or step.caller.principal.kind == "anonymous"
        edge = AccessEdge(
            start, end, step.action, step.verdict, is_open, step.conditions, step.rules, step.is_administrator
        )
        self._edges.setdefault((start, end, step.action, bool(step.rules)), edge)

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
        kind: NodeKind = known.kind if known is not None else "group" if arn in self._world.groups else "resource"
        text = arn_text(self._world, arn)
        # The picture draws the account as a frame with this name, so the label leaves it out.
        return AccessNode(arn, kind, text.removesuffix(f" of {frame}") if frame else text, account, frame)


def _account_of(arn: str) -> str:
    parsed = parse_arn(arn)
    return parsed.account if parsed is not None else ""
