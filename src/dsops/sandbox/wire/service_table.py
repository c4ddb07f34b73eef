"""The services that moto serves, and how their requests are recognized.

`services.tsv` has a line for each service: its name in botocore, then the fields of `Served`. It is generated from the
models of botocore and the folders of moto by `DSOPS_UPDATE_GOLDEN=1 pytest tests/unit/sandbox/test_served.py`, so that
routing a request need not load a hundred models.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple


class Served(NamedTuple):
    """How requests for a service are recognized, and moto's module for it."""

    module: str
    """The folder in moto."""
    signing_name: str
    """The service in the credential scope."""
    target: str = ""
    """The prefix of X-Amz-Target and the service in a CBOR path; "" for other protocols."""
    version: str = ""
    """`Version` of the query protocol; "" if the service does not speak it."""


def _read_table() -> dict[str, Served]:
    with open(os.path.join(os.path.dirname(__file__), "services.tsv"), encoding="ascii") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return {service: Served(*columns) for service, *columns in rows}


SERVED: Mapping[str, Served] = _read_table()
"""botocore's service name -> what routing needs without loading the model."""

ALSO_SIGNED_AS = frozenset(
    """
    appconfig aws-marketplace bedrock cloudhsm connect connect-campaigns events execute-api forecast greengrass ivs
    kinesisanalytics kinesisvideo lambda lex payment-cryptography personalize resiliencehub sagemaker sdb ses signer
    """.split()
)
"""Signing names that served services share with services that moto lacks."""
