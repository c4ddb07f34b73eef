"""A call of one AWS action, the client that sends it, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from dsops.aws.http.answer import Element
from dsops.aws.http.wire import WireRequest
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dsops.aws.http.retries import KnownServices


class Client(NamedTuple):
    """What every call needs in addition to its parameters: runtime, limits, and facts learnt about services.

    Create a client with `make_client`; `_replace` changes its limits.
    """

    runtime: Runtime
    skews: dict[str, float]
    """The number of seconds by which each host's clock is ahead of the local clock, learnt from refusals.

    All copies of the client share this dict.
    """
    known_services: KnownServices
    """The rate limits of services that refused a request or failed.

    All copies of the client share them, and so do all clients of an agent.
    """
    connect_timeout_ms: int
    total_timeout_ms: int
    """The timeout of the whole call, including retries and pauses."""
    attempts: int
    """The maximum number of attempts when the service fails. A throttled call is retried until the total timeout."""
    sandboxes: dict[str, str]
    """Maps the URL of each endpoint that is a local dsops sandbox to the `Server` header of its last response.

    All copies of the client share this dict.
    """

    def skew_seconds(self, endpoint: Endpoint) -> float:
        """Return the number of seconds by which the endpoint's clock is ahead of the local clock.

        The result is 0 until a refusal has shown a difference.
        """
        return self.skews.get(endpoint.url, 0.0)


def make_client(
    runtime: Runtime,
    *,
    connect_timeout_ms: int = 5_000,
    total_timeout_ms: int = 30_000,
    attempts: int = 4,
    known_services: KnownServices | None = None,
    sandboxes: dict[str, str] | None = None,
) -> Client:
    """Create a client. Clients with the same `known_services` and `sandboxes` share what they learn."""
    services = {} if known_services is None else known_services
    sandbox_urls = {} if sandboxes is None else sandboxes
    return Client(runtime, {}, services, connect_timeout_ms, total_timeout_ms, attempts, sandbox_urls)


Refusal = Callable[[AwsAnswer, str], DsopsError | None]
"""A function that converts AWS's error into this action's own error, or returns None for any other error.

Its second argument is the text for `not allowed to ...`.
"""


Sign = Callable[[WireRequest, str], Awaitable[tuple[tuple[str, str], ...]]]
"""A function that returns the headers which sign a request at a time, such as `20261124T120000Z`."""


class Call(NamedTuple):
    """One call of an API action, without its parameters."""

    endpoint: Endpoint
    credentials: Credentials | None
    """The credentials that sign the request; None for actions that are not signed."""
    action: str
    doing: str
    """What the action does, to complete `not allowed to ...`: `assume arn:aws:iam::123456789012:role/Deploy`."""
    refusal: Refusal
    hidden: tuple[Secret | None, ...] = ()
    """Secret parameters, which are masked in error messages because AWS may repeat them there."""
    is_once: bool = False
    """Whether the request must not reach AWS twice: it is not repeated if the first attempt may have arrived.

    Examples are a request with an MFA code, and one that writes a new version each time.
    """
    method: str = "POST"
    path: str = ""
    """Path and query after the endpoint's address, percent-encoded, for REST APIs."""
    sign: Sign | None = None
    """Signs each attempt, for a signature that is not made with credentials; None for all other requests."""


class Reply(NamedTuple):
    """The content and headers of a response. Its repr shows neither."""

    result: Element
    headers: Mapping[str, str]


class FailedAttempt(NamedTuple):
    """The error of a failed attempt, and whether to retry."""

    error: DsopsError
    may_help: bool
    """Whether the same request may succeed shortly and can safely be sent again."""
    asked_to_wait: float = 0.0
    """The seconds in the Retry-After header."""
    is_corrected: bool = False
    """Whether the next attempt is signed with the server's time."""
