"""A small service reference, so that tests are independent of AWS's data, and helpers to lint a document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dsops.document import parse_json
from dsops.policy.linting import ActionFacts, LintReport, ServiceFacts, lint
from tests.unit.policy.policies import Json, text

if TYPE_CHECKING:
    from collections.abc import Collection

    from dsops.policy import PolicyKind


def _action(name: str, *arns: str, keys: str = "") -> ActionFacts:
    return ActionFacts(name, frozenset(keys.lower().split()), arns)


def _service(*actions: ActionFacts, **types: str) -> ServiceFacts:
    keys = {key.lower(): kind for kind, names in types.items() for key in names.split()}
    return ServiceFacts({action.name.lower(): action for action in actions}, keys)


_BUCKET = "arn:${Partition}:s3:::${BucketName}"
_OBJECT = "arn:${Partition}:s3:::${BucketName}/${ObjectName}"
_ROLE = "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}"
_QUEUE = "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}"

SERVICES = {
    "s3": _service(
        _action("GetObject", _OBJECT, keys="s3:ExistingObjectTag/<key>"),
        _action("PutObject", _OBJECT),
        _action("ListBucket", _BUCKET, keys="s3:prefix s3:max-keys"),
        _action("ListAllMyBuckets"),
        String="s3:prefix s3:ExistingObjectTag/<key>",
        Numeric="s3:max-keys",
    ),
    "sqs": _service(_action("SendMessage", _QUEUE), _action("ListQueues")),
    "sts": _service(
        _action(
            "AssumeRole", _ROLE, keys="sts:ExternalId sts:RoleSessionName sts:SourceIdentity sts:TransitiveTagKeys"
        ),
        _action("AssumeRoleWithWebIdentity", _ROLE, keys="sts:RoleSessionName"),
        _action("AssumeRoleWithSAML", _ROLE, keys="sts:RoleSessionName saml:aud"),
        _action("TagSession", _ROLE),
        _action("GetWebIdentityToken", keys="sts:DurationSeconds"),
        _action("GetCallerIdentity"),
        _action("GetSessionToken"),
        String="sts:ExternalId sts:RoleSessionName sts:SourceIdentity saml:aud token.actions.githubusercontent.com:ref",
        ArrayOfString="sts:TransitiveTagKeys",
        Numeric="sts:DurationSeconds",
    ),
    "iam": _service(_action("PassRole", _ROLE, keys="iam:PassedToService"), String="iam:PassedToService"),
    "codestar-connections": _service(
        _action("UseConnection", "arn:${Partition}:codestar-connections:${Region}:${Account}:connection/${Id}")
    ),
}
_OTHERS = {"saml": "sts", "token.actions.githubusercontent.com": "sts"}


class FewServices:
    """A service reference that contains only the services in SERVICES."""

    def services(self) -> Collection[str]:
        """Return the prefixes of all services."""
        return SERVICES.keys()

    def service(self, prefix: str) -> ServiceFacts | None:
        """Return the service with this prefix, or None."""
        return SERVICES.get(prefix)

    def key_owner(self, lower: str) -> ServiceFacts | None:
        """Return STS for condition keys of identity providers, otherwise the service of the key's prefix."""
        return SERVICES.get(_OTHERS.get(lower.partition(":")[0], ""))


def report(document: str | Json, kind: PolicyKind | None = None, *, has_reference: bool = True) -> LintReport:
    """Return the lint report of a text, or of a document dumped as JSON."""
    written = document if isinstance(document, str) else json.dumps(document)
    reference = FewServices() if has_reference else None
    return lint(parse_json(written, "p.json"), len(written), kind, reference=reference)


def codes(document: str | Json, kind: PolicyKind | None = None, *, has_reference: bool = True) -> list[str]:
    """Return the codes of all findings, sorted by line."""
    return [finding.rule.code for finding in report(document, kind, has_reference=has_reference).findings]


def policy(*statements: Json, version: str = "2012-10-17") -> str:
    """Return a policy document of these statements."""
    return text(*statements, version=version)
