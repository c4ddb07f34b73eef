"""The node's HTTP server: identifies each caller, and sends sessions and secrets in AWS's protocols.

- `/credentials` and `/credentials/STORE`: container credentials (ECS), for AWS_CONTAINER_CREDENTIALS_FULL_URI
- `/v1/credentials`: the same, at the path of EKS Pod Identity
- `/secretsmanager/get?secretId=NAME` and `/v1/NAME`: the AWS Secrets Manager Agent
- `/ping`: `healthy`, without a token
- `/status`: what `dsops node status` shows, without a token, for root and the node's user
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic
from typing import Final, Protocol
from urllib.parse import unquote

from dsops.agent.credential_endpoint import credentials_content
from dsops.agent.loopback import REASONS, LoopbackAttendant, LoopbackConnection
from dsops.credentials import Credentials
from dsops.errors import DsopsError
from dsops.node.configuration import ListenAddress
from dsops.node.issuer import SecretRequest
from dsops.node.listener import open_unix_listener
from dsops.node.peer import Peer, PeerLookup
from dsops.node.secrets_api import (
    GET_PATH,
    PATH_PREFIX,
    PING_PATH,
    TOKEN_HEADERS,
    HttpFailure,
    error_text,
    failure_of,
    parse_secret_query,
    secret_body,
)
from dsops.node.secrets_cache import NodeSecrets
from dsops.node.sessions import NodeSessions, SessionKey
from dsops.node.status import STATUS_HEADER, STATUS_PATH, may_ask, status_content
from dsops.node.workloads import NodeCaller, Workloads

_CREDENTIALS: Final = "/credentials"
_POD_CREDENTIALS: Final = "/v1/credentials"
_JSON: Final = "application/json"
_PATIENCE_SECONDS: Final = 1.8
"""How long a request waits for a session or secret: the SDKs wait 1 s, 2 s or longer, and then retry."""


_NO_WORKLOAD: Final = "no workload of this node matches both this process and its token"


class NodeRequest:
    """A request, its caller's token and peer, and whether it has waited for an answer from AWS."""

    __slots__ = ("client", "has_waited", "is_secret", "path", "peer", "token")

    def __init__(self, client: LoopbackConnection, path: str, token: bytes, *, is_secret: bool) -> None:
        self.client = client
        self.path = path
        self.token = token
        self.is_secret = is_secret
        """Whether the API of the Secrets Manager Agent is used."""
        self.peer: Peer | None = None
        self.has_waited = False


class NodeRecords(Protocol):
    """Takes what the endpoint gives and refuses, for the audit trail and the metrics."""

    def give(self, caller: NodeCaller, store: str, session: Credentials) -> None:
        """Record a session that a caller gets, before it gets it. Raises AuditFailed."""

    def give_secret(self, caller: NodeCaller, request: SecretRequest, version_id: str) -> None:
        """Record a secret that a caller gets, before it gets it. Raises AuditFailed."""

    def refuse(self, peer: Peer | None, path: str) -> None:
        """Record a request of a caller that is not identified; `peer` is None if the kernel can't prove its user."""

    def answer(self, *, is_secret: bool, status: int) -> None:
        """Count an answer."""


