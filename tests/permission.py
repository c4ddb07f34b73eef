"""Allows discovered configurations as `dsops allow` does, for tests about other features."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dsops.config import load
from dsops.config.allow import allow
from dsops.config.capabilities import powers_of
from dsops.errors import DsopsError
from dsops.stores import StoreTypes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def allow_found(folder: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Allow the configuration found in this folder as it is now; does nothing if it is invalid or HOME is missing."""
    try:
        config = load(folder=str(folder), environ=environ, types=StoreTypes())
        allow(config.files, environ, powers=[power.line for power in powers_of(config, StoreTypes())])
    except DsopsError:
        return
