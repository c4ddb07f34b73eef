"""The calls of the logs, by user and role: actions, resources, and calls whose action is unknown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from dsops.access.facts.world import OrganizationFacts
from dsops.access.unused.catalogue import Catalogue
from dsops.arn import parse_arn
from dsops.policy import lower_case

UNKNOWN: Final = ""
"""The resource of calls whose resource the logs do not tell."""

_TELLING: Final = frozenset({"kms", "s3", "sts"})
"""The services whose events name exactly the resource on which AWS checks the permission.

Events of DynamoDB name the table even if an index is read, and events of Lambda the function instead of its alias.
"""
_NO_ACTION: Final = frozenset({"signin"})
"""Services whose events need no permission."""


class LoggedCall(NamedTuple):
    """Calls of one principal that differ only in their times. AWS did not deny them."""

    principal: str
    service: str
    """The service in eventSource, without `.amazonaws.com`."""
    name: str
    resources: str
    """The event's `resources` as JSON, or one ARN; "" if it has none."""
    calls: int
    first: datetime
    last: datetime


class UsedAction(NamedTuple):
    """An action that was used."""

    action: str
    resources: Mapping[str, int]
    """The resources with the number of calls; UNKNOWN for calls that do not tell theirs."""
    first: datetime
    last: datetime

    @property
    def calls(self) -> int:
        """The number of calls."""
        return sum(self.resources.values())


class UnknownEvent(NamedTuple):
    """An event whose action is unknown."""

    service: str
    name: str
    calls: int
    prefix: str
    """The prefix of the service's actions, all of which are kept; "" if it is unknown, too."""


class PrincipalCalls(NamedTuple):
    """The calls of one user or role."""

    actions: Mapping[str, UsedAction]
    """Maps actions in lower case to their use."""
    unknown: tuple[UnknownEvent, ...]

    @property
    def calls(self) -> int:
        """The number of uses of actions, and of calls with an unknown action."""
        return sum(used.calls for used in self.actions.values()) + sum(event.calls for event in self.unknown)


NO_CALLS: Final = PrincipalCalls({}, ())


def calls_by_identity(
    rows: Iterable[LoggedCall], world: OrganizationFacts, catalogue: Catalogue
) -> tuple[dict[str, PrincipalCalls], int]:
    """Return the calls of each user and role of the facts, and the number of calls of other principals."""
    finder = _Finder(world)
    by_arn: dict[str, list[LoggedCall]] = {}
    others = 0
    for row in rows:
        arn = finder.arn_of(row.principal)
        if arn:
            by_arn.setdefault(arn, []).append(row)
        else:
            others += row.calls
    return {arn: _principal_calls(calls, catalogue) for arn, calls in by_arn.items()}, others


class _Finder:
    """Finds the user or role of the facts for a principal of the logs."""

    def __init__(self, world: OrganizationFacts) -> None:
        self._known = world.identities
        self._roles = {
            (identity.account, identity.name): arn
            for arn, identity in world.identities.items()
            if identity.kind == "role"
        }

    def arn_of(self, principal: str) -> str:
        """Return the ARN; "" if the principal is not among the facts.

        The ARN of a session, and the one that is made from it, have no path. Names of roles are unique in an account.
        """
        if principal in self._known:
            return principal
        arn = parse_arn(principal)
        if arn is None or not arn.resource.startswith(("assumed-role/", "role/")):
            return ""
        parts = arn.resource.split("/")
        name = parts[1] if parts[0] == "assumed-role" else parts[-1]
        return self._roles.get((arn.account, name), "") if parts[0] == "assumed-role" or len(parts) == 2 else ""


def _principal_calls(rows: Iterable[LoggedCall], catalogue: Catalogue) -> PrincipalCalls:
    actions: dict[str, UsedAction] = {}
    unknown: dict[tuple[str, str], UnknownEvent] = {}
    for row in rows:
        prefix = catalogue.prefix_of(row.service)
        names = catalogue.actions_of(prefix, row.name) if prefix else ()
        if not names and row.service not in _NO_ACTION:
            known = unknown.get((row.service, row.name))
            calls = row.calls + (known.calls if known is not None else 0)
            unknown[row.service, row.name] = UnknownEvent(row.service, row.name, calls, prefix)
        for action in names:
            resource = _resource(action, row.resources, catalogue) if len(names) == 1 else UNKNOWN
            _add(actions, action, resource, row)
    return PrincipalCalls(actions, tuple(unknown.values()))


def _add(actions: dict[str, UsedAction], action: str, resource: str, row: LoggedCall) -> None:
    known = actions.get(lower_case(action))
    if known is None:
        actions[lower_case(action)] = UsedAction(action, {resource: row.calls}, row.first, row.last)
        return
    resources = {**known.resources, resource: known.resources.get(resource, 0) + row.calls}
    first, last = min(known.first, row.first), max(known.last, row.last)
    actions[lower_case(action)] = UsedAction(action, resources, first, last)


def _resource(action: str, resources: str, catalogue: Catalogue) -> str:
    """Return the resource on which AWS checked the permission; UNKNOWN unless it is certain."""
    use = catalogue.use_of(action)
    if use is None:
        return UNKNOWN
    if not use.kinds:
        return "*"
    if action.partition(":")[0] not in _TELLING or sum(kind.is_required for kind in use.kinds) > 1:
        return UNKNOWN
    fitting = {arn for arn in _arns(resources) if any(_fits(kind.arn, arn) for kind in use.kinds)}
    arn = fitting.pop() if len(fitting) == 1 else UNKNOWN
    return arn if not set("*?$") & set(arn) else UNKNOWN


def _arns(resources: str) -> list[str]:
    if resources.startswith("arn:"):
        return [resources]
    try:
        entries = json.loads(resources or "[]")
    except ValueError:
        return []
    found = [entry.get("ARN") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [arn for arn in found if isinstance(arn, str)]


def _fits(template: str, arn: str) -> bool:
    """Whether an ARN has the form of a template such as `arn:${Partition}:s3:::${BucketName}/${ObjectName}`."""
    parts = re.split(r"(\$\{\w+\})", template)
    return re.fullmatch("".join(".*" if part.startswith("${") else re.escape(part) for part in parts), arn) is not None
