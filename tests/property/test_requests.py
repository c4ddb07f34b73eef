"""Malformed requests of every protocol are parsed or refused with AWS's error."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpRequest
from dsops.request.wire.error_responses import answer_refusal
from dsops.request.wire.models import operation_model, operation_names, protocols
from dsops.request.wire.parameters import read_parameters
from dsops.request.wire.route import Route, find_route
from tests.groups import examples
from tests.shapes import ShapeMaker, written_request

SERVICES = (
    "apigatewayv2",
    "appconfig",
    "autoscaling",
    "cloudfront",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "iot-data",
    "kms",
    "lambda",
    "rds",
    "route53",
    "s3",
    "sesv2",
    "sns",
    "sqs",
)
BYTES = st.binary(max_size=3)
PARTS = st.sampled_from(["", "%ff", "%", "=", "&", "/", "//", "=%00", "=-9e9", "x", "\xff\xfe", "null", "9" * 40])


@st.composite
def requests(draw: st.DrawFn) -> HttpRequest:
    """A request of botocore with modified bytes, path, query or headers."""
    service = draw(st.sampled_from(SERVICES))
    operation = draw(st.sampled_from(sorted(operation_names(service))))
    protocol = draw(st.sampled_from(protocols(service)))
    shape = operation_model(service, operation).input_shape
    random: Random = draw(st.randoms(use_true_random=False))
    made = ShapeMaker(random, protocol).parameters(shape) if shape else {}
    request = written_request(service, operation, made, protocol)
    body = request.body
    for position, new in draw(st.lists(st.tuples(st.integers(0, max(0, len(body))), BYTES), max_size=4)):
        body = body[:position] + new + body[position + len(new) :]
    headers = {
        name: draw(PARTS) if name not in {"authorization", "host"} and draw(st.integers(0, 9)) == 0 else value
        for name, value in request.headers.items()
    }
    path, query = request.path + draw(PARTS), request.query + draw(PARTS)
    return request._replace(body=body, headers=headers, path=path, query=query)


@settings(max_examples=examples(400), deadline=None)
@given(requests())
def test_a_broken_request_is_read_or_refused(request: HttpRequest) -> None:
    """A malformed request is read or refused, and every refusal can be encoded in the request's protocol."""
    route = None
    try:
        route = find_route(request)
        if isinstance(route, Route):
            read_parameters(route)
    except SandboxRefusal as refused:
        answer = answer_refusal(request, route if isinstance(route, Route) else None, refused, "request-id")
        assert 400 <= answer.status <= 501
        # The answer to a HEAD has no body (RFC 9110, 9.3.2).
        assert bool(answer.body) is (request.method != "HEAD")
