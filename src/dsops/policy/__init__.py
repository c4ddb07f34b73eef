"""The IAM policy language: documents, matching, and decisions as AWS makes them. Pure: no I/O, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsops.policy.evaluation.consulted import Policies, PolicyType
from dsops.policy.evaluation.evaluate import Decision, evaluate
from dsops.policy.evaluation.question import Request
from dsops.policy.evaluation.sentence import denial_sentence
from dsops.policy.language.grammar import check_policy, parse_policy
from dsops.policy.language.policy import ParsedPolicy, Policy, PolicyKind, Statement
from dsops.policy.language.principals import Principal

if TYPE_CHECKING:
    # `Decision.reasons` loads what makes them when it is read.
    from dsops.policy.evaluation.reasons import Reason, StatementReason, UnmetElement

__all__ = [
    "Decision",
    "ParsedPolicy",
    "Policies",
    "Policy",
    "PolicyKind",
    "PolicyType",
    "Principal",
    "Reason",
    "Request",
    "Statement",
    "StatementReason",
    "UnmetElement",
    "check_policy",
    "denial_sentence",
    "evaluate",
    "parse_policy",
]


def __getattr__(name: str) -> object:
    if name in ("UnmetElement", "Reason", "StatementReason"):
        from dsops.policy.evaluation import reasons

        return getattr(reasons, name)
    raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
