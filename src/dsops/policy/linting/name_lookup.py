"""Look up actions and condition keys in AWS's reference, with cached results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from dsops.policy.language.letters import lower_case
from dsops.policy.linting.keys import global_key_type
from dsops.policy.linting.patterns import filled, glob, has_wildcard, is_template
from dsops.policy.linting.reference import ActionFacts, AuthorizationReference, ServiceFacts


class NameLookup:
    """Looks up names of services, actions and condition keys.

    Without a reference it knows only global condition keys.
    """

    def __init__(self, reference: AuthorizationReference | None) -> None:
        self._reference = reference
        self._actions: dict[str, tuple[ActionFacts, ...] | None] = {}
        self._types: dict[str, str | None] = {}
        self._keys: dict[tuple[ActionFacts, str], bool] = {}

    @property
    def has_services(self) -> bool:
        """Whether the lookup has a reference."""
        return self._reference is not None

    def services(self) -> Collection[str]:
        """Return the prefixes of all services."""
        return self._reference.services() if self._reference else ()

    def service(self, prefix: str) -> ServiceFacts | None:
        """Return the service with the given prefix (in lower case)."""
        return self._reference.service(prefix) if self._reference else None

    def actions(self, text: str) -> tuple[ActionFacts, ...] | None:
        """Return the actions that match the text of an Action element.

        The result is None if the actions are unknown: for `*`, or for a service that the reference lacks.
        """
        lower = lower_case(text)
        if lower not in self._actions:
            self._actions[lower] = self._find_actions(lower)
        return self._actions[lower]

    def _find_actions(self, lower: str) -> tuple[ActionFacts, ...] | None:
        prefix, colon, name = lower.partition(":")
        service = self.service(prefix) if colon else None
        if service is None:
            return None
        if not has_wildcard(name):
            action_facts = service.actions.get(name)
            return (action_facts,) if action_facts else ()
        test = glob(name)
        return tuple(facts for action, facts in service.actions.items() if test(action))

    def key_type(self, lower: str) -> str | None:
        """Return the type of a condition key, given in lower case; None for an unknown key."""
        if lower not in self._types:
            self._types[lower] = global_key_type(lower) or self._service_key_type(lower)
        return self._types[lower]

    def _service_key_type(self, lower: str) -> str | None:
        service = self.key_owner(lower)
        if service is None:
            return None
        return service.keys.get(lower) or next(
            (kind for key, kind in service.keys.items() if is_template(key) and _fits(key, lower)), None
        )

    def key_owner(self, lower: str) -> ServiceFacts | None:
        """Return the service that the condition key belongs to; None for an unknown service."""
        if self._reference is None:
            return None
        return self._reference.service(lower.partition(":")[0]) or self._reference.key_owner(lower)

    def has_key(self, facts: ActionFacts, lower: str) -> bool:
        """Whether requests for the action may have the condition key."""
        pair = facts, lower
        if pair not in self._keys:
            self._keys[pair] = lower in facts.keys or any(_fits(key, lower) for key in facts.keys if is_template(key))
        return self._keys[pair]


def _fits(template: str, lower: str) -> bool:
    return glob(filled(template))(lower)


def meant(word: str, names: Iterable[str], after: str = "", *, before: str = "") -> Callable[[], str]:
    """Return a function that returns a hint with the name most similar to `word`, or "" if none is similar.

    The search is slow, so the function is called only if the hint is shown.
    """

    def hint() -> str:
        from difflib import get_close_matches

        plain = {lower_case(name): name for name in names}
        # Among thousands of names many are similar, so only a close match is suggested.
        near = get_close_matches(lower_case(word), plain, n=1, cutoff=0.8)
        return f"did you mean `{before}{plain[near[0]]}{after}`?" if near else ""

    return hint
