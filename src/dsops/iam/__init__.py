"""The IAM policy language: documents, matching, and decisions as AWS makes them. Pure: no I/O, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsops.iam.evaluate import Decision, Policies, PolicyType, evaluate
from dsops.iam.policy import Checked, Policy, PolicyKind, Statement, check_policy, parse_policy
from dsops.iam.principals import Principal
from dsops.iam.question import Request
from dsops.iam.sentence import denial_sentence

if TYPE_CHECKING:
    # `Decision.reasons` loads what makes them when it is read.
    from dsops.iam.reasons import Failure, Reason, StatementReason

__all__ = [
    "Checked",
    "Decision",
    "Failure",
    "Policies",
    "Policy",
    "PolicyKind",
    "PolicyType",
    "Principal",
    "Reason",
    "Request",
    "Statement",
    "StatementReason",
    "check_policy",
    "denial_sentence",
    "evaluate",
    "parse_policy",
]


def __getattr__(name: str) -> object:
    if name in ("Failure", "Reason", "StatementReason"):
        from dsops.iam import reasons

        return getattr(reasons, name)
    raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
