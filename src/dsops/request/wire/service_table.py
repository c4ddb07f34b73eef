"""Read the table of services that moto implements, with the data that identifies each service's requests.

`services.tsv` has a line for each service: its name in botocore, then the fields of `Served`. With this table, routing
a request does not have to load a hundred models. The table is generated from the models of botocore and the folders of
moto by `DSOPS_UPDATE_GOLDEN=1 pytest tests/unit/sandbox/test_served.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple


class Served(NamedTuple):
    """A service's module in moto, and what identifies its requests."""

    module: str
    """The folder of the service in moto."""
    signing_name: str
    """The service's name in the credential scope."""
    target: str = ""
    """The prefix of X-Amz-Target, also used in a CBOR path; "" for other protocols."""
    version: str = ""
    """The value of the query protocol's `Version`; "" if the service does not use that protocol."""


def _read_table() -> dict[str, Served]:
    with open(os.path.join(os.path.dirname(__file__), "services.tsv"), encoding="ascii") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return {service: Served(*columns) for service, *columns in rows}


SERVED: Mapping[str, Served] = _read_table()
"""botocore's service name -> the data by which routing identifies the service without loading its model."""

ALSO_SIGNED_AS = frozenset(
    """
    appconfig aws-marketplace bedrock cloudhsm connect connect-campaigns events execute-api forecast greengrass ivs
    kinesisanalytics kinesisvideo lambda lex payment-cryptography personalize resiliencehub sagemaker sdb ses signer
    """.split()
)
"""Signing names that are shared by a service in the table and a service that moto lacks."""
