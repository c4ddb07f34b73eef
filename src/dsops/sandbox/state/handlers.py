"""Find moto's handler for a service and path, and restrict it to the authorized operation."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from dsops.errors import SandboxRefusal
from dsops.extras import install_packages
from dsops.request.wire.errors import refusal
from dsops.request.wire.models import protocols, service_model
from dsops.request.wire.service_table import SERVED
from dsops.sandbox.state.quick_moto.key_pairs import generate_key_pairs_late
from dsops.sandbox.state.quick_moto.s3_results import complete_s3
from dsops.sandbox.state.quick_moto.sending import keep_queue_policies, send_without_counting
from dsops.sandbox.state.quick_moto.setup import quick_json, quick_s3, with_status
from dsops.sandbox.state.service_actions.deliveries import watch_deliveries

if TYPE_CHECKING:
    from moto.core.request import Request

# Type of the functions with which moto answers requests.
Handler = Callable[["Request", str, Mapping[str, str]], tuple[int, Mapping[str, Any], str | bytes]]

OPERATION = "dsops.operation"
"""The key under which the WSGI environment of moto's request stores the name of the operation."""
_MOTO_VARIABLES = ("MOTO_", "TEST_PROXY_MODE", "TEST_SERVER_MODE", "INITIAL_NO_AUTH_ACTION_COUNT")
# moto's `urls` modules select one of two API versions by the request. The sandbox selects the version by the service.
_CHOSEN: Mapping[str, tuple[str, str]] = {
    "elb": ("moto.elb.responses", "ELBResponse"),
    "elbv2": ("moto.elbv2.responses", "ELBV2Response"),
}
# Patterns of the host names under which moto may serve a service. The first match is used.
_HOSTS = (
    "{prefix}.{region}.amazonaws.com",
    "{prefix}.amazonaws.com",
    "{prefix}.{region}.api.aws",
    "{account}.{prefix}.{region}.amazonaws.com",
)


class MotoHandler(NamedTuple):
    """A handler of moto and the host name that a request to it must have."""

    host: str
    handler: Handler


@contextmanager
def quiet_surroundings() -> Iterator[None]:
    """Hide the `AWS_*` variables within the context; remove moto's variables permanently."""
    for name in [name for name in os.environ if name.startswith(_MOTO_VARIABLES)]:
        del os.environ[name]
    variables = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for name in variables:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(variables)


def find_gate(service: str, operation: str, path: str, region: str, account: str) -> MotoHandler | None:
    """Return moto's handler for the path; None if moto has none. Raises NotImplemented if a package is missing."""
    prefix = service_model(service).metadata["endpointPrefix"]
    for form in _HOSTS:
        host = form.format(prefix=prefix, region=region, account=account)
        if service == "s3":
            return MotoHandler(host, _s3_handler(path))
        url = f"https://{host}{path}"
        for pattern, handler in load(service):
            if pattern.match(url):
                pinned_handler = _pinned_handler(handler, service, operation)
                return None if pinned_handler is None else MotoHandler(host, pinned_handler)
    return None


def _s3_handler(path: str) -> Handler:
    """Return the handler for a path with the bucket first.

    moto's patterns would take `/BUCKET/x.amazonaws.com` for a host name, and perform DeleteBucket for DeleteObject.
    """
    load("s3")
    from moto.s3.responses import S3Response

    responses: Any = quick_s3(complete_s3(S3Response))
    handler: Handler = responses.key_dispatch if path[1:].partition("/")[2] else responses.bucket_dispatch
    return handler


@cache
def load(service: str) -> tuple[tuple[re.Pattern[str], Handler], ...]:
    """Import moto's module for a service; return its URL patterns and handlers."""
    module = f"moto.{SERVED[service].module}"
    try:
        with quiet_surroundings():
            urls = import_module(f"{module}.urls")
            dispatcher: Handler | None = None
            if service in _CHOSEN:
                where, name = _CHOSEN[service]
                dispatcher = getattr(import_module(where), name).dispatch
        _keep_from_waiting(service)
    except ModuleNotFoundError as error:
        raise lacking(service, error) from error
    return tuple(
        (re.compile(path.format(base)), dispatcher or handler)
        for path, handler in urls.url_paths.items()
        if "{0}" in path
        for base in urls.url_bases
    )


