"""The reason of a run -> the source identity or the session tag that a store with `reason_to` makes of it.

A session issued for one reason is another one than for the next: both are part of its fingerprint.
"""

from __future__ import annotations

from dsops.document import Scalar
from dsops.errors import LimitExceeded
from dsops.model import Field
from dsops.plan.draft import Draft
from dsops.plan.findings import PlanFindings
from dsops.schema import REASON_TO, StoreKey, check_setting
from dsops.schema.reason import SOURCE_IDENTITY, reason_tag


def give_reason(draft: Draft, reason: str, findings: PlanFindings) -> None:
    """Puts the reason where the store says; one that AWS would not take there is found, and never changed."""
    key = _key(draft)
    place, path = draft.place.where(REASON_TO), draft.place.path_of(REASON_TO)
    checked = check_setting(key, Field(Scalar(reason, "text", place.line), place), path)
    for problem in (*checked.problems, *checked.limits):
        findings.add_problem(problem, LimitExceeded)
    tag = reason_tag(draft.settings)
    for settings in (draft.settings, draft.identity):
        if not tag:
            settings[SOURCE_IDENTITY] = reason
            continue
        tags = settings.get("tags", ())
        pairs = [pair for pair in tags if isinstance(pair, tuple)] if isinstance(tags, tuple) else []
        texts = [(name, value) for name, value in pairs if isinstance(value, str)]
        settings["tags"] = (*texts, (tag, reason))


def _key(draft: Draft) -> StoreKey:
    """What AWS takes there, as of a key that is called what people type."""
    name = "tags" if reason_tag(draft.settings) else SOURCE_IDENTITY
    key = next(key for key in draft.type.keys if key.name == name)
    if name == "tags":
        key = key._replace(kind="text", minimum=None, maximum=key.maximum_value)
    return key._replace(name="--reason")
