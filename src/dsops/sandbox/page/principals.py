"""The accounts with their users and roles as the page shows them, and which role each can assume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from dsops.policy import Decision
from dsops.request.messages import HttpRequest
from dsops.request.question import AuthorizationQuestion, Context
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.authorization.authorizer import Authorizer
from dsops.sandbox.authorization.caller import Caller, role_caller, user_caller
from dsops.sandbox.authorization.context import request_context
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.state.sessions import Session, SessionTable
from dsops.sandbox.state.world import Role, User, World, view_role, view_user
from dsops.sandbox.sts.assume_role import assume_context
from dsops.sandbox.sts.session_policy import PassedTags

_MOST_SHOWN = 200
_SESSION_NAME = "asked-on-the-page"
_HOUR = 3600


def principals_view(world: World, sessions: SessionTable, search: str, now: float) -> dict[str, object]:
    """Return the accounts with the users and roles whose ARN contains the text, at most 200 of them.

    A role has the number of its live sessions, and the seconds until the last one ends.
    """
    ends: dict[str, list[float]] = {}
    for session in sessions.live(now):
        ends.setdefault(session.issuer_id, []).append(session.expires_at - now)
    searched = search.lower()
    found = [each for each in _principals(world) if searched in each.arn.lower()]
    shown: dict[str, list[dict[str, object]]] = {account: [] for account in world.partitions}
    for principal in islice(found, _MOST_SHOWN):
        left = ends.get(principal.unique_id, [])
        entry = {"arn": principal.arn, "name": principal.name, "kind": _kind(principal)}
        shown[principal.account].append({**entry, "sessions": len(left), "seconds_left": round(max(left, default=0))})
    counts = Counter(principal.account for principal in found)
    accounts = [
        {"account": account, "count": counts[account], "principals": entries}
        for account, entries in shown.items()
        if entries or not searched
    ]
    return {"accounts": accounts, "count": len(found), "shown": min(len(found), _MOST_SHOWN)}


def links_view(
    world: World, judge: Authorizer, request: HttpRequest, arn: str, now: float
) -> dict[str, list[dict[str, object]]] | None:
    """Return which roles the principal can assume (`to`), and who can assume it (`from`); None for an unknown ARN.

    A link is there if the engine allows sts:AssumeRole now, if only conditions of the request are missing, or if only
    a Deny refuses. `request` is the page's request: its address and client count as those of the call.
    """
    chosen: User | Role | None = world.role_at(arn) or world.user_at(arn)
    if chosen is None:
        return None
    asked = _Asked(world, judge, request, now)
    to = asked.links([chosen], (each for each in _principals(world) if isinstance(each, Role)))
    come = asked.links(_principals(world), [chosen] if isinstance(chosen, Role) else [])
    return {"to": list(islice(to, _MOST_SHOWN)), "from": list(islice(come, _MOST_SHOWN))}


class _Asked(NamedTuple):
    """Questions about AssumeRole in one world, at one moment."""

    world: World
    judge: Authorizer
    request: HttpRequest
    now: float

    def links(self, principals: Iterable[User | Role], roles: Iterable[Role]) -> Iterator[dict[str, object]]:
        """Yield the links from the principals to the roles."""
        listed = list(roles)
        for principal in principals if listed else ():
            caller = _caller(self.world, principal, self.now)
            context = request_context(self.world, caller, self.request, self.now)
            for role in listed:
                state, why = _state(self._decision(caller, context, role))
                if state:
                    yield {"from": principal.arn, "to": role.arn, "state": state, "why": why}

    def _decision(self, caller: Caller, context: Context, role: Role) -> Decision:
        parameters = {"RoleArn": role.arn, "RoleSessionName": _SESSION_NAME}
        turn = AuthenticatedRequest(caller, "AssumeRole", parameters, context, self.now, "")
        # Roles with the same trust policy share one parsed policy, because they also share its name.
        trust = StoredPolicy("the role's trust policy", role.trust)
        keys = assume_context(turn, role, PassedTags((), (), ()), "", None)
        return self.judge.weigh(caller, AuthorizationQuestion("sts:AssumeRole", role.arn, role.account, keys, trust))[0]


def _principals(world: World) -> Iterator[User | Role]:
    for account in world.partitions:
        backend = world.backend(account)
        yield from map(view_user, backend.users.values())
        yield from map(view_role, backend.roles.values())


def _kind(principal: User | Role) -> str:
    return "role" if isinstance(principal, Role) else "user"


def _caller(world: World, principal: User | Role, now: float) -> Caller:
    if isinstance(principal, User):
        return user_caller(world, principal, "", "us-east-1", None)
    session = Session("role", principal.account, principal.unique_id, _SESSION_NAME, now, now + _HOUR)
    return role_caller(world, principal, session, "", "us-east-1")


def _state(decision: Decision) -> tuple[str, list[str]]:
    """Return `allowed`, `conditional` with the condition keys, `denied` with the policies, or ""."""
    if decision.is_allowed:
        return "allowed", []
    keys: list[str] = []
    denying = []
    for reason in decision.reasons:
        if reason.effect == "ExplicitDeny":
            denying.append(reason.policy_type)
        elif reason.effect == "ImplicitDeny" and reason.is_needed:
            near = [each for each in reason.near if {failure.element for failure in each.failures} == {"Condition"}]
            near = [each for each in near if each.statement.effect == "Allow"]
            if not near:
                return "", []
            keys += [failure.key for failure in near[0].failures]
    return ("denied", [str(kind) for kind in denying]) if denying else ("conditional", list(dict.fromkeys(keys)))
