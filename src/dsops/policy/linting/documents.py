"""Rules about a policy as a whole: version, size, Sids, and whether it allows anything."""

from __future__ import annotations

from typing import Final

from dsops.document import to_json
from dsops.policy.language.letters import lower_case
from dsops.policy.language.operators import TEXT_FAMILIES
from dsops.policy.language.policy import KIND_WORDS, PolicyKind
from dsops.policy.linting.document_view import DocumentView, View
from dsops.policy.linting.finding import FindingCollector, LintRule
from dsops.startup import NamedTuple

OLD_VERSION: Final = LintRule(
    "version.old",
    "note",
    "the policy has no `Version`, or version 2008-10-17",
    why="A policy without `Version` is read as 2008-10-17, in which `${...}` is plain text. There is no other "
    "difference, so the policy works until a variable is added.",
    cure='write `"Version": "2012-10-17"`',
    source="AWS IAM User Guide, IAM JSON policy elements: Version",
)
TEXT_VARIABLES: Final = LintRule(
    "version.variables-are-text",
    "warning",
    "a policy of version 2008-10-17 has a policy variable",
    why="Only version 2012-10-17 has variables. Here `${aws:username}` is compared character by character, so it "
    "matches no real name: an Allow allows nothing, a Deny denies nothing.",
    cure='write `"Version": "2012-10-17"`',
    source="AWS IAM User Guide, IAM policy elements: Variables and tags",
)
SAME_SID: Final = LintRule(
    "sid.twice",
    "warning",
    "two statements have the same Sid",
    why="IAM refuses identity, trust and session policies with duplicate Sids. Other services differ in "
    "whether they refuse a duplicate Sid. A denial that names the Sid is ambiguous.",
    cure="give each statement a Sid of its own, or none",
    source="AWS IAM User Guide, IAM JSON policy elements: Sid",
)
ALLOWS_NOTHING: Final = LintRule(
    "policy.allows-nothing",
    "warning",
    "a policy that has to allow something only denies",
    why="A session policy and a permissions boundary are limits: the session or user may do only what they allow, "
    "whatever its own policies say. With only Deny statements nothing is allowed. A trust policy without an "
    "Allow lets no caller assume the role.",
    cure='add a statement that allows the needed actions, such as {"Effect": "Allow", "Action": "*", "Resource": '
    '"*"}; the Deny statements limit it',
    source="AWS IAM User Guide, Session policies; Permissions boundaries for IAM entities",
)
ONLY_DENIES: Final = LintRule(
    "policy.only-denies",
    "note",
    "an identity policy only denies",
    why="Together with policies that allow, a policy that only denies removes permissions. Alone, or as a "
    "session policy, it allows nothing.",
    cure="if it is a session policy or a permissions boundary, check it with `--type session` or `--type boundary`",
    source="AWS IAM User Guide, Policy evaluation logic",
)
TOO_LONG: Final = LintRule(
    "size.too-long",
    "error",
    "the policy is longer than AWS allows",
    why="AWS refuses the policy (LimitExceeded, or PackedPolicyTooLarge and ValidationError for session policies). "
    "White space between the elements does not count in IAM.",
    cure="use wildcards for actions of one prefix, or spread the statements over several policies",
    source="AWS IAM User Guide, IAM and AWS STS quotas; AWS Organizations User Guide, Quotas",
)
NEAR_LIMIT: Final = LintRule(
    "size.needs-room",
    "warning",
    "the policy is too long for some of the places in which AWS stores policies",
    why="Limits differ: 6,144 characters for a managed policy, 10,240 for all inline policies of a role together, "
    "5,120 of a group, 2,048 of a user; 2,048 for a trust policy unless the quota is raised to 4,096.",
    cure="shorten the policy, split it, or request a higher quota",
    source="AWS IAM User Guide, IAM and AWS STS quotas",
)
WHITE_SPACE: Final = LintRule(
    "size.white-space",
    "warning",
    "the policy is too long only because of its white space",
    why="STS counts the white space of a session policy, and AWS Organizations counts it in policies that do not "
    "come from the console.",
    cure="send the policy without indentation and line breaks",
    source="AWS STS API Reference, AssumeRole, Policy; AWS Organizations User Guide, Quotas",
)

API_LIMIT: Final = 131_072
"""The longest policy that IAM's API accepts, in characters (service model, `policyDocumentType`)."""


class _Limit(NamedTuple):
    """A size limit in characters. `usual` is the limit without a quota increase."""

    most: int
    usual: int
    counts_white_space: bool = False


