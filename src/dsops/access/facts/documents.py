"""Keep one `PolicyDocument` for each distinct policy.

Each account of an organization has its own copy of AWS's managed policies, so most policies occur many times.
"""

from __future__ import annotations

import json
from urllib.parse import unquote

from dsops.access.facts.world import PolicyDocument
from dsops.policy import PolicyKind


class Documents:
    """The policies of a world, by name and kind. Values stay as they are, because writing them as texts takes long."""

    def __init__(self) -> None:
        self._documents: dict[tuple[str, PolicyKind], _Known] = {}

    def of(self, name: str, kind: PolicyKind, value: object) -> PolicyDocument:
        """Return the policy in a JSON value: an object, a text with JSON, or a text that is percent-encoded JSON."""
        # IAM's API percent-encodes policies (RFC 3986); no JSON text starts with `%`.
        content = unquote(value) if isinstance(value, str) and value.lstrip().startswith("%") else value
        known = self._documents.get((name, kind))
        if known is None:
            document = PolicyDocument(name, kind, content)
            self._documents[name, kind] = _Known(document, content)
            return document
        return known.document if known.is_same(content) else PolicyDocument(name, kind, content)


class _Known:
    """The first policy with a name."""

    __slots__ = ("_content", "_has_only_texts", "document")

    def __init__(self, document: PolicyDocument, content: object) -> None:
        self.document = document
        self._content = content
        self._has_only_texts: bool | None = None

    def is_same(self, content: object) -> bool:
        """Whether another JSON value is the same. Python's 1 equals True; such values are not shared."""
        if content != self._content:
            return False
        if self._has_only_texts is None:
            self._has_only_texts = _has_only_texts(self._content)
        return self._has_only_texts


def _has_only_texts(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_has_only_texts, value.values()))
    return all(map(_has_only_texts, value)) if isinstance(value, list) else isinstance(value, str)


def policy_value(text: str | None) -> object:
    """Return the JSON of a policy's text, so that people can read it in a file; a text that is no JSON stays.

    Returns None for "" and None, with which AWS says that there is no policy.
    """
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text
