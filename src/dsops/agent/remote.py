"""Asks a running agent for secrets and sessions, for a command of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dsops.agent import ASK, CHOOSE, DECLINED, EVENT, FAILED, RESULT, client, unpack
from dsops.agent.failure import agent_error, decode_answer
from dsops.agent.messages import (
    PipelineRequest,
    cached_of,
    credentials_of,
    request_fields,
    secrets_of,
    take_who_answered,
)
from dsops.credentials import Credentials
from dsops.errors import DsopsError
from dsops.runtime import Choice, Event, Runtime
from dsops.secret import Secret
from dsops.startup import NamedTuple


class RemotePipeline(NamedTuple):
    """Gets secrets and sessions from the agent; methods return None if this process has to do the work."""

    request: PipelineRequest
    """The fields that all requests of this command have in common."""
    runtime: Runtime
    watches: bool
    """Whether the agent should send progress events, because a user is at the terminal."""

    def secrets(
        self, environment: str, variable: str = "", *, also: str = "", lasts: bool = False
    ) -> Mapping[str, Secret] | None:
        """Get the values of an environment, or of one of its variables. Raises the agent's errors.

        `also` is a store whose session is needed as well; `lasts` says that the session will be renewed.
        """
        fields = self._ask(
            "secrets", self.request._replace(environment=environment, variable=variable, store=also, lasts=lasts)
        )
        return None if fields is None else decode_answer(secrets_of, fields)

    def credentials(
        self, store: str, environment: str = "", *, lasts: bool = False, min_ttl_seconds: float | None = None
    ) -> Credentials | None:
        """Get the session of a store, for `environment`. Raises the agent's errors.

        `lasts` says that the session will be renewed; with `min_ttl_seconds`, a cached session that expires sooner is
        replaced.
        """
        request = self.request._replace(environment=environment, store=store, lasts=lasts)
        if min_ttl_seconds is not None:
            request = request._replace(min_ttl_seconds=min_ttl_seconds)
        fields = self._ask("credentials", request)
        return None if fields is None else decode_answer(credentials_of, fields)

    def cached(self, store: str, environment: str) -> Mapping[str, Credentials]:
        """Return the sessions of a running agent for which a user typed an MFA code, by step of the plan.

        The plan has the variables of `environment` and the session of `store`; one of the two may be "". The agent
        prompts for nothing. Returns {} if the agent can't make the plan: this process then makes the plan itself, and
        shows why it fails.
        """
        request = self.request._replace(environment=environment, store=store)
        try:
            return decode_answer(cached_of, self._answer("cached", request, starts=False) or ())
        except DsopsError:
            return {}

    def _ask(self, operation: str, request: PipelineRequest) -> Sequence[bytes] | None:
        """Return the fields of the agent's answer without the first field; None if the agent does not answer."""
        fields = self._answer(operation, request)
        if fields is None:
            return None
        return decode_answer(lambda all_fields: take_who_answered(self.runtime.journal, all_fields), fields)

    def _answer(self, operation: str, request: PipelineRequest, *, starts: bool = True) -> Sequence[bytes] | None:
        person, words = AgentPerson(self.runtime.ask, self.runtime.choose, self.runtime.report), request_fields(request)
        answer = client.ask([operation.encode(), *words], person, watches=self.watches, starts=starts)
        if answer is None or answer[0] == DECLINED:
            return None
        if answer[0] == FAILED:
            raise agent_error(answer[1])
        return decode_answer(unpack, answer[1])


def ask_running(*words: str) -> Sequence[bytes]:
    """Ask a running agent; return the fields of its answer, or () without an agent. Raises the agent's error."""
    reply = client.ask([word.encode() for word in words], lambda _kind, _data: None, watches=False, starts=False)
    if reply is not None and reply[0] == FAILED:
        raise agent_error(reply[1])
    return decode_answer(unpack, reply[1]) if reply is not None and reply[0] == RESULT else ()


class AgentPerson:
    """Shows the agent's events and asks its questions at this terminal; passed as `person` to the agent's client."""

    def __init__(
        self,
        ask: Callable[[str], Secret | None],
        choose: Callable[[str, Sequence[Choice]], Choice | None],
        report: Callable[[Event], None],
    ) -> None:
        self._ask = ask
        self._choose = choose
        self._report = report

    def __call__(self, kind: int, data: bytes) -> bytes | None:
        """Return what the user types; None for an event, or if the user gives no answer."""
        if kind == ASK:
            typed = self._ask(data.decode())
            return None if typed is None else typed.reveal_bytes()
        if kind == CHOOSE:
            question, *texts = _texts(data)
            choices = [Choice(*pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
            chosen = self._choose(question, choices)
            return None if chosen is None else b"%d" % choices.index(chosen)
        if kind == EVENT:
            name, *facts = _texts(data)
            self._report(Event(name, dict(zip(facts[::2], facts[1::2], strict=True))))
        return None


def _texts(data: bytes) -> list[str]:
    return [field.decode("utf-8", "surrogateescape") for field in unpack(data)]
