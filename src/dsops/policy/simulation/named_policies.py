"""Read the values of a simulation table, and the policies that the table names or contains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from dsops.document import Mapping, Node, Scalar, Sequence
from dsops.errors import Problem, Where, nearest
from dsops.policy.simulation.case import Groups, Place, PolicySource
from dsops.policy.simulation.compiled import FULL_ACCESS

T = TypeVar("T")


class SourceReader:
    """Reads the nodes of one file, and collects `problems` in the order in which it finds them."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._named: dict[str, Node] = {}

    def note(self, line: int, path: str, message: str, hint: str = "") -> None:
        """Add a problem."""
        self.problems.append(Problem(Where(self._file, line), path, message, hint))

    def keys(self, node: Node, path: str, known_keys: tuple[str, ...]) -> dict[str, Node]:
        """Return the known keys of a mapping. An unknown key is a problem, unless it begins with `x-`."""
        values = {}
        for key, value in self.entries(node, path):
            if key.text in known_keys:
                values[key.text] = value
            elif not key.text.startswith("x-"):
                meant = nearest(key.text, known_keys)
                hint = f"did you mean `{meant}`?" if meant else f"known are {', '.join(known_keys)}"
                self.note(key.line, f"{path}.{key.text}".lstrip("."), f"unknown key `{key.text}`", hint)
        return values

    def entries(self, node: Node, path: str) -> Iterator[tuple[Scalar, Node]]:
        """Yield the entries of a mapping; none for an empty value."""
        if isinstance(node, Mapping):
            yield from node.entries
        elif not _is_nothing(node):
            self.note(node.line, path, "this must be a mapping")

    def text(self, node: Node, path: str) -> str:
        """Return the text of a scalar. A number is returned as it is written."""
        if isinstance(node, Scalar) and node.kind != "null":
            return node.text
        self.note(node.line, path, "this must be a text")
        return ""

    def attempt(self, node: Node | None, path: str, work: Callable[[], T]) -> T | None:
        """Run `work` and return its result. If it raises ValueError, add a problem and return None."""
        try:
            return work()
        except ValueError as error:
            self.note(node.line if node is not None else 0, path, str(error))
            return None

    def read_named(self, node: Node | None) -> None:
        """Read the table's `policies`, which cases can name."""
        for key, value in self.entries(node, "policies") if node is not None else ():
            if isinstance(value, (Mapping, Scalar)) and not _is_nothing(value):
                self._named[key.text] = value
            else:
                self.note(value.line, f"policies.{key.text}", "a policy is a mapping, or the name of a file")

    def groups(self, place: Place, node: Node, path: str) -> Groups:
        """Return the policies of one place, in groups.

        A plain list of identity or session policies is one group. A plain list of SCPs or RCPs is a list of levels,
        and each level is a group.
        """
        if _is_nothing(node):
            return ()
        items = node.items if isinstance(node, Sequence) else (node,)
        if place in ("scp", "rcp") or any(isinstance(item, Sequence) for item in items):
            if place not in ("scp", "rcp", "session"):
                self.note(node.line, path, "this must be a policy, or a list of policies")
                return ()
            return tuple(self._group(place, item, f"{path}[{index}]") for index, item in enumerate(items))
        group = self._group(place, node, path)
        if place in ("boundary", "trust", "resource") and len(group) > 1:
            self.note(node.line, path, "there can be only one policy here")
        return (group,) if group else ()

    def _group(self, place: Place, node: Node, path: str) -> tuple[PolicySource, ...]:
        if not isinstance(node, Sequence):
            return tuple(self._source(place, node, path))
        return tuple(
            source for index, item in enumerate(node.items) for source in self._source(place, item, f"{path}[{index}]")
        )

    def _source(self, place: Place, node: Node, path: str) -> Iterator[PolicySource]:
        """Yield the sources of a policy.

        A source is a policy in the table, an entry of the table's `policies`, one of AWS's own policies, or a file.
        """
        if isinstance(node, Mapping):
            yield PolicySource(self._file, node, node.line, path)
            return
        name = self.text(node, path)
        if name.lstrip().startswith("{"):
            self.note(node.line, path, "this is a policy's text", "write the policy itself: JSON is YAML as it stands")
            return
        named = self._named.get(name)
        if isinstance(named, Mapping):
            yield PolicySource(self._file, named, node.line, path)
        elif isinstance(named, Scalar):
            yield PolicySource(named.text, None, node.line, path)
        elif name == FULL_ACCESS.get(place):
            yield PolicySource("", None, node.line, path)
        elif name:
            yield PolicySource(name, None, node.line, path)


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.kind == "null"