_LIMITS: Final[dict[PolicyKind, _Limit]] = {
    "identity": _Limit(10_240, 6_144),
    "boundary": _Limit(6_144, 6_144),
    "trust": _Limit(4_096, 2_048),
    "session": _Limit(2_048, 2_048, counts_white_space=True),
    "scp": _Limit(5_120, 5_120, counts_white_space=True),
    "rcp": _Limit(5_120, 5_120, counts_white_space=True),
}
_SECRETS_MANAGER: Final = _Limit(20_480, 20_480)


def check_document(document: DocumentView, size: int, compact_size: int, findings: FindingCollector) -> None:
    """Check the properties of a policy as a whole."""
    _check_version(document, findings)
    _check_sids(document, findings)
    _check_effects(document, findings)
    _check_size(document, size, compact_size, findings)


def compact_length(document: DocumentView) -> int:
    """Return the policy's length in characters without white space between its elements."""
    return len(to_json(document.root))


def _check_version(document: DocumentView, findings: FindingCollector) -> None:
    # The grammar check reports other versions.
    if document.has_variables or document.version not in {"", "2008-10-17"}:
        return
    places = [place for view in document.statements for place in _variables(view)]
    for line, path in places:
        message = f"`${{...}}` is plain text here: {_version_words(document)}"
        findings.add(TEXT_VARIABLES, line, path, message)
    if not places and document.root.get("Statement") and document.kind not in {"scp", "rcp"}:
        findings.add(OLD_VERSION, document.version_line, "Version", _version_words(document))


def _version_words(document: DocumentView) -> str:
    if document.version:
        return "the policy is of version 2008-10-17"
    return "without `Version` the policy is of version 2008-10-17"


def _variables(view: View) -> list[tuple[int, str]]:
    """Return the line and path of each text with a `${...}`, which version 2012-10-17 would treat as a variable."""
    places = [(scalar.line, view.element("Resource")) for scalar in view.resources if "${" in scalar.text]
    for clause in view.clauses:
        if clause.parsed.family in TEXT_FAMILIES:
            places += [(value.line, clause.path) for value in clause.values if "${" in value.text]
    return places


def _check_sids(document: DocumentView, findings: FindingCollector) -> None:
    # For other kinds of policy, the grammar check reports repeated Sids.
    if document.kind not in {"resource", "scp", "rcp"}:
        return
    lines: dict[str, int] = {}
    for view in document.statements:
        if view.sid and view.sid in lines:
            message = f"the Sid `{view.sid}` is also that of line {lines[view.sid]}"
            findings.add(SAME_SID, view.sid_line, f"{view.path}.Sid", message)
        elif view.sid:
            lines[view.sid] = view.sid_line


def _check_effects(document: DocumentView, findings: FindingCollector) -> None:
    statements = document.statements
    if not statements or any(view.effect != "Deny" for view in statements):
        return
    line, path = statements[0].line, "Statement"
    if document.kind in {"session", "boundary", "trust"}:
        effect_words = {
            "session": "a session with it may do nothing at all",
            "boundary": "a user or role with this boundary may do nothing at all",
            "trust": "no caller may assume the role",
        }[document.kind]
        findings.add(ALLOWS_NOTHING, line, path, f"there are only Deny statements: {effect_words}")
    elif document.kind == "identity":
        findings.add(ONLY_DENIES, line, path, "there are only Deny statements: this policy grants nothing by itself")


def _check_size(document: DocumentView, size: int, compact_size: int, findings: FindingCollector) -> None:
    limit = _limit(document)
    line = document.root.line
    if compact_size > (limit.most if limit else API_LIMIT):
        most = limit.most if limit else API_LIMIT
        words = KIND_WORDS[document.kind]
        message = f"{compact_size:,} characters without white space; a {words} may have {most:,}"
        if document.kind == "identity":
            message = f"{compact_size:,} characters without white space; the most that fits anywhere is {most:,}"
        if compact_size > API_LIMIT:
            message += "; in so long a policy no names are looked up"
        findings.add(TOO_LONG, line, "", message)
    elif limit and compact_size > limit.usual:
        place = "a managed policy" if document.kind == "identity" else "a trust policy by default"
        message = f"{compact_size:,} characters without white space; {place} may have {limit.usual:,}"
        findings.add(NEAR_LIMIT, line, "", message)
    elif limit and limit.counts_white_space and size > limit.most:
        message = f"{size:,} characters as it stands, {compact_size:,} without white space; the limit is {limit.most:,}"
        findings.add(WHITE_SPACE, line, "", message)


def _limit(document: DocumentView) -> _Limit | None:
    """Return the size limit for the policy's kind; None for a resource policy of an unknown service.

    The only limit for resource policies that dsops knows is that of Secrets Manager.
    """
    if document.kind != "resource":
        return _LIMITS[document.kind]
    actions = [lower_case(scalar.text) for view in document.statements for scalar in view.actions]
    if actions and all(action.startswith("secretsmanager:") for action in actions):
        return _SECRETS_MANAGER
    return None
