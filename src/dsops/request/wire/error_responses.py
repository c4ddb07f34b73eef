"""Serialize errors in the called service's protocol. S3 and EC2 have error codes and formats of their own."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.cbor import encode
from dsops.request.wire.errors import answer_of, refusal
from dsops.request.wire.models import Protocol, service_model
from dsops.request.wire.responses import escaped, json_code, json_refusal, query_refusal, with_request_id
from dsops.request.wire.route import Route, guess_protocol, signed_for
from dsops.request.wire.sqs_query_responses import queue_error

_XML = ("Content-Type", "application/xml")
_TOO_SKEWED = ("Signature expired", "Signature not yet current")

_S3_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)
_S3_MALFORMED = "The authorization header is malformed; "
# Maps STS's error code to S3's code, message and status. If the message is None, S3's error has STS's message.
_S3: Mapping[str, tuple[str, str | None, int]] = {
    "ExpiredToken": ("ExpiredToken", "The provided token has expired.", 400),
    "IncompleteSignature": ("AuthorizationHeaderMalformed", None, 400),
    "InternalFailure": ("InternalError", None, 500),
    "InvalidClientTokenId": (
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
        403,
    ),
    "MalformedInput": ("InvalidArgument", "Invalid Argument", 400),
    "MissingAuthenticationToken": ("AccessDenied", "Access Denied", 403),
    "RequestExpired": ("AccessDenied", "Request has expired", 403),
    "SignatureDoesNotMatch": ("SignatureDoesNotMatch", _S3_MISMATCH, 403),
    "Throttling": ("SlowDown", "Please reduce your request rate.", 503),
    "ValidationError": ("InvalidRequest", None, 400),
}
_S3_TOKEN = ("InvalidToken", "The provided token is malformed or otherwise invalid.", 400)
_S3_SKEWED = ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", 403)
_NOT_VALIDATED = "AWS was not able to validate the provided access credentials"
_EC2: Mapping[str, tuple[str, str | None, int]] = {
    "AccessDenied": ("UnauthorizedOperation", None, 403),
    "ExpiredToken": ("RequestExpired", "Request has expired.", 400),
    "IncompleteSignature": ("AuthFailure", _NOT_VALIDATED, 401),
    "InternalFailure": ("InternalError", None, 500),
    "InvalidClientTokenId": ("AuthFailure", _NOT_VALIDATED, 401),
    "MalformedInput": ("InvalidParameterValue", "A parameter has a value of the wrong type.", 400),
    "SignatureDoesNotMatch": ("AuthFailure", _NOT_VALIDATED, 401),
    "Throttling": ("RequestLimitExceeded", "Request limit exceeded.", 503),
    "ValidationError": ("MissingParameter", None, 400),
}


def answer_refusal(request: HttpRequest, route: Route | None, refused: SandboxRefusal, request_id: str) -> HttpAnswer:
    """Serialize an error for the client of a service. `route` is None if routing failed."""
    protocol = guess_protocol(request) if route is None else route.protocol
    service = "" if route is None else route.service
    answer = _answer(request, service, protocol, refused, request_id, wants_json=route is not None and route.wants_json)
    # The answer to a HEAD request has no body, so the client sees only the status.
    return answer._replace(body=b"") if request.method == "HEAD" else answer


def _answer(
    request: HttpRequest,
    service: str,
    protocol: Protocol,
    refused: SandboxRefusal,
    request_id: str,
    *,
    wants_json: bool,
) -> HttpAnswer:
    if protocol == "json":
        return _with_query_error(service, json_refusal(refused, service), refused)
    if protocol == "cbor":
        return _cbor(service, refused)
    if protocol == "rest-json":
        return _rest_json(refused)
    if protocol == "ec2":
        return _ec2(refused, request_id)
    if protocol == "rest-xml" and (service == "s3" or (not service and signed_for(request) in {"s3", ""})):
        return _s3(request, refused, request_id)
    return _query(service, refused, request_id, wants_json=wants_json)


def _query(service: str, refused: SandboxRefusal, request_id: str, *, wants_json: bool) -> HttpAnswer:
    if service != "sqs":
        return query_refusal(service, refused, request_id, as_json=wants_json)
    aws = answer_of(refused)
    answer = queue_error(aws.status, aws.code, aws.message, "Sender" if aws.status < 500 else "Receiver")
    return answer._replace(body=with_request_id(answer.body, request_id))


def s3_words(request: HttpRequest, refused: SandboxRefusal) -> SandboxRefusal:
    """Convert an error to S3's error code and message."""
    aws = answer_of(refused)
    code: str
    message: str | None
    if aws.code == "InvalidClientTokenId" and _has_token(request):
        code, message, status = _S3_TOKEN
    elif aws.code == "SignatureDoesNotMatch" and aws.message.startswith(_TOO_SKEWED):
        code, message, status = _S3_SKEWED
    elif aws.code == "SignatureDoesNotMatch" and "scope" in aws.message:
        code, message, status = "AuthorizationHeaderMalformed", _S3_MALFORMED + aws.message, 400
    else:
        code, message, status = _S3.get(aws.code, (aws.code, aws.message, aws.status))
    return refusal(code, aws.message if message is None else message, status)


