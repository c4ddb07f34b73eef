"""The one gate to moto: requests are rebuilt from what was parsed and allowed, so moto can do nothing else.

moto prefers `?Action=` to `X-Amz-Target`, reads the account from a header that any client can send, and its settings
from the environment; none of what a client wrote reaches it as written. Callers hold the sandbox's lock: moto is not
safe for several threads (8 of them gave RuntimeErrors).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from dsops.errors import SandboxUnavailable
from dsops.sandbox.models import operation_model, service_model
from dsops.sandbox.refusals import refusal
from dsops.sandbox.wire import HttpAnswer

if TYPE_CHECKING:
    from moto.core.request import Request

# What moto's response classes take and give.
_Handler = Callable[["Request", str, Mapping[str, str]], tuple[int, dict[str, Any], str | bytes]]

_RESPONSE_CLASSES = {
    "iam": ("moto.iam.responses", "IamResponse"),
    "secretsmanager": ("moto.secretsmanager.responses", "SecretsManagerResponse"),
    # 0.7 s and 125 MB: loaded by the first request for it.
    "ssm": ("moto.ssm.responses", "SimpleSystemManagerResponse"),
}
_MOTO_VERSION = (5, 2)
_ANY_ACCOUNT = "000000000000"
_MOTO_VARIABLES = ("MOTO_", "TEST_PROXY_MODE", "TEST_SERVER_MODE", "INITIAL_NO_AUTH_ACTION_COUNT")
_REQUEST_ID = re.compile(r"(?<=<RequestId>)[^<]*(?=</RequestId>)")


def prepare() -> None:
    """Loads moto without the surroundings having a say; refuses a moto that this was not written for.

    `MOTO_*` leaves this process's environment for good: moto reads some of it at every request.
    """
    try:
        with _quiet_surroundings():
            version = import_module("moto").__version__
            # Made once for the process, from whatever `AWS_PROFILE` said at that moment.
            import_module("moto.core.base_backend").AccountSpecificBackend.get_session()
            for service in ("iam", "secretsmanager"):
                load(service)
    except ImportError as error:
        raise SandboxUnavailable(
            "the sandbox is not installed here", hint="install it: pip install 'dsops[sandbox]'"
        ) from error
    if tuple(int(part) for part in version.split(".")[:2]) != _MOTO_VERSION:
        raise SandboxUnavailable(
            f"moto {version} is installed, and the sandbox holds its state in moto 5.2",
            hint="install the version that dsops names: pip install 'dsops[sandbox]'",
        )


@cache
def knows_region(region: str) -> bool:
    """Whether moto has regional services there."""
    from moto.secretsmanager.models import secretsmanager_backends

    return region in secretsmanager_backends[_ANY_ACCOUNT]


def perform(
    service: str, operation: str, parameters: Mapping[str, object], account: str, region: str, key_id: str
) -> HttpAnswer:
    """moto's answer to exactly this operation, in that account and region."""
    from moto.core.request import Request

    os.environ.pop("MOTO_ACCOUNT_ID", None)  # moto would prefer it to the header, and it may have been set since
    model = operation_model(service, operation)
    try:
        serialized = _serializer(service).serialize_to_request(dict(parameters), model)
    except (ValueError, TypeError, OverflowError) as error:
        # A moment or number that is none; botocore is the first who looks at it.
        raise refusal("MalformedInput", None) from error
    body = serialized["body"]
    # moto reads JSON as a form too: `&Action=DeleteSecret&` inside a value would be another operation.
    body = urlencode(body).encode() if isinstance(body, dict) else body.replace(b"&", b"\\u0026")
    url = f"https://{service}.{region}.amazonaws.com{serialized['url_path']}"
    headers = {
        **serialized["headers"],
        "Host": f"{service}.{region}.amazonaws.com",
        "X-Moto-Account-Id": account,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={key_id}/20260101/{region}/{service}/aws4_request",
    }
    request = Request.from_primitives(serialized["method"], url, headers, body)
    request.environ["RAW_URI"] = serialized["url_path"]
    try:
        status, _, content = _handler(service)(request, url, headers)
    except NotImplementedError as error:
        message = f"The dsops sandbox does not serve {service}:{operation}."
        raise refusal("NotImplemented", message, 501) from error
    except Exception as error:  # whatever escapes moto
        message = f"The dsops sandbox keeps its state in moto, which failed at {service}:{operation}: "
        raise refusal("InternalFailure", f"{message}{type(error).__name__}.", 500) from error
    return _answer(service, status, content)


@contextmanager
def _quiet_surroundings() -> Iterator[None]:
    """No variable of moto's, and for as long as this lasts none of AWS's either."""
    for name in [name for name in os.environ if name.startswith(_MOTO_VARIABLES)]:
        del os.environ[name]
    kept = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for name in kept:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(kept)


def load(service: str) -> None:
    """Imports moto's part for a service."""
    _handler(service)


@cache
def _handler(service: str) -> _Handler:
    module, name = _RESPONSE_CLASSES[service]
    with _quiet_surroundings():
        handler: _Handler = getattr(import_module(module), name).dispatch
    return handler


@cache
def _serializer(service: str) -> Any:  # botocore ships no types
    from botocore.serialize import create_serializer

    return create_serializer(service_model(service).metadata["protocol"], include_validation=False)


def _answer(service: str, status: int, content: str | bytes) -> HttpAnswer:
    """moto's answer without moto's own headers; its JSON services say 404 where AWS says 400."""
    body = content.encode() if isinstance(content, str) else content
    is_json = service_model(service).metadata["protocol"] == "json"
    if is_json:
        status = 400 if 400 < status < 500 else status
        return HttpAnswer(status, (("Content-Type", "application/x-amz-json-1.1"),), body)
    return HttpAnswer(status, (("Content-Type", "text/xml"),), body)


def with_request_id(body: bytes, request_id: str) -> bytes:
    """The XML with this request id in place of the one that moto made up."""
    return _REQUEST_ID.sub(request_id, body.decode()).encode()
