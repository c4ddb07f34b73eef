"""The actions whose use CloudTrail does not log, or logs only if a trail asks for it, from `unlogged.txt`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Final, Literal

CAN_BE_EXCLUDED: Final = frozenset({"kms", "rds-data"})
"""Services whose events a trail can leave out (`ExcludeManagementEventSources`)."""


@cache
def unlogged(kind: Literal["data", "never"]) -> Mapping[str, tuple[str, ...]]:
    """Return the actions that a trail logs only as data events, or that have no event.

    The keys are the prefixes of services, the values patterns of names in which `*` stands for any text.
    """
    with open(os.path.join(os.path.dirname(__file__), "unlogged.txt"), encoding="ascii") as file:
        rows = [line.split() for line in file if not line.startswith("#")]
    return {prefix: tuple(names) for of_kind, prefix, *names in rows if of_kind == kind}
