"""Parse an AWS response (XML or JSON) and the error in it. Any other response is rejected as not from AWS."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from dsops.aws.http.wire import Response
from dsops.endpoint import Endpoint
from dsops.errors import AnswerInvalid, AwsAnswer
from dsops.secret import Secret
from dsops.startup import NamedTuple, cast

_MAX_DEPTH = 50
_MAX_MESSAGE = 1000
# Patterns are compiled at their first use: most runs get no error, and compiling a pattern takes 0.1 ms.
_CODE = r"[A-Za-z][A-Za-z0-9._-]{0,99}\Z"
_REQUEST_ID = r"[A-Za-z0-9=/+-]{1,100}\Z"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HTTP_DATE = r"(?a)[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT\Z"

# A ValidationError repeats the rejected value: "Value 'x' at 'externalId' failed to satisfy constraint: ...".
_ECHO = (
    r"(?si)Value '.*?' at '(value|secretString|secretBinary|[\w.]*?"
    r"(?:externalId|tokenCode|webIdentityToken|sAMLAssertion|contextAssertion))'"
)


class Element(NamedTuple):
    """An XML element without its namespace. `text` is all character data before, between and after its children."""

    name: str
    text: str
    children: tuple[Element, ...]

    def find(self, path: str) -> Element | None:
        """Return the first element at this path (`Credentials/AccessKeyId`), or None."""
        element: Element | None = self
        for name in path.split("/"):
            element = next((child for child in element.children if child.name == name), None) if element else None
        return element

    def text_of(self, path: str) -> str:
        """Return the stripped text of the element at `path`; "" when there is no such element."""
        element = self.find(path)
        return element.text.strip() if element is not None else ""

    def __repr__(self) -> str:
        # The text is not shown: it may be a session's secret key.
        return f"Element({self.name}, {len(self.children)} children)"


def parse_xml(body: bytes) -> Element | None:
    """Return the root element; None when the bytes are not XML, or have a DOCTYPE.

    AWS never sends a DOCTYPE, and entity expansion attacks need one.
    """
    from pyexpat import ExpatError, ParserCreate

    parser = ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    open_elements: list[tuple[str, list[str], list[Element]]] = [("", [], [])]

    def start(name: str, _: object) -> None:
        if len(open_elements) > _MAX_DEPTH:
            raise ValueError("too deep")
        open_elements.append((name.rpartition(" ")[2], [], []))

    def end(_: str) -> None:
        name, texts, children = open_elements.pop()
        open_elements[-1][2].append(Element(name, "".join(texts), tuple(children)))

    def characters(text: str) -> None:
        open_elements[-1][1].append(text)

    def refuse(*_: object) -> None:
        raise ValueError("a document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (ExpatError, ValueError):
        return None
    return open_elements[0][2][0]


def parse_json(body: bytes) -> dict[str, object] | None:
    """Return the JSON object in `body`; None when the bytes are anything else."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", content) if isinstance(content, dict) else None


def query_refusal(response: Response) -> tuple[str, str, str] | None:
    """Return the code, message and request id of a query API's error (STS, IAM); None without an `Error` element.

    EC2 has the element in a list `Errors`.
    """
    root = parse_xml(response.body)
    error = (root.find("Error") or root.find("Errors/Error")) if root is not None else None
    if root is None or error is None:
        return None
    request_id = root.text_of("RequestId") or root.text_of("RequestID") or response.headers.get("x-amzn-requestid", "")
    return error.text_of("Code"), error.text_of("Message"), request_id


def s3_refusal(response: Response) -> tuple[str, str, str] | None:
    """Return the code, message and request id of an error of S3. S3 Control has the element `Error` within another."""
    root = parse_xml(response.body)
    error = root.find("Error") if root is not None and root.name == "ErrorResponse" else root
    if root is None or error is None or error.name != "Error":
        return None
    request_id = error.text_of("RequestId") or root.text_of("RequestId") or response.headers.get("x-amz-request-id", "")
    return error.text_of("Code"), error.text_of("Message"), request_id


