"""Rules about ARNs that match no resource, and about statements that apply to all resources except those listed."""

from __future__ import annotations

from typing import Final

from dsops.arn import PARTITIONS, is_account_id
from dsops.document import Scalar
from dsops.policy.linting.document_view import DocumentView, View
from dsops.policy.linting.finding import FindingCollector, LintRule
from dsops.policy.linting.patterns import has_wildcard

NOT_ACTION: Final = LintRule(
    "action.all-others",
    "warning",
    "NotAction in an Allow",
    why="The statement allows every action that is not named, of all services, including future ones.",
    cure="write `Action` with the needed actions, or deny the named actions in a separate statement",
    source="AWS IAM User Guide, IAM JSON policy elements: NotAction",
)
NOT_RESOURCE: Final = LintRule(
    "resource.all-others",
    "warning",
    "NotResource in an Allow",
    why="The statement allows the actions on every resource that is not named, including those of other "
    "accounts and future ones.",
    cure="write `Resource` with the needed resources, or deny the named resources in a separate statement",
    source="AWS IAM User Guide, IAM JSON policy elements: NotResource",
)
PARTITION: Final = LintRule(
    "resource.unknown-partition",
    "warning",
    "AWS has no such partition",
    why="No resource has that ARN, so the statement never applies.",
    cure="write aws, aws-cn, aws-us-gov or another partition of AWS, or `*` for all",
    source="AWS IAM User Guide, Amazon Resource Names (ARNs)",
)
ACCOUNT: Final = LintRule(
    "resource.no-account",
    "warning",
    "the account in an ARN is not a valid account id",
    why="Account ids have twelve digits, including leading zeros (YAML and spreadsheets drop them). No resource "
    "has that ARN.",
    cure="write all twelve digits, or `*`",
    source="AWS IAM User Guide, Amazon Resource Names (ARNs)",
)
EARLY_VARIABLE: Final = LintRule(
    "resource.variable-is-text",
    "warning",
    "a policy variable before an ARN's fifth colon",
    why="Variables work only in the last part of an ARN. Before the fifth colon `${...}` is plain text, which no "
    "ARN contains.",
    cure="write `*` there, and compare aws:PrincipalAccount or aws:RequestedRegion in a condition",
    source="AWS IAM User Guide, IAM policy elements: Variables and tags, Where you can use policy variables",
)

_PARTITIONS: Final = frozenset(partition.name for partition in PARTITIONS)
# Only these kinds of policy grant anything. The other kinds limit what these kinds grant.
_GRANTING: Final = ("identity", "trust", "resource")


def check_resources(document: DocumentView, findings: FindingCollector) -> None:
    """Check the resources of every statement."""
    for view in document.statements:
        if view.effect == "Allow" and document.kind in _GRANTING:
            _check_others(view, findings)
        for scalar in view.resources:
            _check_arn(scalar, view, document, findings)


def _check_others(view: View, findings: FindingCollector) -> None:
    if view.are_actions_negated and view.actions:
        message = "every action is allowed but those that are named here"
        findings.add(NOT_ACTION, view.actions[0].line, view.element("Action"), message)
    if view.are_resources_negated and view.resources:
        message = "the actions are allowed on every resource but those that are named here"
        findings.add(NOT_RESOURCE, view.resources[0].line, view.element("Resource"), message)


def _check_arn(scalar: Scalar, view: View, document: DocumentView, findings: FindingCollector) -> None:
    parts = _split(scalar.text)
    if len(parts) < 3 or parts[0] != "arn":  # This is `*`, or a malformed ARN, which the grammar check reports.
        return
    path = view.element("Resource")
    if any("${" in part for part in parts[1:5]):
        if document.has_variables:
            message = f"`{scalar.text}`: a variable means something behind the fifth colon only"
            findings.add(EARLY_VARIABLE, scalar.line, path, message)
        return
    if not has_wildcard(parts[1]) and parts[1] not in _PARTITIONS:
        findings.add(PARTITION, scalar.line, path, f"`{scalar.text}`: AWS has no partition `{parts[1]}`")
    account = parts[4] if len(parts) > 4 else ""
    # An account field may be `aws` (managed policies, public resources) or another name that a service uses.
    is_number = bool(account) and account.isascii() and account.isdigit()
    if is_number and not is_account_id(account):
        message = f"`{scalar.text}`: the account `{account}` has {len(account)} digits, not twelve"
        findings.add(ACCOUNT, scalar.line, path, message)
    elif "/" in account:  # No service has an account name with a slash.
        message = f"`{scalar.text}`: `{account}` stands where the account does"
        hint = "a colon is missing before it: write arn:aws:s3:::bucket/*"
        findings.add(ACCOUNT, scalar.line, path, message, hint=hint)


def _split(text: str) -> list[str]:
    """Split the text at its first five colons that are outside of `${...}`."""
    if "${" not in text:
        return text.split(":", 5)
    parts: list[str] = []
    start = position = 0
    while len(parts) < 5 and position < len(text):
        if text.startswith("${", position):
            closing = text.find("}", position)
            position = closing if closing >= 0 else position
        elif text[position] == ":":
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]
