"""Interprets AWS's record of a refusal: which policy type, policy and statement refused the call.

The record (IAM Toolbox, preview) contains:

- the effect of each check
- the statements that applied
- the context of the call
- each policy as it was at the time, if the caller may read that policy

The policies of a type are used only if the record contains all of them. AWS's own checks take precedence over our
evaluation of the policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from dsops.arn import parse_arn
from dsops.aws.apis.iam_toolbox import AuthorizationDetails, Evaluation, ListedPolicy, MatchedPolicy, ToolboxCheck
from dsops.errors import PolicyInvalid
from dsops.explain.evidence.recorded_context import condition_keys
from dsops.explain.questions.refused_call import owner_text
from dsops.explain.questions.sentence import ENDPOINT_POLICY, RefusalMessage
from dsops.policy import (
    POLICY_TYPES,
    SECRET_KEYS,
    CaseQuestion,
    Place,
    Policy,
    PolicySet,
    Unread,
    lower_case,
    parse_policy,
)
from dsops.policy.language.session_actions import is_about_roles

Documents = Mapping[str, str]
"""The JSON texts of policies by URI, without those that could not be read."""

_DENIES: Final = "EXPLICIT_DENY"
_NOT_ALLOWED: Final = "IMPLICIT_DENY"
_CHECKS: Final[dict[str, Place]] = {
    "RESOURCE_CONTROL_POLICY": "rcp",
    "SERVICE_CONTROL_POLICY": "scp",
    "RESOURCE": "resource",
    "PRINCIPAL": "identity",
    "PERMISSIONS_BOUNDARY": "boundary",
    "SESSION": "session",
}
_KINDS: Final[dict[str, Place]] = {
    "RESOURCE_CONTROL_POLICY": "rcp",
    "SERVICE_CONTROL_POLICY": "scp",
    "RESOURCE_BASED_POLICY": "resource",
    "IDENTITY_BASED_POLICY": "identity",
    "PERMISSIONS_BOUNDARY": "boundary",
    "SESSION_POLICY": "session",
}
_ONE_LAYER: Final[tuple[Place, ...]] = ("identity", "boundary", "session", "resource")
_IN_LEVELS: Final[tuple[Place, ...]] = ("scp", "rcp")
_OF_ENDPOINTS: Final = ("VPC_ENDPOINT", "VPC_ENDPOINT_POLICY")
_OF_RESOURCES: Final = ("aws:resource", "iam:resourcetag/", "secretsmanager:resourcetag/")

_EVERYTHING: Final = parse_policy(
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}', "identity"
)
"""A policy that allows everything.

It stands in for policies that can't be read but that, according to AWS's record, do not refuse the call.
"""


class Recorded(NamedTuple):
    """The content of AWS's record of one refusal."""

    said: RefusalMessage
    """The facts in the error message, with missing facts added from the record."""
    context: Mapping[str, tuple[str, ...]]
    given: PolicySet
    """The policies by place, for those places whose policies are all in the record."""
    is_whole: bool
    """Whether the record covers both the caller's and the resource's side.

    False if caller and resource are in different organizations.
    """
    lacks_role: bool
    """Whether a role refuses but the record lists no trust policy of it.

    Every role has a trust policy, so the role probably does not exist.
    """

    def complete(self, question: CaseQuestion) -> CaseQuestion:
        """Return the policy question with the record's caller and context."""
        recorded_keys = {lower_case(key) for key in self.context}
        other_context = {
            key: values for key, values in question.context.items() if lower_case(key) not in recorded_keys
        }
        principal = question.principal
        role = parse_arn(_first_value(self.context, "aws:principalarn"))
        if principal.kind == "role-session" and role is not None and role.account == principal.account:
            unique_id = _first_value(self.context, "aws:userid").partition(":")[0]
            principal = principal._replace(issuer_arn=str(role), unique_id=unique_id or principal.unique_id)
        return question._replace(principal=principal, context={**other_context, **self.context})

    def still_unread(self, unread: Sequence[Unread]) -> Iterator[Unread]:
        """Yield the unread parts that are also missing from the record."""
        for unread_part in unread:
            if unread_part.place == "context":
                keys = tuple(key for key in unread_part.keys if not self._settles(key))
                if keys:
                    yield unread_part._replace(keys=keys)
            elif unread_part.place not in self.given:
                yield unread_part

    def _settles(self, key: str) -> bool:
        """Return whether the record shows the condition key's value, or shows that the key is absent.

        A complete record lists every key of the call, so a key that is not listed is absent.
        """
        if key in SECRET_KEYS or not _first_value(self.context, "aws:principalarn"):
            return False
        return self.is_whole or not key.startswith(_OF_RESOURCES)


def _first_value(context: Mapping[str, tuple[str, ...]], key: str) -> str:
    return next((values[0] for name, values in context.items() if lower_case(name) == key and values), "")


