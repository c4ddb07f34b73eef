"""Rules about names of services and actions that do not exist on AWS."""

from __future__ import annotations

from typing import Final

from dsops.document import Scalar
from dsops.policy.language.letters import lower_case
from dsops.policy.language.session_actions import UNDECIDED_ACTIONS
from dsops.policy.linting.document_view import DocumentView, View
from dsops.policy.linting.finding import FindingCollector, LintRule
from dsops.policy.linting.name_lookup import NameLookup, meant
from dsops.policy.linting.patterns import has_wildcard

_REFERENCE: Final = "Service Authorization Reference, Actions, resources, and condition keys for AWS services"

UNKNOWN_SERVICE: Final = LintRule(
    "action.unknown-service",
    "warning",
    "AWS has no service with this prefix",
    why="No service has the prefix before the colon, so no request has this action. IAM accepts such policies "
    "without a warning.",
    cure="write the service's prefix as in the Service Authorization Reference",
    source=_REFERENCE,
)
UNKNOWN_ACTION: Final = LintRule(
    "action.unknown",
    "warning",
    "the service has no such action",
    why="No request has the action: an Allow allows nothing, a Deny denies nothing. API operations and "
    "actions often have different names: S3's ListBuckets is allowed by s3:ListAllMyBuckets. A few "
    "actions are not documented.",
    cure="write the action as in the Service Authorization Reference",
    source=_REFERENCE,
)
NO_EFFECT: Final = LintRule(
    "action.no-effect",
    "note",
    "policies have no effect on this action",
    why="sts:GetCallerIdentity is allowed to everyone, even with an explicit Deny; sts:GetSessionToken is an "
    "authentication operation, which policies cannot control.",
    cure="remove the action",
    source="AWS STS API Reference, GetCallerIdentity; AWS IAM User Guide, Permissions for GetSessionToken",
)


def check_actions(document: DocumentView, lookup: NameLookup, findings: FindingCollector) -> None:
    """Check the names of all actions in all statements."""
    for view in document.statements:
        for scalar in view.actions:
            _check_action(scalar, view, lookup, findings)


def _check_action(scalar: Scalar, view: View, lookup: NameLookup, findings: FindingCollector) -> None:
    path = view.element("Action")
    prefix, colon, name = scalar.text.partition(":")
    # AWS's guide names this action as one that a Deny does not affect.
    if lower_case(scalar.text) in UNDECIDED_ACTIONS and not view.are_actions_negated:
        message = f"`{scalar.text}` needs no permission, and can't be refused"
        findings.add(NO_EFFECT, scalar.line, path, message)
    if not colon or not name or has_wildcard(prefix) or not lookup.has_services:
        return
    service = lookup.service(lower_case(prefix))
    if service is None:
        message = f"AWS has no service with the prefix `{prefix}`"
        hint = meant(prefix, lookup.services(), f":{name}")
        findings.add(UNKNOWN_SERVICE, scalar.line, path, message, hint=hint)
    elif lookup.actions(scalar.text) == ():
        missing_name = "no action that matches" if has_wildcard(name) else "no action"
        hint = meant(name, [facts.name for facts in service.actions.values()], before=f"{prefix}:")
        findings.add(UNKNOWN_ACTION, scalar.line, path, f"{prefix} has {missing_name} `{name}`", hint=hint)
