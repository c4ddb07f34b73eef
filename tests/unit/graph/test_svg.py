"""The SVG drawing is self-contained: no overlaps, no external resources, and the tree as its description."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations

from dsops.graph import NodeOutcome, graph_text, svg_text
from dsops.graph.svg import DARK, LIGHT, lay_out
from tests.graphs import graph_of, many, node
from tests.unit.graph.test_make import TEXT

SVG = "{http://www.w3.org/2000/svg}"


def contrast(one: str, other: str) -> float:
    """Return the ratio of two colours' luminances (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_boxes_do_not_overlap() -> None:
    """Boxes do not overlap and stay inside the drawing."""
    for drawing in (lay_out(graph_of(TEXT), 64), lay_out(graph_of(many(60, 3)), 64)):
        for one, other in combinations(drawing.boxes, 2):
            apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
            apart_y = one.y + one.height <= other.y or other.y + other.height <= one.y
            assert apart_x or apart_y, (one, other)
        assert all(box.x + box.width <= drawing.width and box.y + box.height <= drawing.height for box in drawing.boxes)


def test_each_account_has_one_frame() -> None:
    """Sixty roles of three accounts are drawn in three frames, which have the accounts' names."""
    drawing = lay_out(graph_of(many(60, 3)), 64)
    assert sorted(frame.text for frame in drawing.frames) == [f"account {digit * 12}" for digit in "123"]
    assert all(frame.x + frame.width <= drawing.width for frame in drawing.frames)
    assert all(frame.y + frame.height <= drawing.height for frame in drawing.frames)


def test_nothing_else_is_needed() -> None:
    """The drawing has no script, picture or font, and no URL except the SVG namespace."""
    text = svg_text(graph_of(TEXT))
    root = ET.fromstring(text)  # noqa: S314 (our own)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg",
        "title",
        "desc",
        "style",
        "rect",
        "text",
        "path",
        "polygon",
        "g",
    }
    assert re.findall(r"https?:[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"href|url\(|@import|@font-face|\bon\w+=", text)


def test_the_drawings_description_is_the_tree() -> None:
    """The drawing's description is the text tree, and its title names the configuration."""
    graph = graph_of(TEXT)
    root = ET.fromstring(svg_text(graph))  # noqa: S314 (our own)
    assert ("img", "title desc") == (root.get("role"), root.get("aria-labelledby"))
    assert root.findtext(f"{SVG}title") == "credentials of dsops.yaml"
    assert root.findtext(f"{SVG}desc") == graph_text(graph)


def test_colours_can_be_told_apart() -> None:
    """Text has a contrast of at least 7:1 and lines of 3:1, in light and dark mode (WCAG 2.2, 1.4.6 and 1.4.11)."""
    for palette in (LIGHT, DARK):
        for ink in ("ink", "bad", "good", "soft"):
            assert contrast(palette[ink], palette["box"]) >= 7
            assert contrast(palette[ink], palette["paper"]) >= 7
        assert contrast(palette["line"], palette["paper"]) >= 3


def test_what_is_denied_says_so_besides_the_colour() -> None:
    """Each outcome is shown by a word, a line style and a colour; without --check, no outcome is shown."""
    graph = graph_of(TEXT)
    target = node(graph, "hop", "target")
    outcomes = {
        "denied": (NodeOutcome("denied", "sts.access-denied"), "denied: sts.access-denied"),
        "failed": (NodeOutcome("failed", "network.timeout"), "failed: network.timeout"),
        "skipped": (NodeOutcome("skipped", "jump"), "not tried: jump"),
        "ok": (NodeOutcome("ok"), "ok"),
    }
    for state, (outcome, words) in outcomes.items():
        text = svg_text(graph._replace(outcomes={target.key: outcome}))
        root = ET.fromstring(text)  # noqa: S314 (our own)
        (tried,) = [entry for entry in root.iter(f"{SVG}g") if (entry.get("class") or "").endswith(f" {state}")]
        assert [entry.text for entry in tried.iter(f"{SVG}text")][:2] == ["target", words]
        assert [entry.get("class") for entry in tried.iter(f"{SVG}text")][:2] == ["name", "state"]
        for tag in ("path", "polygon"):
            assert 1 == sum((entry.get("class") or "").endswith(f" {state}") for entry in root.iter(f"{SVG}{tag}"))
        assert f".{state} .box, .edge.{state} {{ stroke: " in text
        assert f' {state}"' not in svg_text(graph)
