"""No modules and no rooms import each other in a circle; late imports and those for type checkers count."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from tests.project.source import Graph, a_circle, imported_by, imports, rooms

LATE = {("dsops", "dsops.library"): "`dsops.open` on its first use (PEP 562): no command pays for the library's import"}
"""(importer, imported) -> why this arrow may run back. No other arrow may."""


def without(graph: Graph, arrows: Mapping[tuple[str, str], str]) -> Graph:
    """The graph without these arrows."""
    return {name: others - {end for start, end in arrows if start == name} for name, others in graph.items()}


def test_modules_have_no_circle() -> None:
    """Something that two modules need goes down to a module of its own, or is passed in."""
    assert a_circle(without(imports(), LATE)) == []


def test_rooms_have_no_circle() -> None:
    """The same for folders: a room lies above or below another one, never both."""
    assert a_circle(without(rooms(without(imports(), LATE)), LATE)) == []


def test_every_exception_is_needed() -> None:
    """An exception without its circle would hide the next one."""
    for arrow in LATE:
        others = {other: why for other, why in LATE.items() if other != arrow}
        graph = without(imports(), others)
        assert a_circle(graph) or a_circle(without(rooms(graph), others)), arrow


def test_late_and_type_checking_imports_are_seen() -> None:
    """The check itself: an import in a function or below TYPE_CHECKING is an arrow as any other."""
    text = "def f():\n    from dsops import cache\nif TYPE_CHECKING:\n    from dsops.plan import Plan\n"
    assert set(imported_by(ast.parse(text), {"dsops", "dsops.cache", "dsops.plan"})) == {"dsops.cache", "dsops.plan"}


def test_a_circle_is_found() -> None:
    """The check itself: an arrow back makes a circle, and without one there is none."""
    assert set(a_circle({"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("a")})) == {"a", "b", "c"}
    assert a_circle({"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}) == []
