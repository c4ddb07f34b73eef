"""Convert the problems found by the parsers and the grammar check to findings, each with a rule's code."""

from __future__ import annotations

import re
from typing import Final

from dsops.document import Document, Mapping, Scalar
from dsops.errors import Problem
from dsops.policy.language.grammar import check_policy
from dsops.policy.language.policy import PolicyKind
from dsops.policy.linting.document_view import is_fragment
from dsops.policy.linting.finding import FindingCollector, LintRule, Severity

_JSON: Final = "RFC 8259; AWS IAM User Guide, Grammar of the IAM JSON policy language"
_GRAMMAR: Final = "AWS IAM User Guide, Grammar of the IAM JSON policy language"

SYNTAX: Final = LintRule(
    "syntax.invalid",
    "error",
    "the text is not well-formed JSON or YAML",
    why="AWS refuses the document with the error MalformedPolicyDocument.",
    cure="correct the line that the finding names; the text below that line may not have been checked",
    source=_JSON,
)
COMMENT: Final = LintRule(
    "syntax.comment",
    "error",
    "a comment in JSON",
    why="JSON has no comments, and AWS answers MalformedPolicyDocument. In a .jsonc file, which another "
    "program reads first, a comment is a note.",
    cure="remove the comment, or put its meaning into a Sid",
    source=_JSON,
)
TWICE: Final = LintRule(
    "syntax.duplicate-key",
    "error",
    "an object has the same key twice",
    why="AWS refuses the document, and most programs silently use one of the two values. The other findings "
    "are about the first value.",
    cure="keep one of the two keys; several values of one key are a list",
    source=_JSON,
)
FRAGMENT: Final = LintRule(
    "grammar.fragment",
    "error",
    "the document is a statement, or a part of a statement, not a whole policy",
    why="AWS accepts only whole policies. The statement was checked anyway.",
    cure='put the statement into {"Version": "2012-10-17", "Statement": [...]}',
    source=_GRAMMAR,
)


def _grammar(code: str, message: str, why: str, cure: str, page: str) -> LintRule:
    return LintRule(f"grammar.{code}", "error", message, why=why, cure=cure, source=f"AWS IAM User Guide, {page}")


_ELEMENTS: Final = "IAM JSON policy elements"
_BY_ELEMENT: Final = {
    "document": _grammar(
        "document",
        "the document is not a policy",
        "A policy is one JSON object with a `Statement`.",
        "write an object with `Version` and `Statement`",
        "Grammar of the IAM JSON policy language",
    ),
    "Version": _grammar(
        "version",
        "the policy has an invalid version",
        "The versions are 2012-10-17 and 2008-10-17; policies of AWS Organizations must have the former.",
        'write `"Version": "2012-10-17"`',
        f"{_ELEMENTS}: Version",
    ),
    "Id": _grammar(
        "id",
        "the policy has an invalid `Id`",
        "Only resource-based policies can have an `Id`, and it is a string.",
        "remove the `Id`",
        f"{_ELEMENTS}: Id",
    ),
    "Statement": _grammar(
        "statement",
        "the policy has no statements, or `Statement` is neither an object nor a list",
        "`Statement` is an object, or a list of objects that is not empty.",
        "write at least one statement",
        f"{_ELEMENTS}: Statement",
    ),
    "Sid": _grammar(
        "sid",
        "IAM does not accept the Sid",
        "In identity, trust, session and boundary policies a Sid consists of letters and digits and is unique.",
        "use letters and digits, and a different Sid for each statement",
        f"{_ELEMENTS}: Sid",
    ),
    "Effect": _grammar(
        "effect",
        "`Effect` is missing, or neither Allow nor Deny",
        "The value is case-sensitive: AWS refuses `allow`.",
        "write `Allow` or `Deny`",
        f"{_ELEMENTS}: Effect",
    ),
    "Principal": _grammar(
        "principal",
        "AWS does not accept the principal, or a required one is missing",
        "A resource-based policy needs a principal, other policies must not have one. A principal is "
        "`*`, or a type and its values, without partial wildcards, groups or variables.",
        "name the accounts, users, roles, providers or services in full",
        f"{_ELEMENTS}: Principal; NotPrincipal",
    ),
    "Action": _grammar(
        "action",
        "the action is invalid or missing",
        "An action is `service:Name`, with wildcards, or `*`; in a trust policy it is an action of STS.",
        "write `service:Name` or `*`",
        f"{_ELEMENTS}: Action; NotAction",
    ),
    "Resource": _grammar(
        "resource",
        "the value of `Resource` is not an ARN, or this kind of policy has no `Resource`",
        "A resource is an ARN of six parts, with wildcards in any part but the service, or `*`. In an "
        "identity policy AWS treats missing parts at the end as `*`. A trust policy has no resource, because "
        "the resource is the role.",
        "write an ARN of six parts or `*`; in a trust policy, remove the resource",
        f"{_ELEMENTS}: Resource; NotResource",
    ),
    "Condition": _grammar(
        "condition",
        "AWS refuses the condition",
        "A condition is an operator, a key and values; the operator has to exist, and the values must be of "
        "the type that it compares.",
        'write {"operator": {"key": "value"}}, with a value that the operator can compare',
        f"{_ELEMENTS}: Condition; Condition operators",
    ),
    "element": _grammar(
        "element",
        "a policy cannot have this element",
        "AWS refuses policies with unknown elements. Names of elements are case-sensitive.",
        "remove the element, or correct its name",
        "Grammar of the IAM JSON policy language",
    ),
}

