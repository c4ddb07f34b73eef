"""Permission for found configurations, as a user gives it by `dsops allow`: for tests that are about something else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dsops.config import load
from dsops.config.allow import allow
from dsops.config.powers import powers_of
from dsops.errors import DsopsError
from dsops.stores import StoreTypes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def allow_found(folder: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Allows the configuration that is found in that folder as it is now; what is not valid, or has no home, is not."""
    try:
        config = load(folder=str(folder), environ=environ, types=StoreTypes())
        allow(config.files, environ, powers=[power.line for power in powers_of(config, StoreTypes())])
    except DsopsError:
        return
