"""Asks a sandbox authorization questions without an HTTP request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsops.policy.language.principals import Principal
from dsops.request.context import unsigned_context
from dsops.request.messages import HttpRequest
from dsops.sandbox.authorization.caller import Caller, user_caller
from dsops.sandbox.authorization.context import request_context
from dsops.sandbox.authorization.stored_resources import StoredResources
from tests.sandboxes import ACCOUNT, PEER, Lab

if TYPE_CHECKING:
    from dsops.request.question import AuthorizationQuestion

REGION = "us-east-1"
ANONYMOUS = Caller(Principal("anonymous", "", ""), "aws", "", "", REGION, None, None, None, {})


@dataclass(frozen=True, slots=True)
class Desk:
    """Asks the sandbox's authorization about the sandbox's own resources."""

    lab: Lab

    def caller(self, name: str, account: str = ACCOUNT, region: str = REGION) -> Caller:
        """A user of the seed with a long-term key."""
        world = self.lab.sandbox.world
        user = world.user_named(account, name)
        assert user is not None, f"no user {name} in {account}"
        return user_caller(world, user, "AKIAIOSFODNN7EXAMPLE", region, None)

    def questions(
        self, caller: Caller, service: str, operation: str, /, **parameters: object
    ) -> list[AuthorizationQuestion]:
        """All permissions that the operation needs."""
        return list(self._resources().questions(service, operation, parameters, caller))

    def asked(self, caller: Caller, service: str, operation: str, /, **parameters: object) -> list[tuple[str, str]]:
        """The action and resource of each question."""
        return [
            (question.action, question.resource)
            for question in self.questions(caller, service, operation, **parameters)
        ]

    def refused(self, caller: Caller, service: str, operation: str, /, **parameters: object) -> str:
        """The first action that is not allowed; "" if all actions are."""
        sandbox = self.lab.sandbox
        now = sandbox.clock.now()
        request = HttpRequest("POST", "/", "", {"user-agent": "tests"}, b"", PEER)
        common = unsigned_context(REGION, request, now)
        if caller.account:
            common = request_context(sandbox.world, caller, request, now)
        # Questions are generated one by one: later questions are only asked if the earlier ones are allowed.
        for question in self._resources().questions(service, operation, parameters, caller):
            context = {**common, "aws:ResourceAccount": (question.account,), **question.context}
            if not sandbox.judge.decide(caller, question._replace(context=context), "request", now).is_allowed:
                return question.action
        return ""

    def allows(self, caller: Caller, service: str, operation: str, /, **parameters: object) -> bool:
        """Whether the operation would be allowed."""
        return not self.refused(caller, service, operation, **parameters)

    def _resources(self) -> StoredResources:
        return StoredResources(self.lab.sandbox.world, self.lab.sandbox.secret_storage)
