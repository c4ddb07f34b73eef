"""Builds graphs for tests from a configuration's text, as `dsops graph` builds them from plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsops.errors import ConfigError
from dsops.graph import Graph, GraphNode, Unplanned, make_graph
from dsops.schema import BUILTIN_TYPES
from tests.plans import LONG_TERM, config_of, plan_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dsops.plan import Ambient, Plan


def graph_of(text: str, *, ambient: Ambient = LONG_TERM, environ: Mapping[str, str] | None = None) -> Graph:
    """The graph of a configuration: plans of all environments, then of stores that no environment uses."""
    config, plans = config_of(text), list["Plan"]()
    environments: dict[str, str] = {}
    stores: dict[str, str] = {}
    for name in config.environments:
        try:
            plans.append(plan_of(text, name, ambient=ambient, environ=environ))
        except ConfigError as error:
            environments[name] = error.problems[0].message
    for name in config.stores:
        if any(name in plan.steps for plan in plans):
            continue
        try:
            plans.append(plan_of(text, store=name, ambient=ambient, environ=environ))
        except ConfigError as error:
            stores[name] = error.problems[0].message
    unplanned = Unplanned(environments, stores)
    return make_graph("credentials of dsops.yaml", config, plans, BUILTIN_TYPES, unplanned, lambda _: ambient)


def node(graph: Graph, kind: str, name: str) -> GraphNode:
    """The only node with this kind and name."""
    (found,) = [each for each in graph.nodes if (each.kind, each.name) == (kind, name)]
    return found


def many(stores: int, accounts: int) -> str:
    """A configuration with this many roles in a few accounts, each with a secret store and two variables."""
    lines = ["secretStores:"]
    for number in range(stores // 2):
        account = f"{111111111111 * (1 + number % accounts)}"[:12]
        role_arn = f"'arn:aws:iam::{account}:role/Role{number}'"
        lines += [
            f"  role{number}: {{type: aws.sts, region: us-east-1, role_session_name: ada, role_arn: {role_arn}}}",
            f"  secrets{number}: {{type: aws.secretsmanager, region: us-east-1, credentials_from: role{number}}}",
        ]
    lines += ["envs:", "  production:"]
    for number in range(stores // 2):
        lines += [
            f"    URL_{number}: {{from: {{store: secrets{number}, key: prod/url}}}}",
            f"    TOKEN_{number}: {{from: {{store: secrets{number}, key: prod/token}}}}",
        ]
    return "\n".join(lines) + "\n"
