"""One action on one resource, with the statements of policies that can be about it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple

from dsops.access.facts.world import Gap, PolicyDocument
from dsops.access.questions.alike import ConsultedParts, ids_of
from dsops.access.questions.answer import AccessAnswer
from dsops.arn import parse_arn
from dsops.policy import Policy, PolicySet, Statement, lower_case


class _Relevant(NamedTuple):
    """What a document says about a topic."""

    document: PolicyDocument
    """Kept, so that no other document gets its id."""
    policy: Policy
    problem: str


class Topic:
    """One action on one resource. It remembers which statements of each policy can be about them, and the answers."""

    def __init__(
        self,
        action: str,
        resource: str,
        context: Mapping[str, tuple[str, ...]] | None = None,
        gaps: tuple[Gap, ...] = (),
    ) -> None:
        """Take the action and the resource of the requests.

        - `context`: condition keys with the values that every request about the topic has; () for an absent key.
        - `gaps`: condition keys whose values are not known, beside those that the world does not know.
        """
        self.action = action
        self.resource = resource
        self.context = context or {}
        self.gaps = gaps
        self.is_about_sessions = lower_case(action).startswith("sts:")
        """Whether a role's trust policy decides on the action. It does not decide on those of IAM, such as PassRole."""
        self.lower_action = lower_case(action)
        self._parts = tuple(resource.split(":", 5)) if parse_arn(resource) is not None else None
        self._relevant: dict[int, _Relevant] = {}
        self._consulted: dict[Hashable, ConsultedParts] = {}
        self.answers: dict[Hashable, AccessAnswer] = {}
        """The answers to callers that are alike (see `alike`)."""

    def relevant(self, document: PolicyDocument) -> Policy:
        """Return the policy with only its statements about this topic. A document with a problem has none."""
        known = self._relevant.get(id(document))
        return known.policy if known is not None else self._known(document).policy

    def problem(self, document: PolicyDocument) -> str:
        """Return why the document can't be used for this topic; "" if it can."""
        return self._known(document).problem

    def consulted(self, policies: PolicySet) -> tuple[Hashable, ConsultedParts]:
        """Return the ids of policies that `relevant` returned, and what these look at in a request."""
        ids = ids_of(policies)
        known = self._consulted.get(ids)
        if known is None:
            known = self._consulted[ids] = ConsultedParts.by(policies)
        return ids, known

    def _known(self, document: PolicyDocument) -> _Relevant:
        known = self._relevant.get(id(document))
        if known is None:
            known = self._relevant[id(document)] = self._filtered(document)
        return known

    def _filtered(self, document: PolicyDocument) -> _Relevant:
        about = document.about(self.lower_action)
        if about.is_of_any_resource:
            return _Relevant(document, about.policy, about.problem)
        statements = tuple(filter(self._is_about, about.policy.statements))
        return _Relevant(document, about.policy._replace(statements=statements), "")

    def _is_about(self, statement: Statement) -> bool:
        resources = statement.resources
        if resources is None or any("${" in text for text in resources.written):
            return True
        return resources.matches(self.resource, self._parts, dict)