def _has_token(request: HttpRequest) -> bool:
    return "x-amz-security-token" in request.headers or "X-Amz-Security-Token=" in request.query


def _s3(request: HttpRequest, refused: SandboxRefusal, request_id: str) -> HttpAnswer:
    code, message, status, _, _ = answer_of(s3_words(request, refused))
    host_id = b64encode(request_id.encode()).decode()
    inner = "".join(
        f"<{name}>{escaped(value)}</{name}>"
        for name, value in (("Code", code), ("Message", message), ("RequestId", request_id), ("HostId", host_id))
    )
    return HttpAnswer(status, (_XML,), f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode())


def _ec2(refused: SandboxRefusal, request_id: str) -> HttpAnswer:
    aws = answer_of(refused)
    code, message, status = _EC2.get(aws.code, (aws.code, aws.message, aws.status))
    text = aws.message if message is None else message
    if code == "UnauthorizedOperation":
        text = f"You are not authorized to perform this operation. {text}"
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Response><Errors><Error><Code>{escaped(code)}</Code><Message>{escaped(text)}</Message></Error></Errors>"
        f"<RequestID>{request_id}</RequestID></Response>"
    )
    return HttpAnswer(status, (("Content-Type", "text/xml;charset=UTF-8"),), body.encode())


def _rest_json(refused: SandboxRefusal) -> HttpAnswer:
    aws = answer_of(refused)
    code = json_code(aws.code)
    # AccessDeniedException is the only error in REST-JSON whose `Message` has a capital letter.
    name = "Message" if code == "AccessDeniedException" else "message"
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", code))
    return HttpAnswer(aws.status, headers, json.dumps({name: aws.message or None}).encode())


def _cbor(service: str, refused: SandboxRefusal) -> HttpAnswer:
    aws = answer_of(refused)
    code = json_code(aws.code)
    content = {"__type": code} | ({"message": aws.message} if aws.message else {})
    status = aws.status if aws.status >= 500 else 400
    headers = (("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor"))
    return _with_query_error(service, HttpAnswer(status, headers, encode(content)), refused)


def _with_query_error(service: str, answer: HttpAnswer, refused: SandboxRefusal) -> HttpAnswer:
    """Add the x-amzn-query-error header with the old error code, if the service once used the query protocol."""
    if not service or "awsQueryCompatible" not in service_model(service).metadata:
        return answer
    aws = answer_of(refused)
    kind = "Sender" if aws.status < 500 else "Receiver"
    return answer._replace(headers=(*answer.headers, ("x-amzn-query-error", f"{aws.code};{kind}")))
