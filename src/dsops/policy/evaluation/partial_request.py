"""Evaluate policies on a request of which condition keys or parts of the resource are unknown.

An unknown part never allows: an Allow statement applies only if it would apply for every possible value, and a Deny
statement applies if it would apply for at least one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from dsops.policy.evaluation.consulted import Effect, Policies
from dsops.policy.evaluation.evaluate import Decision
from dsops.policy.evaluation.question import Request
from dsops.policy.language.conditions import Condition, fold_context
from dsops.policy.language.letters import lower_case
from dsops.policy.language.match import split_arn
from dsops.policy.language.policy import Policy, Statement
from dsops.policy.language.reach import is_unknown, reach_of
from dsops.policy.language.tokens import Context, PolicyVariable, tokenize
from dsops.startup import NamedTuple

RESOURCE = "resource"
"""The word that stands for an unknown resource among the unknown condition keys."""

Applies = Literal["yes", "no", "maybe"]


class PartialRequest(NamedTuple):
    """A request, and what is known of it."""

    request: Request
    forms: tuple[str, ...]
    """The possible ARNs of the resource, with the characters of `reach` for unknown parts."""
    is_settled: Callable[[str], bool]
    """Whether a condition key (in lower case) that the context lacks is known to be absent."""


class PartialDecision(NamedTuple):
    """The decision of a set of policies on a partly unknown request."""

    effect: Effect
    policy: Policy | None
    statement: Statement | None
    """The Allow or Deny statement that decided; None if no statement allowed the request."""
    unknown: tuple[str, ...] = ()
    """The condition keys, or `resource`, whose unknown values caused a denial."""

    def as_decision(self, request: Request, policies: Sequence[Policy]) -> Decision:
        """Return the decision as one of session policies, for AWS's error message."""
        is_allowed = self.effect == "Allow"
        consulted = Policies(session=(tuple(policies),))
        return Decision(is_allowed, self.effect, "session policy", self.policy, self.statement, request, consulted)


class _Entry(NamedTuple):
    """A statement with the condition keys that it depends on."""

    policy: Policy
    statement: Statement
    conditions: tuple[tuple[Condition, tuple[str, ...]], ...]
    """Each condition with its own key and the keys of its variables, in lower case."""
    resource_keys: tuple[str, ...]
    """The keys of the variables in the Resource element."""


class LimitingPolicies:
    """Policies that act like the session policies of one session: one must allow, and none may deny."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.policies = tuple(policies)
        entries = [_entry(policy, statement) for policy in self.policies for statement in policy.statements]
        self._denials = [entry for entry in entries if entry.statement.effect == "Deny"]
        self._grants = [entry for entry in entries if entry.statement.effect == "Allow"]

    def decide(self, partial: PartialRequest) -> PartialDecision:
        """Decide a request: the first Deny that may apply, or the first Allow that applies for every value."""
        prepared = _Prepared(partial)
        for entry in self._denials:
            applies, unknown = prepared.test(entry)
            if applies != "no":
                return PartialDecision("ExplicitDeny", entry.policy, entry.statement, unknown)
        missing: dict[str, None] = {}
        for entry in self._grants:
            applies, unknown = prepared.test(entry)
            if applies == "yes":
                return PartialDecision("Allow", entry.policy, entry.statement)
            if applies == "maybe":
                missing |= dict.fromkeys(unknown)
        return PartialDecision("ImplicitDeny", None, None, tuple(missing))


class _Prepared:
    """A partly unknown request, prepared for tests against many statements."""

    __slots__ = ("_action", "_context", "_forms", "_is_partial", "_is_settled", "_parts", "_resource")

    def __init__(self, partial: PartialRequest) -> None:
        request = partial.request
        self._action = lower_case(request.action)
        self._resource = request.resource
        self._parts = split_arn(request.resource)
        self._forms = partial.forms
        self._is_partial = partial.forms != (request.resource,) or is_unknown(request.resource)
        self._is_settled = partial.is_settled
        self._context = _known(fold_context(request.context))

    def test(self, entry: _Entry) -> tuple[Applies, tuple[str, ...]]:
        """Return whether the statement applies, and the unknown keys on which this depends."""
        statement = entry.statement
        if not statement.actions.matches(self._action):
            return "no", ()
        unknown: dict[str, None] = {}
        about_resource = self._test_resource(entry)
        if about_resource == "no":
            return "no", ()
        if about_resource == "maybe":
            unknown |= dict.fromkeys(self._unknown(entry.resource_keys) or (RESOURCE,))
        for condition, keys in entry.conditions:
            missing = self._unknown(keys)
            if missing:
                unknown |= dict.fromkeys(missing)
                continue
            answer = condition.test(self._context)
            if not answer and (answer is not None or statement.effect == "Allow"):
                return "no", ()
        return ("maybe", tuple(unknown)) if unknown else ("yes", ())

    def _unknown(self, keys: Iterable[str]) -> tuple[str, ...]:
        return tuple(key for key in keys if key not in self._context and not self._is_settled(key))

    def _test_resource(self, entry: _Entry) -> Applies:
        element = entry.statement.resources
        if element is None:
            return "yes"
        if self._unknown(entry.resource_keys):
            return "maybe"
        if not self._is_partial:
            return "yes" if element.matches(self._resource, self._parts, lambda: self._context) else "no"
        has_variables = entry.policy.version == "2012-10-17"
        reached = [reach_of(element, form, self._context, has_variables=has_variables) for form in self._forms]
        if all(form.covers for form in reached):
            return "yes"
        return "maybe" if any(form.meets for form in reached) else "no"


def _known(context: Context) -> Mapping[str, tuple[str, ...]]:
    """Return the context without keys of which a value is partly unknown."""
    return {key: values for key, values in context.items() if not any(map(is_unknown, values))}


def _entry(policy: Policy, statement: Statement) -> _Entry:
    has_variables = policy.version == "2012-10-17"
    conditions = tuple(
        (condition, tuple(dict.fromkeys((lower_case(condition.key), *_variables(condition.values, has_variables)))))
        for condition in statement.conditions
    )
    written = statement.resources.written if statement.resources is not None else ()
    return _Entry(policy, statement, conditions, tuple(dict.fromkeys(_variables(written, has_variables))))


def _variables(texts: Sequence[str], has_variables: bool) -> Iterable[str]:  # noqa: FBT001 - the language's version
    for text in texts if has_variables else ():
        try:
            tokens = tokenize(text, has_variables=True, has_wildcards=False)
        except ValueError:
            continue
        yield from (token.key for token in tokens if isinstance(token, PolicyVariable))
