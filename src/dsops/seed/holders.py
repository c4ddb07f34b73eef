"""Users and roles in the making: what they may do, and who may become them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from dsops.arn import Arn, parse_arn
from dsops.errors import DsopsError
from dsops.sandbox.seed.model import SeedRole
from dsops.sandbox.state.iam_backend import StoredPolicy

_SHORTEST_MAXIMUM_SECONDS = 3600

Document = dict[str, object]
"""A statement of a policy."""


class Holder:
    """A user or role in the making: what it may do."""

    def __init__(self, arn: str) -> None:
        self.arn = arn
        self._allowed: dict[str, tuple[str, ...]] = {}

    def allow(self, actions: Iterable[str], resource: str) -> None:
        """Lets it do that to the resource."""
        self._allowed[resource] = tuple(dict.fromkeys([*self._allowed.get(resource, ()), *actions]))

    def policies(self) -> tuple[StoredPolicy, ...]:
        """One inline policy; none for somebody who may do nothing."""
        if not self._allowed:
            return ()
        statements: list[Document] = [
            {"Effect": "Allow", "Action": list(actions), "Resource": resource}
            for resource, actions in self._allowed.items()
        ]
        return (StoredPolicy("what-the-configuration-needs", document(statements)),)


class PlannedRole(Holder):
    """A role in the making: who may assume it, and for how long."""

    def __init__(self, arn: Arn) -> None:
        super().__init__(str(arn))
        self.name = arn.resource_name
        self.path = "/" + arn.resource.removeprefix("role/").removesuffix(arn.resource_name)
        self.max_session_duration = _SHORTEST_MAXIMUM_SECONDS
        self.trust: list[Document] = []

    def seed(self) -> SeedRole:
        """The role as it is by now."""
        return SeedRole(
            self.name,
            document(self.trust),
            path=self.path,
            policies=self.policies(),
            max_session_duration=self.max_session_duration,
        )


def arn_of(text: object) -> Arn:
    """An ARN whose shape the plan has checked."""
    arn = parse_arn(str(text))
    if arn is None:
        raise DsopsError("a planned step has no readable ARN")
    return arn


def document(statements: list[Document]) -> str:
    """The JSON text of a policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
