"""Users and roles whose permissions and trust policies are being collected for a seed."""

from __future__ import annotations

import json
from collections.abc import Iterable

from dsops.arn import Arn, parse_arn
from dsops.errors import DsopsError
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.seed.model import SeedRole

_SHORTEST_MAXIMUM_SECONDS = 3600

Document = dict[str, object]
"""A policy statement as a JSON object."""


class Holder:
    """A user or role, with the permissions collected so far."""

    def __init__(self, arn: str) -> None:
        self.arn = arn
        self._allowed: dict[str, tuple[str, ...]] = {}

    def allow(self, actions: Iterable[str], resource: str) -> None:
        """Allow the identity to call the actions on the resource."""
        self._allowed[resource] = tuple(dict.fromkeys([*self._allowed.get(resource, ()), *actions]))

    def policies(self) -> tuple[StoredPolicy, ...]:
        """Return the permissions as one inline policy; () if there are none."""
        if not self._allowed:
            return ()
        statements: list[Document] = [
            {"Effect": "Allow", "Action": list(actions), "Resource": resource}
            for resource, actions in self._allowed.items()
        ]
        return (StoredPolicy("what-the-configuration-needs", document(statements)),)


class PlannedRole(Holder):
    """A role, with the trust, permissions and session duration collected so far."""

    def __init__(self, arn: Arn) -> None:
        super().__init__(str(arn))
        self.name = arn.resource_name
        self.path = "/" + arn.resource.removeprefix("role/").removesuffix(arn.resource_name)
        self.max_session_duration = _SHORTEST_MAXIMUM_SECONDS
        self.trust: list[Document] = []

    def seed(self) -> SeedRole:
        """Return the role as collected so far."""
        return SeedRole(
            self.name,
            document(self.trust),
            path=self.path,
            policies=self.policies(),
            max_session_duration=self.max_session_duration,
        )


def arn_of(text: object) -> Arn:
    """Parse an ARN. Its format is valid, because the plan has checked it."""
    arn = parse_arn(str(text))
    if arn is None:
        raise DsopsError("the plan contains an invalid ARN")
    return arn


def document(statements: list[Document]) -> str:
    """Return the JSON text of a policy with these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
