"""Convert SQS's JSON answers to the XML of the query protocol, with its older error codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from dsops.request.messages import HttpAnswer
from dsops.request.wire.models import operation_model
from dsops.request.wire.responses import escaped
from dsops.request.wire.sqs_query_names import NAMESPACE, entry_names, written_name

# botocore ships no type hints, so its shapes are annotated as Any in this module.
_XML: Final = ("Content-Type", "text/xml")
_REQUEST_ID: Final = "<RequestId></RequestId>"
"""Placeholder for the request id, which `with_request_id` replaces."""
_OLD_ERROR: Final = "x-amzn-query-error"
_PREFIX: Final = re.compile(r"\AAn error occurred \(\w+\) when calling the \w+ operation: ")
"""botocore's text before an error's message, which moto copies."""
_WORDS: Final = {"AWS.SimpleQueueService.NonExistentQueue": "The specified queue does not exist for this wsdl version."}
"""Error code -> the error's message in the query protocol, if this differs from the message in JSON."""


def queue_answer(operation: str, status: int, headers: Mapping[str, Any], body: bytes) -> HttpAnswer:
    """Return SQS's answer in XML. The header `x-amzn-query-error` in the JSON answer has the older error code."""
    content = json.loads(body or b"{}")
    if status >= 400:
        query_error = next((str(headers[name]) for name in headers if name.lower() == _OLD_ERROR), "")
        code, _, kind = query_error.partition(";")
        code = code or str(content.get("__type", "InternalFailure")).rpartition("#")[2]
        return queue_error(status, code, content.get("message") or content.get("Message") or "", kind or "Sender")
    shape = operation_model("sqs", operation).output_shape
    inner = "" if shape is None else "".join(_members(shape, content))
    name = f"{operation}Result"
    result = f"<{name}>{inner}</{name}>" if inner else f"<{name}/>" if shape is not None else ""
    text = (
        f'<?xml version="1.0"?><{operation}Response xmlns="{NAMESPACE}">{result}'
        f"<ResponseMetadata>{_REQUEST_ID}</ResponseMetadata></{operation}Response>"
    )
    return HttpAnswer(status, (_XML,), text.encode())


def corrected_error(headers: Mapping[str, Any], body: bytes) -> tuple[Mapping[str, Any], bytes]:
    """Return the headers and body of moto's error in JSON with SQS's message and error code (recorded on AWS)."""
    content = json.loads(body or b"{}")
    for name in ("message", "Message"):
        if name in content:
            content[name] = _PREFIX.sub("", str(content[name])).replace("Reason: must ", "Reason: Must ")
    if str(content.get("__type", "")).rpartition("#")[2] == "InvalidParameterValue":
        content["__type"] = "com.amazon.coral.service#InvalidParameterValueException"
        others = {name: value for name, value in headers.items() if name.lower() != _OLD_ERROR}
        headers = {**others, _OLD_ERROR: "InvalidParameterValue;Sender"}
    return headers, json.dumps(content).encode()


def queue_error(status: int, code: str, message: str, kind: str) -> HttpAnswer:
    """Return an error in XML. `kind` states which side caused the error: `Sender` or `Receiver`."""
    inner = _element("Type", kind) + _element("Code", code) + _element("Message", _WORDS.get(code, message))
    text = (
        f'<?xml version="1.0"?><ErrorResponse xmlns="{NAMESPACE}"><Error>{inner}<Detail/></Error>'
        f"{_REQUEST_ID}</ErrorResponse>"
    )
    return HttpAnswer(status, (_XML,), text.encode())


def _members(shape: Any, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the XML elements of a structure in the model's order."""
    for name, member in shape.members.items():
        if values.get(name) is not None:
            yield from _elements(written_name(name, member), member, values[name])


def _elements(name: str, shape: Any, value: Any) -> Iterator[str]:
    """Yield one XML element, or an element for each value of a list or map."""
    if shape.type_name == "list":
        for item in value:
            yield from _elements(name, shape.member, item)
    elif shape.type_name == "map":
        key_name, value_name = entry_names(shape)
        for key, item in value.items():
            inner = "".join(_elements(value_name, shape.value, item))
            yield f"<{name}>{_element(key_name, key)}{inner}</{name}>"
    elif shape.type_name == "structure":
        yield f"<{name}>{''.join(_members(shape, value))}</{name}>"
    elif isinstance(value, bool):
        yield _element(name, str(value).lower())
    else:
        yield _element(name, str(value))


def _element(name: str, text: str) -> str:
    # A carriage return is escaped, because an XML parser would turn a raw carriage return into a line break.
    return f"<{name}>{escaped(text).replace(chr(13), '&#xD;')}</{name}>"
