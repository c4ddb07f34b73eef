"""Complete a question with policies and facts from a source.

This module does no I/O, so the work has two steps. `needs_of` returns the facts that the question needs, and the
calling code reads them from a source (files, a sandbox, live AWS). `complete` then adds the facts to the question.

Policies that are given with the question take precedence over those of the source. Facts that the source could not
read are listed as unread, and never treated as absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from dsops.arn import parse_arn
from dsops.errors import PolicyInvalid
from dsops.policy.language.grammar import parse_policy
from dsops.policy.language.letters import lower_case
from dsops.policy.language.policy import Policy
from dsops.policy.language.session_actions import is_about_roles
from dsops.policy.simulation.case import CaseQuestion, Place
from dsops.policy.simulation.compiled import PolicySet, is_kms_key
from dsops.policy.simulation.facts import AccountPlace, Attached, Facts, Needs, PolicyText, ResourcePolicy
from dsops.policy.simulation.uncertain import Unread

_CALLERS_PLACES: Final[tuple[Place, ...]] = ("identity", "boundary")
_CALLERS_KEYS: Final = ("aws:principaltag/", "aws:userid")
_ROLE_TAGS: Final = ("aws:ResourceTag", "iam:ResourceTag")


class CompletedQuestion(NamedTuple):
    """A question with its policies, and a list of the parts that could not be read."""

    asked: CaseQuestion
    policies: PolicySet
    unread: tuple[Unread, ...]


def needs_of(question: CaseQuestion, policies: PolicySet) -> Needs:
    """Return the facts that the question needs and that the policies given with it do not contain."""
    principal = question.principal
    caller_kind: Literal["role", "user", "federated-session"] | None = None
    if any(place not in policies for place in _CALLERS_PLACES):
        if principal.kind == "role-session":
            caller_kind = "role"
        elif principal.kind in ("user", "federated-session"):
            caller_kind = "user" if principal.kind == "user" else "federated-session"
    has_arn = parse_arn(question.resource) is not None
    has_policy = "trust" in policies or "resource" in policies
    caller = principal.issuer_arn if caller_kind == "role" else principal.arn
    return Needs(
        caller if caller_kind is not None else "",
        caller_kind,
        question.resource if has_arn else "",
        _resource_kind(question) if has_arn and not has_policy else None,
        question.action,
        principal.account,
        question.resource_account,
    )


def complete(case_question: CaseQuestion, policies: PolicySet, facts: Facts) -> CompletedQuestion:
    """Return the question, completed with the policies, tags, ids and paths from the facts."""
    question = _Question(case_question, policies)
    if facts.caller is not None:
        question.take_caller(facts.caller)
    if facts.role is not None:
        question.take_role(facts.role)
    if facts.resource is not None:
        question.take_resource(facts.resource)
    if facts.callers_account is not None:
        question.take_account(facts.callers_account, "scp", "aws:PrincipalOrg")
    if facts.resources_account is not None:
        question.take_account(facts.resources_account, "rcp", "aws:ResourceOrg")
    return question.completed(facts.unread)


def _resource_kind(question: CaseQuestion) -> Literal["role", "secret", "key", "other"]:
    arn = parse_arn(question.resource)
    if arn is not None and (arn.service, arn.resource_type) == ("secretsmanager", "secret"):
        return "secret"
    if is_kms_key(question.resource):
        return "key"
    return "role" if is_about_roles(question.action) else "other"


class _Question:
    """A question that is being completed."""

    def __init__(self, question: CaseQuestion, policies: PolicySet) -> None:
        self._asked = question
        self._policies: dict[Place, tuple[tuple[Policy, ...], ...]] = dict(policies)
        self._unread: list[Unread] = []

    def completed(self, also_unread: tuple[Unread, ...]) -> CompletedQuestion:
        return CompletedQuestion(self._asked, self._policies, (*self._unread, *also_unread))

    def take_caller(self, attached: Attached) -> None:
        """Add the caller's policies, permissions boundary, path, id and tags."""
        if "identity" not in self._policies:
            self._add_policies("identity", attached.identity, attached.unread_identity)
        if "boundary" not in self._policies:
            self._add_policies("boundary", filter(None, [attached.boundary]), (attached.unread_boundary,))
        entity, principal = attached.entity, self._asked.principal
        if entity is None:
            self._miss_keys(_CALLERS_KEYS, attached.unread_entity)
            return
        completed = principal._replace(unique_id=principal.unique_id or entity.unique_id)
        is_role = principal.kind == "role-session"
        completed = completed._replace(issuer_arn=entity.arn) if is_role else completed._replace(arn=entity.arn)
        self._asked = self._asked._replace(principal=completed)
        self._learn_tags(("aws:PrincipalTag",), entity.tags)

    def take_role(self, role: Attached) -> None:
        """Add the trust policy and tags of the role that is the question's resource."""
        if role.trust is not None:
            self._add_policies("trust", [role.trust], [role.unread_trust])
        elif role.entity is None or role.is_template:
            self._add_policies("trust", (), [role.unread_trust or role.unread_entity])
        else:
            text = PolicyText(f"the trust policy of {role.entity.arn}", role.entity.trust_policy)
            self._add_policies("trust", [text], ())
        if role.entity is None:
            self._miss_keys([lower_case(f"{prefix}/") for prefix in _ROLE_TAGS], role.unread_entity)
        else:
            self._learn_tags(_ROLE_TAGS, role.entity.tags)

    def take_resource(self, resource: ResourcePolicy) -> None:
        """Add the policy and tags of the resource."""
        self._add_policies("resource", filter(None, [resource.policy]), [resource.unread_policy])
        service = lower_case(self._asked.action.partition(":")[0])
        # In a request to a KMS key, only the global condition key aws:ResourceTag contains the key's tags.
        services = ("aws",) if is_kms_key(self._asked.resource) else ("aws", service)
        prefixes = [f"{name}:ResourceTag" for name in services]
        self._miss_keys([lower_case(f"{prefix}/") for prefix in prefixes], resource.unread_tags)
        self._learn_tags(prefixes, dict(resource.tags))

    def take_account(self, place: AccountPlace, kind: Literal["scp", "rcp"], prefix: str) -> None:
        """Add the id and path of an account's organization, and the control policies that apply to the account."""
        if place.organization_id:
            self._learn({f"{prefix}ID": (place.organization_id,)})
        if place.path:
            self._learn({f"{prefix}Paths": (place.path,)})
        if place.organization_id is None:
            self._miss_keys((lower_case(f"{prefix}ID"), lower_case(f"{prefix}Paths")), place.unread)
        elif place.organization_id and not place.path:
            self._miss_keys((lower_case(f"{prefix}Paths"),), place.unread)
        if kind in self._policies:
            return
        if place.levels is None:
            self._unread.append(Unread(kind, f"{place.unread}; give them with --{kind}, or say that there are `none`"))
            return
        self._policies[kind] = tuple(self._compiled(kind, level) for level in place.levels[kind])

    def _add_policies(self, place: Place, policies: Iterable[PolicyText | Policy], missing: Iterable[str]) -> None:
        """Add the policies of one place. Each reason why a policy is missing becomes an Unread."""
        compiled = self._compiled(place, policies)
        self._policies[place] = (compiled,) if compiled else ()
        self._unread += [Unread(place, why) for why in missing if why]

    def _compiled(self, place: Place, policies: Iterable[PolicyText | Policy]) -> tuple[Policy, ...]:
        compiled = []
        for policy in policies:
            if isinstance(policy, Policy):
                compiled.append(policy)
                continue
            try:
                compiled.append(parse_policy(policy.text, place, name=policy.name))
            except PolicyInvalid as error:
                self._unread.append(Unread(place, f"{policy.name} can't be used: {error.problems[0].message}"))
        return tuple(compiled)

    def _miss_keys(self, keys: Sequence[str], why: str) -> None:
        if why:
            self._unread.append(Unread("context", why, tuple(keys)))

    def _learn_tags(self, prefixes: Iterable[str], tags: Mapping[str, str]) -> None:
        self._learn({f"{prefix}/{key}": (value,) for prefix in prefixes for key, value in tags.items()})

    def _learn(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        """Add condition keys. A key given with the question takes precedence, even in a different case."""
        given_keys = {lower_case(key) for key in self._asked.context}
        new = {key: values for key, values in keys.items() if lower_case(key) not in given_keys}
        self._asked = self._asked._replace(context=new | dict(self._asked.context))
