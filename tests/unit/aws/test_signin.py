"""Each partition's federation endpoint and console URL, and which custom endpoints are accepted."""

from __future__ import annotations

import pytest

from dsops.arn import partition_of_region
from dsops.aws.apis.signin import console_page, federation_endpoint
from dsops.errors import UsageError


@pytest.mark.parametrize(
    ("region", "endpoint", "page"),
    [
        ("eu-west-1", "https://signin.aws.amazon.com/federation", "https://eu-west-1.console.aws.amazon.com/"),
        ("cn-north-1", "https://signin.amazonaws.cn/federation", "https://cn-north-1.console.amazonaws.cn/"),
        (
            "us-gov-west-1",
            "https://signin.amazonaws-us-gov.com/federation",
            "https://us-gov-west-1.console.amazonaws-us-gov.com/",
        ),
        (
            "eusc-de-east-1",
            "https://eusc-de-east-1.signin.amazonaws-eusc.eu/federation",
            "https://eusc-de-east-1.console.amazonaws-eusc.eu/",
        ),
    ],
)
def test_each_partition_has_its_federation_endpoint(region: str, endpoint: str, page: str) -> None:
    """Each partition has its own federation endpoint and console URL for the region."""
    partition = partition_of_region(region)
    assert federation_endpoint(partition) == endpoint
    assert console_page(partition, region) == f"{page}console/home?region={region}"


@pytest.mark.parametrize("region", ["us-iso-east-1", "us-isob-east-1"])
def test_an_unknown_federation_endpoint_is_not_guessed(region: str) -> None:
    """For a partition without a known endpoint, the user must configure an endpoint.

    A session is therefore never sent to a guessed host.
    """
    partition = partition_of_region(region)
    with pytest.raises(UsageError):
        federation_endpoint(partition)
    with pytest.raises(UsageError):
        console_page(partition, region)
    own = "https://signin.example.gov/federation"
    assert federation_endpoint(partition, own) == own
    assert console_page(partition, region, "https://console.example.gov/") == "https://console.example.gov/"


@pytest.mark.parametrize("own", ["http://127.0.0.1:4566/_sandbox/federation", "http://localhost/x", "https://host/x"])
def test_an_own_endpoint_is_https_or_this_machine(own: str) -> None:
    """A custom endpoint must use https or be on loopback, so that the session cannot be read in transit."""
    assert federation_endpoint(partition_of_region("us-east-1"), own) == own


@pytest.mark.parametrize(
    "own", ["http://signin.example.com/", "http://127.0.0.256/", "https://host/x?a=b", "https://a@host/", "ftp://host/"]
)
def test_any_other_endpoint_is_refused(own: str) -> None:
    """A custom endpoint with plain http, or with a URL that can hide another host, is refused."""
    with pytest.raises(UsageError):
        federation_endpoint(partition_of_region("us-east-1"), own)
