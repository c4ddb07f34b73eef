"""Read values from a document with type checks; collect all problems, each with its line."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from collections.abc import Mapping as MappingOf
from typing import Final

from dsops.document import Mapping, Node, Scalar, Sequence, to_json
from dsops.errors import Problem, Where, nearest
from dsops.request.question import Tags

_NAME: Final = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_PATH: Final = re.compile(r"/|/[\x21-\x7e]+/")


class Nodes:
    """Reads nodes of one file, and collects `problems` in the order found."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self.file = file

    def note(self, line: int, path: str, message: str, hint: str = "") -> None:
        """Report a problem."""
        self.problems.append(Problem(Where(self.file, line), path, message, hint))

    def keys(self, node: Node, path: str, known_keys: tuple[str, ...]) -> dict[str, Node]:
        """Return a mapping's values by key; an empty node is an empty mapping. Reports and drops unknown keys."""
        if isinstance(node, Scalar) and node.kind == "null":
            return {}
        if not isinstance(node, Mapping):
            self.note(node.line, path, "this must be a mapping")
            return {}
        values = {}
        for key, value in node.entries:
            if key.text in known_keys:
                values[key.text] = value
                continue
            suggestion = nearest(key.text, known_keys)
            hint = f"did you mean `{suggestion}`?" if suggestion else f"known are {', '.join(known_keys)}"
            self.note(key.line, f"{path}.{key.text}".lstrip("."), f"unknown key `{key.text}`", hint)
        return values

    def entries(self, node: Node | None, path: str) -> Iterator[tuple[Scalar, Node]]:
        """Yield the entries of a mapping; yield nothing for an empty or absent mapping."""
        if node is None or (isinstance(node, Scalar) and node.kind == "null"):
            return
        if not isinstance(node, Mapping):
            self.note(node.line, path, "this must be a mapping")
            return
        yield from node.entries

    def name(self, key: Scalar, path: str) -> str:
        """Return a key as the name of a user, role, group or policy. Reports an invalid name."""
        if not _NAME.fullmatch(key.text):
            self.note(key.line, f"{path}.{key.text}", f"`{key.text}` is not a name", "letters, digits and +=,.@_-")
        return key.text

    def text(self, node: Node, path: str) -> str:
        """Return the text of a scalar. Numbers are returned as written."""
        if isinstance(node, Scalar) and node.kind != "null":
            return node.text
        self.note(node.line, path, "this must be a text")
        return ""

    def texts(self, node: Node | None, path: str) -> Iterator[str]:
        """Yield the texts in a list."""
        if node is None:
            return
        if not isinstance(node, Sequence):
            self.note(node.line, path, "this must be a list")
            return
        for index, item in enumerate(node.items):
            yield self.text(item, f"{path}[{index}]")

    def value(self, node: Node, _: str = "") -> str:
        """Return the text of a secret: a scalar as written, any other node as compact JSON."""
        if isinstance(node, Scalar):
            return "" if node.kind == "null" else node.text
        return to_json(node)

    def base64_text(self, node: Node, path: str) -> str:
        """Return base64 text, normalized as the API returns it. Reports invalid base64."""
        text = self.text(node, path)
        try:
            return base64.b64encode(base64.b64decode(text, validate=True)).decode()
        except (binascii.Error, ValueError):
            self.note(node.line, path, "this must be base64")
            return ""

    def matching(
        self, keys: MappingOf[str, Node], name: str, path: str, is_valid: Callable[[str], object], description: str
    ) -> str:
        """Return the text under the key `name`, or "" if the key is absent. Reports text that is not valid.

        The `description` of valid text becomes part of the message for the user.
        """
        if name not in keys:
            return ""
        text = self.text(keys[name], f"{path}.{name}")
        if not text or is_valid(text):
            return text
        # The message omits the text, which may be a secret.
        self.note(keys[name].line, f"{path}.{name}", f"`{name}` must be {description}")
        return ""

    def iam_path(self, keys: MappingOf[str, Node], path: str) -> str:
        """Return the IAM path under the key `path`, or "/" if the key is absent."""
        return self.matching(keys, "path", path, _PATH.fullmatch, "like /team/") or "/"

    def region(self, node: Node, path: str) -> str:
        """Return the name of a region. Reports an invalid name."""
        region = self.text(node, path)
        if not re.fullmatch(r"[a-z]{2,4}(-[a-z]+){1,2}-[0-9]", region):
            self.note(node.line, path, f"`{region}` is not a region", "such as eu-west-1")
        return region

    def tags(self, node: Node | None, path: str) -> Tags:
        """Return the tags in a mapping of texts."""
        return tuple((key.text, self.text(value, f"{path}.{key.text}")) for key, value in self.entries(node, path))