def refused_evaluation(details: AuthorizationDetails, action: str) -> Evaluation | None:
    """Return the refused evaluation; if there are several, prefer the evaluation of `action`."""
    refused = [evaluation for evaluation in details.evaluations if evaluation.effect in (_DENIES, _NOT_ALLOWED)]
    named = [evaluation for evaluation in refused if lower_case(evaluation.action) == lower_case(action)]
    return next(iter(named or refused), None)


def read_record(
    details: AuthorizationDetails, evaluation: Evaluation, documents: Documents, refusal: RefusalMessage
) -> Recorded:
    """Return the facts about the evaluation that follow from the record."""
    refusal = refusal._replace(
        action=evaluation.action or refusal.action, resource=refusal.resource or evaluation.resource
    )
    context = condition_keys({**details.context, **evaluation.context})
    listed = [policy for policy in details.policies if _is_of(policy, evaluation)]
    is_trust = is_about_roles(evaluation.action)
    is_whole = _is_one_side(context, refusal.resource)
    record = _Record(listed, documents, evaluation, is_trust=is_trust, is_whole=is_whole)
    lacks_role = is_trust and is_whole and not any(policy.kind == "RESOURCE_BASED_POLICY" for policy in listed)
    return Recorded(record.told(refusal), context, record.given(), is_whole, lacks_role and bool(evaluation.checks))


def _is_of(listed: ListedPolicy, evaluation: Evaluation) -> bool:
    """Return whether the policy applies to the evaluation's resource.

    AWS may evaluate one request for several resources. A resource-based policy applies only to the resource that it is
    attached to.
    """
    is_resources = listed.kind == "RESOURCE_BASED_POLICY"
    return not is_resources or evaluation.resource in listed.attached_to or not evaluation.resource


def _is_one_side(context: Mapping[str, tuple[str, ...]], resource: str) -> bool:
    """Return whether caller and resource are in the same account or organization.

    Otherwise the record is incomplete.
    """
    arn, account = parse_arn(resource), _first_value(context, "aws:principalaccount")
    organizations = [_first_value(context, f"aws:{whose}orgid") for whose in ("principal", "resource")]
    is_one_account = bool(account) and (arn is None or arn.account in ("", account))
    return is_one_account or (bool(organizations[0]) and organizations[0] == organizations[1])


