"""IAM policies as AWS reads them: parse, decide, explain, lint, simulate, and extract them from other files.

The input is texts, requests and policies; the output is policies, decisions, reasons and findings. The package opens
no file and no socket, and reads no clock: callers pass in functions that do. Any package above may import it, but
only from here, not from inner modules. `docs/reference/python-policy.md` shows five uses. Names are loaded when they
are first used (PEP 562), because `dsops exec` checks a session policy and must not load the linter.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsops.policy.evaluation.consulted import Effect, Policies, PolicyType
    from dsops.policy.evaluation.evaluate import Decision, evaluate
    from dsops.policy.evaluation.partial_request import LimitingPolicies, PartialDecision, PartialRequest
    from dsops.policy.evaluation.question import Request
    from dsops.policy.evaluation.reasons import Reason, StatementReason, UnmetElement, is_negated
    from dsops.policy.evaluation.sentence import denial_sentence
    from dsops.policy.key_policies import default_key_policy, managed_key_policy, open_key_policy
    from dsops.policy.language.callers import read_caller
    from dsops.policy.language.conditions import SECRET_KEYS, Condition
    from dsops.policy.language.grammar import check_policy, parse_policy
    from dsops.policy.language.letters import lower_case
    from dsops.policy.language.policy import KIND_WORDS, ParsedPolicy, Policy, PolicyKind, Statement
    from dsops.policy.language.principals import Principal, is_unique_id
    from dsops.policy.language.reach import ANY_CHARACTER, ANY_TEXT, is_unknown, shown
    from dsops.policy.linting import RULES, SEVERITIES, LintReport, lint
    from dsops.policy.linting.federation import customer_key
    from dsops.policy.linting.finding import Finding, LintRule, Severity
    from dsops.policy.linting.keys import global_key_type, is_multi_valued
    from dsops.policy.linting.reference import ActionFacts, AuthorizationReference, ServiceFacts
    from dsops.policy.public_policies import is_public_policy
    from dsops.policy.saml_attributes import attribute_keys
    from dsops.policy.simulation.case import POLICY_TYPES, Case, CaseQuestion, Expected, Place, Verdict
    from dsops.policy.simulation.compiled import PolicySet, is_kms_key
    from dsops.policy.simulation.completion import CompletedQuestion, complete, needs_of
    from dsops.policy.simulation.facts import (
        ANY_ACCOUNT,
        AccountPlace,
        Attached,
        Entity,
        Facts,
        Needs,
        PolicyText,
        ResourcePolicy,
    )
    from dsops.policy.simulation.outcome import AnsweredCase, Outcome, differences, request_of, simulate
    from dsops.policy.simulation.questions import check_exact_action
    from dsops.policy.simulation.uncertain import Unread, variable_keys
    from dsops.policy.sources.case_files import PolicyFiles, read_table
    from dsops.policy.sources.declared import UNKNOWN_SUFFIX, DeclaredPolicies, attached_of
    from dsops.policy.sources.entities import PolicyFile
    from dsops.policy.sources.files import read_policy_source
    from dsops.policy.sources.text import ReadFile, parse_policy_text, shown_name

__all__ = [
    "ANY_ACCOUNT",
    "ANY_CHARACTER",
    "ANY_TEXT",
    "KIND_WORDS",
    "POLICY_TYPES",
    "RULES",
    "SECRET_KEYS",
    "SEVERITIES",
    "UNKNOWN_SUFFIX",
    "AccountPlace",
    "ActionFacts",
    "AnsweredCase",
    "Attached",
    "AuthorizationReference",
    "Case",
    "CaseQuestion",
    "CompletedQuestion",
    "Condition",
    "Decision",
    "DeclaredPolicies",
    "Effect",
    "Entity",
    "Expected",
    "Facts",
    "Finding",
    "LimitingPolicies",
    "LintReport",
    "LintRule",
    "Needs",
    "Outcome",
    "ParsedPolicy",
    "PartialDecision",
    "PartialRequest",
    "Place",
    "Policies",
    "Policy",
    "PolicyFile",
    "PolicyFiles",
    "PolicyKind",
    "PolicySet",
    "PolicyText",
    "PolicyType",
    "Principal",
    "ReadFile",
    "Reason",
    "Request",
    "ResourcePolicy",
    "ServiceFacts",
    "Severity",
    "Statement",
    "StatementReason",
    "UnmetElement",
    "Unread",
    "Verdict",
    "attached_of",
    "attribute_keys",
    "check_exact_action",
    "check_policy",
    "complete",
    "customer_key",
    "default_key_policy",
    "denial_sentence",
    "differences",
    "evaluate",
    "global_key_type",
    "is_kms_key",
    "is_multi_valued",
    "is_negated",
    "is_public_policy",
    "is_unique_id",
    "is_unknown",
    "lint",
    "lower_case",
    "managed_key_policy",
    "needs_of",
    "open_key_policy",
    "parse_policy",
    "parse_policy_text",
    "read_caller",
    "read_policy_source",
    "read_table",
    "request_of",
    "shown",
    "shown_name",
    "simulate",
    "variable_keys",
]

_HOMES = {
    "evaluation.consulted": ("Effect", "Policies", "PolicyType"),
    "evaluation.evaluate": ("Decision", "evaluate"),
    "evaluation.partial_request": ("PartialDecision", "PartialRequest", "LimitingPolicies"),
    "evaluation.question": ("Request",),
    "evaluation.reasons": ("Reason", "StatementReason", "UnmetElement", "is_negated"),
    "evaluation.sentence": ("denial_sentence",),
    "key_policies": ("default_key_policy", "managed_key_policy", "open_key_policy"),
    "language.conditions": ("Condition", "SECRET_KEYS"),
    "language.grammar": ("check_policy", "parse_policy"),
    "language.letters": ("lower_case",),
    "language.policy": ("KIND_WORDS", "ParsedPolicy", "Policy", "PolicyKind", "Statement"),
    "language.principals": ("Principal", "is_unique_id"),
    "language.reach": ("ANY_CHARACTER", "ANY_TEXT", "is_unknown", "shown"),
    "linting": ("LintReport", "RULES", "SEVERITIES", "lint"),
    "linting.federation": ("customer_key",),
    "linting.finding": ("Finding", "LintRule", "Severity"),
    "linting.keys": ("global_key_type", "is_multi_valued"),
    "linting.reference": ("ActionFacts", "AuthorizationReference", "ServiceFacts"),
    "public_policies": ("is_public_policy",),
    "saml_attributes": ("attribute_keys",),
    "language.callers": ("read_caller",),
    "simulation.case": ("Case", "CaseQuestion", "Expected", "POLICY_TYPES", "Place", "Verdict"),
    "simulation.compiled": ("PolicySet", "is_kms_key"),
    "simulation.completion": ("CompletedQuestion", "complete", "needs_of"),
    "simulation.facts": (
        "ANY_ACCOUNT",
        "AccountPlace",
        "Attached",
        "Entity",
        "Facts",
        "Needs",
        "PolicyText",
        "ResourcePolicy",
    ),
    "simulation.outcome": ("AnsweredCase", "Outcome", "differences", "request_of", "simulate"),
    "simulation.questions": ("check_exact_action",),
    "simulation.uncertain": ("Unread", "variable_keys"),
    "sources.case_files": ("PolicyFiles", "read_table"),
    "sources.declared": ("DeclaredPolicies", "UNKNOWN_SUFFIX", "attached_of"),
    "sources.entities": ("PolicyFile",),
    "sources.files": ("read_policy_source",),
    "sources.text": ("ReadFile", "parse_policy_text", "shown_name"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__]
