"""IAM's policy simulator: SimulatePrincipalPolicy, SimulateCustomPolicy and GetContextKeysFor....

Sources: the IAM API Reference, and AWS's responses that LocalStack's tests recorded. As on AWS, the simulator does not
evaluate a role's trust policy. It evaluates resource policies only if the request contains them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple, cast

from dsops.arn import is_account_id, parse_arn
from dsops.policy import Policies, Policy, Principal
from dsops.policy.language.conditions import fold_context
from dsops.request.context import tag_keys
from dsops.request.question import Context
from dsops.request.stored_policies import compiled
from dsops.request.wire.errors import refusal
from dsops.request.wire.responses import Value
from dsops.sandbox.iam_api.policy_sources import SimulatedPolicy, context_keys, invalid_input, of_list, of_owner
from dsops.sandbox.iam_api.simulation_results import RESOURCE_POLICY, SimulationCase, flag, result_of
from dsops.sandbox.state.iam_backend import policies_of
from dsops.sandbox.state.world import World

Parameters = Mapping[str, object]
_PAGE: Final = 100
_MOST_WORK: Final = 200_000
"""Upper limit of (actions in a page) x resources x (10 + statements).

A request above the limit is refused, because it would block other requests for too long.
"""


class _Entity(NamedTuple):
    """A user, group or role whose access is simulated."""

    principal: Principal
    sources: tuple[SimulatedPolicy, ...] = ()
    boundary: Policy | None = None
    keys: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """Condition keys that identify the principal."""


class Simulation:
    """The policy simulator's operations in one sandbox."""

    def __init__(self, world: World) -> None:
        self._world = world

    def perform(self, operation: str, parameters: Parameters, account: str) -> dict[str, Value] | None:
        """Perform the operation and return its result; return None if this class does not implement it.

        Raises SandboxRefusal if AWS would refuse the request.
        """
        if operation in {"SimulateCustomPolicy", "SimulatePrincipalPolicy"}:
            return _page(self._simulate(parameters, account), parameters)
        if operation in {"GetContextKeysForCustomPolicy", "GetContextKeysForPrincipalPolicy"}:
            sources = self._sources(parameters, account)
            return {"ContextKeyNames": context_keys(source.policy("identity") for source in sources)}
        return None

    def _sources(self, parameters: Parameters, account: str) -> tuple[SimulatedPolicy, ...]:
        listed = tuple(of_list("PolicyInputList", parameters.get("PolicyInputList")))
        if "PolicySourceArn" not in parameters:
            return listed
        return (*self._entity(str(parameters["PolicySourceArn"]), account).sources, *listed)

    def _simulate(self, parameters: Parameters, account: str) -> list[Callable[[], dict[str, Value]]]:
        """Return a function for each action, which computes the result of this action."""
        if "PolicyExclusionList" in parameters:
            message = "The dsops sandbox does not serve PolicyExclusionList. Nothing was done."
            raise refusal("NotImplemented", message, 501)
        case = self._case(parameters, account)
        resources = [str(resource) for resource in cast("list[object]", parameters.get("ResourceArns") or ["*"])]
        actions = [_checked_action(str(action)) for action in cast("list[object]", parameters["ActionNames"])]
        count = min(len(actions), int(str(parameters.get("MaxItems", _PAGE))))
        work = count * len(resources) * (10 + sum(len(policy.statements) for policy, _ in case.texts))
        if work > _MOST_WORK:
            message = "The dsops sandbox does not weigh so many actions, resources and statements at once."
            raise refusal("NotImplemented", message, 501)
        return [partial(result_of, case, action, resources) for action in actions]

    def _case(self, parameters: Parameters, account: str) -> SimulationCase:
        has_source = "PolicySourceArn" in parameters
        holder = self._entity(str(parameters["PolicySourceArn"]), account) if has_source else _bare_principal(account)
        caller = holder
        if "CallerArn" in parameters:
            caller = self._caller(str(parameters["CallerArn"]), account)
        elif "ResourcePolicy" in parameters and not has_source:
            raise invalid_input("CallerArn is required when a resource policy is given.")
        sources = self._sources(parameters, account)
        boundaries = of_list("PermissionsBoundaryPolicyInputList", parameters.get("PermissionsBoundaryPolicyInputList"))
        texts = [(source.policy("identity"), source.text) for source in sources]
        policies = Policies(
            tuple(policy for policy, _ in texts),
            holder.boundary,
            service_control=self._service_control(parameters, account, has_source=has_source),
        )
        if boundaries:
            texts.append((boundaries[0].policy("boundary"), boundaries[0].text))
            policies = policies._replace(boundary=texts[-1][0])
        if parameters.get("ResourcePolicy"):
            resource = SimulatedPolicy(RESOURCE_POLICY, str(parameters["ResourcePolicy"]))
            texts.append((resource.policy("resource"), resource.text))
            policies = policies._replace(resource=texts[-1][0])
        context = {**fold_context(caller.keys), **fold_context(_entries(parameters))}
        return SimulationCase(
            caller.principal, policies, texts, context, _owner(parameters) or caller.principal.account
        )

    def _service_control(
        self, parameters: Parameters, account: str, *, has_source: bool
    ) -> tuple[tuple[Policy, ...], ...]:
        """Return the SCPs by organization level, from the request or from the principal's account."""
        levels = cast("list[Parameters]", parameters.get("OrderedOrganizationPolicyInputList") or [])
        name = "ServiceControlPolicyInputList"
        from_request = tuple(
            tuple(source.policy("scp") for source in of_list(name, level.get(name))) for level in levels
        )
        organizations = self._world.organizations
        if from_request or not has_source or not organizations.are_used:
            return from_request
        of_account = organizations.service_control(account)
        return tuple(tuple(compiled(policy.text, "scp", policy.name) for policy in level) for level in of_account)

    def _entity(self, arn: str, account: str) -> _Entity:
        """Return the user, group or role. Raises NoSuchEntity, or InvalidInput for another kind of ARN."""
        parts = parse_arn(arn)
        kind = "" if parts is None else parts.resource_type
        if parts is None or parts.service != "iam" or kind not in {"user", "group", "role"}:
            raise invalid_input(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
        entity = None
        if parts.account == account:
            entity = {"user": self._user, "group": self._group, "role": self._role}[kind](account, arn)
        if entity is None:
            name = parts.resource_name
            raise refusal("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)
        return entity

    def _caller(self, arn: str, account: str) -> _Entity:
        """Return the caller to simulate, which need not exist."""
        parts = parse_arn(arn)
        if parts is None or parts.service != "iam" or parts.resource_type not in {"user", "group", "role"}:
            raise invalid_input(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
        entity = {"user": self._user, "group": self._group, "role": self._role}[parts.resource_type](parts.account, arn)
        if entity is not None and parts.account == account:
            return entity
        issuer = arn if parts.resource_type == "role" else ""
        principal = Principal("role-session" if issuer else "user", parts.account, arn, issuer)
        return _Entity(principal, keys={"aws:PrincipalArn": (arn,), "aws:PrincipalAccount": (parts.account,)})

    def _user(self, account: str, arn: str) -> _Entity | None:
        user = self._world.user_at(arn)
        if user is None:
            return None
        backend = self._world.backend(account)
        stored_user = backend.users[user.name]
        sources = list(of_owner("user", user.name, policies_of(stored_user)))
        for group in backend.groups.values():
            sources += of_owner("group", group.name, policies_of(group)) if stored_user in group.users else ()
        context = _identity_keys(arn, account, "User", user.unique_id, user.tags)
        boundary = self._world.grants_of_user(user).boundary
        return _Entity(
            Principal("user", account, arn, unique_id=user.unique_id),
            tuple(sources),
            None if boundary is None else compiled(boundary.text, "boundary", boundary.name),
            context | {"aws:username": (user.name,)},
        )

    def _group(self, account: str, arn: str) -> _Entity | None:
        if account not in self._world.partitions:
            return None
        groups = self._world.backend(account).groups.values()
        stored_group = next((group for group in groups if group.arn == arn), None)
        if stored_group is None:
            return None
        # The simulated caller is a member of the group, because policies can't name a group as principal.
        return _bare_principal(account)._replace(
            sources=tuple(of_owner("group", stored_group.name, policies_of(stored_group)))
        )

    def _role(self, account: str, arn: str) -> _Entity | None:
        role = self._world.role_at(arn)
        if role is None:
            return None
        boundary = self._world.grants_of_role(role).boundary
        return _Entity(
            Principal("role-session", account, arn, arn, role.unique_id),
            tuple(of_owner("role", role.name, policies_of(self._world.backend(account).roles[role.unique_id]))),
            None if boundary is None else compiled(boundary.text, "boundary", boundary.name),
            _identity_keys(arn, account, "AssumedRole", role.unique_id, role.tags),
        )


def _bare_principal(account: str) -> _Entity:
    """Return a principal of the account that has no policies, boundary or keys."""
    return _Entity(Principal("user", account, ""))


def _identity_keys(arn: str, account: str, kind: str, unique_id: str, tags: tuple[tuple[str, str], ...]) -> Context:
    return {
        "aws:PrincipalArn": (arn,),
        "aws:PrincipalAccount": (account,),
        "aws:PrincipalType": (kind,),
        "aws:userid": (unique_id,),
        **tag_keys(("aws:PrincipalTag",), tags),
    }


def _entries(parameters: Parameters) -> Context:
    """Convert the request's ContextEntries to condition keys."""
    entries = cast("list[Mapping[str, object]]", parameters.get("ContextEntries") or [])
    return {
        str(entry["ContextKeyName"]): tuple(map(str, cast("list[object]", entry.get("ContextKeyValues") or [])))
        for entry in entries
        if "ContextKeyName" in entry
    }


def _owner(parameters: Parameters) -> str:
    """Return the account in ResourceOwner (`arn:aws:iam::ACCOUNT:root`), or "" if the request omits it."""
    if "ResourceOwner" not in parameters:
        return ""
    owner_text = str(parameters["ResourceOwner"])
    parts = parse_arn(owner_text)
    account = owner_text if parts is None else parts.account
    if not is_account_id(account):
        raise invalid_input(f"Invalid resource owner: {owner_text}")
    return account


def _checked_action(action: str) -> str:
    service, colon, name = action.partition(":")
    if not (service and colon and name) or set("*?") & set(action):
        raise invalid_input(f"Invalid Entity Action: {action}")
    return action


def _page(results: Sequence[Callable[[], dict[str, Value]]], parameters: Parameters) -> dict[str, Value]:
    marker = str(parameters.get("Marker", "0"))
    if not (marker.isascii() and marker.isdigit() and len(marker) < 10):
        raise invalid_input(f"Invalid Marker: {marker}")
    start, size = int(marker), int(str(parameters.get("MaxItems", _PAGE)))
    page: dict[str, Value] = {
        "EvaluationResults": [result() for result in results[start : start + size]],
        "IsTruncated": flag(start + size < len(results)),
    }
    return page | ({"Marker": str(start + size)} if start + size < len(results) else {})
