"""Build the details of a refused request for the IAM Toolbox: context, evaluations, checks, policies.

The format follows botocore's service model `iam-toolbox` 2018-05-10 (which describes each member) and AWS's two
examples in the API reference:

- A single value is a string.
- Several values are in brackets.
- An IP address includes its prefix length.
- A time is in ISO format.

A reader from another organization gets no data of an account. The values of external IDs are always omitted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from dsops.policy import (
    SECRET_KEYS,
    Decision,
    Effect,
    PolicyType,
    Reason,
    StatementReason,
    global_key_type,
    is_multi_valued,
    lower_case,
)
from dsops.request.context import iso_time
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.authorization.authorization_records import Owner, Record
from dsops.sandbox.authorization.authorizer import FULL_RIGHTS, NO_ROLE, RecordedDecision

Json = dict[str, Any]  # Any: the values of a JSON object

_KINDS: Final[Mapping[PolicyType, str]] = {
    "resource control policy": "RESOURCE_CONTROL_POLICY",
    "service control policy": "SERVICE_CONTROL_POLICY",
    "resource-based policy": "RESOURCE_BASED_POLICY",
    "role trust policy": "RESOURCE_BASED_POLICY",
    "identity-based policy": "IDENTITY_BASED_POLICY",
    "permissions boundary": "PERMISSIONS_BOUNDARY",
    "session policy": "SESSION_POLICY",
}
_OF_RESOURCES: Final = ("RESOURCE_BASED_POLICY", "RESOURCE_CONTROL_POLICY")
_EFFECTS: Final[Mapping[Effect, str]] = {
    "Allow": "ALLOW",
    "ExplicitDeny": "EXPLICIT_DENY",
    "ImplicitDeny": "IMPLICIT_DENY",
}
_NOBODYS: Final = (NO_ROLE.name, FULL_RIGHTS.name)
"""Names of the sandbox's placeholder policies, which exist in no account."""
_MANY: Final = ("sts:transitivetagkeys",)
"""Condition keys, besides the global ones, that can have several values."""
_SPELT: Final = {"aws:userid": "aws:UserId", "aws:principalarn": "aws:PrincipalARN"}
"""Maps a condition key in lower case to its spelling in AWS's examples."""


class Listed(NamedTuple):
    """An evaluated policy, as the response lists it."""

    kind: str
    uri: str
    attached_to: tuple[str, ...]
    text: str

    @property
    def is_inline(self) -> bool:
        """Whether the policy is an inline policy. Inline policies have no ARN."""
        return not self.uri.startswith("arn:")


class MessageReader(NamedTuple):
    """The record of a refused request and the account that reads it; decides which parts the account may see."""

    record: Record
    owner: Owner

    @property
    def sees_caller(self) -> bool:
        """Whether the reader may see the data of the refused caller's account."""
        return self.record.caller.lets(self.owner.account, self.owner.organization_id)

    def sees_resource(self, decision: Decision) -> bool:
        """Whether the reader may see the policies of the account that owns the resource."""
        owner = self.record.owners[decision.request.resource_account]
        return owner.lets(self.owner.account, self.owner.organization_id)

    def sees(self, kind: str, decision: Decision) -> bool:
        """Whether the reader may see policies of the type `kind` that took part in the decision."""
        return self.sees_resource(decision) if kind in _OF_RESOURCES else self.sees_caller

    @property
    def sees_anything(self) -> bool:
        """Whether the reader may see any part of the record."""
        return self.sees_caller or any(self.sees_resource(entry.decision) for entry in self.record.decisions)


def request_details(reader: MessageReader) -> Json:
    """Return the answer of `GetRequestAuthorizationDetails` with all evaluations on one page."""
    decisions = [entry.decision for entry in reader.record.decisions]
    contexts = [_context(reader, decision) for decision in decisions]
    shared = {
        key: value for key, value in contexts[0].items() if all(context.get(key) == value for context in contexts)
    }
    own = [{key: value for key, value in context.items() if key not in shared} for context in contexts]
    return {
        "requestContext": shared,
        "evaluations": [
            _evaluation(reader, decision, context) for decision, context in zip(decisions, own, strict=True)
        ],
        "policies": [_policy(listed) for listed in policies(reader).values()],
    }


