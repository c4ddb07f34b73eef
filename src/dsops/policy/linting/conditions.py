"""Rules about conditions: operators that do not fit their keys, and conditions that a missing key makes true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dsops.policy.language.operators import PLAIN_FAMILIES
from dsops.policy.linting.document_view import Clause, DocumentView, View
from dsops.policy.linting.finding import FindingCollector, LintRule
from dsops.policy.linting.guards import SOURCE_KEYS, is_pattern, is_required, passes_without_key
from dsops.policy.linting.keys import is_multi_valued
from dsops.policy.linting.name_lookup import NameLookup

_OPERATORS: Final = "AWS IAM User Guide, IAM JSON policy elements: Condition operators"
_SETS: Final = "AWS IAM User Guide, Set operators for multivalued context keys"
_GLOBAL: Final = "AWS IAM User Guide, AWS global condition context keys"

ABSENT_PASSES: Final = LintRule(
    "condition.absent-key-passes",
    "warning",
    "an Allow also matches requests without the condition key",
    why="`...IfExists` and negated operators match if the request does not have the key. For an external ID, an "
    "organization, a source or a token's subject this means that a caller without it is allowed.",
    cure="use the operator without IfExists, or add a Null operator with `false` for the same key",
    source=_OPERATORS,
)
FOR_ALL: Final = LintRule(
    "condition.for-all-values",
    "warning",
    "ForAllValues in an Allow also matches requests without the condition key",
    why="ForAllValues matches an empty set. A request without the key, or without a value for it, is allowed.",
    cure='add {"Null": {"the same key": "false"}}; for a key with a single value omit ForAllValues',
    source=_SETS,
)
FOR_ALL_TAGS: Final = LintRule(
    "condition.for-all-tags",
    "note",
    "ForAllValues on tag keys also matches requests without tags",
    why="Usually that is intended: the policy allows these tags, or none. If tags are required, ForAllValues "
    "is not enough.",
    cure='to require tags add {"Null": {"aws:TagKeys": "false"}}',
    source=_SETS,
)
SET_OF_ONE: Final = LintRule(
    "condition.set-of-one",
    "note",
    "ForAnyValue on a condition key with a single value",
    why="ForAnyValue is for keys with several values; here it has no effect.",
    cure="omit `ForAnyValue:`",
    source=_SETS,
)
NO_SET: Final = LintRule(
    "condition.set-missing",
    "warning",
    "a plain operator on a condition key with several values",
    why="AWS does not document which of several values a plain operator tests.",
    cure="write `ForAnyValue:` (at least one value matches) or `ForAllValues:` (all values match) before the operator",
    source=_SETS,
)
WRONG_OPERATOR: Final = LintRule(
    "condition.wrong-operator",
    "warning",
    "the operator does not fit the type of the condition key",
    why="The request's value cannot be parsed as the operator's type (number, date, IP address or ARN), so the "
    "condition never matches (or always, if it is negated).",
    cure="use an operator for the key's type",
    source=f"{_OPERATORS}; Service Authorization Reference",
)
PLAIN_STAR: Final = LintRule(
    "condition.wildcard-is-text",
    "warning",
    "a wildcard with an operator that does not support wildcards",
    why="StringEquals, StringEqualsIgnoreCase and their negations compare `*` as an ordinary character, so "
    "the value with the wildcard matches no real value.",
    cure="use StringLike (or StringNotLike), or write the value in full",
    source=_OPERATORS,
)
VAGUE_ID: Final = LintRule(
    "condition.wildcard-in-id",
    "warning",
    "a wildcard in the id of an account, an organization or a VPC",
    why="AWS generates such ids; ids with a common prefix are unrelated. The IAM User Guide says that a wildcard "
    "in these keys has no valid use.",
    cure="write the ids in full, several as a list",
    source=f"{_GLOBAL}, Sensitive condition keys",
)
SAME_KEY: Final = LintRule(
    "condition.same-key",
    "warning",
    "an operator has the same condition key twice, in different case",
    why="Condition keys are case-insensitive, so this is one key with two conditions; IAM refuses or merges them.",
    cure="put the values into one list",
    source="AWS IAM Access Analyzer policy check reference, Duplicate keys with different case",
)
CONTRADICTION: Final = LintRule(
    "condition.never",
    "warning",
    "the statement's conditions exclude each other",
    why="One condition requires that the key is absent, another that it has a certain value. All conditions of a "
    "statement have to match, so the statement never applies.",
    cure="split the statement into two, or remove one of the conditions",
    source=f"{_OPERATORS}; IAM JSON policy elements: Condition",
)

_GUARDS: Final = frozenset(
    {
        "sts:externalid",
        "sts:sourceidentity",
        "aws:sourceidentity",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:multifactorauthage",
        *SOURCE_KEYS,
    }
)
_IDS: Final = frozenset(
    """
    aws:principalaccount aws:principalorgid aws:resourceaccount aws:resourceorgid aws:sourceaccount
    aws:sourceorgid aws:sourcevpc aws:sourcevpce aws:vpceaccount aws:vpceorgid
    """.split()
)
_TAG_SETS: Final = frozenset({"aws:tagkeys", "sts:transitivetagkeys"})

_FITTING: Final = {
    "Numeric": {"Numeric", "Date"},
    "Date": {"Date", "Numeric"},
    "IpAddress": {"IPAddress"},
    "Arn": {"ARN", "String"},
    "Binary": {"Binary", "String"},
    "Bool": {"Bool", "String"},
}
"""Maps an operator's prefix to the key types that the operator can compare.

