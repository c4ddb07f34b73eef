"""Parses HTML with Python's parser into elements with attributes and text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"br", "input", "link", "meta"})


@dataclass
class Node:
    """An element with its children."""

    tag: str
    attributes: dict[str, str | None]
    children: list[Node | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in the element."""
        return "".join(entry if isinstance(entry, str) else entry.text for entry in self.children)

    def all(self, tag: str = "", of_class: str = "") -> list[Node]:
        """Every element below this one with this tag and class, in order."""
        below = [entry for entry in self.children if isinstance(entry, Node)]
        found = [node for entry in below for node in (entry, *entry.all())]
        return [entry for entry in found if tag in {"", entry.tag} and (not of_class or of_class in entry.classes)]

    def one(self, tag: str = "", of_class: str = "") -> Node:
        """The only element with this tag and class."""
        (found,) = self.all(tag, of_class)
        return found

    @property
    def classes(self) -> list[str]:
        """The names in its `class`."""
        return (self.attributes.get("class") or "").split()

    def __getitem__(self, name: str) -> str:
        """The value of an attribute; fails if the attribute does not exist or has no value."""
        value = self.attributes[name]
        assert value is not None
        return value


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute stands twice in {tag}"
        node = Node(tag, dict(attrs))
        self._open[-1].children.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Add a self-closing element, as in SVG."""
        self._open[-1].children.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def end(self) -> Node:
        self.close()
        assert self._open == [self.root], "an element was not closed"
        return self.root


def read(html: str) -> Node:
    """Parse the document; fails if an element is not closed, or for anything but elements and text."""
    reader = _Reader()
    reader.feed(html)
    return reader.end()
