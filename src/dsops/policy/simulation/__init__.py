"""Answer policy questions, one at a time or as a table: what AWS would decide, and whether that is expected.

The input is questions, policies and unread facts; the output is outcomes with their decisions. Imports `evaluation`,
`linting` and `language`; others import its names from `dsops.policy`.
"""

from __future__ import annotations

from dsops.policy.language.callers import read_caller
from dsops.policy.simulation.callers import known_context
from dsops.policy.simulation.case import (
    EXPECTATIONS,
    POLICY_TYPES,
    Case,
    CaseQuestion,
    Expected,
    Groups,
    Place,
    PolicySource,
    Verdict,
)
from dsops.policy.simulation.compiled import FULL_ACCESS, PolicySet, compile_policies, full_access, is_kms_key
from dsops.policy.simulation.outcome import VERDICTS, AnsweredCase, Outcome, deciding, differences, simulate
from dsops.policy.simulation.questions import check_exact_action, question_problems, resource_account
from dsops.policy.simulation.reading import CaseTable, read_cases
from dsops.policy.simulation.uncertain import Unread, variable_keys

__all__ = [
    "EXPECTATIONS",
    "FULL_ACCESS",
    "POLICY_TYPES",
    "VERDICTS",
    "AnsweredCase",
    "Case",
    "CaseQuestion",
    "CaseTable",
    "Expected",
    "Groups",
    "Outcome",
    "Place",
    "PolicySet",
    "PolicySource",
    "Unread",
    "Verdict",
    "check_exact_action",
    "compile_policies",
    "deciding",
    "differences",
    "full_access",
    "is_kms_key",
    "known_context",
    "question_problems",
    "read_caller",
    "read_cases",
    "resource_account",
    "simulate",
    "variable_keys",
]
