"""Invent values for secrets. A value is JSON that contains the fields which variables read."""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable

from dsops.model import Transform
from dsops.seed.planned_identities import document
from dsops.transform import parse_path


class Value:
    """An invented value: JSON with the fields that variables read, or plain text if they read no field."""

    def __init__(self, name: str) -> None:
        self.readers: list[str] = []
        self._name = name
        self._paths: list[tuple[str | int, ...]] = []
        self._is_encoded = False

    def add(self, paths: Iterable[str], *, is_encoded: bool) -> None:
        """Add the fields that a variable reads."""
        self._is_encoded = self._is_encoded or is_encoded
        for path in paths:
            steps = parse_path(path) if path[:1] in (".", "[") else (path,)
            if steps and steps not in self._paths:
                self._paths.append(steps)

    def text(self) -> str:
        """Return the value as text. It is base64-encoded if a variable decodes it."""
        root: object = None
        for steps in self._paths:
            root = _with_leaf(root, steps, f"invented-{steps[-1]}")
        text = f"invented-{self._name.rpartition('/')[2]}" if root is None else json.dumps(root)
        return binascii.b2a_base64(text.encode(), newline=False).decode() if self._is_encoded else text

    def policy(self) -> str | None:
        """Return a resource policy for readers in other accounts; None if there are no such readers."""
        if not self.readers:
            return None
        readers = list(dict.fromkeys(self.readers))
        return document(
            [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": readers},
                    "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
                    "Resource": "*",
                }
            ]
        )


def _with_leaf(node: object, steps: tuple[str | int, ...], leaf: str) -> object:
    """Return the JSON value with a leaf added at the path.

    If a field is added below an existing leaf, a mapping replaces that leaf.
    """
    if not steps:
        return leaf if node is None else node
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        items = list(node) if isinstance(node, list) else []
        index = step if step >= 0 else len(items) + step
        items += [None] * (index + 1 - len(items))
        items[index] = _with_leaf(items[index], rest, leaf)
        return items
    fields = dict(node) if isinstance(node, dict) else {}
    fields[step] = _with_leaf(fields.get(step), rest, leaf)
    return fields


def extracted(transforms: tuple[Transform, ...]) -> list[str]:
    """Return the path of the first extraction if only trimming and decoding precede it; otherwise []."""
    for transform in transforms:
        if transform.name in ("json_extract", "yaml_extract"):
            return [transform.argument]
        if transform.name not in ("trim", "base64_decode"):
            return []
    return []
