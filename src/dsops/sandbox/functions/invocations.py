"""Lambda's Invoke: run a function under its role, and write its log to CloudWatch Logs if the role may."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from dsops.arn import parse_arn
from dsops.errors import SandboxRefusal
from dsops.request.lookups import SecretLocation
from dsops.request.messages import HttpAnswer, HttpRequest, Wait
from dsops.request.wire.errors import access_denied, refusal
from dsops.sandbox.authorization.caller import Caller, session_caller
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.clock import MovableClock
from dsops.sandbox.functions.run import FunctionHost, FunctionResult, FunctionRun
from dsops.sandbox.state.identifiers import new_request_id
from dsops.sandbox.state.service_actions.functions import StoredFunction, find_function, has_log_group
from dsops.sandbox.state.sessions import Issued, SessionTable
from dsops.sandbox.state.world import Role, World
from dsops.sandbox.sts.service_use import ServiceUse, of_function

_MOST_SYNCHRONOUS, _MOST_ASYNCHRONOUS = 6 * 1024 * 1024, 1024 * 1024
"""The largest payloads of Invoke, in bytes (Lambda API Reference, "Invoke")."""
_TAIL_BYTES = 4096
_START_SECONDS = 120.0
"""How long a client waits beyond the function's timeout: for a free slot, and for the start of the process."""
_MOST_LOG_EVENTS = 1000
_JSON: Final = ("Content-Type", "application/json")


FUNCTION_PEER = "169.254.76.1"
"""The address from which functions call the sandbox.

It is not loopback, so that functions don't reach the control endpoints, which hand out the keys of all users.
"""
INNER_REQUEST = HttpRequest("POST", "/", "", {"host": "", "user-agent": "lambda.amazonaws.com"}, b"", FUNCTION_PEER)
"""Stands for the HTTP request of an operation that a service sends itself."""


class Powers(NamedTuple):
    """What the functions of a sandbox use of the sandbox itself."""

    world: World
    sessions: SessionTable
    clock: MovableClock
    assume: Callable[[Role, ServiceUse], Issued]
    """Issue a session of a role to a service. Raises SandboxRefusal if the role does not trust the service."""
    act: Callable[[Caller, str, str, Mapping[str, object]], HttpAnswer]
    """Authorize, perform and record an operation of a service as a caller. Raises SandboxRefusal."""


