"""botocore's metadata of services, read from the beginning of each description, because a whole one is much longer."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

from botocore.loaders import Loader

LOADER = Loader(include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH])
_LONGEST = 20_000
"""Characters of a description in which its metadata ends."""


def services() -> list[str]:
    """The names of all services."""
    found: list[str] = LOADER.list_available_services("service-2")
    return found


def metadata_of(service: str) -> dict[str, Any]:
    """The metadata of a service's newest description: JSON. Raises ValueError if it is not near the beginning."""
    version = LOADER.determine_latest_version(service, "service-2")
    with gzip.open(
        Path(LOADER.BUILTIN_DATA_PATH, service, version, "service-2.json.gz"), "rt", encoding="utf-8"
    ) as file:
        beginning = file.read(_LONGEST)
    key = re.search(r'"metadata"\s*:\s*', beginning)
    if key is None:
        raise ValueError(f"botocore's description of {service} does not begin with its metadata")
    found: dict[str, Any] = json.JSONDecoder().raw_decode(beginning, key.end())[0]
    return found
