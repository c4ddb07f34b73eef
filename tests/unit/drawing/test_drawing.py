"""Draw a forest of boxes: positions in columns and rows, connecting lines, and text without markup."""

from __future__ import annotations

import re

from dsops.drawing import Item, broken, lay_out, number, plain, shapes, width

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


def test_every_line_ends_in_an_arrowhead_at_the_childs_side() -> None:
    """The arrowhead's tip touches the child's left side, and the line ends inside the arrowhead, horizontally."""
    drawing = lay_out([ROOT, child("one", "root"), child("two", "root")], 0)
    text = "\n".join(shapes(drawing))
    tips = [points.split()[1] for points in re.findall(r'<polygon class="arrow" points="([^"]*)"', text)]
    assert tips == [f"{number(box.x)},{number(box.y + 18.5)}" for box in drawing.boxes[1:]]
    for curve, box in zip(re.findall(r'<path class="edge" d="([^"]*)"', text), drawing.boxes[1:], strict=True):
        *_, before_y, end_x, end_y = curve.split()
        assert before_y == end_y == number(box.y + 18.5)
        assert 0 < box.x - float(end_x) <= 8


def test_each_lane_has_one_frame_around_its_boxes() -> None:
    """All boxes of an account are in one frame, even if a chain leaves it and returns; frames do not overlap."""
    items = [
        ROOT,
        child("one", "root")._replace(lane="account 1"),
        child("two", "one", 2)._replace(lane="account 2"),
        child("three", "two", 3)._replace(lane="account 1"),
    ]
    drawing = lay_out(items, 5)
    assert [frame.text for frame in drawing.frames] == ["account 1", "account 2"]
    for frame in drawing.frames:
        for box in drawing.boxes:
            is_above = box.y + box.height < frame.y
            is_inside = frame.y < box.y and box.y + box.height < frame.y + frame.height
            assert is_inside == (box.item.lane == frame.text)
            assert is_inside or is_above or box.y > frame.y + frame.height
            assert not is_inside or frame.x < box.x < box.x + box.width < frame.x + frame.width
    one, two = drawing.frames
    assert one.y + one.height < two.y
    assert "\n".join(shapes(drawing)).count('class="frame"') == 2


def test_the_words_of_a_state_have_a_class_of_their_own() -> None:
    """If an item has a state, its box and line get the state as CSS class, and its words the class `state`."""
    tried = Item(1, ("one", "denied: x", "role One"), ("one",), ("root",), "hop", state="denied", state_lines=1)
    text = "\n".join(shapes(lay_out([ROOT, tried], 0)))
    assert re.findall(r'<text class="state"[^>]*>([^<]*)', text) == ["denied: x"]
    for shape in ('<g class="hop denied">', '<path class="edge denied"', '<polygon class="arrow denied"'):
        assert text.count(shape) == 1


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
    """Control characters, direction marks and surrogates are escaped; letters of every language are not."""
    assert plain("a\x00b\u202ec\ud800d\ne") == "a\\x00b\\x202ec\\xd800d e"
    assert plain("żółć 名前") == "żółć 名前"
    assert width("名a") == 3