class Invocations:
    """The invocations of one sandbox. Without a host, no function runs."""

    def __init__(self, powers: Powers) -> None:
        self._powers = powers
        self.host: FunctionHost | None = None

    def invoke(self, turn: AuthenticatedRequest, account: str, resource: str) -> HttpAnswer:
        """Perform an authorized Invoke of the function with the ARN `resource`. Raises SandboxRefusal."""
        kind, payload = turn.text("InvocationType") or "RequestResponse", _payload(turn)
        name, _, qualifier = resource.partition(":function:")[2].partition(":")
        qualifier = qualifier or turn.text("Qualifier")
        function = find_function(SecretLocation(account, turn.caller.region), name, qualifier)
        if function is None:
            arn = resource if resource.endswith(qualifier) else f"{resource}:{qualifier}"
            raise refusal("ResourceNotFoundException", f"Function not found: {arn}", 404)
        if kind == "DryRun":
            return HttpAnswer(204, (), b"")
        arn = f"{function.arn}:{qualifier}" if qualifier else function.arn
        ended = self.start(function, arn, payload, turn.request_id)
        version = ("X-Amz-Executed-Version", function.version)
        if kind == "Event":
            return HttpAnswer(202, (), b"")
        is_tail = turn.text("LogType") == "Tail"

        def ask() -> HttpAnswer | None:
            return _answer(ended[0], version, is_tail=is_tail) if ended else None

        late = b'{"Message": "the function did not end in time", "Type": "Service"}'
        failed = HttpAnswer(500, (_JSON, ("x-amzn-ErrorType", "ServiceException")), late)
        return failed._replace(wait=Wait(function.timeout_seconds + _START_SECONDS, new_request_id(), ask))

    def start(
        self,
        function: StoredFunction,
        arn: str,
        payload: bytes,
        request_id: str,
        then: Callable[[FunctionResult], None] = lambda _: None,
    ) -> list[FunctionResult]:
        """Start a function. Returns a list that holds the result once the function has ended.

        `then` is called with the result, in another thread that holds the lock. Raises SandboxRefusal.
        """
        if self.host is None:
            raise refusal("NotImplemented", "The dsops sandbox runs no functions.", 501)
        why = self.host.why_not(function.runtime)
        if why:
            raise refusal("InvalidRuntimeException", f"{why}.", 502)
        parts = parse_arn(function.arn)
        region = "" if parts is None else parts.region
        credentials = self.check_role(function.role, function.name, region)
        stream = f"{datetime.fromtimestamp(self._powers.clock.now(), UTC):%Y/%m/%d}/[{function.version}]"
        stream += os.urandom(16).hex()
        run = FunctionRun(
            request_id,
            arn,
            function.version,
            function.runtime,
            function.handler,
            function.package,
            function.layers,
            function.memory_mb,
            function.timeout_seconds,
            function.temporary_mb,
            {**function.environment, **_variables(function, region, stream), **_keys(credentials)},
            payload,
        )
        results: list[FunctionResult] = []

        def ended(result: FunctionResult) -> None:
            with self._powers.world.lock:
                try:
                    self._log(function, region, stream, credentials, result.log)
                    then(result)
                except SandboxRefusal:
                    pass  # The decisions show what the role may not do.
                finally:
                    results.append(result)

        if not self.host.start(run, ended):
            raise refusal("TooManyRequestsException", "Rate Exceeded.", 429)
        return results

    def check_role(self, role_arn: str, function: str, region: str) -> Issued:
        """Return a session of the execution role for a function. Raises AccessDenied if Lambda may not assume it."""
        world = self._powers.world
        role = world.role_at(role_arn)
        try:
            if role is not None:
                return self._powers.assume(role, of_function(role, world.partitions[role.account], region, function))
        except SandboxRefusal as error:
            raise access_denied("The role defined for the function cannot be assumed by Lambda.") from error
        raise access_denied("The role defined for the function cannot be assumed by Lambda.")

    def check_new_role(self, role_arn: str, function: str, region: str) -> None:
        """Raise InvalidParameterValueException if a function gets a role that Lambda may not assume.

        A role that does not exist is left to moto.
        """
        if self._powers.world.role_at(role_arn) is None:
            return
        try:
            self.check_role(role_arn, function.rpartition(":")[2], region)
        except SandboxRefusal as error:
            raise refusal("InvalidParameterValueException", error.message) from error

    def caller(self, credentials: Issued, region: str) -> Caller | None:
        """Return the caller with these credentials; None if the role was deleted."""
        powers, key_id = self._powers, credentials.access_key_id
        session = powers.sessions.get(key_id)
        return None if session is None else session_caller(powers.world, session, key_id, region)

    def _log(self, function: StoredFunction, region: str, stream: str, credentials: Issued, log: str) -> None:
        """Write the log as the function's role. A role without permission has no log, as on AWS."""
        caller = self.caller(credentials, region)
        if caller is None:
            return
        group = {"logGroupName": f"/aws/lambda/{function.name}"}
        milliseconds = int(self._powers.clock.now() * 1000)
        lines = log.splitlines()
        events = [{"timestamp": milliseconds, "message": line or " "} for line in lines[-_MOST_LOG_EVENTS:]]
        try:
            if not self._has_group(caller, group["logGroupName"]):
                self._powers.act(caller, "logs", "CreateLogGroup", group)
            self._powers.act(caller, "logs", "CreateLogStream", {**group, "logStreamName": stream})
            self._powers.act(caller, "logs", "PutLogEvents", {**group, "logStreamName": stream, "logEvents": events})
        except SandboxRefusal:
            return

    def _has_group(self, caller: Caller, name: str) -> bool:
        return has_log_group(SecretLocation(caller.account, caller.region), name)


def _payload(turn: AuthenticatedRequest) -> bytes:
    """Return the event of an Invoke. Raises SandboxRefusal if it is too large or not JSON."""
    sent = turn.parameters.get("Payload", b"")
    payload = sent if isinstance(sent, bytes) else str(sent).encode()
    is_event = turn.text("InvocationType") == "Event"
    most = _MOST_ASYNCHRONOUS if is_event else _MOST_SYNCHRONOUS
    if len(payload) > most:
        operation = "InvokeAsync" if is_event else "Invoke"
        message = f"{len(payload)} byte payload is too large for the {operation} operation (limit {most} bytes)"
        raise refusal("RequestEntityTooLargeException", message, 413)
    if payload:
        try:
            json.loads(payload)
        except (ValueError, RecursionError) as error:
            message = f"Could not parse request body into json: {error}"
            raise refusal("InvalidRequestContentException", message) from error
    return payload or b"{}"


def _answer(result: FunctionResult, version: tuple[str, str], *, is_tail: bool) -> HttpAnswer:
    headers = [_JSON, version]
    if result.error:
        headers.append(("X-Amz-Function-Error", result.error))
    if is_tail:
        tail = base64.b64encode(result.log.encode()[-_TAIL_BYTES:]).decode()
        headers.append(("X-Amz-Log-Result", tail))
    return HttpAnswer(200, tuple(headers), result.payload)


def _variables(function: StoredFunction, region: str, stream: str) -> dict[str, str]:
    """Return the variables that Lambda sets (Lambda Developer Guide, "Defined runtime environment variables")."""
    return {
        "_HANDLER": function.handler,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
    }


def _keys(credentials: Issued) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
    }
