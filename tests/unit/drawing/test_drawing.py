"""Draw a forest of boxes: positions in columns and rows, connecting lines, and text without markup."""

from __future__ import annotations

from dsops.drawing import Item, broken, lay_out, plain, shapes, width

ROOT = Item(0, ("root",), ("root",), kind="caller", corner=16)


def child(name: str, parent: str, depth: int = 1, title: str = "") -> Item:
    """Return a box with one line of text."""
    return Item(depth, (name,), (name,), (parent,), "hop", title=title)


def test_a_first_child_stands_beside_its_parent_and_a_second_below() -> None:
    """The first child is in its parent's row and the next column; a second child is below the first."""
    root, first, second = lay_out([ROOT, child("one", "root"), child("two", "root")], 5).boxes
    assert (root.y, first.y) == (5, 5)
    assert second.y >= first.y + first.height
    assert first.x == second.x
    assert first.x > root.x + root.width


def test_every_child_has_a_line_and_no_root_has() -> None:
    """Each child has a line from its parent's right side to its own left side, and a root has no line."""
    text = "\n".join(shapes(lay_out([ROOT, child("one", "root"), child("two", "one", 2)], 0)))
    assert text.count("<path") == 2
    assert "<path" not in "\n".join(shapes(lay_out([ROOT], 0)))


def test_a_title_is_shown_where_there_is_one() -> None:
    """A drawing shows a title only if it has one (`dsops graph` draws without)."""
    text = "\n".join(shapes(lay_out([ROOT, child("one", "root", title="a <whole> name")], 0)))
    assert text.count("<title>") == 1
    assert "<title>a &lt;whole&gt; name</title>" in text


def test_nothing_is_drawn_of_nothing() -> None:
    """An empty forest gives an empty drawing with margins."""
    assert lay_out([], 0) == ((), (), 48, 24)


def test_long_lines_are_broken_and_short_ones_are_not() -> None:
    """Lines are broken at 38 characters, and an empty text is one empty line."""
    assert broken(["a" * 38, ""]) == ("a" * 38, "")
    assert broken(["a" * 39]) == ("a" * 38, "a")


def test_what_a_viewer_would_obey_is_written_as_its_code() -> None:
    """Control characters, changes of direction and surrogates are escaped, but no letters of any language."""
    assert plain("a\x00b\u202ec\ud800d\ne") == "a\\x00b\\x202ec\\xd800d e"
    assert plain("żółć 名前") == "żółć 名前"
    assert width("名a") == 3
