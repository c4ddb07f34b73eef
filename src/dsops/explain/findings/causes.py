"""Determines the cause of a refusal: a stable word, a sentence, and the required and actual values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from dsops.arn import parse_arn
from dsops.explain.finding import Mismatch
from dsops.explain.findings.broken import Broken, failures_of
from dsops.explain.findings.families import ORDER, WORDS, family_of
from dsops.explain.questions.refused_call import RefusedCall, policy_text
from dsops.explain.questions.sentence import ENDPOINT_POLICY
from dsops.policy import (
    Condition,
    Statement,
    UnmetElement,
    is_kms_key,
    is_negated,
    is_unique_id,
    lower_case,
    variable_keys,
)


class Cause(NamedTuple):
    """The cause of a refusal."""

    code: str
    message: str
    mismatches: tuple[Mismatch, ...]
    key: str = ""
    """The condition key that decides, as it is written in the policy."""


_OF_PLACES: Final = {
    "role trust policy": "trust-policy",
    "identity-based policy": "identity-policy",
    "permissions boundary": "boundary",
    "session policy": "session-policy",
    "resource-based policy": "resource-policy",
    "service control policy": "service-control-policy",
    "resource control policy": "resource-control-policy",
    "no policy": "refused-by-aws",
    ENDPOINT_POLICY: "endpoint-policy",
}
_BESIDE: Final = {
    "sts:tagsession": "tag-session",
    "sts:setsourceidentity": "set-source-identity",
    "sts:setcontext": "set-context",
}


_OF_KEYS: Final = {"resource-policy": "key-policy", "identity-policy": "key-permission", "condition": "key-policy"}
"""Maps the cause of a refusal to the cause that is reported if the resource is a KMS key.

Both the key's policy and the caller's policy must allow the call, and users easily forget one of them.
"""


def cause_of(broken: Broken, about: RefusedCall) -> Cause:
    """Return the cause as a word and a sentence."""
    cause = _cause_of(broken, about)
    if not is_kms_key(about.request.resource):
        return cause
    if cause.code == "condition" and broken.policy_type != "resource-based policy":
        return cause._replace(code="key-permission") if broken.policy_type == "identity-based policy" else cause
    return cause._replace(code=_OF_KEYS.get(cause.code, cause.code))


def _cause_of(broken: Broken, about: RefusedCall) -> Cause:
    if broken.effect == "ExplicitDeny":
        return _of_deny(broken, about)
    policy = policy_text(broken.policy_type, about)
    action = about.request.action
    mismatches = tuple(_mismatch(failure, about) for failure in failures_of(broken))
    elements = {failure.element for failure in failures_of(broken)}
    conditions = [failure for failure in failures_of(broken) if failure.element == "Condition"]
    if broken.found is not None and elements == {"Condition"}:
        return _of_condition(broken, about, mismatches)
    is_trust = broken.policy_type == "role trust policy"
    if is_trust and lower_case(action) in _BESIDE and "Principal" not in elements:
        code = _BESIDE[lower_case(action)]
        return Cause(code, f"{policy} does not allow {action}, and this hop needs it", mismatches)
    if broken.found is not None and "Principal" in elements:
        return _of_principal(broken, broken.found.statement, about, mismatches)
    lacks = f"nothing in {policy} allows {action}"
    resource = about.request.resource
    if not is_trust and resource != "*":
        lacks += f" on {resource}"
    code = _OF_PLACES[broken.policy_type]
    if code == "identity-policy" and lower_case(action) in _BESIDE:
        code = _BESIDE[lower_case(action)]
    return Cause(code, lacks, mismatches, conditions[0].key if conditions else "")


def _of_condition(broken: Broken, about: RefusedCall, mismatches: tuple[Mismatch, ...]) -> Cause:
    """Return the cause if only the conditions of an Allow are not met."""
    failures = failures_of(broken)
    families = [family_of(failure.key) for failure in failures]
    # A condition that the configuration can meet comes before one that only others can change.
    first = min(range(len(failures)), key=lambda index: ORDER.get(families[index], len(ORDER)))
    failure, family = failures[first], families[first]
    if family == "mfa" and [lower_case(value) for value in failure.wanted] == ["false"]:
        # A condition that requires a missing key is rare, so it is reported as a general `condition`.
        family = "condition"
    policy = policy_text(broken.policy_type, about)
    is_absent = failure.actual is None
    absent, different = WORDS.get(family, (f"has a condition on {failure.key} that is not met",) * 2)
    code = family
    if family == "external-id" and not is_absent and failure.operator == "Null":
        text = sentence(policy, "asks for a call without an external ID")
        return Cause("external-id-unwanted", text, mismatches, failure.key)
    if family == "external-id":
        code = "external-id-missing" if is_absent else "external-id-different"
    elif family == "mfa":
        code = "mfa-missing"
    if is_absent and not about.is_known(failure.key) and family not in _SAID_OF_NOBODY:
        code = "external-id-different" if family == "external-id" else code
        text = sentence(policy, f"has a condition on {failure.key}, and what the call has is not known here")
        return Cause(code, text, mismatches, failure.key)
    if not is_absent and failure.operator == "Null":
        return Cause(code, sentence(policy, f"asks for a call without {failure.key}"), mismatches, failure.key)
    hint = f": {failure.hint}" if failure.hint and family == "external-id" else ""
    return Cause(code, sentence(policy, f"{absent if is_absent else different}{hint}"), mismatches, failure.key)


_SAID_OF_NOBODY: Final = ("source-address", "network", "organization", "time")
"""Causes whose description does not mention the call's value."""


