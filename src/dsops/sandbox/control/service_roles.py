"""Serve role credentials to an ECS task, an EKS pod or a Lambda function.

ECS and EKS serve credentials to a container at a URL that requires a token; Lambda sets environment variables. The
role's trust policy must allow the service, as on AWS.
"""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from dsops.errors import SandboxRefusal
from dsops.request.context import iso_time
from dsops.request.messages import HttpRequest
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.state.world import Role
from dsops.sandbox.sts.service_use import ServiceUse, of_function, of_pod, of_task

# _LABEL matches the name of a Kubernetes namespace or service account (RFC 1123), _FUNCTION that of a Lambda function.
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
_FUNCTION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DEFAULT: Final = "default"

Said = tuple[int, dict[str, object]]
"""HTTP status and JSON content of a response."""


class ServiceRoles:
    """The credential endpoints of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.token = os.urandom(16).hex()
        """The token that a container's request must send in the Authorization header."""

    def task(self, name: str, request: HttpRequest) -> Said:
        """Return the credentials that ECS serves to a task with that role."""
        return self._to_container(name, request, of_task)

    def pod(self, name: str, request: HttpRequest) -> Said:
        """Return the credentials that the EKS Pod Identity agent serves to a pod.

        The query names the pod: `?namespace=shop&service_account=app`.
        """
        query = {key: values[0] for key, values in parse_qs(request.query).items()}
        namespace, account = query.get("namespace", _DEFAULT), query.get("service_account", _DEFAULT)
        if not _LABEL.fullmatch(namespace) or not _LABEL.fullmatch(account):
            return _refused(400, "InvalidParameter", "`namespace` or `service_account` is not a Kubernetes name")
        return self._to_container(
            name, request, lambda role, partition, region: of_pod(role, partition, region, namespace, account)
        )

    def function(self, request: HttpRequest) -> Said:
        """Return a Lambda function's session for the request body `{"role": "Function", "function": "orders"}`."""
        try:
            wish = json.loads(request.body)
            name, function = str(wish["role"]), str(wish.get("function", "function"))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return 400, {"error": 'send {"role": "arn:aws:iam::...:role/...", "function": "orders"}'}
        if not _FUNCTION.fullmatch(function):
            return 400, {"error": f"`{function}` is not the name of a Lambda function"}
        status, answer = self._issue(
            name, request, lambda role, partition, region: of_function(role, partition, region, function)
        )
        return status, answer if status == 200 else {"error": answer["message"]}

    def _to_container(self, name: str, request: HttpRequest, make_use: Callable[[Role, str, str], ServiceUse]) -> Said:
        sent_token = request.headers.get("authorization", "")
        if not hmac.compare_digest(sent_token.encode(), self.token.encode()):
            return _refused(401, "AccessDenied", "the Authorization header is not the sandbox's token")
        return self._issue(name, request, make_use)

    def _issue(self, name: str, request: HttpRequest, make_use: Callable[[Role, str, str], ServiceUse]) -> Said:
        sandbox = self._sandbox
        with sandbox.world.lock:
            role = find_role(sandbox, name)
            if role is None:
                return _refused(404, "NotFound", f"there is no role {name}")
            use = make_use(role, sandbox.world.partitions[role.account], sandbox.region)
            try:
                issued = sandbox.assume_for_service(request, role, use)
            except SandboxRefusal as refused:
                return _refused(403, "AccessDenied", refused.message)
        return 200, {
            "RoleArn": role.arn,
            "AccessKeyId": issued.access_key_id,
            "SecretAccessKey": issued.secret_access_key,
            "Token": issued.session_token,
            "Expiration": iso_time(issued.expires_at),
        }


def find_role(sandbox: Sandbox, name: str) -> Role | None:
    """Find a role by ARN, `ACCOUNT/NAME` or name.

    A bare name means a role of the default account, or else the only role of that name in all accounts.
    """
    if name.startswith("arn:"):
        return sandbox.world.role_at(name)
    account, slash, rest = name.partition("/")
    if slash:
        return sandbox.world.role_named(account, rest)
    candidates = [sandbox.world.role_named(account, name) for account in sandbox.world.partitions]
    roles = [role for role in candidates if role is not None]
    return roles[0] if len(roles) == 1 else sandbox.world.role_named(sandbox.default_account, name)


def _refused(status: int, code: str, message: str) -> Said:
    return status, {"code": code, "message": message}
