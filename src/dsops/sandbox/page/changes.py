"""Finds the smallest changes of policies that would allow a denied request, and proves them by evaluating it again.

Each policy that refuses gets one change: a Deny statement is removed, an Allow statement gets another principal or
loses the conditions that the request does not meet, or a statement for this request alone is added. `evaluate` must
allow the request with all changes together; otherwise the result has no change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from dsops.errors import PolicyInvalid
from dsops.policy import (
    Decision,
    Policies,
    Policy,
    PolicyKind,
    PolicyType,
    Reason,
    StatementReason,
    evaluate,
    parse_policy,
)
from dsops.sandbox.page.places import NEW_POLICY

Documents = Mapping[tuple[PolicyKind, str], str]
"""The kind and name of each policy -> its document."""
_MOST_CHANGES = 8
"""How many policies are changed at most. An organization's tree has five levels of units."""


class PolicyChange(NamedTuple):
    """A change of one policy document."""

    policy_type: PolicyType
    policy: str
    before: str
    """The document; "" for a policy that does not exist yet."""
    after: str
    what: str
    """The change as a phrase, such as `add arn:... to Principal of statement 1`."""
    opens: str
    """What else the change allows, as a phrase."""
    instead: str
    """What the request could have instead, so that the policy stays as it is; "" if only a change helps."""


def changes_that_allow(decision: Decision, texts: Documents) -> list[PolicyChange]:
    """Return the changes that together allow the denied request; [] if none were found.

    `texts` has the documents, by kind and name of the policy.
    """
    changes: list[PolicyChange] = []
    current = decision
    while not current.is_allowed:
        change = _next_change(current, texts)
        if change is None or len(changes) == _MOST_CHANGES:
            return []
        changes.append(change)
        texts = {**texts, (_KINDS[change.policy_type], change.policy): change.after}
        try:
            current = evaluate(current.request, _with_change(current, change))
        except PolicyInvalid:
            return []
    return changes


def _next_change(decision: Decision, texts: Documents) -> PolicyChange | None:
    for reason in decision.reasons:
        if reason.effect == "ExplicitDeny":
            denying = next(found for found in reason.matched if found.statement.effect == "Deny")
            return _without(reason.policy_type, denying, texts)
    for reason in decision.reasons:
        if reason.is_needed and reason.effect == "ImplicitDeny":
            return _allowing(decision, reason, texts)
    return None


def _without(policy_type: PolicyType, denying: StatementReason, texts: Documents) -> PolicyChange | None:
    found = _Document.of(denying, texts)
    if found is None or _is_of_aws(found.name):
        return None
    statements = [statement for number, statement in enumerate(found.statements) if number != found.number]
    name = _named(denying, found.number)
    return found.change(policy_type, statements, f"remove {name}, which denies it", f"all else that {name} denies")


def _allowing(decision: Decision, reason: Reason, texts: Documents) -> PolicyChange | None:
    """Return the change of an Allow statement that fits except for its principals or conditions, or a new statement."""
    for candidate in reason.near:
        elements = {failure.element for failure in candidate.failures}
        found = _Document.of(candidate, texts)
        if candidate.statement.effect != "Allow" or found is None or _is_of_aws(found.name):
            continue
        if elements == {"Principal"}:
            return _with_principal(decision, reason.policy_type, candidate, found)
        if elements == {"Condition"}:
            return _without_conditions(reason.policy_type, candidate, found)
    return _added(decision, reason, texts)


def _with_principal(
    decision: Decision, policy_type: PolicyType, near: StatementReason, found: _Document
) -> PolicyChange | None:
    kind, name = _principal_of(decision)
    statement = found.copy()
    before = statement.get("Principal", {})
    before = before if isinstance(before, dict) else {"AWS": before}
    names = [*_listed(before[kind]), name] if kind in before else name
    statement["Principal"] = {**before, kind: names}
    shown = _named(near, found.number)
    what = f"add {name} to the principals of {shown}"
    return found.change(policy_type, found.with_statement(statement), what, f"what else {shown} allows, for {name}")


def _without_conditions(policy_type: PolicyType, near: StatementReason, found: _Document) -> PolicyChange | None:
    statement = found.copy()
    for failure in near.failures:
        block = statement["Condition"][failure.operator]
        del block[failure.key]
        if not block:
            del statement["Condition"][failure.operator]
    if not statement["Condition"]:
        del statement["Condition"]
    shown, keys = _named(near, found.number), " and ".join(failure.key for failure in near.failures)
    what = f"remove the condition on {keys} from {shown}"
    opens = f"all that {shown} allows, whatever {keys} {'is' if len(near.failures) == 1 else 'are'}"
    return found.change(policy_type, found.with_statement(statement), what, opens, _instead(near))


def _instead(near: StatementReason) -> str:
    """Return the condition keys that the request could have."""
    return "call with " + " and ".join(
        f"{failure.key} ({failure.operator} {' or '.join(failure.wanted)})" for failure in near.failures
    )