def _of_deny(broken: Broken, about: RefusedCall) -> Cause:
    """Return the cause if a statement denies, because all its conditions are met."""
    policy = policy_text(broken.policy_type, about)
    action = about.request.action
    statement = broken.found.statement if broken.found is not None else None
    conditions = statement.conditions if statement is not None else ()
    code = _OF_PLACES[broken.policy_type]
    if statement is None or not conditions:
        # AWS's message may name the type of the denying policy without the statement.
        outright = " outright" if statement is not None and _is_many(policy) else ""
        return Cause(code, f"{sentence(policy, 'denies')} {action}{outright}", ())
    families = [family_of(condition.key) for condition in conditions]
    first = min(range(len(families)), key=lambda index: (families[index] == "condition", index))
    family = families[first]
    if family == "external-id":
        has_one = any(lower_case(key) == "sts:externalid" for key in about.request.context)
        family = "external-id-different" if has_one else "external-id-missing"
    elif family == "mfa":
        family = "mfa-missing"
    mismatches = tuple(_met_condition(condition, about) for condition in conditions)
    key = conditions[first].key
    if family == "condition":
        family = code
    return Cause(family, f"{sentence(policy, 'denies')} {action} by a condition on {key}", mismatches, key)


def sentence(policy: str, words: str) -> str:
    """Return a sentence with `policy` as its subject.

    `words` begins with the verb in the singular, which becomes plural if the subject is plural.
    """
    verb, space, rest = words.partition(" ")
    if _is_many(policy):
        verb = _OF_MANY.get(verb) or verb.removesuffix("s")
    return f"{policy} {verb}{space}{rest}"


_OF_MANY: Final = {"has": "have", "denies": "deny"}


def _is_many(policy: str) -> bool:
    return "policies" in policy


def _met_condition(condition: Condition, about: RefusedCall) -> Mismatch:
    """Return a met condition of a Deny as a Mismatch, with the values that the Deny refuses and the call's values."""
    context = about.request.context
    actual = next((values for key, values in context.items() if lower_case(key) == lower_case(condition.key)), None)
    if condition.is_secret and actual:
        actual = ("***",) * len(actual)
    # A negated condition in a Deny (`Deny unless 203.0.113.0/24`) requires the value.
    is_unwanted = not is_negated("Condition", condition.operator)
    name = f"{condition.operator} {condition.key}"
    return Mismatch(
        name, condition.shown_values, is_unwanted, actual or None, "", is_known=about.is_known(condition.key)
    )


def _mismatch(failure: UnmetElement, about: RefusedCall) -> Mismatch:
    name = " ".join(part for part in (failure.operator, failure.key) if part) or failure.element
    # A caller has several names (the session, the role); the first is the one that policies should contain.
    actual = failure.actual[:1] if failure.actual and failure.element.endswith("Principal") else failure.actual
    is_unwanted, is_known = is_negated(failure.element, failure.operator), about.is_known(failure.key)
    hint = _unknown_variable(failure.wanted, about) or failure.hint
    return Mismatch(name, failure.wanted, is_unwanted, actual, hint, is_known=is_known)


def _unknown_variable(texts: Sequence[str], about: RefusedCall) -> str:
    """Return a sentence about the first policy variable whose value is unknown; "" if all are known.

    Without the sentence, the unknown value would look empty.
    """
    for name in variable_keys(texts):
        if not about.is_known(name):
            return f"what the call has of {name} is not known here"
    return ""


def _of_principal(broken: Broken, statement: Statement, about: RefusedCall, mismatches: tuple[Mismatch, ...]) -> Cause:
    """Return the cause if the policy's Principal element does not name the caller."""
    named = [text for _, text in statement.principals.written] if statement.principals is not None else []
    policy, caller = policy_text(broken.policy_type, about), about.caller
    account = about.request.principal.account
    if broken.policy_type == "resource-based policy":
        return Cause("resource-policy", f"{policy} does not name {caller}", mismatches)
    if about.request.principal.kind in ("web-identity", "saml"):
        return Cause("trust-provider", f"{policy} names another identity provider than {caller}", mismatches)
    if named and all(is_unique_id(principal) for principal in named):
        return Cause(
            "trust-deleted",
            f"{policy} names {named[0]}, the id of a user or role that was deleted; one of the same name made later "
            "has another id",
            mismatches,
        )
    same_name = [principal for principal in named if _is_namesake(principal, caller)]
    if same_name:
        return Cause("trust-path", f"{policy} names {same_name[0]}, and the caller is {caller}", mismatches)
    users = [principal for principal in named if f":{account}:user/" in principal]
    if users:
        message = f"{policy} names the user {users[0].rpartition('/')[2]} alone, and the caller is {caller}"
        return Cause("trust-user", message, mismatches)
    return Cause("trust-principal", f"{policy} names {_joined_names(named)}, and the caller is {caller}", mismatches)


def _is_namesake(text: str, caller: str) -> bool:
    """Return whether the ARN is a user or role that differs from the caller only in its path."""
    named, other = parse_arn(text), parse_arn(caller)
    if named is None or other is None or text == caller or named.service != "iam":
        return False
    return (named.account, named.resource_type, named.resource_name) == (
        other.account,
        other.resource_type,
        other.resource_name,
    )


def _joined_names(names: Sequence[str]) -> str:
    if not names:
        return "no principal"
    return " and ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
