"""Call the SPIFFE Workload API on its Unix socket (gRPC over HTTP/2): fetch a JWT-SVID, or the trust bundles.

The API identifies the calling process by its socket, so a request contains no credentials. Sources: the standards
"SPIFFE Workload API" and "SPIFFE Workload Endpoint".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn, cast
from urllib.parse import unquote

from dsops.aws.http.grpc import first_message, frame
from dsops.aws.http.wire import Response, WireRequest
from dsops.endpoint import parse_address
from dsops.errors import AnswerInvalid, DsopsError, NoCredentials, ServiceError, TimedOut, Unreachable
from dsops.secret import Secret
from dsops.tasks import pause, transfer
from dsops.workload.protocol_buffers import decode_fields, encode_fields

SOCKET_VARIABLE = "SPIFFE_ENDPOINT_SOCKET"

_SERVICE = "SpiffeWorkloadAPI"
_OK, _INVALID_ARGUMENT, _PERMISSION_DENIED, _UNAVAILABLE = "0", "3", "7", "14"
_FIRST_PAUSE_SECONDS = 0.2
_MOST_SHOWN = 200
# The standard requires an IP address, so that no resolver decides where the token comes from.
_TCP = re.compile(r"tcp://(?P<address>[0-9.]+:[0-9]+|\[[0-9a-fA-F:.]+\]:[0-9]+)\Z")


class WorkloadApi:
    """The Workload API of the environment. Timeouts are in milliseconds."""

    def __init__(self, environ: Mapping[str, str], *, total_timeout_ms: int, attempts: int) -> None:
        self.address = environ.get(SOCKET_VARIABLE, "")
        self._total_timeout_ms = total_timeout_ms
        self._attempts = attempts

    async def fetch_jwt_svid(self, audience: str, spiffe_id: str = "") -> Secret:
        """Return a new JWT-SVID for that audience: of `spiffe_id`, or of the workload's default identity.

        Raises NoCredentials if there is no API, or if it issues no identity to this process.
        """
        request = encode_fields([(1, audience), (2, spiffe_id)])
        message = await self._call("FetchJWTSVID", request, "unary")
        try:
            svid = dict(decode_fields(next(value for number, value in decode_fields(message) if number == 1)))
            return Secret(svid[2].decode("ascii"))
        except (ValueError, StopIteration, KeyError) as error:
            raise self._strange("FetchJWTSVID") from error

    async def fetch_jwt_bundles(self) -> Mapping[str, bytes]:
        """Return the JSON Web Key Set of each trust domain that the workload may verify, by the domain's SPIFFE ID."""
        message = await self._call("FetchJWTBundles", b"", "stream")
        try:
            entries = [dict(decode_fields(value)) for number, value in decode_fields(message) if number == 1]
            return {entry[1].decode("ascii"): entry[2] for entry in entries}
        except (ValueError, KeyError) as error:
            raise self._strange("FetchJWTBundles") from error

    async def _call(self, method: str, message: bytes, kind: str) -> bytes:
        """Return the (first) message of the answer. Retries while the agent is unavailable."""
        request = self._request(method, message, kind)
        attempt = 0
        while True:
            attempt += 1
            try:
                response = cast("Response", await transfer(request))
            except (Unreachable, TimedOut, AnswerInvalid) as error:
                raise self._unreached(error) from error
            status = response.headers.get("grpc-status", _OK if kind == "stream" else "")
            if response.status == 200 and status == _OK:
                try:
                    return first_message(response.body)
                except ValueError as error:
                    raise self._strange(method) from error
            if status != _UNAVAILABLE or attempt >= self._attempts:
                self._refuse(response, status)
            await pause(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))

    def _request(self, method: str, message: bytes, kind: str) -> WireRequest:
        path, authority = _endpoint(self.address)
        # This header is part of the SPIFFE standard: a web page can't make a browser send it, which prevents
        # server-side request forgery.
        headers = (("Content-Type", "application/grpc"), ("TE", "trailers"), ("workload.spiffe.io", "true"))
        return WireRequest(
            "POST",
            f"http://{authority}/{_SERVICE}/{method}",
            headers,
            frame(message),
            connect_timeout_ms=self._total_timeout_ms,
            total_timeout_ms=self._total_timeout_ms,
            grpc=kind,
            unix_socket=path,
        )

    def _unreached(self, error: ServiceError) -> DsopsError:
        return NoCredentials(
            f"could not reach the SPIFFE Workload API at {self.address}",
            why=error.why or error.message,
            hint=f"check that the SPIFFE agent runs, and that {SOCKET_VARIABLE} names its socket",
        )

    def _refuse(self, response: Response, status: str) -> NoReturn:
        reason = unquote(response.headers.get("grpc-message", ""))[:_MOST_SHOWN]
        reason = "".join(character if character.isprintable() else "?" for character in reason)
        if status == _PERMISSION_DENIED:
            raise NoCredentials(
                "the SPIFFE Workload API issues no identity to this process",
                why=reason,
                hint="register the workload: its selectors must match dsops, or dsops' agent if one runs",
            )
        if status == _INVALID_ARGUMENT:
            hint = "check `web_identity_audience` and `spiffe_id`"
            raise NoCredentials("the SPIFFE Workload API refused the request", why=reason, hint=hint)
        described = f"gRPC status {status}" if status else f"HTTP status {response.status}"
        raise ServiceError(
            f"the SPIFFE Workload API failed with {described}", why=reason, hint="try again; see the agent's log"
        )

    def _strange(self, method: str) -> DsopsError:
        return NoCredentials(
            f"the SPIFFE Workload API's answer to {method} can't be read",
            hint=f"check that {SOCKET_VARIABLE} names the socket of a SPIFFE agent",
        )


def _endpoint(address: str) -> tuple[str, str]:
    """Return the path of the socket ("" for TCP), and the authority of the URL. Raises NoCredentials."""
    if not address:
        raise NoCredentials(
            f"there is no token from SPIFFE: {SOCKET_VARIABLE} is not set",
            hint="set it to the agent's socket, such as unix:///run/spire/agent/public/api.sock",
        )
    path = address.removeprefix("unix:")
    if path != address:
        path = path.removeprefix("//")
        if path.startswith("/") and path.isprintable() and not set("?#%") & set(path):
            return path, "localhost"
    named = _TCP.match(address)
    if named is not None and parse_address(f"http://{named['address']}") is not None:
        return "", named["address"]
    raise NoCredentials(
        f"{SOCKET_VARIABLE} is not the address of a Workload API: `{address[:_MOST_SHOWN]}`",
        hint="it is unix:///PATH, or tcp://IP:PORT",
    )
