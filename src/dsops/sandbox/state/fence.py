"""The only way to call moto: with requests that are rebuilt from the parsed and authorized operation.

moto prefers `?Action=` to `X-Amz-Target`, reads the account from a header that any client can send, and takes
settings from environment variables. So nothing that a client sent reaches moto unchanged. Callers must hold the
sandbox's lock, because moto is not thread-safe (8 threads caused RuntimeErrors).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from dsops.errors import SandboxRefusal, SandboxUnavailable
from dsops.extras import install_command
from dsops.request.messages import HttpAnswer
from dsops.request.wire.errors import refusal
from dsops.request.wire.models import Protocol, operation_model, protocols, signing_name
from dsops.sandbox.state.backend_failures import failure
from dsops.sandbox.state.backend_responses import read_answer
from dsops.sandbox.state.buckets import reach
from dsops.sandbox.state.closed_operations import check_open, not_served
from dsops.sandbox.state.handlers import OPERATION, find_gate, lacking, load, quiet_surroundings
from dsops.sandbox.state.quick_moto.caches import cache_partitions, cache_what_moto_repeats
from dsops.sandbox.state.quick_moto.requests import moto_request
from dsops.sandbox.state.secret_table import keep_secrets_by_name

_MOTO_VERSION = (5, 2)
_ANY_ACCOUNT = "000000000000"


class MotoCall(NamedTuple):
    """An authorized operation for moto to perform."""

    service: str
    operation: str
    parameters: Mapping[str, object]
    account: str
    """The account in which moto performs the operation."""
    region: str
    key_id: str


def prepare() -> None:
    """Import moto, shielded from environment variables; refuse an unsupported version of moto.

    The `MOTO_*` variables are removed from this process's environment permanently, because moto reads some of these
    variables at every request.
    """
    try:
        with quiet_surroundings():
            version = import_module("moto").__version__
            cache_partitions()
            # moto creates its botocore session once per process and would read `AWS_PROFILE` at that moment.
            import_module("moto.core.base_backend").AccountSpecificBackend.get_session()
            cache_what_moto_repeats()
            _run_nothing(import_module("moto.core.config").default_user_config)
            for service in ("iam", "secretsmanager"):
                load(service)
            keep_secrets_by_name(import_module("moto.secretsmanager.models"))
    except ImportError as error:
        raise SandboxUnavailable(
            "the sandbox is not installed here", hint=f"install it: {install_command('sandbox')}"
        ) from error
    if tuple(int(part) for part in version.split(".")[:2]) != _MOTO_VERSION:
        raise SandboxUnavailable(
            f"moto {version} is installed, and the sandbox needs moto 5.2",
            hint=f"install the version that dsops requires: {install_command('sandbox')}",
        )


def _run_nothing(settings: dict[str, Any]) -> None:  # Any: `settings` is moto's own dictionary
    """Turn off the execution of functions, jobs and state machines, which would use Docker or the real AWS."""
    for part in ("lambda", "batch"):
        settings[part] = {"use_docker": False}
    settings["stepfunctions"] = {"execute_state_machine": False}


@cache
def knows_region(region: str) -> bool:
    """Whether moto has regional services in this region."""
    from moto.secretsmanager.models import secretsmanager_backends

    return region in secretsmanager_backends[_ANY_ACCOUNT]


def perform(call: MotoCall, protocol: Protocol) -> HttpAnswer:
    """Perform the operation in moto and return the answer.

    The answer is in the client's protocol, except that a CBOR client's answer is in JSON.
    """
    check_open(call.service, call.operation, call.parameters)
    os.environ.pop(
        "MOTO_ACCOUNT_ID", None
    )  # a later import may have set this variable, which moto prefers to the header
    spoken = protocol if protocol in protocols(call.service) else protocols(call.service)[0]
    serialized = _serialized(call, spoken)
    path, query = _address(serialized)
    gate = find_gate(call.service, call.operation, path, call.region, call.account)
    if gate is None:
        raise _unknown_to_moto(call)
    url = f"https://{gate.host}{path}" + (f"?{query}" if query else "")
    scope = f"{call.key_id}/20260101/{call.region}/{signing_name(call.service)}/aws4_request"
    headers = {
        **_checked_headers(serialized["headers"]),
        "Host": gate.host,
        "X-Moto-Account-Id": call.account,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}",
    }
    is_form = spoken in {"query", "ec2"}
    body = _body(serialized["body"], spoken)
    request = moto_request(serialized["method"], gate.host, path, query, headers, body, is_form=is_form)
    request.environ[OPERATION] = call.operation
    try:
        with reach(call.operation) if call.service == "s3" else nullcontext():
            status, response_headers, content = gate.handler(request, url, headers)
    except NotImplementedError as error:
        raise _unknown_to_moto(call) from error
    except ModuleNotFoundError as error:
        raise lacking(call.service, error) from error
    except Exception as error:  # moto can raise anything
        raise failure(call.service, call.operation, call.parameters, call.region, error) from error
    return read_answer(call.service, call.operation, spoken, protocol, int(status), response_headers, content)


def _serialized(call: MotoCall, protocol: Protocol) -> dict[str, Any]:
    model = operation_model(call.service, call.operation)
    try:
        serialized: dict[str, Any] = _serializer(protocol).serialize_to_request(dict(call.parameters), model)
    except (ValueError, TypeError, OverflowError) as error:
        # botocore's serializer is the first code that parses timestamps and numbers, so it also finds invalid values.
        raise refusal("MalformedInput", None) from error
    if protocol in {"rest-json", "rest-xml"} and call.service != "s3" and "?" not in serialized["url_path"]:
        # Without a query string moto parses the body as a form, and prefers the form's parameters to those in the path.
        serialized["query_string"] = serialized["query_string"] or {"-": ""}
    return serialized


def _address(serialized: Mapping[str, Any]) -> tuple[str, str]:
    path, _, query = serialized["url_path"].partition("?")
    query_items = serialized["query_string"]
    if query_items:
        more = urlencode(query_items, doseq=True, quote_via=quote)
        query = f"{query}&{more}" if query else more
    return path, query


def _body(body: Any, protocol: Protocol) -> bytes:
    """Return the body as bytes, with `&` escaped in JSON.

    Otherwise moto would parse a value such as `&Action=DeleteSecret&` as a form.
    """
    if isinstance(body, dict):
        return urlencode(body, doseq=True).encode()
    data = body.encode() if isinstance(body, str) else bytes(body)
    return data.replace(b"&", b"\\u0026") if protocol == "json" else data


def _checked_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers as text. Refuses values with line breaks, which could inject another header."""
    checked = {}
    for name, value in headers.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if any(letter in text or letter in name for letter in "\r\n\0"):
            raise refusal("MalformedInput", None)
        checked[name] = text
    return checked


@cache
def _serializer(protocol: Protocol) -> Any:  # Any: botocore has no type hints
    from botocore.serialize import create_serializer

    return create_serializer(protocol, include_validation=False)


def _unknown_to_moto(call: MotoCall) -> SandboxRefusal:
    return not_served(call.service, call.operation, "moto has no such operation")
