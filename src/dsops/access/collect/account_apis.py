"""The APIs of one account, with the credentials that can call them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dsops.aws.apis.inventory.pages import ServiceApi
from dsops.aws.http.call import Client
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import DsopsError
from dsops.text import clean

FindEndpoint = Callable[[str, str], Endpoint]
"""A function that takes a service and a region, and returns the endpoint."""


class AccountApis(NamedTuple):
    """Credentials of one account, and what is needed to call its services."""

    client: Client
    credentials: Credentials
    find_endpoint: FindEndpoint
    account: str
    region: str
    """The region for services without regions."""

    def api(self, service: str, region: str = "") -> ServiceApi:
        """Return the API of a service in a region."""
        return ServiceApi(self.client, self.credentials, self.find_endpoint(service, region or self.region))


def why(error: DsopsError) -> str:
    """Return why a call failed, on one line, for a gap."""
    return clean(f"{error.message}: {error.why}" if error.why else error.message)