String operators can compare any type, so they are not listed.
"""


def check_conditions(document: DocumentView, lookup: NameLookup, findings: FindingCollector) -> None:
    """Check every condition of every statement."""
    for view in document.statements:
        for clause in view.clauses:
            _check_absence(view, clause, findings)
            _check_type(clause, lookup.key_type(clause.lower), findings)
            _check_wildcards(clause, document, findings)
        for clause in _repeated(view):
            findings.add(SAME_KEY, clause.line, clause.path, f"`{clause.key}` stands under {clause.operator} twice")
        _check_contradictions(view, findings)


def _check_absence(view: View, clause: Clause, findings: FindingCollector) -> None:
    if view.effect != "Allow" or clause.parsed.family == "Null" or not passes_without_key(clause):
        return
    if is_required(view, clause.lower):
        return
    if clause.parsed.quantifier == "ForAllValues:":
        rule = FOR_ALL_TAGS if clause.lower in _TAG_SETS else FOR_ALL
        message = f"{clause.operator} also holds for a request without `{clause.key}`"
        hint = f'add {{"Null": {{"{clause.key}": "false"}}}} beside it' if rule is FOR_ALL else ""
        findings.add(rule, clause.line, clause.path, message, hint=hint)
    elif clause.lower in _GUARDS or _is_claim(clause.lower):
        message = f"a request without `{clause.key}` is allowed: {clause.operator} holds for it"
        findings.add(ABSENT_PASSES, clause.line, clause.path, message)


def _is_claim(lower: str) -> bool:
    """Whether the key is the `sub` or `aud` claim of an OIDC or SAML provider."""
    host, _, claim = lower.rpartition(":")
    return claim in {"sub", "aud"} and ("." in host or host == "saml")


def _check_type(clause: Clause, kind: str | None, findings: FindingCollector) -> None:
    parsed = clause.parsed
    if kind is None or parsed.family == "Null":
        return
    many = is_multi_valued(kind)
    if many and not parsed.quantifier:
        message = f"`{clause.key}` has several values, and {clause.operator} is for one"
        findings.add(NO_SET, clause.line, clause.path, message, hint=f"write `ForAnyValue:{clause.operator}`")
    elif not many and parsed.quantifier == "ForAnyValue:":
        findings.add(SET_OF_ONE, clause.line, clause.path, f"`{clause.key}` has one value only")
    single = kind.removeprefix("ArrayOf")
    fitting = next((types for start, types in _FITTING.items() if parsed.family.startswith(start)), None)
    # The values of tag keys, and of other keys with a slash, may have any form.
    if fitting is not None and single not in fitting and "/" not in clause.key:
        message = f"{clause.operator} can't compare `{clause.key}`, whose values are of type {single}"
        findings.add(WRONG_OPERATOR, clause.line, clause.path, message)


def _check_wildcards(clause: Clause, document: DocumentView, findings: FindingCollector) -> None:
    """Report wildcards that the operator compares literally.

    The findings show no values: if a key is mistyped, its value may be the secret value of the correct key.
    """
    family = clause.parsed.family
    if family in PLAIN_FAMILIES:
        for value in clause.values:
            if "*" in (value.text.replace("${*}", "") if document.has_variables else value.text):
                message = f"`*` is a plain character under {clause.operator}"
                findings.add(PLAIN_STAR, value.line, clause.path, message)
    elif clause.lower in _IDS and is_pattern(clause):
        for value in clause.values:
            if "*" in value.text or "?" in value.text:
                message = f"a wildcard in a value of `{clause.key}` matches ids that have nothing to do with each other"
                findings.add(VAGUE_ID, value.line, clause.path, message)


def _repeated(view: View) -> Iterator[Clause]:
    seen: dict[tuple[str, str], str] = {}
    for clause in view.clauses:
        first = seen.setdefault((clause.operator, clause.lower), clause.key)
        if first != clause.key:
            yield clause


def _check_contradictions(view: View, findings: FindingCollector) -> None:
    for clause in view.clauses:
        is_absent = view.nulls.get(clause.lower) == frozenset({"true"})
        if is_absent and clause.parsed.family != "Null" and not passes_without_key(clause):
            message = f"`{clause.key}` would have to be absent and have a value"
            findings.add(CONTRADICTION, clause.line, clause.path, message)
