"""Elements of HTML and SVG. Whatever is a plain `str` is escaped: only what was made here is markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from dsops.drawing import plain

_VOID = frozenset({"link", "meta"})

Attribute = str | int | float | bool | None


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: Attribute) -> Markup:
    """`<tag attributes>children</tag>`.

    `class_` is `class`, other underscores are hyphens; None and False leave an attribute out, True gives it no value.
    """
    opening = f"<{tag}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(opening if tag in _VOID else f"{opening}{joined(children)}</{tag}>")


def joined(parts: Iterable[str], between: str = "") -> Markup:
    """One after the other; what is no markup is escaped."""
    return Markup(_text(between).join(_text(part) for part in parts))


def told(text: str) -> Markup:
    """A sentence of ours; what stands between backticks is code."""
    return joined(element("code", part) if odd % 2 else part for odd, part in enumerate(text.split("`")))


def _text(text: str) -> str:
    return text if isinstance(text, Markup) else escape(plain(text), quote=False)


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(plain(_written(value)), quote=True)}"'


def _written(value: str | float) -> str:
    """A number without needless digits, so that the page is the same on every machine."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
