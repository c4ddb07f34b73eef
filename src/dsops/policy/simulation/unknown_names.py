"""Report actions and condition keys in questions that do not exist on AWS.

A denial of a request with such a name proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsops.policy.language.letters import lower_case
from dsops.policy.linting.keys import GLOBAL_KEYS, TAG_KEYS
from dsops.policy.linting.name_lookup import NameLookup, meant
from dsops.policy.linting.reference import AuthorizationReference
from dsops.policy.simulation.case import Case


def name_notes(cases: Sequence[Case], file: str, reference: AuthorizationReference | None) -> list[str]:
    """Return a sentence for each unknown action and condition key; [] without a `reference`."""
    lookup = NameLookup(reference)
    if not lookup.has_services:
        return []
    notes: dict[str, str] = {}
    for case in cases:
        place = f"{file}:{case.line}: " if file else ""
        for name, sentence in _unknown(case, lookup):
            notes.setdefault(name, f"{place}{sentence}")
    return list(notes.values())


def _unknown(case: Case, lookup: NameLookup) -> Iterator[tuple[str, str]]:
    """Yield each unknown name with a sentence about it. A condition key's value is never included: it may be secret."""
    prefix, _, name = case.asked.action.partition(":")
    service = lookup.service(lower_case(prefix))
    if service is None:
        hint = meant(prefix, lookup.services(), f":{name}")()
        yield case.asked.action, _sentence(f"AWS has no service with the prefix `{prefix}`", hint)
    elif lookup.actions(case.asked.action) == ():
        hint = meant(name, [facts.name for facts in service.actions.values()], before=f"{prefix}:")()
        yield case.asked.action, _sentence(f"{prefix} has no action `{name}` that AWS documents", hint)
    for key in case.asked.context:
        owner = lower_case(key).partition(":")[0]
        # AWS's reference does not contain a provider's claims.
        if lookup.key_type(lower_case(key)) is None and "." not in owner:
            names = (*GLOBAL_KEYS, *TAG_KEYS) if owner == "aws" else ()
            yield key, _sentence(f"AWS has no condition key `{key}`", meant(key, names)())


def _sentence(text: str, hint: str) -> str:
    return f"{text}; {hint}" if hint else text
