"""Requests of every service in botocore are routed to a served service or get a 501.

botocore puts a target prefix before an operation's name. SDKs generated from Smithy models use the service's shape
name instead, which is the part of the prefix after its last dot; RPC v2 has it in the path.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpRequest
from dsops.request.wire.cbor import decode, encode
from dsops.request.wire.error_responses import answer_refusal
from dsops.request.wire.errors import answer_of
from dsops.request.wire.models import TARGETS
from dsops.request.wire.route import Route, find_route
from dsops.request.wire.service_table import SERVED
from tests.sandboxes import ACCOUNT, Lab, sign

LOADER = Loader(include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH])
EVERY_SERVICE = LOADER.list_available_services("service-2")
# docdb and neptune sign requests as `rds` with RDS's API version, so they are routed to RDS.
SAME_AS_ANOTHER = {"docdb", "neptune"}
# Services that the sandbox implements itself.
PLAYED = {"iam-toolbox", "sso", "sso-oidc"}

LIKE_A_SERVED_ONE = {("greengrassv2", "AssociateServiceRoleToAccount"), ("signer-data", "GetRevocationStatus")}
"""Unserved operations with the same method, path and signing name as a served operation."""


@cache
def model_of(service: str) -> ServiceModel:
    """Return botocore's model of any service, served or not."""
    return ServiceModel(LOADER.load_service_model(service, "service-2"), service)


@cache
def targets_of(service: str) -> tuple[str, ...]:
    """Return both names of the service in X-Amz-Target, often equal; () for services without that header."""
    prefix = str(model_of(service).metadata.get("targetPrefix", ""))
    spoken = set(protocols_of(service))
    return tuple({prefix, prefix.rpartition(".")[2]}) if prefix and spoken & {"json", "smithy-rpc-v2-cbor"} else ()


def protocols_of(service: str) -> list[str]:
    """Return botocore's names of the service's protocols."""
    metadata = model_of(service).metadata
    return list(metadata.get("protocols", [metadata["protocol"]]))


