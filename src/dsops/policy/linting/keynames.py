"""Rules about condition keys and policy variables that do not exist or do not fit the statement's actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dsops.document import Scalar
from dsops.policy.language.operators import TEXT_FAMILIES
from dsops.policy.language.tokens import PolicyVariable, tokenize
from dsops.policy.linting.document_view import Clause, DocumentView, View
from dsops.policy.linting.federation import SHARED
from dsops.policy.linting.finding import FindingCollector, LintRule
from dsops.policy.linting.keys import GLOBAL_KEYS, TAG_KEYS, global_key_type, is_multi_valued
from dsops.policy.linting.name_lookup import NameLookup, meant

_VARIABLES: Final = "AWS IAM User Guide, IAM policy elements: Variables and tags"
_REFERENCE: Final = "Service Authorization Reference, Actions, resources, and condition keys for AWS services"

UNKNOWN_KEY: Final = LintRule(
    "condition.unknown-key",
    "warning",
    "AWS has no such condition key",
    why="No request has the condition key. A positive operator never matches; a negated one, or one with "
    "IfExists, always does.",
    cure="use a key from the list of global condition keys or from the service's list",
    source=f"AWS IAM User Guide, AWS global condition context keys; {_REFERENCE}",
)
UNKNOWN_CLAIM: Final = LintRule(
    "oidc.unknown-claim",
    "warning",
    "AWS has no condition key for this claim of an OIDC token",
    why="AWS has condition keys for some claims only: aud, sub, amr and a few of each well-known provider. A "
    "condition on any other claim never matches, and the denial does not say why.",
    cure="use `sub`, and let the provider put the claim into it if possible (GitHub: a customized subject)",
    source="AWS IAM User Guide, IAM and AWS STS condition context keys, Available keys for AWS OIDC federation",
)
KEY_OF_OTHER_ACTION: Final = LintRule(
    "condition.key-not-sent",
    "warning",
    "none of the statement's actions has this condition key",
    why="Requests for these actions never have the key, so a positive operator never matches. For example, "
    "sts:DurationSeconds is not sent with sts:AssumeRole.",
    cure="use a key that the service lists for the action",
    source=_REFERENCE,
)
UNKNOWN_VARIABLE: Final = LintRule(
    "variable.unknown",
    "warning",
    "no request has this policy variable",
    why="The policy variable has no value, so the resource or value that contains it matches nothing.",
    cure="write the name of a condition key, or give a default: `${aws:PrincipalTag/team, 'none'}`",
    source=_VARIABLES,
)
MANY_VALUES: Final = LintRule(
    "variable.many-values",
    "warning",
    "a policy variable for a condition key with several values",
    why="Only keys with a single value can be variables; a variable for a key with several values has no value.",
    cure="compare the key in a condition with ForAnyValue or ForAllValues",
    source=_VARIABLES,
)

# AWS supports these claims for every provider.
_CLAIMS: Final = frozenset({"aud", "sub", "amr", "azp", "oaud"})


def check_keys(document: DocumentView, lookup: NameLookup, findings: FindingCollector) -> None:
    """Check every condition key and every policy variable."""
    for view in document.statements:
        for clause in view.clauses:
            if lookup.key_type(clause.lower) is None:
                _check_unknown(clause, lookup, findings)
            elif clause.parsed.family != "Null":
                _check_actions(clause, view, lookup, findings)
        if document.has_variables:
            for scalar, path in _places_of_variables(view, lookup):
                _check_variables(scalar, path, lookup, findings)


def _check_unknown(clause: Clause, lookup: NameLookup, findings: FindingCollector) -> None:
    """Report an unknown condition key.

    The finding does not show the condition's value: if the key is mistyped, the value may be a secret.
    """
    prefix, colon, _ = clause.lower.partition(":")
    if "." in prefix:
        _check_claim(clause, lookup, findings)
        return
    if prefix == "aws":
        message = f"`{clause.key}` is no global condition key"
        hint = meant(clause.key, (*GLOBAL_KEYS, *TAG_KEYS))
    elif not colon:
        message = f"`{clause.key}` is no condition key: those have a prefix and a colon"
        hint = meant(f"aws:{clause.key}", GLOBAL_KEYS)
    elif lookup.has_services:
        service = lookup.key_owner(clause.lower)
        message = f"no service has the condition key `{clause.key}`"
        hint = meant(clause.key, service.keys if service else ())
    else:
        return
    findings.add(UNKNOWN_KEY, clause.line, clause.path, message, hint=hint)


def _check_claim(clause: Clause, lookup: NameLookup, findings: FindingCollector) -> None:
    """Report an unknown claim of a well-known provider. Claims of other providers are not in AWS's data."""
    host, _, claim = clause.lower.rpartition(":")
    if claim in _CLAIMS or "/" in claim:
        return
    if (host in SHARED and lookup.has_services) or host.startswith("oidc.eks."):
        message = f"AWS makes no condition key of the claim `{claim}` of {host}"
        findings.add(UNKNOWN_CLAIM, clause.line, clause.path, message)


def _check_actions(clause: Clause, view: View, lookup: NameLookup, findings: FindingCollector) -> None:
    """Report a service's condition key that none of the statement's actions supports.

    The check runs only if all actions of the statement are known.
    """
    is_global = global_key_type(clause.lower) is not None
    if is_global or view.are_actions_negated or not lookup.service(clause.lower.partition(":")[0]):
        return
    known_actions = [lookup.actions(scalar.text) for scalar in view.actions]
    if not known_actions or any(not facts for facts in known_actions):
        return
    if not any(lookup.has_key(action, clause.lower) for facts in known_actions for action in facts or ()):
        subject = view.actions[0].text if len(view.actions) == 1 else "any of the statement's actions"
        findings.add(KEY_OF_OTHER_ACTION, clause.line, clause.path, f"AWS does not list `{clause.key}` for {subject}")


def _places_of_variables(view: View, lookup: NameLookup) -> Iterator[tuple[Scalar, str]]:
    for scalar in view.resources:
        if "${" in scalar.text:
            yield scalar, view.element("Resource")
    for clause in view.clauses:
        # The value of an external ID is never shown, not even if its key is mistyped.
        is_shown = clause.lower != "sts:externalid" and lookup.key_type(clause.lower) is not None
        if is_shown and clause.parsed.family in TEXT_FAMILIES:
            for value in clause.values:
                if "${" in value.text:
                    yield value, clause.path


def _check_variables(scalar: Scalar, path: str, lookup: NameLookup, findings: FindingCollector) -> None:
    try:
        tokens = tokenize(scalar.text, has_variables=True, has_wildcards=False)
    except ValueError:  # The grammar check reports a malformed variable.
        return
    for token in tokens:
        if not isinstance(token, PolicyVariable):
            continue
        kind = lookup.key_type(token.key)
        if is_multi_valued(kind):
            message = f"`{token.written}`: the key has several values"
            findings.add(MANY_VALUES, scalar.line, path, message)
        elif kind is None and token.default is None and (token.key.startswith("aws:") or ":" not in token.key):
            hint = meant(token.key if ":" in token.key else f"aws:{token.key}", GLOBAL_KEYS)
            message = f"`{token.written}`: no request has that key"
            findings.add(UNKNOWN_VARIABLE, scalar.line, path, message, hint=hint)
