"""Every operation of every service is found, and its IAM action is known or the request is refused."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dsops.errors import SandboxRefusal
from dsops.guard import every_service
from dsops.guard.caller import caller_of
from dsops.guard.decision import RETURNS_KEYS, Judge
from dsops.guard.endpoints import endpoint_of
from dsops.guard.every_service import OtherService, find_any_route, other_services, scope_name
from dsops.guard.exchange import Forward
from dsops.guard.reading import check_unambiguous
from dsops.request.wire.models import TOOLBOX, operation_model, operation_names, protocols
from dsops.request.wire.service_table import SERVED
from tests.botocore_metadata import metadata_of, services
from tests.groups import marks_of_rest
from tests.guards import SESSION_ARN, Guarded, allow, direct, layer_of, proxied, reference, refusal_of
from tests.sandboxes import sign
from tests.shapes import ShapeMaker, written_request

TABLE = Path(every_service.__file__).with_name("services.tsv")
UPDATE = os.environ.get("DSOPS_UPDATE_GOLDEN") == "1"
NOT_SIGNED = {"sso", "sso-oidc"}
"""Services of IAM Identity Center, whose requests have a token instead of a signature."""


@cache
def every_metadata() -> dict[str, Any]:
    """botocore's metadata of each service that the sandbox does not serve."""
    names = set(services()) - set(SERVED) - NOT_SIGNED - {TOOLBOX, "docdb", "neptune"}
    return {name: metadata_of(name) for name in sorted(names)}


def found() -> dict[str, OtherService]:
    """The table that the installed botocore implies."""
    table = {}
    for service, metadata in every_metadata().items():
        spoken = set(metadata.get("protocols", [metadata["protocol"]]))
        version = metadata["apiVersion"] if {"query", "ec2"} & spoken or "awsQueryCompatible" in metadata else ""
        name = metadata.get("signingName") or metadata["endpointPrefix"]
        target = "" if metadata["protocol"].startswith("rest") else metadata.get("targetPrefix", "")
        table[service] = OtherService(name, target, version)
    return table


def test_the_table_agrees_with_the_models() -> None:
    """The table has each service of botocore that the sandbox does not serve."""
    if UPDATE:
        rows = ("\t".join((service, *facts)).rstrip() for service, facts in found().items())
        TABLE.write_text("".join(f"{row}\n" for row in rows), encoding="ascii")
        other_services.cache_clear()

    assert found() == other_services()


SERVICES = [
    pytest.param(service, marks=marks_of_rest(number, 8)) for number, service in enumerate(sorted(every_metadata()))
]


@pytest.mark.parametrize("service", SERVICES)
def test_each_operation_is_found_at_its_endpoint(service: str) -> None:
    """A request that botocore serializes is read as its own operation, if its host is the service's endpoint."""
    endpoint = endpoint_of(service, "us-east-1")
    host = "" if endpoint is None else endpoint.host
    for operation in sorted(operation_names(service)):
        for protocol in protocols(service):
            shape = operation_model(service, operation).input_shape
            random = Random(f"{service}{operation}")  # noqa: S311 - reproducible parameters
            parameters = {} if shape is None else ShapeMaker(random, protocol).parameters(shape)
            request = written_request(service, operation, parameters, protocol, signed_as=scope_name(service))
            route = find_any_route(request, host, "us-east-1")
            if "/." not in request.path:
                # Some parameters are `.` and `..`, which the guard refuses in a path.
                check_unambiguous(route, request)
            assert operation == route.operation
            assert scope_name(service) == scope_name(route.service)


@pytest.mark.parametrize("service", SERVICES)
def test_each_operation_is_decided(service: str) -> None:
    """Each operation has checks that a policy for everything allows, or it is refused without a failure."""
    judge = Judge(layer_of(allow("*")), caller_of(SESSION_ARN), reference())
    for operation in sorted(operation_names(service)):
        protocol = protocols(service)[0]
        shape = operation_model(service, operation).input_shape
        random = Random(f"{service}{operation}")  # noqa: S311 - reproducible parameters
        parameters = {} if shape is None else ShapeMaker(random, protocol).parameters(shape)
        request = written_request(service, operation, parameters, protocol, signed_as=scope_name(service))
        try:
            judged = judge.judge(service, operation, parameters, request=request, region="us-east-1", now=0)
        except SandboxRefusal:
            continue
        # An action that returns keys must be named in the policy.
        assert judged.refusal is None or judged.questions[-1].action.lower() in RETURNS_KEYS
        assert judged.questions


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "action", "resource"),
    [
        (
            "bedrock-runtime",
            "Converse",
            {"modelId": "anthropic.claude-v2"},
            "bedrock:InvokeModel",
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2",
        ),
        ("cloudcontrol", "ListResources", {"TypeName": "AWS::S3::Bucket"}, "cloudformation:ListResources", "*"),
        (
            "bedrock-runtime",
            "ConverseStream",
            {"modelId": "us.anthropic.claude-v2"},
            "bedrock:InvokeModelWithResponseStream",
            "arn:aws:bedrock:us-east-1:111111111111:inference-profile/us.anthropic.claude-v2",
        ),
    ],
)
def test_services_that_the_sandbox_lacks_are_guarded(
    service: str, operation: str, parameters: dict[str, object], action: str, resource: str
) -> None:
    """A request to any service is decided by its IAM action and sent to its endpoint."""
    guard = Guarded(layer_of(allow(action)))
    made = written_request(service, operation, parameters, protocols(service)[0], signed_as=scope_name(service))
    headers = {name: value for name, value in made.headers.items() if name not in {"authorization", "host"}}
    name = scope_name(service)
    request = sign(guard.keys, name, "us-east-1", made.method, made.path, headers, made.body, made.query)

    forward = guard.send(request)

    assert isinstance(forward, Forward), forward
    endpoint = endpoint_of(service, "us-east-1")
    assert endpoint is not None
    assert endpoint.host == forward.host
    other = Guarded(layer_of(allow("s3:*")), placeholder=guard.placeholder)
    error = refusal_of(other.send(request), service, operation)
    named = "" if resource == "*" else f" on resource: {resource}"
    assert f"is not authorized to perform: {action}{named} because" in error.message


def test_an_operation_without_a_known_action_is_refused() -> None:
    """If no IAM action is known for an operation, even a policy that allows everything does not send it."""
    guard = Guarded(layer_of(allow("*")))
    made = written_request("codecatalyst", "GetUserDetails", {}, "rest-json", signed_as="codecatalyst")
    request = sign(guard.keys, "codecatalyst", "us-east-1", made.method, made.path, {}, made.body, made.query)

    error = refusal_of(guard.send(request), "codecatalyst", "GetUserDetails")

    assert "dsops guard: cannot tell which IAM action `codecatalyst:GetUserDetails` needs; not sent" == error.message


def test_the_host_decides_between_services_with_one_signing_name() -> None:
    """A request that two services could take is refused without a host."""
    guard = Guarded(layer_of(allow("*")))
    body = b'{"modelId": "m"}'
    request = sign(guard.keys, "bedrock", "us-east-1", "POST", "/model/m/converse", {}, body)

    assert isinstance(guard.send(request, direct(request)), Forward)
    assert not isinstance(guard.send(request, proxied(request, "bedrock-agent.us-east-1.amazonaws.com")), Forward)
