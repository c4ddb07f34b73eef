"""The table of services is what botocore's models and moto's folders say.

DSOPS_UPDATE_GOLDEN=1 writes it anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import moto
from botocore.loaders import Loader
from moto.backends import ALT_SERVICE_NAMES

from dsops.sandbox import served
from dsops.sandbox.served import SERVED, Served

PAGE = Path(served.__file__)
UPDATE = os.environ.get("DSOPS_UPDATE_GOLDEN") == "1"
# Its requests are RDS's, which moto answers them as.
SAME_AS_ANOTHER = {"neptune"}


def found() -> dict[str, Served]:
    """The table, made from what is installed."""
    loader = Loader(include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH])
    table = {}
    for service in loader.list_available_services("service-2"):
        plain = service.replace("-", "")
        module = ALT_SERVICE_NAMES.get(plain, plain)
        if service in SAME_AS_ANOTHER or not (Path(moto.__file__).parent / module / "urls.py").exists():
            continue
        metadata = loader.load_service_model(service, "service-2")["metadata"]
        spoken = metadata.get("protocols", [metadata["protocol"]])
        version = metadata["apiVersion"] if {"query", "ec2"} & set(spoken) else ""
        signing_name = metadata.get("signingName") or metadata["endpointPrefix"]
        table[service] = Served(module, signing_name, metadata.get("targetPrefix", ""), version)
    return table


def row(service: str, entry: Served) -> str:
    """A line of the table."""
    values = [value for value in entry if value]
    if entry.version and not entry.target:
        values.insert(2, "")
    written = ", ".join(f'"{value}"' for value in values)
    return f'    "{service}": Served({written}),'


def test_the_table_is_that_of_the_models() -> None:
    """A new botocore or moto shows here first."""
    table = found()
    if UPDATE:
        rows = "\n".join(row(service, entry) for service, entry in table.items())
        text = re.sub(r"(SERVED: .*?= \{\n).*?(\n\}\n)", lambda match: match[1] + rows + match[2],
                      PAGE.read_text(), flags=re.DOTALL)  # fmt: skip
        PAGE.write_text(text)
        return

    assert table == SERVED


def test_no_service_is_told_from_another_by_nothing() -> None:
    """Services of one signing name have targets, versions or paths of their own."""
    keys = [entry[1:] for entry in SERVED.values() if entry.target or entry.version]

    assert {("timestream", "Timestream_20181101", "")} == {key for key in keys if keys.count(key) > 1}
