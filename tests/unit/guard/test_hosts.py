"""Which hosts the command reaches through the guard."""

from __future__ import annotations

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from dsops.guard.destinations import Network
from dsops.guard.endpoints import is_aws_host
from dsops.guard.exchange import Forward
from dsops.request.messages import HttpAnswer, HttpRequest
from tests.guards import Guarded, allow, check_real, layer_of, proxied, refusal_of


def tunnel(network: Network, host: str, port: int = 443) -> str:
    """What the gate does with a tunnel: `open`, `pass` or `refuse`."""
    result = Guarded(layer_of(allow("*")), network=network).gate.tunnel(host, port)
    return "refuse" if isinstance(result, HttpAnswer) else result


@pytest.mark.parametrize(
    "host",
    [
        "sts.amazonaws.com",
        "bucket.s3.eu-west-1.amazonaws.com",
        "s3.cn-north-1.amazonaws.com.cn",
        "ec2.us-iso-east-1.c2s.ic.gov",
        "datazone.eu-west-1.api.aws",
        "sts.eusc-de-east-1.amazonaws.eu",
        "abc.lambda-url.us-east-1.on.aws",
    ],
)
def test_tunnels_to_aws_are_opened(host: str) -> None:
    """A tunnel to a host of AWS is read, in every partition, whatever else is allowed."""
    assert is_aws_host(host)
    networks: tuple[Network, ...] = ("aws", "all", (host,))
    for network in networks:
        assert "open" == tunnel(network, host)
    assert "refuse" == tunnel("all", host, 8443)


@pytest.mark.parametrize("host", ["amazonaws.com.evil.example", "evilamazonaws.com", "example.com", "aws"])
def test_other_hosts_are_no_hosts_of_aws(host: str) -> None:
    """A host that only looks like one of AWS's is another host."""
    assert not is_aws_host(host)
    assert "refuse" == tunnel("aws", host)
    assert "pass" == tunnel("all", host)


def test_listed_hosts_are_passed() -> None:
    """Patterns list further hosts."""
    network = ("*.example.com", "github.com")

    assert "pass" == tunnel(network, "pypi.example.com")
    assert "pass" == tunnel(network, "GitHub.com")
    assert "refuse" == tunnel(network, "example.org")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "169.254.169.254", "[::1]", "::ffff:127.0.0.1", "fd00:ec2::254", "[::]", "127.1"]
)
def test_this_machine_is_listed_by_name(host: str) -> None:
    """`all` opens neither this machine nor its metadata service, which has keys of its own."""
    assert "refuse" == tunnel("all", host)
    assert "pass" == tunnel((host,), host)


def test_a_request_without_tls_to_another_host() -> None:
    """A request to another host is sent as it is, if the host is listed."""
    headers = {"host": "example.com", "accept": "*/*", "proxy-authorization": "x"}
    request = HttpRequest("GET", "/a", "b=c", headers, b"", "127.0.0.1")
    head = proxied(request, "example.com", 80)._replace(is_tls=False)

    assert isinstance(Guarded(layer_of(allow("*"))).send(request, head), HttpAnswer)
    forward = Guarded(layer_of(allow("*")), network="all").send(request, head)
    assert isinstance(forward, Forward)
    assert ("example.com", 80, False, "/a?b=c") == (forward.host, forward.port, forward.is_tls, forward.target)
    assert (("host", "example.com"), ("accept", "*/*")) == forward.headers


def get_item(guard: Guarded, host: str) -> HttpRequest:
    """A request of the child to read an item of a table, for a host."""
    request = AWSRequest("POST", f"https://{host}/", {"Host": host}, b'{"TableName": "t", "Key": {"id": {"S": "a"}}}')
    request.headers["X-Amz-Target"] = "DynamoDB_20120810.GetItem"
    request.headers["Content-Type"] = "application/x-amz-json-1.0"
    SigV4Auth(guard.keys.botocore(), "dynamodb", "eu-west-1").add_auth(request)
    headers = {name.lower(): str(value) for name, value in request.prepare().headers.items()}
    return HttpRequest("POST", "/", "", headers, request.data, "127.0.0.1")


@pytest.mark.parametrize("account", ["111111111111", "999999999999"])
def test_an_accounts_endpoint_of_dynamodb_is_replaced_by_the_regions(account: str) -> None:
    """A request to an account's endpoint goes to the region's endpoint, which serves the session's account only."""
    guard = Guarded(layer_of(allow("dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:111111111111:table/t")))
    host = f"{account}.ddb.eu-west-1.amazonaws.com"
    request = get_item(guard, host)

    forward = guard.sent(request, proxied(request, host))

    assert "dynamodb.eu-west-1.amazonaws.com" == forward.host
    assert request.body == check_real(forward, "dynamodb").body


@pytest.mark.parametrize(
    "host",
    [
        "111111111111.ddb.us-east-1.amazonaws.com",
        "table.ddb.eu-west-1.amazonaws.com",
        "1.111111111111.ddb.eu-west-1.amazonaws.com",
        "111111111111.ddb.eu-west-1.on.aws",
        "ddb.eu-west-1.amazonaws.com",
    ],
)
def test_hosts_like_an_accounts_endpoint_are_refused(host: str) -> None:
    """A request to a host that only looks like an account's endpoint in its region is refused."""
    guard = Guarded(layer_of(allow("*")))
    request = get_item(guard, host)

    refused = refusal_of(guard.send(request, proxied(request, host)), "dynamodb", "GetItem")

    assert "no endpoint of dynamodb in eu-west-1" in refused.message
