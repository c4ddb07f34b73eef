"""Decide whether a condition restricts requests, even if some requests lack the condition's key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dsops.policy.language.letters import lower_case
from dsops.policy.linting.document_view import Clause, View

ALWAYS_PRESENT: Final = frozenset(
    """
    aws:principalarn aws:principalaccount aws:principaltype aws:userid aws:currenttime aws:epochtime
    aws:securetransport aws:requestedregion aws:viaawsservice aws:principalisawsservice
    """.split()
)
"""Condition keys that every signed request has (AWS IAM User Guide, "Availability" of each key)."""

SOURCE_KEYS: Final = frozenset({"aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths"})
"""Condition keys that identify the resource or account on whose behalf a service calls."""

CALLER_KEYS: Final = frozenset(
    {"aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths", "aws:userid"}
)
"""Condition keys about the caller. AWS sets them, so a caller can't choose their values."""

NETWORK_KEYS: Final = frozenset(
    """
    aws:sourceip aws:sourcevpc aws:sourcevpcarn aws:sourcevpce aws:vpceaccount aws:vpceorgid aws:vpceorgpaths
    """.split()
)
"""Condition keys about the request's source network."""


def is_required(view: View, lower: str) -> bool:
    """Whether the statement applies only to requests that have the key."""
    return lower in ALWAYS_PRESENT or view.nulls.get(lower) == frozenset({"false"})


def passes_without_key(clause: Clause) -> bool:
    """Whether the condition is true for a request without its key."""
    parsed = clause.parsed
    if parsed.family == "Null":
        return any(lower_case(value.text) == "true" for value in clause.values)
    if parsed.quantifier == "ForAnyValue:":
        return parsed.is_if_exists
    return parsed.is_if_exists or parsed.is_negated or parsed.quantifier == "ForAllValues:"


def narrows(view: View, is_wanted: Callable[[str], bool]) -> bool:
    """Whether a condition limits the statement to certain values of a key that `is_wanted` accepts."""
    return any(is_wanted(clause.lower) and _is_narrowing(view, clause) for clause in view.clauses)


def _is_narrowing(view: View, clause: Clause) -> bool:
    parsed = clause.parsed
    if parsed.family == "Null" or parsed.is_negated:
        return False
    if passes_without_key(clause) and not is_required(view, clause.lower):
        return False
    return not (is_pattern(clause) and any(is_anything(value.text) for value in clause.values))


def is_pattern(clause: Clause) -> bool:
    """Whether the condition's operator expands wildcards in its values."""
    return clause.parsed.family in ("StringLike", "ArnLike", "ArnEquals")


def is_anything(text: str) -> bool:
    """Whether the text consists only of wildcards and ARN separators, with at least one `*`."""
    return bool(text) and not text.strip("*?:") and "*" in text
