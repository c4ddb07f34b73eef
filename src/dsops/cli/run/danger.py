"""Asks for confirmation before a run with a store that has `danger: true`, once a day for each store."""

from __future__ import annotations

from collections.abc import Iterable

from dsops.cli.framework.prompt import has_terminal
from dsops.errors import NotConfirmed
from dsops.pipeline.confirmation import remember, unconfirmed_steps
from dsops.plan import Plan
from dsops.runtime import Runtime


def confirm(plans: Iterable[Plan], runtime: Runtime) -> None:
    """Ask the user to confirm the plans' stores that were not confirmed today. Raises NotConfirmed.

    Nothing is asked without a terminal, in a background job, and in CI, where jobs may have a terminal.
    """
    unconfirmed = [step for plan in plans for step in unconfirmed_steps(plan, runtime.environ, runtime.now())]
    steps = list({step.name: step for step in unconfirmed}.values())
    if not steps or runtime.environ.get("CI") or not has_terminal():
        return
    names = " and ".join(f"`{step.name}`{f' ({step.role})' if step.role else ''}" for step in steps)
    if not runtime.confirm(f"dsops: danger: this run uses {names}\nGo on, and do not ask again for a day? [y/N] "):
        raise NotConfirmed(
            f"you did not confirm the run with {names}",
            why="the store has `danger: true`",
            hint="run it again and type `y`",
            where=steps[0].where,
        )
    remember(steps, runtime.environ, runtime.now())
