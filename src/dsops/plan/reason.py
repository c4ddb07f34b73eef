"""Send the reason of a run to AWS as source identity or session tag, for stores with `reason_to`.

The reason is part of the session's fingerprint, so a run with another reason needs another session.
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
    """Put the reason into the setting that the store's `reason_to` names.

    A reason that AWS would refuse is reported as a problem; it is never changed.
    """
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
    """Return the schema key with the limits of a source identity or tag value, renamed to `--reason` for messages."""
    name = "tags" if reason_tag(draft.settings) else SOURCE_IDENTITY
    key = next(key for key in draft.type.keys if key.name == name)
    if name == "tags":
        key = key._replace(kind="text", minimum=None, maximum=key.maximum_value)
    return key._replace(name="--reason")
