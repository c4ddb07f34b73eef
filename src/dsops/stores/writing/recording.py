"""Records the calls about one secret in the audit trail, without values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from dsops.aws.http.call import Client
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import (
    DsopsError,
    FailedOperation,
    SecretAccessDenied,
    SecretDeleted,
    SecretExists,
    SecretNotFound,
    ServiceError,
)
from dsops.plan import Step
from dsops.plan.required_permissions import Need, via_services
from dsops.runtime import Act
from dsops.startup import NamedTuple
from dsops.tasks import T, Work


class CallOutcome(NamedTuple):
    """The facts of a successful call for the audit trail."""

    answer: Mapping[str, object]
    """Parts of the response, under the names that CloudTrail uses."""
    request_id: str
    version: str = ""


class CallRecorder:
    """Makes calls about one secret, and adds a record of each to the audit trail."""

    def __init__(self, step: Step, key: str, credentials: Credentials, client: Client, endpoint: Endpoint) -> None:
        self._step = step
        self._key = key
        self._credentials = credentials
        self._client = client
        self._endpoint = endpoint

    async def call(
        self, action: str, work: Work[T], asked: Mapping[str, object], outcome: Callable[[T], CallOutcome]
    ) -> T:
        """Make a call, record it in the audit trail, and return its result.

        `asked` contains the call's parameters under CloudTrail's names, without the secret value.
        """
        try:
            result = await work
        except DsopsError as error:
            caller = self._credentials.arn or self._credentials.masked_key_id
            facts = FailedOperation(
                action, caller, self._step.name, secret=self._key, region=self._endpoint.signing_region
            )
            error.add_tried(facts)
            self._advise(error)
            self._add(action, asked, CallOutcome({}, ""), error)
            raise
        self._add(action, asked, outcome(result), None)
        return result

    def _advise(self, error: DsopsError) -> None:
        """Add a hint to the error, such as the dsops command that can solve it."""
        if isinstance(error, SecretAccessDenied):
            explain = "`dsops explain --message FILE` finds the policy that decides, with this error in FILE"
            error.retell(error.message, hint=f"{error.hint}; {explain}")
        elif isinstance(error, SecretNotFound):
            create = f"`{command_line('set', self._step, self._key)} --create` makes a new one"
            error.retell(error.message, hint=f"check name, version and region; {create}")
        elif isinstance(error, SecretExists):
            error.retell(error.message, hint="leave out `--create` to write a new version of it")
        elif isinstance(error, SecretDeleted):
            undo = f"`{command_line('rm', self._step, self._key)} --undo` cancels the deletion"
            error.retell(error.message, hint=undo)

    def _add(self, action: str, asked: Mapping[str, object], outcome: CallOutcome, error: DsopsError | None) -> None:
        journal = self._client.runtime.journal
        if journal is None:
            return
        step, was_sent = self._step, error is None or error.aws is not None or isinstance(error, ServiceError)
        facts: dict[str, object] = {"store": step.name, "storeType": step.type.name, "secret": self._key}
        if outcome.version:
            facts["version"] = outcome.version
        journal.add(
            Act(
                action,
                step.type.service if was_sent else "",
                self._endpoint.signing_region,
                caller=self._credentials.arn,
                key=self._credentials.access_key_id,
                asked=asked,
                answer=outcome.answer,
                request_id=outcome.request_id,
                error=error,
                facts=facts,
                is_of_sandbox=self._endpoint.url in self._client.sandboxes,
            )
        )


def command_line(command: str, step: Step, key: str) -> str:
    """Return the dsops command line for that secret, for hints."""
    from shlex import quote

    return f"dsops {command} {quote(step.name)} {quote(key)}"


def key_needs(actions: Sequence[str], service: str, region: str) -> list[Need]:
    """Return the permissions on the KMS key, limited to calls through the service.

    The key is not known here, so the permissions are for any key.
    """
    return [
        Need(tuple(actions), "*", (("StringEquals", "kms:ViaService", (via,)),))
        for via in (via_services(service, region) if actions else ())
    ]


def time_of(seconds: float | None) -> datetime | None:
    """Return the time for seconds since 1970; None for an unknown or impossible time."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