class _Record:
    """One evaluation in the record, and the policies that apply to it."""

    def __init__(
        self,
        listed: Sequence[ListedPolicy],
        documents: Documents,
        evaluation: Evaluation,
        *,
        is_trust: bool,
        is_whole: bool,
    ) -> None:
        self._listed = listed
        self._documents = documents
        self._evaluation = evaluation
        self._resource: Place = "trust" if is_trust else "resource"
        self._is_whole = is_whole

    def told(self, refusal: RefusalMessage) -> RefusalMessage:
        """Return the refusal, with the first policy type that refuses and the denying statement added.

        The first type is determined in AWS's order.
        """
        checks = self._evaluation.checks
        if checks is None:
            return self._refusal_by_matches(refusal)
        refusing = [check for check in checks if check.effect in (_DENIES, _NOT_ALLOWED)]
        denying = [check for check in refusing if check.effect == _DENIES]
        first = next(iter(denying or refusing), None)
        if first is None:
            return refusal
        uri, sid = _denying_statement(first) if denying else ("", "")
        policy_type = self._type_of(first, uri)
        kinds = tuple(filter(None, (self._type_of(check, _denying_statement(check)[0]) for check in refusing)))
        if not policy_type:
            return refusal._replace(refusing=kinds)
        return refusal._replace(
            policy_type=policy_type, is_deny=bool(denying), policy_arn=self._name(uri), sid=sid, refusing=kinds
        )

    def _refusal_by_matches(self, refusal: RefusalMessage) -> RefusalMessage:
        """Return the refusal with the denying statement added, for a record that lists no checks."""
        statements = _in_policies(self._evaluation.matched)
        policy_type = self._type_of_policy(statements[0])
        if self._evaluation.effect != _DENIES or not policy_type:
            return refusal
        return refusal._replace(
            policy_type=policy_type, is_deny=True, policy_arn=self._name(statements[0]), sid=statements[1]
        )

    def _type_of(self, check: ToolboxCheck, uri: str) -> str:
        """Return the type of policy that refuses, in the words of AWS's messages; "" if the record does not show it."""
        by_policy = self._type_of_policy(uri)
        if by_policy:
            return by_policy
        if check.kind in _OF_ENDPOINTS:
            return ENDPOINT_POLICY
        place = _CHECKS.get(check.kind)
        if place is None or (check.effect == _DENIES and len(check.policy_kinds) > 1):
            return ""
        if place == "resource" and check.effect == _NOT_ALLOWED and not self._listed_for("resource"):
            # No policy of the role is listed: the role may not exist.
            return ""
        return POLICY_TYPES[self._resource if place == "resource" else place]

    def _type_of_policy(self, uri: str) -> str:
        kind = next((policy.kind for policy in self._listed if uri and policy.uri == uri), "")
        if kind in _OF_ENDPOINTS:
            return ENDPOINT_POLICY
        place = _KINDS.get(kind)
        return "" if place is None else POLICY_TYPES[self._resource if place == "resource" else place]

    def given(self) -> PolicySet:
        """Return the policies by place, for places whose policies are all known."""
        checks = self._evaluation.checks
        if checks is None:
            return {}
        checked = {_CHECKS.get(check.kind) for check in checks}
        places: dict[Place, tuple[tuple[Policy, ...], ...]] = {}
        for place in _ONE_LAYER:
            policies = (
                self._read(self._listed_for(place), place)
                if self._is_complete(place, is_checked=place in checked)
                else None
            )
            if policies is None and self._allows(place):
                policies = (_EVERYTHING._replace(kind=place),)
            if policies is not None:
                places[self._resource if place == "resource" else place] = (policies,) if policies else ()
        for place in _IN_LEVELS:
            levels = self._levels([check for check in checks if _CHECKS.get(check.kind) == place], place)
            if levels is None and self._allows(place):
                levels = ((_EVERYTHING._replace(kind=place),),)
            if levels is not None and (place == "scp" or self._is_whole):
                places[place] = levels
        return places

    def _is_complete(self, place: Place, *, is_checked: bool) -> bool:
        """Return whether the record lists all policies of that type.

        - Identity: the record is complete if the type was checked, even if it lists no policy.
        - Boundary and session: a checked policy is always listed.
        - Trust: a role always has a trust policy, so the record must list it.
        - Resource: in a cross-account request, the resource's policy is checked even if there is none.
        """
        if place == "identity":
            return is_checked
        if place == "resource":
            return bool(self._listed_for(place)) or (self._is_whole and not is_checked and self._resource != "trust")
        return is_checked == bool(self._listed_for(place))

    def _allows(self, place: Place) -> bool:
        """Return whether the policies of this place do not refuse the call, according to AWS.

        Always False for a resource's policy. A stand-in can't replace this policy, because the decision also depends
        on which callers the policy names.
        """
        effects = {check.effect for check in self._evaluation.checks or () if _CHECKS.get(check.kind) == place}
        return bool(effects) and effects <= {"ALLOW", "NO_IMPACT"} and place != "resource"

    def _levels(self, checks: Sequence[ToolboxCheck], place: Place) -> tuple[tuple[Policy, ...], ...] | None:
        """Return the control policies of each root, unit and account, in AWS's order.

        Returns None if a policy could not be read or if levels are missing.
        """
        listed = self._listed_for(place)
        if not checks:
            return None if listed else ()
        levels = []
        for check in checks:
            if not check.target_arn:
                return None
            policies = self._read([policy for policy in listed if check.target_arn in policy.attached_to], place)
            if policies is None:
                return None
            levels.append(policies)
        return tuple(levels)

    def _listed_for(self, place: Place) -> list[ListedPolicy]:
        return [policy for policy in self._listed if _KINDS.get(policy.kind) == place]

    def _read(self, listed: Sequence[ListedPolicy], place: Place) -> tuple[Policy, ...] | None:
        """Parse the listed policies; None if one of them could not be read."""
        kind, policies = self._resource if place == "resource" else place, []
        for policy in listed:
            text = self._documents.get(policy.uri)
            if text is None:
                return None
            try:
                policies.append(parse_policy(text, kind, name=self._name(policy.uri)))
            except PolicyInvalid:
                return None
        return tuple(policies)

    def _name(self, uri: str) -> str:
        """Return the policy's name: its ARN, or for an inline policy a name that includes its owner."""
        listed = next((policy for policy in self._listed if policy.uri == uri), None)
        if listed is None or not listed.is_inline or not listed.attached_to:
            return uri
        whose = listed.attached_to[0]
        if listed.kind == "RESOURCE_BASED_POLICY":
            return f"the {'trust ' if self._resource == 'trust' else ''}policy of {whose}"
        if listed.kind == "SESSION_POLICY":
            return f"the session policy of a session of {owner_text(whose)}"
        return f"{uri.replace('inline:', 'inline policy ')} of {owner_text(whose)}"


def _denying_statement(check: ToolboxCheck) -> tuple[str, str]:
    """Return URI and Sid of the denying statement; both are "" if none is listed."""
    return _in_policies(check.matched) if check.effect == _DENIES else ("", "")


def _in_policies(matched: Sequence[MatchedPolicy]) -> tuple[str, str]:
    denying = (
        (policy.uri, statement.sid) for policy in matched for statement in policy.statements if statement.is_deny
    )
    return next(denying, ("", ""))
