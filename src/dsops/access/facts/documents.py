"""Keep one `PolicyDocument` for each distinct policy.

Each account of an organization has its own copy of AWS's managed policies, so most policies occur many times.
"""

from __future__ import annotations

import json
from urllib.parse import unquote

from dsops.access.facts.world import PolicyDocument
from dsops.policy import PolicyKind


class Documents:
    """The policies of a world, by name, kind and text."""

    def __init__(self) -> None:
        self._documents: dict[tuple[str, PolicyKind, str], PolicyDocument] = {}

    def of(self, name: str, kind: PolicyKind, value: object) -> PolicyDocument:
        """Return the policy in a JSON value: an object, a text with JSON, or a text that is percent-encoded JSON."""
        text = _policy_text(value)
        document = self._documents.get((name, kind, text))
        if document is None:
            document = self._documents[name, kind, text] = PolicyDocument(name, kind, text)
        return document


def _policy_text(value: object) -> str:
    if not isinstance(value, str):
        try:
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        except RecursionError:
            return '"nested too deeply"'
    # IAM's API percent-encodes policies (RFC 3986); no JSON text starts with `%`.
    return unquote(value) if value.lstrip().startswith("%") else value


def policy_value(text: str | None) -> object:
    """Return the JSON of a policy's text, so that people can read it in a file; a text that is no JSON stays.

    Returns None for "" and None, with which AWS says that there is no policy.
    """
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text