class NodeEndpoint(LoopbackAttendant):
    """Serves one address of the node."""

    most_silent = 1024
    most_clients = 2048

    def __init__(
        self,
        address: ListenAddress,
        workloads: Workloads,
        sessions: NodeSessions,
        secrets: NodeSecrets,
        records: NodeRecords,
        *,
        varying: frozenset[str] = frozenset(),
        now: Callable[[], datetime],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Open the address. Raises UsageError if that is not possible.

        `varying` are the stores with a session for each caller, not one for all.
        """
        listener: socket.socket | None = open_unix_listener(address.path) if address.path else None
        super().__init__(address=address.address, port=address.port, listener=listener, clock=clock)
        self._workloads = workloads
        self._sessions = sessions
        self._secrets = secrets
        self._lookup = PeerLookup()
        self._records = records
        self._varying = varying
        self._now = now

    def asked(self, client: LoopbackConnection, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Identify the caller, then send what it asks for, or an error."""
        secret_token = next((headers[name] for name in TOKEN_HEADERS if name in headers), None)
        is_secret = secret_token is not None or path == GET_PATH
        token = secret_token or ("" if is_secret else headers.get("authorization", ""))
        if path == PING_PATH and method == "GET":
            self.answer(client, 200, "text/plain", b"healthy")
            return
        request = NodeRequest(client, path, token.encode("latin-1"), is_secret=is_secret)
        if "x-forwarded-for" in headers:
            self._fail(request, 400, "Forwarded")
            return
        request.peer = self._lookup.peer(client.connection)
        if path == STATUS_PATH and STATUS_HEADER in headers:
            self._send_status(request)
            return
        caller = self._identify(request)
        if caller is None:
            self._records.refuse(request.peer, path)
            self._fail(request, 403, "Bad Token" if is_secret else _NO_WORKLOAD)
        elif method != "GET":
            self._fail(request, 405, "Not allowed")
        elif is_secret:
            self._ask_secret(request, caller, client.query)
        else:
            self._ask_session(request, caller)

    def _send_status(self, request: NodeRequest) -> None:
        if not may_ask(request.peer):
            self._fail(request, 403, "only root and the user of the node may ask for its status")
            return
        content = status_content(self._sessions.states(), self._workloads.all, self._now())
        self._send_answer(request, 200, _JSON, json.dumps(content).encode("ascii"))

    def end(self) -> None:
        """Close all connections, the address and the connection to the kernel."""
        super().end()
        self._lookup.close()

    def wait(self, client: LoopbackConnection, *, is_late: bool) -> None:
        """Answer a waiting request if its session or secret has arrived; with `is_late`, in any case."""
        if client.proceed is not None:
            client.proceed(is_late)

    def _identify(self, request: NodeRequest) -> NodeCaller | None:
        return None if request.peer is None else self._workloads.find(request.peer, request.token, self._now())

    def _is_same(self, request: NodeRequest, caller: NodeCaller) -> bool:
        """Identify the caller again if the request has waited, because its process may have ended meanwhile."""
        if not request.has_waited:
            return True
        request.peer = self._lookup.peer(request.client.connection)
        again = self._identify(request)
        if again is None or again.workload is not caller.workload or again.peer.uid != caller.peer.uid:
            return False
        return again.subject == caller.subject

    def _begin(self, request: NodeRequest, proceed: Callable[[bool], None]) -> None:
        """Call `proceed` now, and in each turn of the loop until the request is answered."""
        client = request.client
        client.is_waiting = True
        client.until = min(client.until, self.clock() + _PATIENCE_SECONDS)
        client.proceed = proceed
        proceed(False)
        request.has_waited = True

    def _ask_session(self, request: NodeRequest, caller: NodeCaller) -> None:
        store = _store_of(request.path, caller.workload.stores)
        if store:
            self._begin(request, lambda is_late: self._give_session(request, store, caller, is_late=is_late))
        else:
            self._fail(request, 404, f"workload {caller.workload.name} has no such store")

    def _give_session(self, request: NodeRequest, store: str, caller: NodeCaller, *, is_late: bool) -> None:
        key = SessionKey(store, caller.subject.variables if store in self._varying else ())
        session = self._sessions.use(key)
        if session is None:
            if is_late or not self._sessions.is_under_way(key):
                failure = self._sessions.failure(key)
                text = f"the session could not be issued: {failure}" if failure else "try again"
                self._fail(request, 503, text)
        elif not self._is_same(request, caller):
            self._fail(request, 403, "the caller has changed")
        else:
            try:
                self._records.give(caller, store, session)
            except DsopsError as error:
                self._fail(request, 503, str(error))
                return
            self._send_answer(request, 200, _JSON, json.dumps(credentials_content(session)).encode("ascii"))

    def _ask_secret(self, request: NodeRequest, caller: NodeCaller, query_text: str) -> None:
        path, rule = request.path, caller.workload.secrets
        if path != GET_PATH and not path.startswith(PATH_PREFIX):
            self._fail(request, 404, "Not found")
            return
        query = parse_secret_query(path, query_text)
        if isinstance(query, HttpFailure):
            self._fail(request, *query)
        elif rule is None or not rule.admits(query.secret_id):
            message = f"workload {caller.workload.name} of this node may not read {query.secret_id}"
            self._fail(request, 400, error_text("AccessDeniedException", message))
        else:
            wanted = SecretRequest(rule.store, query.secret_id, query.version_id, query.version_stage)
            if query.is_fresh:
                self._secrets.refresh(wanted)
            self._begin(request, lambda is_late: self._give_secret(request, wanted, caller, is_late=is_late))

    def _give_secret(self, request: NodeRequest, wanted: SecretRequest, caller: NodeCaller, *, is_late: bool) -> None:
        found = self._secrets.result(wanted)
        if found is None:
            if is_late:
                self._fail(request, 504, error_text("TimeoutError", "Timeout"))
        elif isinstance(found, DsopsError):
            self._fail(request, *failure_of(found))
        elif not self._is_same(request, caller):
            self._fail(request, 403, "Bad Token")
        else:
            try:
                self._records.give_secret(caller, wanted, found.version_id)
            except DsopsError:
                self._fail(request, 500, error_text("InternalFailure", ""))
                return
            self._send_answer(request, 200, _JSON, secret_body(found))

    def _fail(self, request: NodeRequest, status: int, text: str) -> None:
        """Send an error: for a session as JSON with `code` and `message`, which the SDKs show."""
        known = status if status in REASONS else 500
        if not request.is_secret:
            text = json.dumps({"code": REASONS[known].replace(" ", ""), "message": text})
        self._send_answer(request, known, _JSON if text.startswith("{") else "text/plain", text.encode())

    def _send_answer(self, request: NodeRequest, status: int, content_type: str, body: bytes) -> None:
        self._records.answer(is_secret=request.is_secret, status=status)
        request.client.proceed = None
        self.answer(request.client, status, content_type, body)


def _store_of(path: str, stores: tuple[str, ...]) -> str:
    """Return the store that a path names, if it is one of the stores; "" otherwise."""
    if path in {_CREDENTIALS, _POD_CREDENTIALS}:
        return stores[0] if stores else ""
    name = unquote(path.removeprefix(f"{_CREDENTIALS}/"))
    return name if path.startswith(f"{_CREDENTIALS}/") and name in stores else ""