def policies(reader: MessageReader) -> dict[str, Listed]:
    """Map URIs to the evaluated policies that the reader may see, including those of which no statement matched."""
    policies_by_uri: dict[str, Listed] = {}
    for entry in reader.record.decisions:
        for kind, target, text in _consulted(reader.record, entry):
            if text.name in _NOBODYS or not reader.sees(kind, entry.decision):
                continue
            listed = Listed(kind, _uri(kind, entry.decision, text.name), (target,), text.text)
            earlier = policies_by_uri.get(listed.uri)
            if earlier is not None:
                # A control policy can be attached to several levels of an organization.
                listed = earlier._replace(attached_to=tuple(dict.fromkeys((*earlier.attached_to, target))))
            policies_by_uri[listed.uri] = listed
    return policies_by_uri


def _consulted(record: Record, entry: RecordedDecision) -> Iterator[tuple[str, str, StoredPolicy]]:
    """Yield the type, the ARN of the target, and the document of each evaluated policy."""
    request, consulted = entry.decision.request, entry.consulted
    owner = record.owners[request.resource_account]
    for kind, levels, nodes in (
        ("RESOURCE_CONTROL_POLICY", consulted.resource_control, owner.nodes),
        ("SERVICE_CONTROL_POLICY", consulted.service_control, record.caller.nodes),
    ):
        for node, level in zip(nodes, levels, strict=False):
            yield from ((kind, node, text) for text in level)
    if consulted.resource is not None:
        yield "RESOURCE_BASED_POLICY", request.resource, consulted.resource
    principal_arn = _principal_arn(entry.decision)
    yield from (("IDENTITY_BASED_POLICY", principal_arn, text) for text in consulted.identity)
    if consulted.boundary is not None:
        yield "PERMISSIONS_BOUNDARY", principal_arn, consulted.boundary
    for layer in consulted.session:
        yield from (("SESSION_POLICY", principal_arn, text) for text in layer)


def _principal_arn(decision: Decision) -> str:
    """Return the principal's ARN; for a role session the role's ARN, as in AWS's examples."""
    principal = decision.request.principal
    return principal.issuer_arn or principal.arn


def _uri(kind: str, decision: Decision, name: str) -> str:
    """Return the ARN of a managed policy or an opaque identifier of an inline policy."""
    if name.startswith("arn:"):
        return name
    target = decision.request.resource if kind in _OF_RESOURCES else _principal_arn(decision)
    return f"inline:{hashlib.sha256(repr((kind, target, name)).encode()).hexdigest()[:16]}"


def _policy(listed: Listed) -> Json:
    return {
        "type": listed.kind,
        "inline": listed.is_inline,
        "uri": listed.uri,
        "attachedTo": [{"arn": arn} for arn in listed.attached_to],
    }


def _evaluation(reader: MessageReader, decision: Decision, context: Mapping[str, str]) -> Json:
    request, reasons = decision.request, decision.reasons
    matched = [policy for reason in reasons for policy in _matched(reader, decision, (reason,))]
    evaluation: Json = {
        "action": request.action,
        "resource": "" if request.resource == "*" else request.resource,
        "context": context,
        "evaluatedEffect": _EFFECTS[decision.effect],
        "matchedPolicies": matched,
    }
    if reader.sees_caller:
        evaluation["checks"] = list(_checks(reader, decision, reasons))
    return evaluation


def _checks(reader: MessageReader, decision: Decision, reasons: Sequence[Reason]) -> Iterator[Json]:
    """Yield checks in AWS's order: RCPs and SCPs from the root down, resource, principal, boundary, session."""
    reasons_by_type: dict[str, list[Reason]] = {}
    for reason in reasons:
        reasons_by_type.setdefault(reason.policy_type, []).append(reason)
    record, resource_owner = reader.record, reader.record.owners[decision.request.resource_account]
    for policy_type, check_type, nodes in (
        ("resource control policy", "RESOURCE_CONTROL_POLICY", resource_owner.nodes),
        ("service control policy", "SERVICE_CONTROL_POLICY", record.caller.nodes),
    ):
        for reason in reasons_by_type.get(policy_type, ()):
            is_seen = reader.sees(check_type, decision) and reason.level < len(nodes)
            target = {"targetArn": nodes[reason.level]} if is_seen else {}
            yield _check(reader, decision, check_type, reason.effect, (reason,)) | target
    resources = [*reasons_by_type.get("resource-based policy", ()), *reasons_by_type.get("role trust policy", ())]
    required = [reason for reason in resources if reason.is_needed]
    for reason in required:
        yield _check(reader, decision, "RESOURCE", reason.effect, (reason,))
    for reason in reasons_by_type.get("identity-based policy", ()):
        # Within one account either the identity policy or the resource policy may allow, so both form one check.
        alternatives = [resource_reason for resource_reason in resources if not resource_reason.is_needed]
        yield _check(reader, decision, "PRINCIPAL", _combined_effect(reason, alternatives), (reason, *alternatives))
    for policy_type, check_type in (("permissions boundary", "PERMISSIONS_BOUNDARY"), ("session policy", "SESSION")):
        layers = reasons_by_type.get(policy_type, [])
        if layers:
            yield _check(reader, decision, check_type, _effect_of_all(layers), layers)