def _keep_from_waiting(service: str) -> None:
    """Patch the functions of moto that would block, or scan stored data, while the sandbox's lock is held.

    - SWF sleeps for a second when a poll finds nothing.
    - A Lambda function that another service invokes (SNS, SQS, S3, DynamoDB streams) would run in Docker for up to five
      minutes, although Docker is turned off in moto's settings.
    - SQS counts the queue's messages whenever a message is sent.
    - KMS generates an RSA key pair for each key.

    Also patch what would deliver to other services without permission.
    """
    watch_deliveries(service)
    if service == "swf":
        vars(import_module("moto.swf.models"))["sleep"] = lambda _: None
    elif service == "lambda":
        function = import_module("moto.awslambda.models").LambdaFunction
        setattr(function, "_invoke_lambda", _run_no_function)  # noqa: B010 - private to moto
    elif service == "sqs":
        send_without_counting(import_module("moto.sqs.models"))
        keep_queue_policies(import_module("moto.sqs.models"))
    elif service == "kms":
        generate_key_pairs_late(import_module("moto.kms.models"))


def _run_no_function(_: object, event: str | None = None) -> tuple[str, bool, str]:  # noqa: ARG001 - moto's names
    """Return an empty result of a Lambda function in moto's format: result, whether the function failed, log."""
    return "", False, ""


def lacking(service: str, error: ModuleNotFoundError) -> SandboxRefusal:
    """Return a NotImplemented error (501) that names the missing package."""
    from importlib.metadata import metadata

    extra = SERVED[service].module
    named = f"moto[{extra}]" if extra in (metadata("moto").get_all("Provides-Extra") or ()) else str(error.name)
    return refusal(
        "NotImplemented",
        f"The dsops sandbox serves {service} when {error.name} is installed: {install_packages(named)}. "
        "Nothing was done.",
        501,
    )


def _pinned_handler(handler: Any, service: str, operation: str) -> Handler | None:
    """Return the handler restricted to the operation; None if this handler can't be restricted."""
    owner = getattr(handler, "__self__", None)
    if not isinstance(owner, type):
        return None
    if handler.__name__ != "dispatch":
        # moto has one handler for each path of this service, selected only by method and path, which the fence built
        # from the authorized operation.
        path_handler: Handler = handler
        return path_handler
    if "json" in protocols(service):
        owner = quick_json(owner)
    pinned_handler: Handler = handler.__func__.__get__(_pinned_class(owner, operation))
    return pinned_handler


@cache
def _pinned_class(owner: type, operation: str) -> type:
    """Return a subclass of moto's response class that always performs the authorized operation.

    moto would read the operation's name from the query or from a form in the body, which clients control.
    """
    from moto.core.utils import camelcase_to_underscores, method_names_from_class

    if camelcase_to_underscores(operation) not in method_names_from_class(owner):
        # Batch, Polly and X-Ray select their methods by the path only.
        return owner if "_get_action" in vars(owner) else _refusing(owner)
    methods = {"_get_action": _allowed_action, "_enrich_response": staticmethod(with_status)}
    return type(owner.__name__, (owner,), methods)


def _refusing(owner: type) -> type:
    """Return a subclass that refuses every operation, for operations that moto does not implement."""
    return type(owner.__name__, (owner,), {"_get_action": _no_action})


def _allowed_action(self: Any) -> str:
    # Calling the method stores the path's labels, which the operation needs. The method's result is not used.
    super(type(self), self)._get_action()
    operation: str = self.normalized_request.environ[OPERATION]
    return operation


def _no_action(self: Any) -> str:
    raise NotImplementedError(self.normalized_request.environ[OPERATION])