RULES: Final = (SYNTAX, COMMENT, TWICE, FRAGMENT, *_BY_ELEMENT.values())

_STATEMENT: Final = re.compile(r"Statement(?:\[\d+\])?")


def check_syntax(document: Document, kind: PolicyKind, findings: FindingCollector, *, has_comments: bool) -> None:
    """Add a finding for every syntax problem and every violation of the grammar.

    `has_comments`: whether the file format has comments (.jsonc).
    """
    for problem in document.problems:
        rule = _syntax_rule(problem)
        severity: Severity | None = "note" if rule is COMMENT and has_comments else None
        findings.add(rule, problem.where.line, "", problem.message, hint=problem.hint, severity=severity)
    if document.root is None and document.problems:
        return
    root = document.root
    if isinstance(root, Mapping) and is_fragment(root):
        findings.add(FRAGMENT, root.line, "", "this is a statement, or a part of one, and no policy")
        keys = {key.text for key, _ in root.entries}
        problems = tuple(
            problem
            for problem in check_policy(_wrapped(root), kind).problems
            # Other elements may be missing in a fragment of a policy. `Version` and `Id` are reported on their own
            # lines.
            if problem.path.partition(".")[2].partition(".")[0] in keys - {"Version", "Id"}
        )
    else:
        problems = check_policy(Document(root, ()), kind).problems
    for problem in problems:
        findings.add(_grammar_rule(problem.path), problem.where.line, problem.path, problem.message, hint=problem.hint)


def _wrapped(root: Mapping) -> Document:
    """Return a policy document with `root` as its only statement."""
    version = Scalar("Version", "text", root.line), Scalar("2012-10-17", "text", root.line)
    statement = Scalar("Statement", "text", root.line), root
    return Document(Mapping((version, statement), root.line), ())


def _syntax_rule(problem: Problem) -> LintRule:
    """Return the rule for a parser's message. A test checks that the parsers still use these messages."""
    if problem.message.startswith("a comment: JSON has none"):
        return COMMENT
    return TWICE if " occurs twice: on line " in problem.message else SYNTAX


def _grammar_rule(path: str) -> LintRule:
    first, *others = path.split(".") if path else [""]
    element = first if not _STATEMENT.fullmatch(first) else others[0] if others else "Statement"
    if not element:
        return _BY_ELEMENT["document"]
    return _BY_ELEMENT.get(element.removeprefix("Not"), _BY_ELEMENT["element"])