def _combined_effect(identity: Reason, beside: Sequence[Reason]) -> Effect | None:
    effects = {identity.effect, *(reason.effect for reason in beside)}
    if "ExplicitDeny" in effects:
        return "ExplicitDeny"
    if identity.effect == "Allow":
        return "Allow"
    if identity.is_needed:
        return "ImplicitDeny"
    return "Allow" if "Allow" in effects else None


def _effect_of_all(layers: Sequence[Reason]) -> Effect | None:
    """Return the combined effect of the layers: "Allow" only if every layer allows the request."""
    effects = {reason.effect for reason in layers}
    if "ExplicitDeny" in effects:
        return "ExplicitDeny"
    if "ImplicitDeny" in effects:
        return "ImplicitDeny" if layers[0].is_needed else None
    return "Allow"


def _check(
    reader: MessageReader, decision: Decision, check_type: str, effect: Effect | None, reasons: Sequence[Reason]
) -> Json:
    kinds = dict.fromkeys(
        _KINDS[reason.policy_type] for position, reason in enumerate(reasons) if not position or reason.matched
    )
    return {
        "checkType": check_type,
        "evaluatedEffect": "NO_IMPACT" if effect is None else _EFFECTS[effect],
        "relevantPolicyTypes": list(kinds),
        "matchedPolicies": list(_matched(reader, decision, reasons)),
    }


def _matched(reader: MessageReader, decision: Decision, reasons: Iterable[Reason]) -> Iterator[Json]:
    """Yield the policies that have matching statements and that the reader may see."""
    statements_by_uri: dict[str, list[Json]] = {}
    for reason in reasons:
        kind = _KINDS[reason.policy_type]
        for match in reason.matched:
            if match.policy.name not in _NOBODYS and reader.sees(kind, decision):
                statement = {"sid": _sid(match), "evaluatedEffect": match.statement.effect.upper()}
                statements_by_uri.setdefault(_uri(kind, decision, match.policy.name), []).append(statement)
    for uri, statements in statements_by_uri.items():
        yield {"uri": uri, "matchedStatements": statements}


def _sid(reason: StatementReason) -> str:
    """Return the statement's Sid, or `statementN` with its position."""
    number = next(
        position for position, statement in enumerate(reason.policy.statements, 1) if statement is reason.statement
    )
    return reason.statement.sid or f"statement{number}"


def _context(reader: MessageReader, decision: Decision) -> dict[str, str]:
    service = lower_case(decision.request.action.partition(":")[0])
    sees_resource = reader.sees_resource(decision)
    values_by_key = {}
    for key, values in decision.request.context.items():
        lower = lower_case(key)
        is_resources = lower.startswith(("aws:resource", "iam:resourcetag/", f"{service}:resourcetag/"))
        if lower not in SECRET_KEYS and (sees_resource if is_resources else reader.sees_caller):
            values_by_key[_SPELT.get(lower, key)] = _shown_value(lower, values)
    return values_by_key


def _shown_value(key: str, values: tuple[str, ...]) -> str:
    if len(values) != 1 or key in _MANY or is_multi_valued(global_key_type(key)):
        return f"[{', '.join(values)}]"
    if key == "aws:sourceip":
        return f"{values[0]}/{128 if ':' in values[0] else 32}"
    return iso_time(float(values[0])) if key == "aws:epochtime" else values[0]


def document_of(listed: Listed) -> Json | None:
    """Return the policy document at the time of the refusal; None for text that is not a JSON object."""
    try:
        document = json.loads(listed.text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