def signature(service: str) -> dict[str, str]:
    """Return an Authorization header for the service's signing name."""
    name = model_of(service).signing_name
    scope = f"AKIAIOSFODNN7EXAMPLE/20260713/us-east-1/{name}/aws4_request"
    return {"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}


def outcome(request: HttpRequest, operation: str) -> str:
    """Return the service that the request is routed to, or the error's code."""
    try:
        found = find_route(request)
    except SandboxRefusal as refused:
        answer = answer_of(refused)
        return f"{answer.status} {answer.code}"
    assert isinstance(found, Route), found
    assert operation == found.operation
    return found.service


def test_both_names_of_a_service_find_it() -> None:
    """Each service is found by the full and the short form of its target name.

    This holds for X-Amz-Target and for CBOR paths. An unserved service gets a 501.
    """
    routed = {
        (service, target): routes_of(service, target) for service in EVERY_SERVICE for target in targets_of(service)
    }

    expected = {found: {found[0] if found[0] in SERVED else "501 NotImplemented"} for found in routed}
    assert expected == routed
    assert len(routed) > 150


def routes_of(service: str, target: str) -> set[str]:
    """Return the outcomes for the service's first operation of its own, in X-Amz-Target and in a CBOR path."""
    operation = next(
        name
        for name in model_of(service).operation_names
        if service != "timestream-query" or name not in model_of("timestream-write").operation_names
    )
    json = {"x-amz-target": f"{target}.{operation}", "content-type": "application/x-amz-json-1.1"}
    cbor = {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"}
    path = f"/service/{target}/operation/{operation}"
    return {
        outcome(HttpRequest("POST", "/", "", {**signature(service), **json}, b"{}", "127.0.0.1"), operation),
        outcome(HttpRequest("POST", path, "", {**signature(service), **cbor}, encode({}), "127.0.0.1"), operation),
    }


def test_only_timestream_services_share_a_name() -> None:
    """Only the two Timestream services share a target name; a further pair would need its own routing rule."""
    names = Counter(target for service in EVERY_SERVICE for target in targets_of(service))

    assert {"Timestream_20181101"} == {target for target, count in names.items() if count > 1}
    assert ("cloudtrail",) == TARGETS["CloudTrail_20131101"]


def test_an_operation_of_another_service_is_unknown() -> None:
    """An unknown operation of a known service gets UnknownOperationException."""
    headers = {**signature("cloudtrail"), "x-amz-target": "CloudTrail_20131101.NoSuch"}

    assert outcome(HttpRequest("POST", "/", "", headers, b"{}", "127.0.0.1"), "") == "400 UnknownOperationException"


@pytest.mark.parametrize("service", sorted(set(EVERY_SERVICE) - set(SERVED) - SAME_AS_ANOTHER - PLAYED))
def test_a_service_without_a_backend_is_not_implemented_in_its_own_protocol(service: str) -> None:
    """Each operation of an unserved service gets a 501 in the service's protocol, which clients can parse."""
    protocol = protocols_of(service)[0]
    for operation in model_of(service).operation_names[:3]:
        if (service, operation) in LIKE_A_SERVED_ONE:
            continue
        model = model_of(service).operation_model(operation)
        request = written(service, model, protocol)
        with pytest.raises(SandboxRefusal) as caught:
            find_route(request)

        answer = answer_refusal(request, None, caught.value, "id")

        headers = {name.lower(): value for name, value in answer.headers}
        said = create_parser(protocol).parse(
            {"status_code": answer.status, "headers": headers, "body": answer.body}, model.output_shape
        )
        # A response to HEAD has no body, so it has no error code.
        code = "501" if request.method == "HEAD" and "x-amzn-errortype" not in headers else "NotImplemented"
        assert (501, code) == (answer.status, said["Error"]["Code"]), operation


def written(service: str, model: Any, protocol: str) -> HttpRequest:  # botocore ships no types
    """Return botocore's request for an operation, with `x` for each parameter in the path."""
    shape = model.input_shape
    labels = {
        name: "x"
        for name, member in (shape.members if shape else {}).items()
        if member.serialization.get("location") == "uri" or member.serialization.get("hostLabel")
    }
    created = create_serializer(protocol, include_validation=False).serialize_to_request(labels, model)
    path, _, query = created["url_path"].partition("?")
    headers = {name.lower(): str(value) for name, value in dict(created["headers"]).items()}
    body = created["body"] if isinstance(created["body"], bytes) else b""
    if isinstance(created["body"], dict):
        query, body = "", "&".join(f"{name}={value}" for name, value in created["body"].items()).encode()
    return HttpRequest(created["method"], path, query, {**headers, **signature(service)}, body, "127.0.0.1")


@pytest.mark.parametrize(
    ("service", "operation", "name", "expected"),
    [
        ("kms", "ListKeys", "TrentService", {"Keys": [], "Truncated": False}),
        ("secretsmanager", "ListSecretVersionIds", "secretsmanager", "ResourceNotFoundException"),
        ("sqs", "ListQueues", "AmazonSQS", {}),
        ("ssm", "GetParameter", "AmazonSSM", "ParameterNotFound"),
    ],
)
def test_a_cbor_client_gets_cbor(service: str, operation: str, name: str, expected: object) -> None:
    """CBOR requests get CBOR responses, from moto and from the sandbox itself."""
    lab = Lab.of(f'accounts: {{"{ACCOUNT}": {{}}}}')
    body = encode({"SecretId": "missing", "Name": "missing"})
    headers = {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"}
    path = f"/service/{name}/operation/{operation}"
    request = sign(lab.user("admin").keys, service, "us-east-1", "POST", path, headers, body)

    answer = lab.sandbox.handle(request).answer

    assert "application/cbor" == dict(answer.headers)["Content-Type"]
    said = decode(answer.body)
    assert isinstance(said, dict)
    assert expected == said if isinstance(expected, dict) else str(said["__type"]).endswith(str(expected))
