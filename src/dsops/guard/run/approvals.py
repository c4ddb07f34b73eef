"""Ask the user about requests that no policy allows, and remember the answers of this run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dsops.guard.decision import RETURNS_KEYS, GuardDecision
from dsops.guard.run.options import Answer, Asked, AskUser
from dsops.policy import ANY_CHARACTER, ANY_TEXT, shown
from dsops.recording.call import ANY_ONE, as_pattern
from dsops.service_reference import ServiceReference

_DESTRUCTIVE_LEVEL = "Permissions management"
_DESTRUCTIVE = ("Delete", "Terminate", "Remove", "Purge", "Destroy", "Deregister", "Disable", "ScheduleKeyDeletion")


class Approvals:
    """The answers of one run. Questions are asked one at a time, in the thread that owns the terminal."""

    def __init__(self, ask: AskUser, post: Callable[[Callable[[], None]], None], reference: ServiceReference) -> None:
        """`post` runs a function in the thread that owns the terminal."""
        self._ask = ask
        self._post = post
        self._reference = reference
        self._answers: dict[tuple[str, str], bool] = {}
        self._asking = asyncio.Lock()

    async def approve(self, decision: GuardDecision) -> bool:
        """Return whether the user allows the last action of the decision. Runs in the server's loop."""
        question = decision.questions[-1]
        key = (question.action, question.resource)
        async with self._asking:
            if key not in self._answers:
                answer = await self._answer(*key)
                if answer == "once":
                    return True
                self._answers[key] = answer == "run"
            return self._answers[key]

    async def _answer(self, action: str, resource: str) -> Answer:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()

        def deliver(answer: Answer) -> None:
            if not answered.done():
                answered.set_result(answer)

        def work() -> None:
            exact = self._exact(action, resource)
            answer = self._ask(Asked(action, shown(resource), self._is_destructive(action), exact))
            loop.call_soon_threadsafe(deliver, answer)

        self._post(work)
        return await answered

    def _exact(self, action: str, resource: str) -> str:
        """Return the resource as a pattern that matches nothing else; "" if there is none.

        `*` is exact for an action that can be allowed only on `*`. The six characters at the end of a secret's ARN may
        be unknown: a pattern with `??????` matches no other secret. Actions that return keys, which need no guard, are
        not for `always`: the user has to write such a statement.
        """
        prefix, _, name = action.lower().partition(":")
        use = self._reference.use_of(prefix, name)
        if use is not None and not use.kinds:
            return "*"
        if ANY_TEXT in resource or resource == "*" or action.lower() in RETURNS_KEYS:
            return ""
        return as_pattern(resource.replace(ANY_CHARACTER, ANY_ONE))

    def _is_destructive(self, action: str) -> bool:
        prefix, _, name = action.partition(":")
        level = self._reference.access_level(prefix.lower(), name.lower())
        return level == _DESTRUCTIVE_LEVEL or name.startswith(_DESTRUCTIVE) or action.lower() in RETURNS_KEYS
