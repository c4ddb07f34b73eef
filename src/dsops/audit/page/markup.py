"""Builds HTML and SVG elements. A plain `str` is escaped; `Markup` is used as it is."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from dsops.drawing import plain

_VOID = frozenset({"link", "meta"})

Attribute = str | int | float | bool | None


class Markup(str):
    """Text that is already HTML."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: Attribute) -> Markup:
    """Build `<tag attributes>children</tag>`.

    `class_` becomes `class`, other underscores become hyphens; None and False leave an attribute out, True writes it
    without a value.
    """
    opening = f"<{tag}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(opening if tag in _VOID else f"{opening}{joined(children)}</{tag}>")


def joined(parts: Iterable[str], between: str = "") -> Markup:
    """Join the parts in order; plain text is escaped."""
    return Markup(_text(between).join(_text(part) for part in parts))


def told(text: str) -> Markup:
    """Convert a sentence to markup, in which text between backticks becomes code."""
    return joined(element("code", part) if odd % 2 else part for odd, part in enumerate(text.split("`")))


def _text(text: str) -> str:
    return text if isinstance(text, Markup) else escape(plain(text), quote=False)


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(plain(_number_text(value)), quote=True)}"'


def _number_text(value: str | float) -> str:
    """Format a number without needless digits, so that the page is identical on every machine."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