def _added(decision: Decision, reason: Reason, texts: Documents) -> PolicyChange | None:
    request = decision.request
    resource, opens = request.resource, "nothing else"
    if resource == "*":
        opens = f"{request.action} on every resource"
    else:
        # An S3 object key may contain characters that have a meaning in policies.
        resource = "".join(f"${{{letter}}}" if letter in "*?$" else letter for letter in resource)
    statement: dict[str, object] = {"Effect": "Allow", "Action": request.action, "Resource": resource}
    if reason.policy_type in ("role trust policy", "resource-based policy"):
        kind, name = _principal_of(decision)
        statement = {"Effect": "Allow", "Principal": {kind: name}, "Action": request.action}
        if reason.policy_type == "resource-based policy":
            statement["Resource"] = resource
    policies = [policy for policy in _policies_of(decision.policies, reason) if not _is_of_aws(policy.name)]
    read = (_Document.read(policy.name, texts.get((policy.kind, policy.name), ""), 0) for policy in policies)
    found = next(filter(None, read), None)
    if found is not None:
        statements = [*found.statements, statement]
        return found.change(reason.policy_type, statements, "add a statement for this request", opens)
    if reason.policy_type != "identity-based policy":
        return None
    after = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)
    what = "add a policy for this request to the caller"
    return PolicyChange(reason.policy_type, NEW_POLICY, "", after, what, opens, "")


def _is_of_aws(name: str) -> bool:
    """Whether the policy is one of AWS, which no account can change."""
    return name.startswith("arn:") and name.split(":")[4] == "aws"


class _Document(NamedTuple):
    name: str
    text: str
    content: dict[str, Any]
    statements: list[dict[str, Any]]
    number: int
    """The position of the statement in question, from 0."""

    @classmethod
    def of(cls, reason: StatementReason, texts: Documents) -> _Document | None:
        """Return the statement's document; None if it is not stored."""
        policy = reason.policy
        text = texts.get((policy.kind, policy.name), "")
        number = next((i for i, candidate in enumerate(policy.statements) if candidate is reason.statement), -1)
        return None if number < 0 else cls.read(policy.name, text, number)

    @classmethod
    def read(cls, name: str, text: str, number: int) -> _Document | None:
        try:
            content = json.loads(text)
            statements = content["Statement"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        listed = statements if isinstance(statements, list) else [statements]
        return cls(name, text, content, listed, number) if number < max(len(listed), 1) else None

    def copy(self) -> dict[str, Any]:
        """Return a copy of the statement."""
        return deepcopy(self.statements[self.number])

    def with_statement(self, statement: Mapping[str, object]) -> list[Mapping[str, object]]:
        """Return the statements, with another one in place of the statement."""
        return [*self.statements[: self.number], statement, *self.statements[self.number + 1 :]]

    def change(
        self,
        policy_type: PolicyType,
        statements: Sequence[Mapping[str, object]],
        what: str,
        opens: str,
        instead: str = "",
    ) -> PolicyChange:
        """Return the change to these statements. A policy needs a statement, so the last one is replaced by a no-op."""
        after = json.dumps({**self.content, "Statement": list(statements) or [_NO_OP]}, indent=2, ensure_ascii=False)
        return PolicyChange(policy_type, self.name, self.text, after, what, opens, instead)


_KINDS: Mapping[PolicyType, PolicyKind] = {
    "identity-based policy": "identity",
    "permissions boundary": "boundary",
    "session policy": "session",
    "resource-based policy": "resource",
    "role trust policy": "trust",
    "service control policy": "scp",
    "resource control policy": "rcp",
}
_NO_OP = {"Effect": "Deny", "Action": "none:null", "Resource": "*"}
"""A statement without effect, as AWS's documentation uses it in an otherwise empty policy."""


def _named(reason: StatementReason, number: int) -> str:
    return f"statement {reason.statement.sid or number + 1}"


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _principal_of(decision: Decision) -> tuple[str, str]:
    """Return the caller as a policy names it: the role of a session, the user, the provider, the service."""
    principal = decision.request.principal
    if principal.kind == "anonymous":
        return "AWS", "*"
    if principal.federated:
        return "Service" if principal.kind == "service" else "Federated", principal.federated
    return "AWS", principal.issuer_arn or principal.arn


def _policies_of(policies: Policies, reason: Reason) -> tuple[Policy, ...]:
    levels = {
        "service control policy": policies.service_control,
        "resource control policy": policies.resource_control,
        "session policy": policies.session,
    }
    if reason.policy_type in levels:
        level = levels[reason.policy_type]
        return level[reason.level] if reason.level < len(level) else ()
    if reason.policy_type == "identity-based policy":
        return policies.identity
    single = policies.boundary if reason.policy_type == "permissions boundary" else policies.resource
    return () if single is None else (single,)


def _with_change(decision: Decision, change: PolicyChange) -> Policies:
    """Return the policies with the changed document. Raises PolicyInvalid."""
    policies = decision.policies
    kind = _KINDS[change.policy_type]
    changed = parse_policy(change.after, kind, name=change.policy)
    return replaced(policies, changed) if change.before else policies._replace(identity=(*policies.identity, changed))


def replaced(policies: Policies, changed: Policy) -> Policies:
    """Return the policies with another policy in place of that of its kind and name."""

    def one(policy: Policy) -> Policy:
        return changed if (policy.kind, policy.name) == (changed.kind, changed.name) else policy

    def levels(groups: Sequence[Sequence[Policy]]) -> tuple[tuple[Policy, ...], ...]:
        return tuple(tuple(map(one, group)) for group in groups)

    return policies._replace(
        identity=tuple(map(one, policies.identity)),
        boundary=None if policies.boundary is None else one(policies.boundary),
        session=levels(policies.session),
        resource=None if policies.resource is None else one(policies.resource),
        service_control=levels(policies.service_control),
        resource_control=levels(policies.resource_control),
    )
