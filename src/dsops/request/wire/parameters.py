"""Parse a request's fields into typed parameters, and check them against botocore's model.

Unknown parameters are dropped, so an operation receives only the parameters that the model defines. Validation
messages are AWS's.
"""

from __future__ import annotations

from typing import Any

from dsops.errors import SandboxRefusal
from dsops.request.wire.constraints import check_parameters, check_presence, check_value
from dsops.request.wire.errors import refusal
from dsops.request.wire.json_reader import structure_from_json
from dsops.request.wire.models import TOOLBOX, Protocol, operation_model
from dsops.request.wire.query_reader import structure_from_query
from dsops.request.wire.rest_reader import structure_from_request
from dsops.request.wire.route import Route
from dsops.request.wire.xml_reader import malformed_xml

# For these services AWS's validation and its messages were measured. For other services the model may be stricter than
# the service.
_CHECKED = frozenset({"sts", "iam", TOOLBOX, "secretsmanager", "ssm", "kms"})


def read_parameters(route: Route) -> dict[str, object]:
    """Return a request's parameters as Python values: blobs as bytes, timestamps as datetimes.

    Raises MalformedInput, MissingParameter (SQS), SerializationException or ValidationError.
    """
    shape = operation_model(route.service, route.operation).input_shape
    if shape is None:
        return {}
    parameters = unchecked_parameters(route)
    if route.service == "sqs":
        _complete_for_sqs(shape, parameters, route.protocol)
    if route.service in _CHECKED:
        check_parameters(shape, parameters)
    else:
        if route.service == "s3":
            _check_payload(shape, parameters)
        check_presence(shape, parameters)
    return parameters


def _complete_for_sqs(
    shape: Any, parameters: dict[str, object], protocol: Protocol
) -> None:  # Any: botocore has no type hints
    """Add missing list members as empty lists. Raises MissingParameter for other missing members.

    The lists are added because a form can't express an empty list.
    """
    for name in shape.required_members:
        if protocol == "query" and shape.members[name].type_name == "list":
            parameters.setdefault(name, [])
        if name not in parameters:
            raise refusal("MissingParameter", f"The request must contain the parameter {name}.")


def _check_payload(shape: Any, parameters: dict[str, object]) -> None:  # Any: botocore has no type hints
    """Raise MalformedXML if the body lacks a required element, because S3 validates bodies against a schema."""
    payload = shape.serialization.get("payload")
    if payload in parameters:
        try:
            check_presence(shape.members[payload], parameters[payload])
        except SandboxRefusal as error:
            raise malformed_xml() from error


def check_member(service: str, operation: str, name: str, value: object) -> None:
    """Check a value from a token or assertion against the model of the parameter `name`.

    Raises ValidationError.
    """
    check_value(operation_model(service, operation).input_shape.members[name], value, name[:1].lower() + name[1:])


def unchecked_parameters(route: Route) -> dict[str, object]:
    """Return the parameters as sent, without a check of their values."""
    model = operation_model(route.service, route.operation)
    shape = model.input_shape
    if route.protocol in {"query", "ec2"}:
        return structure_from_query(shape, route.fields, route.service)
    if route.request is not None:
        is_xml = route.protocol == "rest-xml"
        return structure_from_request(shape, model.http["requestUri"], route.labels, route.request, is_xml=is_xml)
    return structure_from_json(shape, route.document)