def json_refusal(response: Response) -> tuple[str, str, str] | None:
    """Return the code, message and request id of a JSON 1.1 API's error (Secrets Manager, SSM); None without a code."""
    content = parse_json(response.body)
    if content is None:
        return None
    # Examples: `com.amazonaws.secretsmanager#ResourceNotFoundException`, `ResourceNotFoundException:http://...`.
    code = content.get("__type") or response.headers.get("x-amzn-errortype", "")
    message = content.get("Message") or content.get("message") or ""
    if not isinstance(code, str) or not isinstance(message, str):
        return None
    return code.rpartition("#")[2].partition(":")[0], message, response.headers.get("x-amzn-requestid", "")


def rest_refusal(response: Response) -> tuple[str, str, str] | None:
    """Return the code, message and request id of a REST API's error.

    The token endpoint of IAM Identity Center uses OAuth's members `error` and `error_description` (RFC 6749, 5.2).
    """
    content = parse_json(response.body)
    if content is None:
        return None
    code = response.headers.get("x-amzn-errortype", "") or text_in(content, "__type") or text_in(content, "code")
    if not code and text_in(content, "error"):
        # The service model calls `authorization_pending` AuthorizationPendingException.
        code = "".join(word.capitalize() for word in text_in(content, "error").split("_")) + "Exception"
    message = text_in(content, "message") or text_in(content, "Message") or text_in(content, "error_description")
    return code.rpartition("#")[2].partition(":")[0], message, response.headers.get("x-amzn-requestid", "")


def aws_answer(
    endpoint: Endpoint, status: int, parts: tuple[str, str, str], hidden: Iterable[Secret | None]
) -> AwsAnswer | None:
    """Return the AWS error, safe to display; None when AWS could not have sent such a code.

    `hidden` are the secrets of the request, which are masked in the message. AWS repeats values that it rejects and,
    for a wrong signature, the headers that should have been signed. A proxy may repeat the form that was sent.
    """
    from urllib.parse import quote  # imported here, because this module is needed only for an error response

    code, message, request_id = parts
    if not re.match(_CODE, code):
        return None
    for secret in hidden:
        for text in (secret.reveal(), quote(secret.reveal(), safe="")) if secret is not None else ():
            message = message.replace(text, "***") if text else message
    message = re.sub(_ECHO, r"Value '***' at '\1'", message)
    # A server must not send control characters (escape sequences) to the user's terminal.
    message = " ".join("".join(character if character.isprintable() else " " for character in message).split())
    if len(message) > _MAX_MESSAGE:
        message = message[:_MAX_MESSAGE] + "..."
    request_id = request_id if re.match(_REQUEST_ID, request_id) else ""
    return AwsAnswer(code, message, status, request_id, endpoint.short)


def request_id_in(headers: Mapping[str, str]) -> str:
    """Return the AWS request id in the headers; "" when it is missing or malformed."""
    request_id = headers.get("x-amzn-requestid", "")
    return request_id if re.match(_REQUEST_ID, request_id) else ""


class Content(dict[str, object]):
    """The object of a JSON response, with its request id. The repr hides the content, which may contain a secret."""

    __slots__ = ("request_id",)

    def __init__(self, content: Mapping[str, object], headers: Mapping[str, str]) -> None:
        super().__init__(content)
        self.request_id = request_id_in(headers)

    def __repr__(self) -> str:
        return f"Content({len(self)} members)"


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """Return the time in the response's `Date` header; None when it is missing or can't be parsed."""
    match = re.match(_HTTP_DATE, headers.get("date", ""))
    if match is None or match[2] not in _MONTHS:
        return None
    day, month, year, hour, minute, second = match.groups()
    try:
        return datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None


def lacks(endpoint: Endpoint, action: str, what: str) -> AnswerInvalid:
    """Return the error for a response that lacks a part which AWS always sends; does not show the response."""
    return AnswerInvalid(
        f"{endpoint.short} sent an invalid response to {action}",
        why=f"the response has no {what}",
        hint=f"check that {endpoint.url} is AWS, and not a proxy or another program",
    )


def text_in(content: Mapping[str, object], name: str) -> str:
    """Return a string member of a JSON response; "" when it is missing or has another type."""
    value = content.get(name)
    return value if isinstance(value, str) else ""


def object_in(content: Mapping[str, object], name: str) -> dict[str, object]:
    """Return an object member of a JSON response; {} when it is missing or has another type."""
    value = content.get(name)
    return value if isinstance(value, dict) else {}


def objects_in(content: Mapping[str, object], name: str) -> list[dict[str, object]]:
    """Return the objects in a list member of a JSON response; [] when it is missing or has another type."""
    value = content.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
