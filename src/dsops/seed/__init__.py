"""Generate a sandbox seed from a dsops.yaml: accounts, roles, MFA devices and invented secret values.

A role in the seed requires what its store sends:

- If the store sends an external ID, the role requires that external ID.
- If the store uses an MFA device, the role requires MFA.
- The role's maximum session duration is the store's duration.

A user `developer` owns the MFA devices and may assume the first roles. Permission sets of IAM Identity Center are
assigned to a directory user with the same name, whose logins are all approved automatically. Imported by `cli`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.model import Config
from dsops.sandbox.seed.model import DEFAULT_REGION, Seed
from dsops.schema import BUILTIN_TYPES, StoreType
from dsops.seed.planning import Planning
from dsops.seed.world import SeedWorld

__all__ = ["SeedFromConfig", "seed_from_config"]


class SeedFromConfig(NamedTuple):
    """The generated seed, and a note for each part of the configuration that it does not cover."""

    seed: Seed
    notes: tuple[str, ...]


def seed_from_config(
    config: Config,
    *,
    environ: Mapping[str, str],
    user: str = "",
    timestamp: str = "",
    store_types: Mapping[str, StoreType] = BUILTIN_TYPES,
) -> SeedFromConfig:
    """Return a seed for a sandbox in which every store and environment of the configuration works.

    Strings are expanded as in a run. A store is left out with a note if its variables are not set or AWS would refuse
    it. If `environ` has no region, the seed's region is the one that `sandbox run` sets.
    """
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    planning = Planning(config, {**environ, "AWS_REGION": region}, user, timestamp, store_types)
    world = SeedWorld(planning.first_hops(), environ)
    for plan in planning.store_plans.values():
        for step in plan.steps.values():
            world.add_session(step, plan.steps)
    for plan in planning.environment_plans():
        for variable in plan.variables:
            if variable.reference is not None and variable.step in planning.store_plans:
                world.add_read(variable, planning.store_plans[variable.step])
    seed = world.seed(region)
    return SeedFromConfig(seed, tuple(dict.fromkeys([*planning.notes, *world.notes])))
