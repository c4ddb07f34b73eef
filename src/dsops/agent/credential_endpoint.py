"""Serves a session to the AWS SDKs of a running command, with the protocol of container credentials.

The protocol: an SDK sends a GET with a token and gets JSON
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html). Every process of this machine
can connect; only a process that sends the token gets the session.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from hmac import compare_digest
from time import monotonic
from typing import Protocol

from dsops.agent.loopback import REASONS, LoopbackAttendant, LoopbackConnection
from dsops.arn import parse_arn
from dsops.credentials import Credentials
from dsops.errors import DsopsError
from dsops.secret import Secret

PATH = "/credentials"

_PATIENCE_SECONDS = 1.8
"""How long a request waits for a renewal: the SDKs wait 1 s, 2 s or longer, and then retry."""


class SessionSource(Protocol):
    """A session that is renewed; `Renewal` implements this protocol."""

    @property
    def current(self) -> Credentials | None:
        """The valid session; None if there is none."""

    @property
    def is_under_way(self) -> bool:
        """Whether a request for a new session is running."""

    @property
    def failure(self) -> DsopsError | None:
        """The error of the last attempt; None after a success."""

    def hurry(self) -> None:
        """Starts a renewal now."""


class CredentialEndpoint(LoopbackAttendant):
    """An HTTP endpoint that sends the session to clients that have the token."""

    def __init__(
        self,
        source: SessionSource,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Open the port. Raises UsageError if the address is not of this machine, or the port is taken."""
        super().__init__(address=address, port=port, clock=clock)
        self.token = Secret(os.urandom(32).hex())
        """The token that a client has to send. Only the command gets it, in its environment."""
        self._source = source
        self.address = f"{self.url}{PATH}"

    def asked(self, client: LoopbackConnection, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Send the session for a GET request with the right token; otherwise send an error."""
        if not compare_digest(headers.get("authorization", "").encode("latin-1"), self.token.reveal_bytes()):
            self.refuse(client, 401, "the Authorization header is not the token of this endpoint")
        elif method != "GET":
            self.refuse(client, 405, "only GET is answered")
        elif path != PATH:
            self.refuse(client, 404, f"there is only {PATH}")
        else:
            client.is_waiting = True
            client.until = min(client.until, self.clock() + _PATIENCE_SECONDS)
            self.wait(client, is_late=False)

    def wait(self, client: LoopbackConnection, *, is_late: bool) -> None:
        """Send the session if there is one. Otherwise start a renewal, and send an error when the renewal has ended."""
        credentials = self._source.current
        if credentials is None:
            self._source.hurry()
            if self._source.is_under_way and not is_late:
                return
        if credentials is not None:
            self._answer(client, 200, credentials_content(credentials))
            return
        failure = self._source.failure
        self.refuse(client, 503, f"the session could not be renewed: {failure}" if failure else "try again")

    def refuse(self, client: LoopbackConnection, status: int, message: str) -> None:
        """Send an error as JSON with `code` and `message`, which the SDKs show."""
        self._answer(client, status, {"code": REASONS[status].replace(" ", ""), "message": message})

    def _answer(self, client: LoopbackConnection, status: int, content: Mapping[str, str]) -> None:
        self.answer(client, status, "application/json", json.dumps(content).encode("ascii"))


def credentials_content(credentials: Credentials) -> dict[str, str]:
    """Return the JSON fields of the session. An SDK requests a new session before `Expiration`."""
    token = credentials.session_token
    content = {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key.reveal(),
        "Token": token.reveal() if token else "",
        "Expiration": credentials.expiration_text,
    }
    arn = parse_arn(credentials.arn)
    return {**content, "AccountId": arn.account} if arn is not None else content
