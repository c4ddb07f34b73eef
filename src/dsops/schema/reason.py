"""Checks of the key `reason_to`; imported only for a store that has it."""

from __future__ import annotations

from collections.abc import Sequence

from dsops.schema.store_type import MOST_TAGS, REASON_TO, Conflict, Settings

SOURCE_IDENTITY = "source_identity"
_TAG = "tag:"
_INSTEAD = f"write `{REASON_TO}: tag:Reason`"


def reason_tag(settings: Settings) -> str:
    """Return the key of the session tag that contains the reason; "" if the reason is not sent as a tag."""
    to = settings.get(REASON_TO, "")
    return to.removeprefix(_TAG) if isinstance(to, str) and to.startswith(_TAG) else ""


def check_reason_tag(settings: Settings, tags: Sequence[str]) -> list[Conflict]:
    """Return conflicts between the reason's tag and AWS's limits or the other tags.

    `tags` are the keys of the store's other tags.
    """
    tag = reason_tag(settings)
    if not tag:
        return []
    same = [name for name in tags if name.lower() == tag.lower()]
    if same:
        message = f"the reason is to become the tag `{tag}`, and `tags` has `{same[0]}`"
        return [Conflict(REASON_TO, message, "remove one of the two")]
    if len(tags) >= MOST_TAGS:
        message = f"with the tag of the reason there are {len(tags) + 1} tags, and the most is {MOST_TAGS}"
        return [Conflict(REASON_TO, message, "remove one of `tags`")]
    if tag.lower().startswith("aws:"):
        message = f"the tag `{tag}` begins with `aws:`, which AWS keeps for itself"
        return [Conflict(REASON_TO, message, _INSTEAD)]
    return []


def check_reason_identity(settings: Settings) -> list[Conflict]:
    """If the reason is sent as the source identity, return conflicts with other keys of the store.

    For example, the key `source_identity` is a conflict.
    """
    if settings[REASON_TO] != SOURCE_IDENTITY:
        return []
    if SOURCE_IDENTITY in settings:
        message = "`reason_to` makes the reason the source identity, and `source_identity` is set, too"
        return [Conflict(REASON_TO, message, f"remove one of the two, or {_INSTEAD}")]
    if "federated_user_name" in settings:
        return [Conflict(REASON_TO, "GetFederationToken takes no source identity", _INSTEAD)]
    return []
