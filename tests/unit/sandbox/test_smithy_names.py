"""Requests of every service that botocore knows: those of served services are found, the others are told so (501).

Botocore puts a target prefix before an operation's name. SDKs that are made from Smithy models put the name of the
service's shape there, which is the prefix after its last dot; RPC v2 has it in the path.
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
from dsops.sandbox.http.messages import HttpRequest
from dsops.sandbox.wire.cbor import decode, encode
from dsops.sandbox.wire.error_responses import answer_refusal
from dsops.sandbox.wire.errors import answer_of
from dsops.sandbox.wire.models import TARGETS
from dsops.sandbox.wire.route import Route, find_route
from dsops.sandbox.wire.service_table import SERVED
from tests.sandboxes import ACCOUNT, Lab, sign

LOADER = Loader(include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH])
EVERY_SERVICE = LOADER.list_available_services("service-2")
# Signed as `rds`, with RDS's version: their requests are RDS's.
SAME_AS_ANOTHER = {"docdb", "neptune"}
# The sandbox plays them itself.
PLAYED = {"iam-toolbox", "sso", "sso-oidc"}

LIKE_A_SERVED_ONE = {("greengrassv2", "AssociateServiceRoleToAccount"), ("signer-data", "GetRevocationStatus")}
"""Their method, path and signing name are those of an operation that is served."""


@cache
def model_of(service: str) -> ServiceModel:
    """botocore's model, served or not."""
    return ServiceModel(LOADER.load_service_model(service, "service-2"), service)


@cache
def targets_of(service: str) -> tuple[str, ...]:
    """Both names of a service in X-Amz-Target, which are one for most; nothing for one without."""
    prefix = str(model_of(service).metadata.get("targetPrefix", ""))
    spoken = set(protocols_of(service))
    return tuple({prefix, prefix.rpartition(".")[2]}) if prefix and spoken & {"json", "smithy-rpc-v2-cbor"} else ()


def protocols_of(service: str) -> list[str]:
    """As botocore names them."""
    metadata = model_of(service).metadata
    return list(metadata.get("protocols", [metadata["protocol"]]))


def signature(service: str) -> dict[str, str]:
    """A header that says which service the request is signed for."""
    name = model_of(service).signing_name
    scope = f"AKIAIOSFODNN7EXAMPLE/20260713/us-east-1/{name}/aws4_request"
    return {"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}


def outcome(request: HttpRequest, operation: str) -> str:
    """The service that a request with this operation is routed to, or the code of the refusal."""
    try:
        found = find_route(request)
    except SandboxRefusal as refused:
        answer = answer_of(refused)
        return f"{answer.status} {answer.code}"
    assert isinstance(found, Route), found
    assert operation == found.operation
    return found.service


@pytest.mark.parametrize("service", [name for name in EVERY_SERVICE if targets_of(name)])
def test_both_names_of_a_service_find_it(service: str) -> None:
    """In X-Amz-Target and in the path of a CBOR request; a service without a backend is 501, never unknown."""
    expected = service if service in SERVED else "501 NotImplemented"
    operation = next(
        name
        for name in model_of(service).operation_names
        if service != "timestream-query" or name not in model_of("timestream-write").operation_names
    )
    for target in targets_of(service):
        json = {"x-amz-target": f"{target}.{operation}", "content-type": "application/x-amz-json-1.1"}
        request = HttpRequest("POST", "/", "", {**signature(service), **json}, b"{}", "127.0.0.1")
        assert expected == outcome(request, operation), target

        cbor = {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"}
        path = f"/service/{target}/operation/{operation}"
        request = HttpRequest("POST", path, "", {**signature(service), **cbor}, encode({}), "127.0.0.1")
        assert expected == outcome(request, operation), path


def test_no_two_services_share_a_name_but_timestreams() -> None:
    """Their operations tell those two apart; a botocore with more such pairs needs another rule."""
    names = Counter(target for service in EVERY_SERVICE for target in targets_of(service))

    assert {"Timestream_20181101"} == {target for target, count in names.items() if count > 1}
    assert ("cloudtrail",) == TARGETS["CloudTrail_20131101"]


def test_an_operation_that_the_service_lacks_is_unknown() -> None:
    """The name found the service all the same."""
    headers = {**signature("cloudtrail"), "x-amz-target": "CloudTrail_20131101.NoSuch"}

    assert outcome(HttpRequest("POST", "/", "", headers, b"{}", "127.0.0.1"), "") == "400 UnknownOperationException"


@pytest.mark.parametrize("service", sorted(set(EVERY_SERVICE) - set(SERVED) - SAME_AS_ANOTHER - PLAYED))
def test_a_service_without_a_backend_is_not_implemented_in_its_own_protocol(service: str) -> None:
    """Its client reads the code out of the answer to each of its operations, whatever the path."""
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
        # An answer to HEAD has no body to name a code in.
        code = "501" if request.method == "HEAD" and "x-amzn-errortype" not in headers else "NotImplemented"
        assert (501, code) == (answer.status, said["Error"]["Code"]), operation


def written(service: str, model: Any, protocol: str) -> HttpRequest:  # botocore ships no types
    """What botocore sends for an operation; labels of its path are all `x`."""
    shape = model.input_shape
    labels = {
        name: "x"
        for name, member in (shape.members if shape else {}).items()
        if member.serialization.get("location") == "uri" or member.serialization.get("hostLabel")
    }
    made = create_serializer(protocol, include_validation=False).serialize_to_request(labels, model)
    path, _, query = made["url_path"].partition("?")
    headers = {name.lower(): str(value) for name, value in dict(made["headers"]).items()}
    body = made["body"] if isinstance(made["body"], bytes) else b""
    if isinstance(made["body"], dict):
        query, body = "", "&".join(f"{name}={value}" for name, value in made["body"].items()).encode()
    return HttpRequest(made["method"], path, query, {**headers, **signature(service)}, body, "127.0.0.1")


@pytest.mark.parametrize(
    ("service", "operation", "name", "expected"),
    [
        ("kms", "ListKeys", "TrentService", {"Keys": [], "Truncated": False}),
        ("secretsmanager", "ListSecretVersionIds", "secretsmanager", "ResourceNotFoundException"),
        ("sqs", "ListQueues", "AmazonSQS", {}),
        ("ssm", "GetParameter", "AmazonSSM", "ParameterNotFound"),
    ],
)
def test_a_client_that_speaks_cbor_is_answered_in_cbor(
    service: str, operation: str, name: str, expected: object
) -> None:
    """Whichever service it is, and whether it is moto that answers or the sandbox itself."""
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
