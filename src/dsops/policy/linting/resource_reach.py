"""Rules about statements that never apply, because an action does not support any of the statement's resources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dsops.document import Scalar
from dsops.policy.linting.document_view import DocumentView, View
from dsops.policy.linting.finding import FindingCollector, LintRule
from dsops.policy.linting.name_lookup import NameLookup
from dsops.policy.linting.patterns import filled, glob, has_wildcard, overlap
from dsops.policy.linting.reference import ActionFacts

_REFERENCE: Final = "Service Authorization Reference, the service's tables of actions and resource types"

OTHER_SERVICE: Final = LintRule(
    "resource.other-service",
    "warning",
    "none of the statement's actions applies to this service's resources",
    why="No request for these actions has this resource, so the statement has no effect on it.",
    cure="put the resource into a statement with actions of its service",
    source=_REFERENCE,
)
OTHER_KIND: Final = LintRule(
    "resource.other-kind",
    "warning",
    "an action does not apply to any of the statement's resources",
    why="Each action applies to certain types of resources. s3:GetObject applies to objects, bucket/key; the "
    "bucket's own ARN never matches.",
    cure="name a resource of the action's type",
    source=_REFERENCE,
)
NEEDS_STAR: Final = LintRule(
    "resource.needs-star",
    "warning",
    "an action that supports only the resource `*`",
    why="The action has no resource types, so its requests have no resource, and only `*` matches.",
    cure='put the action into a separate statement with "Resource": "*"',
    source=_REFERENCE,
)

# CodeConnections was renamed, and both prefixes occur in ARNs (AWS CodeConnections, "Connections rename").
_RENAMED: Final = {"codestar-connections": "codeconnections"}

# Comparing two patterns character by character is slow. Real policies need far fewer comparisons than this limit.
_COMPARISONS: Final = 20_000


class ResourceReachCheck:
    """Compares a statement's resources with the ARN formats of its actions."""

    def __init__(self, lookup: NameLookup) -> None:
        self._lookup = lookup
        self._known: dict[tuple[str, str], bool] = {}
        self._left = _COMPARISONS

    def check(self, document: DocumentView, findings: FindingCollector) -> None:
        """Check every statement that has Action and Resource elements (no Not... forms)."""
        for view in document.statements:
            is_plain = not view.are_actions_negated and not view.are_resources_negated
            if is_plain and view.resources and not any(_is_everything(scalar.text) for scalar in view.resources):
                self._check_statement(view, findings)

    def _check_statement(self, view: View, findings: FindingCollector) -> None:
        named = [(scalar, self._lookup.actions(scalar.text)) for scalar in view.actions]
        foreign = self._foreign([facts for _, facts in named], view)
        for scalar in foreign:
            actions = named[0][0].text if len(named) == 1 else "any of the statement's actions"
            message = f"AWS does not list `{scalar.text}` among the resources of {actions}"
            findings.add(OTHER_SERVICE, scalar.line, view.element("Resource"), message)
        foreign_texts = {scalar.text for scalar in foreign}
        resources = [_completed(scalar.text) for scalar in view.resources if scalar.text not in foreign_texts]
        for scalar, actions_found in named:
            if actions_found is None or len(actions_found) != 1 or has_wildcard(scalar.text):
                continue
            facts = actions_found[0]
            if not facts.arns and not any(_is_whole_service(resource) for resource in resources):
                message = f"AWS lists no resources for `{scalar.text}`: it is allowed on `*` only"
                findings.add(NEEDS_STAR, scalar.line, view.element("Action"), message)
            elif self._is_idle(facts, resources, findings):
                message = f"`{scalar.text}` does not apply to any of the statement's resources"
                hint = f"it is about {' or '.join(facts.arns[:3])}"
                findings.add(OTHER_KIND, scalar.line, view.element("Action"), message, hint=hint)

    def _foreign(self, named: list[tuple[ActionFacts, ...] | None], view: View) -> list[Scalar]:
        """Return the resources whose service differs from the services of all actions.

        Returns [] if an action is unknown, or supports no resources.
        """
        if any(not facts for facts in named):
            return []
        services = {_service(arn) for actions in named for facts in actions or () for arn in facts.arns}
        if not services or "" in services:
            return []
        return [scalar for scalar in view.resources if _service(scalar.text) not in {"", *services}]

    def _is_idle(self, facts: ActionFacts, resources: Sequence[str], findings: FindingCollector) -> bool:
        """Whether the action supports resources, but none of the statement's resources."""
        if not facts.arns or not resources or findings.is_full(OTHER_KIND):
            return False
        return not any(self._fits(resource, arn) for resource in resources for arn in facts.arns)

    def _fits(self, resource: str, arn: str) -> bool:
        pair = resource, arn
        if pair not in self._known:
            self._known[pair] = self._compare(filled(resource), filled(arn))
        return self._known[pair]

    def _compare(self, resource: str, arn: str) -> bool:
        service = _service(resource)
        if service and _service(arn) not in {"", service}:
            return False
        test = glob(arn)
        # One of these three texts is nearly always enough to show that the patterns overlap.
        if any(test(resource.replace("*", text).replace("?", "x")) for text in ("x", "", "x/x:x")):
            return True
        self._left -= 1
        return self._left < 0 or overlap(resource, arn)


def _service(text: str) -> str:
    """Return the service of an ARN; "" when the service is a wildcard or the text is no ARN."""
    parts = text.split(":", 3)
    service = parts[2] if len(parts) > 2 and parts[0] == "arn" and not set(parts[2]) & set("*?$") else ""
    return _RENAMED.get(service, service)


def _completed(text: str) -> str:
    """Append `*` for the missing parts of a short ARN, as AWS does in identity policies."""
    parts = text.split(":")
    is_short = 2 < len(parts) < 6 and parts[0] == "arn" and not text.endswith("*")
    return text + ":*" * (6 - len(parts)) if is_short else text


def _is_everything(text: str) -> bool:
    return bool(text) and not text.strip("*")


def _is_whole_service(text: str) -> bool:
    """Whether the ARN matches all resources of a service, such as `arn:aws:s3:::*`.

    It depends on the service whether such an ARN also matches requests without a resource.
    """
    parts = text.split(":", 5)
    return len(parts) == 6 and not parts[5].strip("*")
