"""No modules and no rooms import each other in a circle; late imports and those for type checkers count."""

from __future__ import annotations

import ast

from tests.project.source import a_circle, imported_by, imports, rooms


def test_modules_have_no_circle() -> None:
    """No modules import each other in a circle: shared code moves to a module below both, or is passed in."""
    assert a_circle(imports()) == []


def test_rooms_have_no_circle() -> None:
    """No folders import each other in a circle: a folder lies above or below another one, never both."""
    assert a_circle(rooms(imports())) == []


def test_late_and_type_checking_imports_are_seen() -> None:
    """Imports in functions and below TYPE_CHECKING count as imports."""
    text = "def f():\n    from dsops import cache\nif TYPE_CHECKING:\n    from dsops.plan import Plan\n"
    nodes = ast.walk(ast.parse(text))
    assert set(imported_by(nodes, {"dsops", "dsops.cache", "dsops.plan"})) == {"dsops.cache", "dsops.plan"}


def test_a_circle_is_found() -> None:
    """`a_circle` returns the modules of an import circle, or an empty list if there is none."""
    assert set(a_circle({"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("a")})) == {"a", "b", "c"}
    assert a_circle({"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}) == []
