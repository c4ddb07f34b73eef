"""The table of served services matches botocore's models and moto's folders.

DSOPS_UPDATE_GOLDEN=1 regenerates the table.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import Any

import moto
from moto.backends import ALT_SERVICE_NAMES

from dsops.request.wire import service_table
from dsops.request.wire.service_table import ALSO_SIGNED_AS, SERVED, Served
from tests.botocore_metadata import metadata_of, services

PAGE = Path(service_table.__file__)
TABLE = PAGE.with_name("services.tsv")
UPDATE = os.environ.get("DSOPS_UPDATE_GOLDEN") == "1"
# docdb and neptune send RDS's requests, which moto answers as RDS; the sandbox implements the IAM Toolbox.
SAME_AS_ANOTHER = {"docdb", "iam-toolbox", "neptune"}


def found() -> dict[str, Served]:
    """Return the table that the installed packages imply."""
    table = {}
    for service, metadata in every_metadata().items():
        module = module_of(service)
        if module is None:
            continue
        spoken = metadata.get("protocols", [metadata["protocol"]])
        speaks_query = {"query", "ec2"} & set(spoken) or "awsQueryCompatible" in metadata
        version = metadata["apiVersion"] if speaks_query else ""
        table[service] = Served(module, signing_name(metadata), metadata.get("targetPrefix", ""), version)
    return table


@cache
def every_metadata() -> dict[str, Any]:
    """Return botocore's metadata of each service whose requests differ from other services' requests."""
    return {service: metadata_of(service) for service in services() if service not in SAME_AS_ANOTHER}


def module_of(service: str) -> str | None:
    """Return moto's folder for a service, or None."""
    plain = service.replace("-", "")
    module = ALT_SERVICE_NAMES.get(plain, plain)
    return module if (Path(moto.__file__).parent / module / "urls.py").exists() else None


def signing_name(metadata: dict[str, Any]) -> str:
    """Return the service name in the credential scope."""
    return str(metadata.get("signingName") or metadata["endpointPrefix"])


def shared_names() -> frozenset[str]:
    """Return the signing names that a served and an unserved service have in common."""
    others = {signing_name(metadata) for service, metadata in every_metadata().items() if module_of(service) is None}
    return frozenset(others & {entry.signing_name for entry in found().values()})


def test_the_table_agrees_with_the_models() -> None:
    """The table of services matches the installed botocore and moto."""
    table = found()
    if UPDATE:
        TABLE.write_text("".join("\t".join((service, *entry)).rstrip() + "\n" for service, entry in table.items()))
        names = fill(
            " ".join(sorted(shared_names())),
            116,
            initial_indent="    ",
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
        text = re.sub(
            r'(ALSO_SIGNED_AS = frozenset\(\n    """\n).*?(\n    """)',
            lambda match: match[1] + names + match[2],
            PAGE.read_text(),
            flags=re.DOTALL,
        )
        PAGE.write_text(text)
        return

    assert table == SERVED
    assert shared_names() == ALSO_SIGNED_AS


def test_all_services_are_distinguishable() -> None:
    """Services with the same signing name differ in target, version or path, except the Timestream services."""
    keys = [entry[1:] for entry in SERVED.values() if entry.target or entry.version]

    assert {("timestream", "Timestream_20181101", "")} == {key for key in keys if keys.count(key) > 1}
